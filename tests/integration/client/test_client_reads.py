"""Scores and reads against the real server."""

import gc
import json
import time
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path

import pytest

import pellucid
from pellucid.client.spool import Spool
from pellucid.core.errors import InvalidInput, NotFound, QuerySyntaxError, Unavailable
from pellucid.testing.collector import Collector
from pellucid.testing.live import LiveServer
from pellucid.testing.ports import free_port


def test_what_is_traced_and_scored_is_read_back(live_server: LiveServer) -> None:
    pellucid.init(experiment="reads", url=live_server.url)

    @pellucid.trace(kind="RETRIEVER")
    def search(question: str) -> list[pellucid.Document]:
        return [pellucid.Document(id="d1", text="25 GB a layer", score=0.5)]

    for number in range(3):
        with pellucid.session("s1", user="ada", tags={"env": "test"}):
            with pellucid.span(f"root {number}", kind="AGENT", input={"n": number}) as span:
                search("how much")
                span.set_output("done")
                made = pellucid.score("quality", number / 2, rationale="counted")
    traces = pellucid.search_traces(experiment="reads")
    assert [trace.name for trace in traces] == ["root 2", "root 1", "root 0"]
    newest = traces[0]
    assert newest.user_id == "ada"
    assert newest.tags == {"env": "test"}
    assert [(score.name, score.value, score.id) for score in newest.scores] == [
        ("quality", 1.0, made.id)
    ]
    assert [t.name for t in pellucid.iter_traces(experiment="reads", limit=2)] == [
        "root 2",
        "root 1",
    ]
    assert pellucid.search_traces(experiment="other") == []
    detail = pellucid.get_trace(newest.trace_id)
    assert [span.name for span in detail.spans] == ["root 2", "search"]
    (found,) = detail.find_spans(kind="retriever")
    assert found.documents[0].text == "25 GB a layer"
    assert found.input == {"question": "how much"}
    frame = traces.to_pandas()
    assert list(frame["score.quality"]) == [1.0, 0.5, 0.0]
    assert str(frame["start"].dtype).startswith("datetime64[ns")
    assert list(detail.to_pandas()["name"]) == ["root 2", "search"]
    assert len(pellucid.search_traces(experiment="other").to_pandas()) == 0


def test_errors_of_the_server_are_errors_here(live_server: LiveServer) -> None:
    pellucid.init(url=live_server.url)
    with pytest.raises(NotFound):
        pellucid.get_trace("0" * 31 + "1")


def test_no_server_is_unavailable(tmp_path: Path) -> None:
    pellucid.init(url="http://127.0.0.1:9", spool_dir=tmp_path)
    with pytest.raises(Unavailable, match="pellucid up"):
        pellucid.search_traces()


def test_a_score_waits_for_its_server(tmp_path: Path) -> None:
    pellucid.init(url="http://127.0.0.1:9", spool_dir=tmp_path)
    pellucid.score("kept", True, trace_id="ab" * 16)
    assert not pellucid.flush(2)
    (path,) = Spool.open(tmp_path, "http://127.0.0.1:9").files()
    assert b"/api/v1/scores" in path.read_bytes()


def test_a_score_needs_no_init(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PELLUCID_URL", collector.url)
    made = pellucid.score("x", "good", session_id="s", experiment="e", source="human", author="ada")
    assert pellucid.flush(60)
    ((path, _, body),) = collector.requests
    assert path == "/api/v1/scores"
    assert json.loads(body) == [
        {
            "id": made.id,
            "name": "x",
            "value": "good",
            "source": "HUMAN",
            "author": "ada",
            "time_ns": made.time_ns,
            "experiment": "e",
            "session_id": "s",
        }
    ]


def test_a_score_on_what_is_not_traced_goes_nowhere(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PELLUCID_URL", collector.url)
    pellucid.score("before init", 1)
    pellucid.init(sample_rate=0)
    with pellucid.span("left out"):
        pellucid.score("unsampled", 1)
    assert pellucid.flush(60)
    assert collector.requests == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "", "value": 1, "run_id": "r"},
        {"name": "a", "value": float("nan"), "run_id": "r"},
        {"name": "a", "value": [1], "run_id": "r"},
        {"name": "a", "value": 10**400, "run_id": "r"},
        {"name": "a", "value": 2**63, "run_id": "r"},
        {"name": "a", "value": object(), "run_id": "r"},
        {"name": "a" * 201, "value": 1, "run_id": "r"},
        {"name": "a\nb", "value": 1, "run_id": "r"},
        {"name": "\ud800", "value": 1, "run_id": "r"},
        {"name": "a", "value": 1, "run_id": "r", "id": "i" * 101},
        {"name": "a", "value": 1},
        {"name": "a", "value": 1, "span_id": "ab" * 8},
        {"name": "a", "value": 1, "session_id": "s"},
        {"name": "a", "value": 1, "trace_id": "xyz"},
        {"name": "a", "value": 1, "run_id": "r", "source": "dog"},
    ],
)
def test_scores_that_cannot_be(wrong: dict[str, object], collector: Collector) -> None:
    pellucid.init(url=collector.url)
    with pytest.raises(InvalidInput):
        pellucid.score(**wrong)  # type: ignore[arg-type]


def test_texts_of_scores_are_made_sayable(collector: Collector) -> None:
    class Mute:
        def __repr__(self) -> str:
            raise RuntimeError

    pellucid.init(url=collector.url)
    made = pellucid.score("s", "a\ud800", rationale=Mute(), run_id="r")  # type: ignore[arg-type]
    assert made.value == "a?"
    assert made.rationale is not None
    assert "Mute" in made.rationale
    assert pellucid.flush(60)


def test_scores_of_subclasses_are_what_they_hold(collector: Collector) -> None:
    class Grade(IntEnum):
        GOOD = 3

    numpy = pytest.importorskip("numpy")
    pellucid.init(url=collector.url)
    given = [numpy.float64(0.5), numpy.bool_(True), numpy.int64(2), Grade.GOOD, numpy.str_("ok")]
    made = [pellucid.score("s", value, trace_id="1" * 32).value for value in given]
    assert made == [0.5, True, 2, 3, "ok"]
    assert [type(value) for value in made] == [float, bool, int, int, str]
    assert pellucid.flush(60)


@pytest.mark.slow
def test_a_server_that_is_killed_again_and_again_has_every_span_in_the_end(
    start_server: Callable[..., LiveServer], tmp_path: Path
) -> None:
    server = start_server("--port", str(free_port()))
    pellucid.init(experiment="kills", url=server.url, spool_dir=tmp_path / "client-spool")
    count = 0

    def trace_for(seconds: float) -> None:
        nonlocal count
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with pellucid.span(f"s{count}", input="x" * 500):
                pass
            count += 1
            time.sleep(0.001)

    for _ in range(3):
        trace_for(0.4)
        server.kill()
        trace_for(0.3)
        server.start()
    trace_for(0.3)
    assert pellucid.flush(60)
    found = {trace.name for trace in pellucid.iter_traces(experiment="kills")}
    assert found == {f"s{number}" for number in range(count)}


def test_queries_are_answered_or_explained(live_server: LiveServer) -> None:
    pellucid.init(experiment="queries", url=live_server.url)
    for number in range(3):
        with pellucid.span(f"root {number}"):
            pellucid.score("quality", number / 2)
    found = pellucid.search_traces("score.quality>0.7", experiment="queries")
    assert [trace.name for trace in found] == ["root 2"]
    with pytest.raises(QuerySyntaxError) as caught:
        pellucid.search_traces("duration>>")
    assert caught.value.query == "duration>>"


def test_tables_leave_the_collection_of_garbage_as_it_was(live_server: LiveServer) -> None:
    pytest.importorskip("pandas")
    pellucid.init(experiment="tables", url=live_server.url)
    with pellucid.span("root", kind="AGENT") as root:
        root.set_input({"a": [1, None]})
    for is_on in (True, False):
        (gc.enable if is_on else gc.disable)()
        try:
            frame = pellucid.get_trace(root.trace_id).to_pandas()
            assert gc.isenabled() is is_on
        finally:
            gc.enable()
    row = frame.iloc[0]
    assert (row["kind"], row["status"], row["input"]) == ("AGENT", "ok", {"a": [1, None]})
    assert type(row["kind"]) is str
    assert row["tokens"]["input"] == 0
