"""Datasets as their pages show them: columns, cells, differences, and how a filter goes on."""

from typing import Any

from pellucid.core.dataset import Example
from pellucid.core.dataset_versions import ChangeKind, DatasetChange, ExamplePage, PlacedExample
from pellucid.server.web.dataset_completion import complete_query
from pellucid.server.web.dataset_view import (
    dataset_url,
    list_columns,
    view_change,
    view_rows,
)
from pellucid.server.web.pages.dataset import MAX_PAGE_BYTES, fit


def example(number: int = 1, **fields: Any) -> Example:
    return Example(id=f"e{number}", **({"inputs": {"q": f"Q{number}", "k": number}} | fields))


def placed(*examples: Example) -> list[PlacedExample]:
    return [PlacedExample(position=n, example=one) for n, one in enumerate(examples, 1)]


def test_columns_are_the_inputs_then_what_all_have() -> None:
    columns = list_columns([example(1), example(2, expected={"a": 1})])
    assert [(one.field, one.is_json) for one in columns] == [
        ("inputs.q", False),
        ("inputs.k", True),
        ("expected", True),
        ("gold_documents", False),
        ("metadata", False),
        ("split", False),
    ]
    assert [one.label for one in list_columns([])][:2] == ["question", "Expected"]


def test_rare_inputs_share_a_column() -> None:
    wide = [example(n, inputs={"q": 1, **{f"x{i}": i for i in range(n)}}) for n in range(12)]
    columns = list_columns(wide)
    fields = [one.field for one in columns]
    assert fields[0] == "inputs.q"
    assert fields[6] == "inputs"
    (row,) = view_rows(placed(wide[-1]), columns)
    assert row.cells[6].text == '{"x5":5,"x6":6,"x7":7,"x8":8,"x9":9,"x10":10}'


def test_cells_show_a_line() -> None:
    one = example(
        inputs={"q": "x" * 900, "k": [1, {"a": None}]},
        expected=False,
        gold_documents=["d1", "d2"],
        metadata={"topic": "discs", "n": 2},
        trace_id="a" * 32,
    )
    (row,) = view_rows(placed(one), list_columns([one]))
    texts = [cell.text for cell in row.cells]
    assert len(texts[0]) == 300
    assert texts[1:] == ['[1,{"a":null}]', "false", "d1, d2", "topic: discs, n: 2", ""]
    assert row.trace_url == f"/traces/{'a' * 32}"


def test_a_change_shows_the_fields_that_differ() -> None:
    before = example(expected="one two", metadata={"a": 1}, split="test")
    after = example(expected="one three", metadata={"a": 1, "b": "x"}, split="test")
    view = view_change(DatasetChange(kind=ChangeKind.CHANGED, before=before, after=after))
    assert view.asked == "Q1"
    assert [field.label for field in view.fields] == ["Expected", "Metadata"]
    words = {word.change: word.text for word in view.fields[0].words}
    assert words == {"same": "one ", "removed": "two", "added": "three"}
    added = view_change(DatasetChange(kind=ChangeKind.ADDED, after=after))
    assert [field.label for field in added.fields] == ["q", "k", "Expected", "Metadata", "Split"]
    assert {word.change for field in added.fields for word in field.words} == {"added"}
    long = example(expected="x " * 9_000)
    view = view_change(DatasetChange(kind=ChangeKind.CHANGED, before=before, after=long))
    assert [word.change for word in view.fields[0].words] == ["removed", "added"]


def test_addresses_are_quoted() -> None:
    assert dataset_url("a b", "/diff", to=2, empty="") == "/datasets/a%20b/diff?to=2"


def test_a_page_holds_no_more_than_a_browser_takes() -> None:
    large = [example(n, expected="x" * (MAX_PAGE_BYTES // 3)) for n in range(1, 6)]
    shown, following = fit(ExamplePage(examples=placed(*large), next="5"))
    assert (len(shown), following) == (2, "2")
    shown, following = fit(ExamplePage(examples=placed(example(), example(2)), next=None))
    assert (len(shown), following) == (2, "")
    one = example(expected="x" * 2 * MAX_PAGE_BYTES)
    assert fit(ExamplePage(examples=placed(one), next="1")) == (placed(one), "1")


def test_a_filter_is_completed_from_the_examples() -> None:
    examples = [
        example(n, metadata={"topic": f"t{n % 2}", "long text": "x" * 99}, split="test")
        for n in range(4)
    ]

    def proposed(text: str) -> list[str]:
        return [one.text for one in complete_query(examples, text, None).proposals]

    assert "split:" in proposed("spl")
    assert proposed("split:te") == ["test"]
    assert proposed("metadata.") == ["topic:", '"long text":']
    assert proposed("metadata.topic:") == ["t0", "t1"]
    assert proposed('metadata."long text":') == []
    assert proposed("inputs.k:3") == ["3"]
    assert proposed("id:E2") == ["e2"]
    assert complete_query(examples, "split:", None).fault is not None
