"""Datasets without a server: names, differences, rows, files, filters, traces as examples."""

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.core.dataset import Dataset, Example, example_digest
from pellucid.core.dataset_files import read_bytes, write_csv, write_lines
from pellucid.core.dataset_query import meets, parse_examples, sieve
from pellucid.core.dataset_rows import dataset_of, read_fields
from pellucid.core.dataset_versions import (
    check_name,
    is_dataset_spec,
    pack_example,
    plain_examples,
    split_spec,
)
from pellucid.core.errors import InvalidInput
from pellucid.core.score import ScoreSource
from pellucid.core.trace_examples import FromTraces, read_trace
from pellucid.core.views import ScoreView, SpanView, TraceView

texts = st.text(st.characters(blacklist_categories=["Cs"]), max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)
examples = st.lists(
    st.builds(
        Example,
        id=st.integers(0, 9).map(str),
        inputs=st.dictionaries(texts, values, max_size=3),
        expected=values,
        gold_documents=st.lists(texts, max_size=2)
        | st.dictionaries(texts, st.floats(0, 3), min_size=1, max_size=2),
        metadata=st.dictionaries(texts, values, max_size=2),
        split=st.none() | st.sampled_from(["a", "b"]),
    ),
    max_size=6,
    unique_by=lambda one: one.id,
)


@settings(deadline=None, max_examples=60)
@given(before=examples, after=examples)
def test_applying_a_difference_leads_there_and_back(
    before: list[Example], after: list[Example]
) -> None:
    first, second = Dataset(examples=before), Dataset(examples=after)
    change = second.diff(first)
    there = first.apply(change)
    assert {one.id: one for one in there} == {one.id: one for one in second}
    assert not there.diff(second)
    assert not there.apply(~change).diff(first)
    assert bool(change) == ({e.id: e for e in before} != {e.id: e for e in after})


@settings(deadline=None, max_examples=60)
@given(examples)
def test_the_version_is_the_same_once_stored_as_json(found: list[Example]) -> None:
    plain = plain_examples(found)
    assert Dataset(examples=plain).version == Dataset(examples=found).version
    assert [example_digest(one) for one in plain] == [example_digest(one) for one in found]


@settings(deadline=None, max_examples=60)
@given(examples)
def test_files_lose_nothing(found: list[Example]) -> None:
    plain = plain_examples(found)
    for kind, data in (
        ("jsonl", b"".join(write_lines(plain))),
        ("csv", b"".join(write_csv(lambda: plain))),
    ):
        rows = read_bytes(data, kind, name="f")
        assert dataset_of(rows, name="d").examples == plain


@settings(deadline=None, max_examples=60)
@given(examples, texts.filter(lambda text: any(c.isalnum() for c in text)))
def test_the_sieve_rules_out_nothing_that_meets(found: list[Example], word: str) -> None:
    query = parse_examples(json.dumps(word, ensure_ascii=False))
    words = sieve(query)
    for one in found:
        body = pack_example(one)
        if meets(query, one) and body.isascii():
            assert all(word in body.lower() for word in words)


def test_names_and_what_is_none() -> None:
    for good in ("qa", "Blu-ray questions (2)", "qa_v1.2", "fragen über züge", "7", "問題"):
        check_name(good)
        assert is_dataset_spec(f"{good}@3")
    bad = ("", " a", "a ", "a/b", "..", ".a", "a@b", "a.csv", "a.JSONL", "x" * 121, "a\n", "a\x00")
    for text in bad:
        with pytest.raises(InvalidInput, match="cannot name"):
            check_name(text)
    assert split_spec("a@b@12") == ("a@b", 12)
    assert split_spec("a@latest") == split_spec("a") == ("a", None)
    assert split_spec("a@x") == ("a@x", None)
    assert not is_dataset_spec("data/questions.csv")
    assert not is_dataset_spec("questions.csv@3")


def test_rows_are_read_and_faults_are_named() -> None:
    assert read_fields({"q": "a", "expected": "b", "output": "c", "split": " "}) == {
        "inputs": {"q": "a"},
        "metadata": {},
        "expected": "b",
    }
    assert read_fields({"inputs": '{"a": 1}', "inputs.b": 2})["inputs"] == {"a": 1, "b": 2}
    assert read_fields({"inputs": "plain"})["inputs"] == {"input": "plain"}
    gold = read_fields({"q": 1, "gold_documents": "d1, d2"})["gold_documents"]
    assert gold == ["d1", "d2"]
    assert read_fields({"q": 1, "gold_documents": 7})["gold_documents"] == ["7"]
    graded = Dataset.from_rows([{"inputs": {}, "gold_documents": {"a": 1}}])
    assert (
        graded.version == Dataset.from_rows([{"inputs": {}, "gold_documents": {"a": 1.0}}]).version
    )
    for row, says in [
        ({"inputs": {}, "metadata": [1]}, "Row 1: metadata must be an object"),
        ({"inputs": {}, "gold_documents": {"a": "b"}}, "Row 1: gold_documents must be"),
        (3, "Row 1: An example is a dict"),
    ]:
        with pytest.raises(InvalidInput, match=says):
            dataset_of([row], name="d")


def test_long_cells_and_odd_line_ends_are_read() -> None:
    long = "x" * 500_000
    data = f'q,expected\r\n{long},"a\rb\r\nc"\r\n'.encode()
    before = csv.field_size_limit()
    rows = read_bytes(data, "csv", name="f")
    assert rows == [{"q": long, "expected": "a\rb\r\nc"}]
    assert csv.field_size_limit() == before
    assert read_bytes(b'\xef\xbb\xbf{"q": 1}\r\n\r\n{"q": 2}', "jsonl", name="f") == [
        {"q": 1},
        {"q": 2},
    ]
    odd = [Example(id="1", inputs={"a:json": "text", "b": "=1"})]
    table = b"".join(write_csv(lambda: odd))
    assert dataset_of(read_bytes(table, "csv", name="f"), name="d").examples == odd
    empty = b"".join(write_csv(lambda: [])).decode()
    assert list(csv.reader(io.StringIO(empty))) == [["id"]]


def _span(**fields: Any) -> SpanView:
    given: dict[str, Any] = {name: None for name in SpanView.__struct_fields__} | {
        "parent_id": None,
        "kind": "AGENT",
        "start_ns": 0,
        "span_id": "a",
    }
    given |= {"input_messages": [], "output_messages": [], "documents": []}
    return SpanView(**(given | fields))


def _score(name: str, value: Any, *, time_ns: int = 0, person: bool = True) -> ScoreView:
    fields: dict[str, Any] = dict.fromkeys(ScoreView.__struct_fields__)
    source = ScoreSource.HUMAN if person else ScoreSource.CODE
    given = {"id": str(time_ns), "name": name, "value": value, "source": source}
    return ScoreView(**(fields | given | {"time_ns": time_ns}))


def _trace(*scores: ScoreView, status: str = "ok") -> TraceView:
    fields: dict[str, Any] = dict.fromkeys(TraceView.__struct_fields__)
    given = {"trace_id": "t", "status": status, "tags": {"env": "ci"}, "scores": [*scores]}
    return TraceView(**(fields | given))


@pytest.mark.parametrize(
    ("scores", "status", "how", "expected"),
    [
        ([], "ok", "auto", "out"),
        ([], "error", "auto", None),
        ([], "error", "output", "out"),
        ([], "ok", "none", None),
        ([_score("quality", False)], "ok", "auto", None),
        ([_score("quality", 0.2)], "ok", "auto", None),
        ([_score("quality", True)], "ok", "auto", "out"),
        ([_score("quality", False, person=False)], "ok", "auto", "out"),
        ([_score("correction", "mine"), _score("quality", False)], "error", "auto", "mine"),
        (
            [_score("expected", "old"), _score("correction", "new", time_ns=1)],
            "ok",
            "auto",
            "new",
        ),
        ([_score("label", "billing", person=False)], "ok", "score.label", "billing"),
        ([], "ok", "score.label", None),
    ],
)
def test_what_a_trace_is_expected_to_say(
    scores: list[ScoreView], status: str, how: str, expected: Any
) -> None:
    spans = [_span(input={"q": 1}, output="out")]
    found = read_trace(_trace(*scores, status=status), spans, FromTraces(expected=how))
    assert found.expected == expected
    assert (found.inputs, found.metadata, found.trace_id) == ({"q": 1}, {"env": "ci"}, "t")


def test_gold_documents_are_those_of_the_last_retrieval() -> None:
    from pellucid.core.views import DocumentView

    def documents(*ids: str | None) -> list[DocumentView]:
        return [DocumentView(id=one, text="t", score=None, metadata={}) for one in ids]

    child = {"parent_id": "a"}
    spans = [
        _span(input="x"),
        _span(**child, span_id="b", kind="RETRIEVER", start_ns=1, documents=documents("d1")),
        _span(**child, span_id="c", kind="RERANKER", start_ns=2, documents=documents("d3", None)),
        _span(**child, span_id="d", kind="LLM", start_ns=3, documents=documents("d9")),
        _span(**child, span_id="e", kind="RETRIEVER", start_ns=4),
    ]
    assert read_trace(_trace(), spans).gold_documents == ["d3"]
    assert read_trace(_trace(), spans, FromTraces(gold_documents="none")).gold_documents == []
    assert read_trace(_trace(), []).inputs == {}
    assert FromTraces(expected="score.").check() is not None
    assert FromTraces(gold_documents="all").check() is not None
