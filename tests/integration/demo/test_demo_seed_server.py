import click.testing

from pellucid.demo.seed.__main__ import main
from pellucid.testing.live import LiveServer


def test_seeded_traces_arrive_whole(live_server: LiveServer) -> None:
    arguments = ["--url", live_server.url, "--traces", "60", "--long", "700"]
    result = click.testing.CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    with live_server.client() as client:
        traces = client.get("/api/v1/traces", params={"limit": 100}).json()["traces"]
        assert len(traces) == 61
        assert {trace["status"] for trace in traces} <= {"ok", "error"}
        [long] = [trace for trace in traces if trace["experiment"] == "site-crawler"]
        assert (long["span_count"], long["error_count"], long["status"]) == (700, 1, "ok")
        assert any(trace["error_count"] and trace["status"] == "ok" for trace in traces)
        assert any(trace["scores"] for trace in traces)
        page = client.get(f"/traces/{long['trace_id']}")
        assert page.status_code == 200


def test_a_server_that_is_away_is_one_line() -> None:
    arguments = ["--url", "http://127.0.0.1:9", "--traces", "1"]
    result = click.testing.CliRunner().invoke(main, arguments)
    assert result.exit_code == 1
    assert "did not take the data" in result.output
