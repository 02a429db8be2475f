"""What people say of an example's second run: stored on that run's trace, shown beside it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import pellucid
from pellucid.testing.live import LiveServer


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveServer]:
    folder = tmp_path / "server"
    folder.mkdir()
    running = LiveServer(folder).start()
    monkeypatch.setenv("PELLUCID_ENABLED", "1")
    monkeypatch.setenv("PELLUCID_URL", running.url)
    monkeypatch.setenv("PELLUCID_PROJECT_DIR", str(tmp_path))
    yield running
    pellucid.shutdown()
    running.stop()


def test_each_repeat_is_reviewed_by_itself(server: LiveServer) -> None:
    asked: list[str] = []

    def task(question: str) -> str:
        asked.append(question)
        return f"answer {len(asked)}"

    def right(output: str) -> bool:
        return output != "answer 2"

    rows = [{"inputs": {"question": "q"}}]
    report = pellucid.evaluate(task, rows, [right], repeats=2, concurrency=1)
    assert pellucid.flush(60)
    example = report.examples[0]
    page = f"/evaluations/{report.run.id}"
    form = {"example": example.id, "score": "right", "value": "yes"}
    with server.client(Origin=server.url) as web:
        review = web.get(f"{page}?review=1&repeat=2").text
        assert f'data-url="{page}/repeats/2/annotations"' in review
        assert "answer 2" in review
        assert "answer 1" not in review
        assert f'data-url="{page}/annotations"' in web.get(f"{page}?review=1&repeat=9").text
        given = web.post(f"{page}/repeats/2/annotations", data=form).json()
        assert (given["agrees"], given["reviewed"]) == (False, 1)
        second = web.get("/api/v1/scores", params={"trace_id": example.repeats[1].trace_id}).json()
        assert {"HUMAN", "CODE"} == {one["source"] for one in second["scores"]}
        assert "disagrees" in web.get(f"{page}?review=1&repeat=2").text
        assert "disagrees" not in web.get(f"{page}?review=1").text
        shown = web.get(f"{page}/example", params={"id": example.id, "repeat": "2"}).text
        assert shown.index("answer 2") < shown.index("answer 1")
        taken = web.delete(
            f"{page}/repeats/2/annotations/{given['id']}",
            params={"example": example.id, "score": "right"},
        )
        assert taken.json()["reviewed"] == 0
