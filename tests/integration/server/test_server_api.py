"""The shapes of `/api/v1` (contracts: every named field is always there) and its errors."""

import json
import secrets
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from pellucid.testing.live import LiveServer

JSON = {"content-type": "application/json"}

TRACE_FIELDS = (
    "trace_id experiment run_id name root_kind status start_ns duration_ns span_count error_count "
    "models tokens_in tokens_out cost_usd input_preview output_preview session_id user_id tags "
    "scores"
).split()
SPAN_FIELDS = (
    "span_id parent_id name kind status status_message start_ns duration_ns pending run_id "
    "session_id model provider parameters input output input_messages output_messages tools "
    "tool_call documents tokens counted cost_usd ttft_ns finish_reason prompt attachments events "
    "links attributes dropped resource scope"
).split()
SCORE_FIELDS = "id name value rationale source author time_ns trace_id span_id".split()


@pytest.fixture
def client(shared_server: LiveServer) -> Iterator[httpx.Client]:
    with shared_server.client() as client:
        yield client


def send(client: httpx.Client, experiment: str, number: int = 1, attributes: Any = None) -> str:
    """Send a trace of one span and return its id; a greater number is a later start."""
    trace_id = secrets.token_hex(16)
    pairs = {"pellucid.experiment": experiment} | (attributes or {})
    span = {
        "traceId": trace_id,
        "spanId": "00000000000000aa",
        "name": f"trace {number}",
        "startTimeUnixNano": str(number * 1_000_000),
        "endTimeUnixNano": str(number * 1_000_000 + 5),
        "attributes": [
            {"key": key, "value": {"stringValue": value}} for key, value in pairs.items()
        ],
    }
    body = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
    assert client.post("/v1/traces", json=body).status_code == 200
    return trace_id


def test_every_field_is_always_there(client: httpx.Client) -> None:
    trace_id = send(client, "shapes")
    page = client.get("/api/v1/traces", params={"experiment": "shapes"}).json()
    assert set(page) == {"traces", "next"}
    detail = client.get(f"/api/v1/traces/{trace_id}").json()
    assert set(detail) == {"trace", "spans"}
    assert detail["trace"] == page["traces"][0]
    assert list(detail["trace"]) == TRACE_FIELDS
    (span,) = detail["spans"]
    assert list(span) == SPAN_FIELDS
    assert span["parent_id"] is None
    assert span["tokens"] == dict.fromkeys(
        ("input", "output", "cache_read", "cache_write", "reasoning", "image"), 0
    )
    assert span["attributes"] == {"pellucid.experiment": "shapes"}
    assert client.get(f"/api/v1/traces/{trace_id}/spans/00000000000000aa").json() == span
    assert client.get(f"/api/v1/traces/{trace_id.upper()}").json() == detail


def test_the_waterfall_is_in_columns(client: httpx.Client) -> None:
    trace_id = send(client, "shapes")
    waterfall = client.get(f"/api/v1/traces/{trace_id}/waterfall").json()
    assert waterfall["span_ids"] == ["00000000000000aa"]
    columns = {name for name, value in waterfall.items() if isinstance(value, list)}
    assert {len(waterfall[name]) for name in columns} == {1}


def test_pages_follow_each_other_newest_first(client: httpx.Client) -> None:
    sent = [send(client, "paged", number) for number in range(7)]
    found: list[str] = []
    cursor = None
    while True:
        params: dict[str, Any] = {"experiment": "paged", "limit": 3}
        page = client.get("/api/v1/traces", params=params | ({"cursor": cursor} if cursor else {}))
        found += [trace["trace_id"] for trace in page.json()["traces"]]
        cursor = page.json()["next"]
        if cursor is None:
            break
    assert found == sent[::-1]


def test_experiments_are_listed(client: httpx.Client) -> None:
    send(client, "an experiment/with a slash")
    experiments = client.get("/api/v1/experiments").json()["experiments"]
    (found,) = [one for one in experiments if one["name"] == "an experiment/with a slash"]
    assert found["slug"].replace("-", "").isalnum()
    assert found["trace_count"] >= 1


def test_a_deleted_trace_stays_deleted(client: httpx.Client) -> None:
    trace_id = send(client, "deleted")
    path = f"/api/v1/traces/{trace_id}"
    assert client.delete(path, params={"dry_run": True}).json()["span_count"] == 1
    assert client.get(path).status_code == 200
    assert client.delete(path).json()["span_count"] == 1
    assert client.get(path).status_code == 404
    assert client.delete(path).status_code == 404


def test_scores_are_taken_once_and_listed(client: httpx.Client) -> None:
    trace_id = send(client, "scored")
    many: list[dict[str, Any]] = [
        {
            "id": secrets.token_hex(16),
            "name": "good",
            "value": 0.5,
            "rationale": "because",
            "time_ns": 5,
            "trace_id": trace_id,
        },
        {
            "id": secrets.token_hex(16),
            "name": "kind",
            "value": "polite",
            "source": "HUMAN",
            "author": "ann",
            "time_ns": 6,
            "trace_id": trace_id,
            "span_id": "00000000000000aa",
        },
    ]
    for _ in range(2):
        response = client.post("/api/v1/scores", json=many[0])
        assert response.status_code == 200
    assert client.post("/api/v1/scores", json=many).status_code == 200
    conflict = client.post("/api/v1/scores", json=many[0] | {"value": 1})
    assert conflict.status_code == 409
    listed = client.get("/api/v1/scores", params={"trace_id": trace_id}).json()["scores"]
    assert [list(score) for score in listed] == [SCORE_FIELDS, SCORE_FIELDS]
    shown = client.get(f"/api/v1/traces/{trace_id}").json()["trace"]["scores"]
    assert {score["name"]: score["value"] for score in shown} == {"good": 0.5, "kind": "polite"}


@pytest.mark.parametrize(
    ("score", "reason"),
    [
        ({}, "required"),
        ({"name": "x"}, "required"),
        ({"name": "x", "value": None, "trace_id": "a" * 32}, "Expected"),
        ({"name": "x", "value": 1}, "no target"),
        ({"name": "x", "value": 1, "trace_id": "abc"}, "32 lower-case hex"),
        ({"name": "x", "value": 1, "span_id": "a" * 16}, "name its trace_id"),
        ({"name": "x", "value": 1, "session_id": "s"}, "name its experiment"),
        ({"name": "", "value": 1, "trace_id": "a" * 32}, "needs a name"),
        ({"name": "x", "value": 1, "trace_id": "a" * 32, "time_ns": -1}, "time_ns"),
        ({"name": "x", "value": 2**64, "trace_id": "a" * 32}, "64-bit"),
        ({"name": "x", "value": 1, "source": "CAT", "trace_id": "a" * 32}, "CAT"),
    ],
)
def test_a_wrong_score_is_refused_with_the_reason(
    client: httpx.Client, score: dict[str, Any], reason: str
) -> None:
    response = client.post("/api/v1/scores", json=score)
    assert response.status_code == 400
    assert reason in response.json()["detail"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/api/v1/traces?limit=0", b"", 400),
        ("GET", "/api/v1/traces?limit=1001", b"", 400),
        ("GET", "/api/v1/traces?limit=many", b"", 400),
        ("GET", "/api/v1/traces?cursor=nonsense", b"", 400),
        ("GET", "/api/v1/traces?query=duration%3E", b"", 400),
        ("GET", "/api/v1/traces/xyz", b"", 404),
        ("GET", f"/api/v1/traces/{'f' * 32}", b"", 404),
        ("GET", f"/api/v1/traces/{'f' * 32}/waterfall", b"", 404),
        ("GET", f"/api/v1/traces/{'f' * 32}/spans/{'a' * 16}", b"", 404),
        ("GET", "/api/v1/scores", b"", 400),
        ("GET", "/api/v1/nothing", b"", 404),
        ("PUT", "/api/v1/traces", b"", 405),
        ("POST", "/api/v1/scores", b"{", 400),
        ("POST", "/api/v1/scores", b"", 400),
        ("POST", "/api/v1/scores", b"[" * 100_000, 400),
        ("POST", "/api/v1/scores", b'{"a":' * 100_000, 400),
        ("POST", "/api/v1/scores", b'"\xff"', 400),
        ("POST", "/api/v1/scores", b" " * (17 * 1024 * 1024), 413),
    ],
)
def test_errors_are_problem_details(
    client: httpx.Client, method: str, path: str, body: bytes, status: int
) -> None:
    response = client.request(method, path, content=body, headers=JSON)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    problem = json.loads(response.content)
    assert problem["status"] == status
    assert problem["title"]
    assert len(problem["detail"]) > len(problem["title"])
    assert "Traceback" not in response.text


def test_the_api_describes_itself(client: httpx.Client) -> None:
    document = client.get("/api/v1/openapi.json").json()
    assert document["openapi"].startswith("3.")
    for path in ("/api/v1/traces", "/api/v1/traces/{trace_id}", "/api/v1/scores", "/health"):
        assert path in document["paths"]
    assert "/" not in document["paths"]
    span = document["components"]["schemas"]["SpanView"]
    assert list(span["properties"]) == SPAN_FIELDS
    assert set(span["required"]) == set(SPAN_FIELDS)


def complete(client: httpx.Client, query: str) -> dict[str, Any]:
    answer: dict[str, Any] = client.get("/api/v1/complete", params={"query": query}).json()
    return answer


def test_queries_are_completed_and_their_faults_named(client: httpx.Client) -> None:
    send(
        client,
        "completed",
        attributes={"session.id": "chat 7", "of completion": "a", "ofs.mine": "b"},
    )
    answer = complete(client, "status:e")
    assert (answer["start"], answer["end"], answer["fault"]["position"]) == (7, 8, 7)
    assert [one["text"] for one in answer["proposals"]] == ["error"]
    assert complete(client, "bogus:1")["fault"]["message"]
    assert "completed" in [one["text"] for one in complete(client, "experiment:comp")["proposals"]]
    for query, expected in (
        ("session:CHAT", '"chat 7"'),
        ("attr.of", '"of completion":'),
        ("attr.ofs", "ofs.mine:"),
    ):
        # Values are those that the index behind the writes has reached.
        deadline = time.monotonic() + 90
        found: list[str] = []
        while expected not in found and time.monotonic() < deadline:
            found = [one["text"] for one in complete(client, query)["proposals"]]
            time.sleep(0.1)
        assert expected in found
    for query in ("param.x:", "metric.", "score.", "tag.", "run:", "", "(", '"'):
        assert "proposals" in complete(client, query)


def test_traces_add_up(client: httpx.Client) -> None:
    for number in range(3):
        send(client, "added up", number, attributes={"session.id": "s"})
    overview = client.get("/api/v1/overview", params={"experiment": "added up"}).json()
    assert overview["survey"]["trace_count"] == 3
    assert overview["survey"]["statuses"] == [{"value": "ok", "count": 3}]
    assert sum(one["count"] for one in overview["histogram"]["bins"]) == 3
    sessions = client.get("/api/v1/sessions", params={"experiment": "added up"}).json()
    assert [session["trace_count"] for session in sessions["sessions"]] == [3]
    params: dict[str, Any] = {"experiment": "added up", "step_minutes": 0}
    (rollup,) = client.get("/api/v1/rollups", params=params).json()["rollups"]
    assert rollup["figures"]["count"] == 3
    assert client.get("/api/v1/rollups", params={"step_minutes": 7}).status_code == 400


def test_sql_reads_and_never_writes(client: httpx.Client) -> None:
    trace_id = send(client, "asked in sql")
    statement = "SELECT trace_id, name FROM traces WHERE experiment = 'asked in sql'"
    answer = client.post("/api/v1/sql", json={"sql": statement})
    assert answer.status_code == 200, answer.text
    assert answer.json() == {
        "columns": ["trace_id", "name"],
        "rows": [[trace_id, "trace 1"]],
        "truncated": False,
    }
    for wrong in (
        "DELETE FROM traces",
        "ATTACH 'other.db' AS other",
        "PRAGMA user_version",
        "SELECT 1; DROP TABLE spans",
        "SELECT load_extension('x')",
        "SELECT * FROM nothing",
        "",
    ):
        refused = client.post("/api/v1/sql", json={"sql": wrong})
        assert refused.status_code == 400, wrong
    assert client.post("/api/v1/sql", json={"sql": "SELECT 1", "limit": 0}).status_code == 400


def test_traces_are_found_by_query(client: httpx.Client) -> None:
    sent = send(client, "found", attributes={"of.ours": "yes please"})
    send(client, "found")

    def find(query: str) -> list[str]:
        page = client.get("/api/v1/traces", params={"experiment": "found", "query": query})
        assert page.status_code == 200, page.text
        return [trace["trace_id"] for trace in page.json()["traces"]]

    assert find('attr.of.ours:"yes please"') == [sent]
    assert find("of.ours:yes*") == [sent]
    assert find("param.temperature:0.2") == []
    assert len(find("-param.temperature:0.2")) == 2
    assert len(find("status:ok")) == 2
    wrong = client.get("/api/v1/traces", params={"query": "status:ok AND bogus:1"})
    assert wrong.status_code == 400
    assert wrong.json()["position"] == 14


def test_old_spans_can_be_read_anew(client: httpx.Client) -> None:
    send(client, "anew")
    answer = client.post("/api/v1/renormalise", params={"limit": 10})
    assert (answer.status_code, answer.json()) == (200, {"next": None})
    priced = client.post("/api/v1/renormalise", params={"limit": 1, "prices": True})
    assert priced.status_code == 200
    assert priced.json()["next"] > 0
    assert client.post("/api/v1/renormalise", params={"limit": 0}).status_code == 400
