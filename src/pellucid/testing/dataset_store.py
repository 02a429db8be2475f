# ruff: noqa: D102 (the names of tests are sentences)
"""The contract of every store of datasets."""

import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pellucid.core.dataset import Dataset, Example, example_digest
from pellucid.core.dataset_ports import DatasetStore
from pellucid.core.dataset_query import parse_examples
from pellucid.core.dataset_versions import (
    ChangeKind,
    DatasetVersion,
    DatasetWrite,
    Existing,
    plain_examples,
)
from pellucid.core.errors import Conflict, InvalidInput, NotFound, TooLarge
from pellucid.core.ids import new_id

NOW = 1_800_000_000_000_000_000
LAW = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.differing_executors,
        HealthCheck.too_slow,
    ],
)


def example(number: int, **fields: Any) -> Example:
    """Return an example that a number tells from others."""
    given = {"inputs": {"question": f"Question {number}?", "k": number}} | fields
    return Example(id=f"e{number}", **given)


def examples(*numbers: int, **fields: Any) -> list[Example]:
    """Return several."""
    return [example(number, **fields) for number in numbers]


def save(store: DatasetStore, name: str = "d", **fields: Any) -> DatasetVersion:
    """Make a version."""
    given: dict[str, Any] = {"id": new_id(), "name": name, "time_ns": NOW} | fields
    return store.write(DatasetWrite(**given))


def read(store: DatasetStore, version: DatasetVersion, split: str | None = None) -> list[Example]:
    """Return all examples of a version."""
    return list(store.iter_examples(version.name, version.number, split=split))


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)
contents = st.lists(
    st.builds(
        Example,
        id=st.integers(0, 12).map(str),
        inputs=st.dictionaries(st.text(max_size=4), values, max_size=2),
        expected=values,
        split=st.sampled_from([None, "train", "test"]),
    ),
    max_size=8,
    unique_by=lambda one: one.id,
)


class DatasetStoreContract:
    """Inherit, and give a fixture `datasets` that returns an empty store."""

    def test_examples_are_read_as_they_were_written(self, datasets: DatasetStore) -> None:
        rows = [
            example(1, expected={"metres": 1.5}, gold_documents=["d1", "d2"], split="test"),
            example(2, inputs={"naïve \U0001f600": [None, {"a": "\x00\x7f"}]}, trace_id="a" * 32),
            example(3, gold_documents={"d1": 2.0}, metadata={"topic": "discs"}),
        ]
        version = save(datasets, examples=rows, message="First", author="ada", source="page")
        assert read(datasets, version) == rows
        assert read(datasets, version, "test") == rows[:1]
        assert version.version == Dataset(name="d", examples=rows).version
        assert (version.spec, version.base, version.example_count) == ("d@1", None, 3)
        assert (version.message, version.author, version.source) == ("First", "ada", "page")
        assert (version.added, version.removed, version.changed) == (3, 0, 0)
        assert version.splits == {"test": 1}
        assert datasets.get_version("d") == datasets.get_version("d", 1) == version

    @LAW
    @given(contents=st.lists(contents, min_size=1, max_size=4))
    def test_a_version_is_its_content(
        self, datasets: DatasetStore, contents: list[list[Example]]
    ) -> None:
        name = f"law {new_id()}"
        for rows in contents:
            version = save(datasets, name, examples=rows)
            again = save(datasets, name, examples=rows)
            assert again == version
            assert read(datasets, version) == rows
            assert version.version == Dataset(examples=rows).version
            assert version.example_count == len(rows)
            counts = {s: n for s in ("test", "train") if (n := sum(e.split == s for e in rows))}
            assert version.splits == counts

    @LAW
    @given(before=contents, after=contents)
    def test_a_difference_leads_from_one_version_to_the_other(
        self, datasets: DatasetStore, before: list[Example], after: list[Example]
    ) -> None:
        name = f"law {new_id()}"
        first, second = save(datasets, name, examples=before), save(datasets, name, examples=after)
        page = datasets.diff(name, first.number, second.number, limit=1000, cursor=None)
        told = Dataset(examples=after).diff(Dataset(examples=before))
        assert (page.added, page.removed, page.changed, page.unchanged) == (
            len(told.added),
            len(told.removed),
            len(told.changed),
            told.unchanged,
        )
        gone = {one.before.id for one in page.changes if one.before and not one.after}
        put = [one.after for one in page.changes if one.after]
        if gone or put:
            edited = save(datasets, f"{name} b", examples=before)
            edited = save(datasets, f"{name} b", put=put, remove=sorted(gone))
            found = {one.id: one for one in read(datasets, edited)}
            assert found == {one.id: one for one in after}
        back = datasets.diff(name, second.number, first.number, limit=1000, cursor=None)
        assert (back.added, back.removed, back.changed) == (page.removed, page.added, page.changed)

    def test_a_write_again_changes_nothing(self, datasets: DatasetStore) -> None:
        write = DatasetWrite(id=new_id(), name="d", time_ns=NOW, examples=examples(1))
        version = datasets.write(write)
        other = save(datasets, examples=examples(1, 2))
        assert datasets.write(write) == version
        assert datasets.get_version("d") == other
        with pytest.raises(Conflict, match="d@1"):
            save(datasets, "other", id=write.id, examples=[])

    def test_going_back_to_earlier_content_makes_a_number_of_the_same_version(
        self, datasets: DatasetStore
    ) -> None:
        first = save(datasets, examples=examples(1))
        save(datasets, examples=examples(2))
        third = save(datasets, examples=examples(1))
        assert (third.number, third.version) == (3, first.version)
        assert datasets.find_version("d", first.version) == third
        assert datasets.find_version("d", "0" * 32) is None
        assert datasets.find_version("none", first.version) is None

    def test_edits_keep_places(self, datasets: DatasetStore) -> None:
        save(datasets, examples=examples(1, 2, 3, 4, split="a"))
        changed, new = example(2, expected="x", split="b"), example(9)
        version = save(datasets, put=[new, changed], remove=["e3"])
        assert read(datasets, version) == [
            example(1, split="a"),
            changed,
            example(4, split="a"),
            new,
        ]
        assert (version.added, version.removed, version.changed, version.base) == (1, 1, 1, 1)
        assert version.splits == {"a": 2, "b": 1}
        rows = read(datasets, version)
        assert version.version == Dataset(examples=rows).version

    def test_what_becomes_of_examples_that_are_there(self, datasets: DatasetStore) -> None:
        save(datasets, examples=examples(1))
        other = example(1, expected="other")
        with pytest.raises(Conflict, match="'e1' already"):
            save(datasets, put=[other], existing=Existing.REFUSE)
        kept = save(datasets, put=[other, example(2)], existing=Existing.KEEP)
        assert read(datasets, kept) == examples(1, 2)
        assert read(datasets, save(datasets, put=[other]))[0] == other

    def test_a_write_names_the_version_that_it_follows(self, datasets: DatasetStore) -> None:
        with pytest.raises(NotFound, match="'d' to change"):
            save(datasets, base=1, put=examples(1))
        save(datasets, base=0, examples=examples(1), author="ada")
        with pytest.raises(Conflict, match="newest version is 1 by ada"):
            save(datasets, base=0, examples=examples(2))
        save(datasets, base=1, put=examples(2), author="ada")
        with pytest.raises(Conflict, match="2 was made by ada"):
            save(datasets, base=1, put=examples(3))
        assert datasets.get_dataset("d").version_count == 2

    def test_writes_at_once_all_arrive(self, datasets: DatasetStore) -> None:
        def append(number: int) -> DatasetVersion:
            return save(datasets, put=[example(number)])

        with ThreadPoolExecutor(8) as threads:
            made = list(threads.map(append, range(24)))
        assert sorted(one.number for one in made) == list(range(1, 25))
        found = read(datasets, datasets.get_version("d"))
        assert {one.id for one in found} == {f"e{number}" for number in range(24)}

    def test_examples_may_be_sent_before_their_version(self, datasets: DatasetStore) -> None:
        digests = datasets.put_examples(examples(1, 2, 3))
        assert digests == [example_digest(one) for one in examples(1, 2, 3)]
        version = save(datasets, digests=digests[::-1])
        assert read(datasets, version) == examples(3, 2, 1)
        for wrong, error in [
            (["0" * 32], NotFound),
            (["xy"], InvalidInput),
            (digests + digests[:1], InvalidInput),
            ([*digests, *datasets.put_examples([example(1, expected=1)])], InvalidInput),
        ]:
            with pytest.raises(error):
                save(datasets, digests=wrong)

    def test_examples_whose_version_never_came_are_freed(self, datasets: DatasetStore) -> None:
        save(datasets, examples=examples(1))
        left = datasets.put_examples(examples(1, 2, 3, 4))[1:]
        ever = 1 << 62
        assert datasets.free_orphans(before_ns=ever) == 0, "they are noted first"
        assert datasets.free_orphans(before_ns=0) == 0, "they were noted a moment ago"
        datasets.put_examples(examples(2))  # somebody sends it again
        later = save(datasets, "later", digests=left[1:2])
        assert datasets.free_orphans(before_ns=ever) == 1
        assert [one.id for one in read(datasets, later)] == ["e3"]
        assert read(datasets, datasets.get_version("d")) == examples(1)
        with pytest.raises(NotFound, match="Store it first"):
            save(datasets, "late", digests=left[2:])
        assert datasets.free_orphans(before_ns=ever) == 1, "noted anew by the call before"
        save(datasets, "late", digests=datasets.put_examples(examples(2, 4)))
        assert datasets.free_orphans(before_ns=ever) == 0
        assert datasets.free_orphans(before_ns=ever) == 0

    def test_what_no_store_takes_is_refused(self, datasets: DatasetStore) -> None:
        cases: list[tuple[dict[str, Any], type[Exception], str]] = [
            ({"name": "a/b", "examples": []}, InvalidInput, "cannot name"),
            ({"name": "rows.csv", "examples": []}, InvalidInput, "name of a file"),
            ({"name": "x" * 200, "examples": []}, InvalidInput, "1 to 120"),
            ({"id": "1", "examples": []}, InvalidInput, "write's id"),
            ({}, InvalidInput, "one of"),
            ({"examples": [], "put": examples(1)}, InvalidInput, "one of"),
            ({"examples": examples(1, 1)}, InvalidInput, "Two examples"),
            ({"examples": [example(1, expected="x" * 2_000_000)]}, TooLarge, "'e1' has"),
            ({"examples": [Example(id="\n", inputs={})]}, InvalidInput, "an id has"),
            ({"examples": [], "message": "\x00"}, InvalidInput, "message"),
            ({"remove": ["e7"]}, NotFound, "'e7' to remove"),
        ]
        for fields, error, says in cases:
            with pytest.raises(error, match=says):
                save(datasets, **fields)
        assert datasets.list_datasets(text="", limit=10, cursor=None).datasets == []

    def test_pages_follow_each_other(self, datasets: DatasetStore) -> None:
        rows = examples(*range(700))
        version = save(datasets, examples=rows)
        found, cursor = [], None
        while True:
            page = datasets.list_examples("d", 1, query=None, limit=90, cursor=cursor)
            found += page.examples
            cursor = page.next
            if cursor is None:
                break
        assert [one.example for one in found] == rows
        assert [one.position for one in found] == list(range(1, 701))
        assert read(datasets, version) == rows
        with pytest.raises(InvalidInput, match="cursor"):
            datasets.list_examples("d", 1, query=None, limit=5, cursor="x")
        asked = [f"e{number}" for number in (650, 3, 999)]
        assert datasets.find_examples("d", 1, asked) == examples(3, 650)
        with pytest.raises(NotFound, match="no version 9"):
            datasets.find_examples("d", 9, ["e1"])
        with pytest.raises(NotFound, match="no version 9"):
            datasets.list_examples("d", 9, query=None, limit=5, cursor=None)

    def test_examples_are_found_by_what_they_hold(self, datasets: DatasetStore) -> None:
        rows = [
            example(1, split="test", metadata={"topic": "discs", "hard": True, "n": 3}),
            example(2, expected="Blu-ray\nDisc", gold_documents=["doc 7"]),
            example(3, inputs={"text": "Übergrößen ﬁnden", "tags": ["a", "b"]}, trace_id="b" * 32),
        ]
        save(datasets, examples=rows)
        for query, found in {
            "split:test": [1],
            "-split:test": [2, 3],
            "has:expected": [2],
            "has:gold": [2],
            'gold:"doc 7"': [2],
            "metadata.topic:DISCS": [1],
            "metadata.hard:true metadata.n>2": [1],
            "question": [1, 2],
            '"blu-ray disc"': [2],
            "disc": [2],
            "disc*": [1, 2],
            "übergrössen finden": [3],
            "inputs.tags:b": [3],
            "inputs.k>=2": [2],
            "id:(e1, e3)": [1, 3],
            "has:trace OR split:test": [1, 3],
            "nothing": [],
        }.items():
            page = datasets.list_examples(
                "d", 1, query=parse_examples(query), limit=10, cursor=None
            )
            assert [int(one.example.id[1:]) for one in page.examples] == found, query
        every = parse_examples("question OR has:trace")
        page = datasets.list_examples("d", 1, query=every, limit=2, cursor=None)
        rest = datasets.list_examples("d", 1, query=every, limit=2, cursor=page.next)
        assert [one.position for one in page.examples + rest.examples] == [1, 2, 3]

    def test_datasets_and_versions_are_listed(self, datasets: DatasetStore) -> None:
        for number, name in enumerate(["one", "Two", "three"]):
            save(datasets, name, examples=examples(1), time_ns=NOW + number)
        save(datasets, "one", examples=examples(2), time_ns=NOW + 9)
        save(datasets, "one", examples=examples(3), time_ns=NOW + 10)
        page = datasets.list_datasets(text="", limit=2, cursor=None)
        rest = datasets.list_datasets(text="", limit=2, cursor=page.next)
        found = page.datasets + rest.datasets
        assert [one.name for one in found] == ["one", "three", "Two"]
        assert (found[0].version_count, found[0].latest.number) == (3, 3)
        assert rest.next is None
        assert [
            one.name for one in datasets.list_datasets(text="tWo", limit=9, cursor=None).datasets
        ] == ["Two"]
        versions = datasets.list_versions("one", limit=2, cursor=None)
        older = datasets.list_versions("one", limit=2, cursor=versions.next)
        numbers = [one.number for one in versions.versions + older.versions]
        assert numbers == [3, 2, 1]
        assert datasets.get_dataset("one") == found[0]
        with pytest.raises(NotFound, match="'none'"):
            datasets.list_versions("none", limit=2, cursor=None)
        with pytest.raises(InvalidInput, match="cursor"):
            datasets.list_datasets(text="", limit=2, cursor="1")

    def test_a_difference_is_paged(self, datasets: DatasetStore) -> None:
        save(datasets, examples=examples(*range(300)))
        gone = [f"e{number}" for number in range(100, 110)]
        put = [example(number, expected="new") for number in (5, 250, 400)]
        save(datasets, put=put, remove=gone)
        found, cursor = [], None
        while True:
            page = datasets.diff("d", 1, 2, limit=4, cursor=cursor)
            assert (page.added, page.removed, page.changed, page.unchanged) == (1, 10, 2, 288)
            found += page.changes
            cursor = page.next
            if cursor is None:
                break
        assert [one.before.id for one in found[:10] if one.before] == gone
        assert [one.kind for one in found[10:]] == [ChangeKind.CHANGED] * 2 + [ChangeKind.ADDED]
        assert [one.after for one in found[10:]] == put
        assert datasets.diff("d", 1, 1, limit=4, cursor=None).changes == []

    def test_a_deletion_takes_what_no_other_dataset_holds(self, datasets: DatasetStore) -> None:
        save(datasets, "a", examples=examples(1, 2))
        save(datasets, "a", examples=examples(1, 2, 3))
        kept = save(datasets, "b", examples=examples(2))
        would = datasets.delete("a", dry_run=True)
        assert (would.version_count, would.example_count) == (2, 2)
        assert datasets.get_dataset("a").version_count == 2
        assert datasets.delete("a") == would
        assert read(datasets, kept) == examples(2)
        for ask in (datasets.get_dataset, datasets.get_version, datasets.delete):
            with pytest.raises(NotFound):
                ask("a")
        with pytest.raises(NotFound):
            save(datasets, "a", base=2, put=examples(1))
        again = save(datasets, "a", base=0, examples=examples(1))
        assert (again.number, again.base) == (3, None)
        assert [one.name for one in datasets.list_datasets(text="", limit=9, cursor=None).datasets]

    def test_small_edits_of_a_large_dataset_are_small(self, datasets: DatasetStore) -> None:
        rows = examples(*range(5000))
        version = save(datasets, examples=rows)
        chosen = random.Random(1)
        for number in range(5):
            at = chosen.randrange(5000)
            rows[at] = example(at, expected=number)
            version = save(datasets, put=[rows[at]])
            assert (version.changed, version.added, version.removed) == (1, 0, 0)
        assert read(datasets, version) == rows
        assert version.version == Dataset(examples=plain_examples(rows)).version
