"""Datasets of a server from code: made, read, changed, evaluated, and kept while it is away."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas  # type: ignore[import-untyped]
import pytest

import pellucid
from pellucid.client.datasets import StoredDataset
from pellucid.core.errors import Conflict, InvalidInput, NotFound, Unavailable
from pellucid.testing.live import LiveServer

ROWS: list[dict[str, Any]] = [
    {"inputs": {"question": "How tall?"}, "expected": "1 m", "split": "test"},
    {"inputs": {"question": "How wide?"}, "expected": "2 m", "gold_documents": ["d1"]},
    {"inputs": {"question": "How deep?"}, "metadata": {"topic": "sea"}, "split": "test"},
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    started = LiveServer(tmp_path_factory.mktemp("datasets")).start()
    yield started
    started.stop()


@pytest.fixture
def here(
    server: LiveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[LiveServer]:
    monkeypatch.setenv("PELLUCID_ENABLED", "1")
    monkeypatch.setenv("PELLUCID_URL", server.url)
    monkeypatch.setenv("PELLUCID_PROJECT_DIR", str(tmp_path))
    pellucid.init(experiment="datasets", url=server.url)
    yield server
    pellucid.shutdown()


def test_a_dataset_goes_through_its_versions(here: LiveServer) -> None:
    first = pellucid.create_dataset("trip", ROWS, message="First", author="ada")
    assert (first.number, first.spec, len(first)) == (1, "trip@1", 3)
    assert first.stored is not None
    assert (first.stored.author, first.stored.message) == ("ada", "First")
    assert pellucid.create_dataset("trip", ROWS).stored == first.stored
    second = first.add([{"inputs": {"question": "How old?"}}], message="One more")
    third = second.update([{"id": first.examples[0].id, "expected": "3 m"}])
    fourth = third.remove(first.examples[1].id)
    assert [one.number for one in fourth.list_versions()] == [4, 3, 2, 1]
    assert fourth.examples[0].expected == "3 m"
    assert fourth.examples[0].split == "test"
    got = pellucid.get_dataset("trip")
    assert (got.version, got.examples) == (fourth.version, fourth.examples)
    assert pellucid.get_dataset("trip@1").examples == first.examples
    change = got.diff("trip@1")
    assert [len(change.added), len(change.removed), len(change.changed)] == [1, 1, 1]
    assert not got.diff(4)
    assert got.split("test").spec == "trip@4"
    assert [one.name for one in pellucid.list_datasets("TRI")] == ["trip"]
    assert got.url == f"{here.url}/datasets/trip?version=4"


def test_what_cannot_be_is_said(here: LiveServer) -> None:
    stale = pellucid.create_dataset("busy", ROWS)
    stale.add([{"inputs": {"n": 1}}], author="bob")
    with pytest.raises(Conflict, match="2 was made by bob"):
        stale.add([{"inputs": {"n": 2}}])
    newest = pellucid.get_dataset("busy")
    with pytest.raises(Conflict, match="already"):
        newest.add([{"inputs": {"n": 1}}])
    with pytest.raises(NotFound, match="to update"):
        newest.update([{"id": "none", "expected": 1}])
    with pytest.raises(NotFound, match="to remove"):
        newest.remove(["none"])
    with pytest.raises(NotFound, match="no version 9"):
        pellucid.get_dataset("busy@9")
    with pytest.raises(NotFound, match="no dataset 'nobody'"):
        pellucid.evaluate(len, data="nobody", progress=False)
    with pytest.raises(InvalidInput, match="cannot name"):
        pellucid.create_dataset("a/b", ROWS)
    with pytest.raises(InvalidInput, match="JSON cannot"):
        pellucid.create_dataset("odd", [{"inputs": {"x": object()}}])


def test_rows_come_from_anywhere_and_go_to_files(here: LiveServer, tmp_path: Path) -> None:
    frame = pandas.DataFrame({"question": ["a", "b"], "expected": ["x", None]})
    dataset = pellucid.create_dataset("frames", frame)
    assert dataset.examples[0].inputs == {"question": "a"}
    for kind in ("jsonl", "csv", "parquet"):
        if kind == "parquet":
            pytest.importorskip("pyarrow")
        path = tmp_path / f"rows.{kind}"
        getattr(dataset, f"to_{kind}")(path)
        assert pellucid.create_dataset("frames", path).stored == dataset.stored
    assert list(dataset.to_pandas()["inputs.question"]) == ["a", "b"]


def test_a_large_dataset_is_sent_in_parts(
    here: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pellucid.client.datasets.WHOLE_BYTES", 20_000)
    rows = [{"inputs": {"n": n}, "expected": "x" * 100, "split": "train"} for n in range(1000)]
    dataset = pellucid.create_dataset("large", rows)
    assert pellucid.get_dataset("large").version == dataset.version
    assert pellucid.create_dataset("large", rows).number == 1


def test_an_evaluation_names_its_dataset_version(here: LiveServer) -> None:
    dataset = pellucid.create_dataset("graded", ROWS)
    report = pellucid.evaluate(
        lambda question: question,
        data="graded@1",
        scorers=[pellucid.scorers.exact_match()],
        progress=False,
    )
    assert (report.dataset, report.dataset_number) == ("graded", 1)
    assert report.dataset_version == dataset.version
    part = pellucid.evaluate(lambda question: question, dataset.split("test"), progress=False)
    assert (part.dataset_number, part.dataset_split, len(part.examples)) == (1, "test", 2)
    assert part.dataset_version == dataset.split("test").version
    run = pellucid.get_run(part.run.id)
    assert run.params["dataset"] == "graded"
    assert run.params["dataset_number"] == 1
    assert run.params["dataset_split"] == "test"
    query = f"snapshot.dataset.graded:{dataset.version}"
    assert _until(lambda: [one.id for one in pellucid.search_runs(query)]) == [report.run.id]
    stated = f'snapshot.dataset.graded:"@1 test {part.dataset_version}"'
    assert _until(lambda: [one.id for one in pellucid.search_runs(stated)]) == [part.run.id]
    with here.client() as http:
        page = http.get(f"/runs/{part.run.id}?tab=snapshot").text
    assert '<a href="/datasets/graded?version=1">version 1, test</a>' in page


def test_a_dataset_tells_who_used_it(here: LiveServer) -> None:
    dataset = pellucid.create_dataset("used", ROWS)

    def task(question: str, k: int) -> str:
        return question * k

    by = [pellucid.scorers.exact_match()]
    pellucid.evaluate(lambda question: question, dataset, by, name="plain", progress=False)
    pellucid.sweep(task, {"k": [1, 2, 3]}, dataset.split("test"), by, name="many", progress=False)
    pellucid.flush(5)
    with here.client() as http:
        page = http.get("/datasets/used").text
        uses = page[page.index('id="h-uses"') :]
        assert uses.count("/evaluations/") == uses.count("/sweeps/") == 1
        assert "@1 test" in uses
        listed = http.get("/datasets", params={"text": "used"}).text
        assert '<td class="num c2">2</td>' in listed
        run = pellucid.search_runs('name:"plain"', experiment="datasets")[0]
        assert "/datasets/used?version=1" in http.get(f"/evaluations/{run.id}").text


def test_traces_become_examples(here: LiveServer) -> None:
    @pellucid.trace(kind="RETRIEVER")
    def search(question: str) -> list[pellucid.Document]:
        return [pellucid.Document(id="d7", text="text"), pellucid.Document(id="d8", text="other")]

    @pellucid.trace
    def agent(question: str) -> str:
        search(question)
        if "broken" in question:
            raise ValueError("no")
        return f"{question} answered"

    for question in ("good", "bad", "corrected"):
        agent(question)
    with pytest.raises(ValueError, match="no"):
        agent("broken")
    traces = {one.input_preview: one for one in pellucid.search_traces("name:agent")}
    for trace in traces.values():
        if "bad" in str(trace.input_preview):
            pellucid.score("quality", False, trace_id=trace.trace_id, source="HUMAN")
        if "corrected" in str(trace.input_preview):
            pellucid.score("correction", "mine", trace_id=trace.trace_id, source="HUMAN")
    pellucid.flush()
    with pellucid.span("exact_match", kind="EVALUATOR", input={"output": "x"}):
        pass  # a scorer's work is no example
    everything = [one.inputs for one in pellucid.dataset_from_traces(experiment="datasets")]
    assert {"question": "good"} in everything
    assert {"output": "x"} not in everything
    local = pellucid.dataset_from_traces("name:agent", experiment="datasets")
    assert {one.inputs["question"]: one.expected for one in local} == {
        "good": "good answered",
        "bad": None,
        "corrected": "mine",
        "broken": None,
    }
    assert all(one.gold_documents == ["d7", "d8"] and one.trace_id for one in local)
    stored = pellucid.dataset_from_traces("name:agent", name="seen", expected="none", split="new")
    assert isinstance(stored, StoredDataset)
    assert (stored.number, len(stored), stored.splits) == (1, 4, ["new"])
    again = pellucid.dataset_from_traces("name:agent", name="seen")
    assert again.stored == stored.stored  # type: ignore[attr-defined]
    with pytest.raises(InvalidInput, match="none of auto"):
        pellucid.dataset_from_traces(expected="everything")


def test_without_a_server_a_dataset_waits_in_the_spool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server = LiveServer(tmp_path).start()
    server.stop()
    monkeypatch.setenv("PELLUCID_ENABLED", "1")
    monkeypatch.setenv("PELLUCID_URL", server.url)
    monkeypatch.setenv("PELLUCID_SPOOL_DIR", str(server.spool_dir))
    try:
        dataset = pellucid.create_dataset("later", ROWS)
        assert (dataset.number, len(dataset), dataset.spec) == (None, 3, "later")
        assert "kept and sent later" in capsys.readouterr().err
        with pytest.raises(Unavailable, match="pellucid up"):
            pellucid.get_dataset("later")
        with pytest.raises(InvalidInput, match="no version of the server"):
            dataset.add(ROWS)
        pellucid.flush(5)
    finally:
        pellucid.shutdown()
    port = server.url.rpartition(":")[2]
    server.arguments = ("--port", port)
    server.start()
    try:
        monkeypatch.setenv("PELLUCID_URL", server.url)
        assert [one.name for one in _until(pellucid.list_datasets)] == ["later"]
        assert pellucid.get_dataset("later").version == dataset.version
    finally:
        server.stop()


def _until(ask: Callable[[], list[Any]], timeout_s: float = 90.0) -> list[Any]:
    """Return the first answer that is not empty."""
    deadline = time.monotonic() + timeout_s
    while not (found := ask()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found
