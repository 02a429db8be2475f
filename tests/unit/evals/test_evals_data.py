"""Datasets: versions by content, differences, splits, and files that are read back as written."""

import sys
from pathlib import Path
from typing import Any

import pandas  # type: ignore[import-untyped]
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pellucid
from pellucid.core.dataset import Dataset
from pellucid.core.errors import InvalidInput, NotFound
from pellucid.evals.data import prepare

ROWS: list[dict[str, Any]] = [
    {
        "inputs": {"question": "How tall?", "k": 3},
        "expected": {"metres": 1.2},
        "gold_documents": ["d1", "d2"],
        "metadata": {"topic": "stack"},
        "split": "test",
    },
    {"inputs": {"question": 'naïve, "quoted"\nline'}, "expected": "42"},
    {"inputs": {"question": "", "k": None}, "gold_documents": {"d1": 2.0}, "trace_id": "a" * 32},
]


def test_a_version_is_its_content() -> None:
    first, again = Dataset.from_rows(ROWS, name="d"), Dataset.from_rows(ROWS, name="other")
    assert first.version == again.version
    assert Dataset.from_rows(ROWS[:2]).version != first.version
    assert len(first.version) == 32


def test_ids_follow_the_inputs_alone() -> None:
    one = Dataset.from_rows([{"inputs": {"n": 1}, "expected": 1}, {"inputs": {"n": 1}}])
    two = Dataset.from_rows([{"inputs": {"n": 1}, "expected": 2}])
    assert one.examples[0].id == two.examples[0].id
    assert one.examples[1].id == f"{two.examples[0].id}-2"
    assert Dataset.from_rows([{"id": "mine", "inputs": {}}]).examples[0].id == "mine"


def test_no_two_examples_have_one_id() -> None:
    ids = ["a-2", "a", "a", "b", "b", "b-2", "a"]
    rows = [{"id": one, "inputs": {"n": n}} for n, one in enumerate(ids)]
    found = [example.id for example in Dataset.from_rows(rows).examples]
    assert found == ["a-2", "a", "a-3", "b", "b-2", "b-2-2", "a-4"]


def test_a_lazy_frame_is_collected() -> None:
    class Frame:
        def to_dicts(self) -> list[dict[str, Any]]:
            return [{"n": 1}]

    class Lazy:
        def collect_schema(self) -> None:
            raise AssertionError

        def collect(self) -> Frame:
            return Frame()

    assert prepare(Lazy()).dataset.examples[0].inputs == {"n": 1}


def test_the_difference_of_versions() -> None:
    rows = [{"inputs": {"n": n}, "expected": n} for n in range(4)]
    earlier = Dataset.from_rows(rows)
    later = earlier.with_examples([{"inputs": {"n": 3}, "expected": 33}, {"inputs": {"n": 4}}])
    later = later.without([earlier.examples[0].id])
    diff = later.diff(earlier)
    assert [example.inputs["n"] for example in diff.added] == [4]
    assert [example.inputs["n"] for example in diff.removed] == [0]
    assert [(c.before.expected, c.after.expected) for c in diff.changed] == [(3, 33)]
    assert diff.unchanged == 2
    assert not earlier.diff(earlier)


def test_splits() -> None:
    dataset = Dataset.from_rows(ROWS)
    assert dataset.splits == ["test"]
    assert len(dataset.split("test")) == 1


@pytest.mark.parametrize("kind", ["jsonl", "json", "csv", "parquet"])
def test_files_are_read_back_as_written(kind: str, tmp_path: Path) -> None:
    if kind == "parquet":
        pytest.importorskip("pyarrow")
    dataset = Dataset.from_rows(ROWS, name="rows")
    pellucid.write_dataset(dataset, tmp_path / f"rows.{kind}")
    assert pellucid.read_dataset(tmp_path / f"rows.{kind}") == dataset


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(blacklist_categories=["Cs"]), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner),
    max_leaves=5,
)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "inputs": st.dictionaries(
                    st.from_regex(r"[a-z]{1,4}", fullmatch=True), json_values, min_size=1
                )
            },
            optional={"expected": json_values, "split": st.sampled_from(["a", "b"])},
        ),
        min_size=1,
        max_size=4,
    )
)
def test_csv_loses_nothing(tmp_path_factory: pytest.TempPathFactory, rows: list[Any]) -> None:
    path = tmp_path_factory.mktemp("csv") / "rows.csv"
    dataset = Dataset.from_rows(rows, name="rows")
    pellucid.write_dataset(dataset, path)
    assert pellucid.read_dataset(path) == dataset


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize(("between", "ending"), [(",", "csv"), (";", "csv"), ("\t", "tsv")])
def test_tables_of_spreadsheets_are_read(
    between: str, ending: str, mark: str, tmp_path: Path
) -> None:
    rows = [["question", '"expected, or: best"', "price"], ['"Who; me,\tyou?"', "it's me", "1,5"]]
    rows[1][2] = f'"{rows[1][2]}"' if between == "," else rows[1][2]
    path = tmp_path / f"faq.{ending}"
    text = "\r\n".join(between.join(cells) for cells in rows)
    path.write_text(f"{mark}{text}\r\n", encoding="utf-8", newline="")
    (example,) = prepare(path).dataset.examples
    assert example.inputs == {
        "question": "Who; me,\tyou?",
        "expected, or: best": "it's me",
        "price": "1,5",
    }


def test_what_is_written_as_csv_has_commas_whatever_its_names_hold(tmp_path: Path) -> None:
    dataset = Dataset.from_rows([{"inputs": {"a;b;c": "1", "d\te": "2"}}], name="rows")
    pellucid.write_dataset(dataset, tmp_path / "rows.csv")
    assert pellucid.read_dataset(tmp_path / "rows.csv") == dataset
    with pytest.raises(InvalidInput, match="ends in none of"):
        pellucid.write_dataset(dataset, tmp_path / "rows.tsv")


def test_parquet_names_the_extra_that_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(InvalidInput, match=r"pip install 'pellucid\[parquet\]'"):
        pellucid.write_dataset(Dataset.from_rows(ROWS), tmp_path / "rows.parquet")


def test_a_foreign_table_becomes_inputs(tmp_path: Path) -> None:
    path = tmp_path / "faq.csv"
    path.write_text('question,expected,metadata.topic\n"Who?",me,a\nWhat?,"it",b\n')
    dataset = prepare(path).dataset
    assert dataset.name == "faq"
    assert dataset.examples[0].inputs == {"question": "Who?"}
    assert dataset.examples[1].expected == "it"
    assert dataset.examples[1].metadata == {"topic": "b"}


def test_data_frames_and_arrow() -> None:
    frame = pandas.DataFrame(
        {"question": ["a", "b"], "expected": ["x", None], "output": ["x", "y"]}
    )
    prepared = prepare(frame)
    assert [example.inputs for example in prepared.dataset] == [
        {"question": "a"},
        {"question": "b"},
    ]
    assert prepared.dataset.examples[1].expected is None
    assert [given.output for given in prepared.given.values()] == ["x", "y"]
    numbers = prepare(pandas.DataFrame({"n": [1, 2]})).dataset
    assert numbers == prepare([{"n": 1}, {"n": 2}]).dataset
    assert type(numbers.examples[0].inputs["n"]) is int
    arrow = pytest.importorskip("pyarrow")
    assert prepare(arrow.Table.from_pandas(frame)).dataset == prepared.dataset


def test_what_is_no_data_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text('{"inputs": {}}\n{"inputs"\n')
    (tmp_path / "list.json").write_text("{}")
    (tmp_path / "x.xls").write_text("")
    for data, error, says in [
        (3, InvalidInput, "holds no examples"),
        (["text"], InvalidInput, "An example is a dict"),
        (tmp_path / "none.csv", NotFound, "no data file"),
        (tmp_path / "bad.jsonl", InvalidInput, "line 2"),
        (tmp_path / "list.json", InvalidInput, "JSON list"),
        (tmp_path / "x.xls", InvalidInput, "ends in none of"),
    ]:
        with pytest.raises(error, match=says):
            prepare(data)
