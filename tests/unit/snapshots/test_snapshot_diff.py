from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pellucid.core.digest import digest_bytes
from pellucid.core.run import Run, RunStatus
from pellucid.core.run_diff import Side, ValueDiff, Word, diff_runs, diff_values, diff_words
from pellucid.core.snapshot import (
    EntryKind,
    GitState,
    Manifest,
    SnapshotParts,
    TreeFile,
    build_tree,
)


def side(
    number: int, files: dict[str, bytes], *, kind: EntryKind = EntryKind.FILE, **facts: Any
) -> Side:
    objects = {digest_bytes(data): data for data in files.values()}
    mode = facts.get("mode")
    entries = [TreeFile(p, kind, digest_bytes(d), len(d), mode) for p, d in files.items()]
    tree = build_tree(entries)
    objects.update(tree.objects)
    run = Run(
        id=f"{number:032x}",
        experiment="e",
        number=number,
        name="",
        status=RunStatus.FINISHED,
        start_ns=0,
        end_ns=1,
        heard_ns=1,
        parent_id=None,
        params=facts.get("params", {}),
        metrics=facts.get("metrics", {}),
        tags={},
        scores=facts.get("scores", {}),
        notes="",
        snapshot_id="a" * 64,
        parent_snapshot_id=None,
        error=None,
        source={},
        conflicts=[],
    )
    parts = SnapshotParts(
        packages=facts.get("packages", {}),
        config=facts.get("config"),
        environment=facts.get("environment", {}),
        observed=facts.get("observed", {}),
    )
    manifest = Manifest(
        tree=tree.digest, git=GitState(commit=str(number)), datasets=facts.get("datasets", {})
    )
    return Side(run, manifest, parts, objects.__getitem__)


def test_code_is_compared_file_by_file() -> None:
    before = side(
        12, {"a.py": b"one\ntwo\n", "gone.py": b"x\n", "d/same.py": b"s\n", "b.bin": b"\0"}
    )
    after = side(
        52, {"a.py": b"one\n2\n", "d/same.py": b"s\n", "b.bin": b"\1\0", "d/n/new.py": b"n"}
    )
    diff = diff_runs(before, after)
    assert [(f.path, f.change, f.added, f.removed) for f in diff.code] == [
        ("a.py", "changed", 1, 1),
        ("b.bin", "changed", 0, 0),
        ("d/n/new.py", "added", 1, 0),
        ("gone.py", "removed", 0, 1),
    ]
    assert diff.code[0].unified == "@@ -1,2 +1,2 @@\n one\n-two\n+2\n"
    assert diff.code[1].unified is None
    assert (diff.commit_a, diff.commit_b) == ("12", "52")
    text = str(diff)
    assert "--- a/a.py\n+++ b/a.py\n@@ -1,2 +1,2 @@\n one\n-two\n+2\n" in text
    assert "--- /dev/null\n+++ b/d/n/new.py" in text
    assert "(no text: 1 → 2 bytes)" in text


def test_a_folder_that_becomes_a_file_and_a_mode_are_told() -> None:
    diff = diff_runs(side(1, {"x/a": b"1"}), side(2, {"x": b"2"}))
    assert [(f.path, f.change) for f in diff.code] == [("x/a", "removed"), ("x", "added")]
    same = {"run.sh": b"#!/bin/sh\n"}
    diff = diff_runs(side(1, same), side(2, same, kind=EntryKind.EXECUTABLE))
    assert [(f.path, f.change) for f in diff.code] == [("run.sh", "mode")]


def test_what_a_umask_does_to_modes_is_no_difference() -> None:
    def mode(bits: int | None) -> Side:
        return side(1, {"run.sh": b"x"}, mode=bits)

    assert diff_runs(mode(0o664), mode(None)).code == []
    assert [f.change for f in diff_runs(mode(0o400), mode(0o600)).code] == ["mode"]


def test_everything_else_is_compared_key_by_key() -> None:
    before = side(
        1,
        {},
        params={"k": 5},
        metrics={"accuracy": 0.5, "nan": float("nan")},
        scores={"correctness": 0.4, "label": "good"},
        config={"a": {"b": 1, "c": True}},
        packages={"openai": "2", "old": "1"},
        environment={"python": "3.11"},
        datasets={"qa": "3"},
        observed={"prompts": {"p": {"template": "work it out"}}, "models": {"m": {}}},
    )
    after = side(
        2,
        {},
        params={"k": 6},
        metrics={"accuracy": 0.75, "new": 1.0},
        scores={"correctness": 0.6, "label": "bad"},
        config={"a": {"b": 1.0, "c": True}, "d": []},
        packages={"openai": "3"},
        environment={"python": "3.12"},
        datasets={"qa": "4"},
        observed={"prompts": {"p": {"template": "call the tool"}}, "models": {"n": {"x": 1}}},
    )
    diff = diff_runs(before, after)
    assert diff.params == [ValueDiff(key="k", before=5, after=6)]
    assert [v.key for v in diff.config] == ["a.b", "d"]
    assert [v.key for v in diff.environment] == ["python", "package.old", "package.openai"]
    assert [(v.key, v.before, v.after) for v in diff.data] == [("qa", "3", "4")]
    assert [(n.key, n.change) for n in diff.metrics] == [
        ("accuracy", 0.25),
        ("nan", None),
        ("new", None),
    ]
    assert [n.key for n in diff.scores] == ["correctness", "label"]
    assert [p.name for p in diff.prompts] == ["p"]
    assert "accuracy: 0.5 → 0.75 (+0.25)" in str(diff)
    assert not diff.is_empty
    assert diff_runs(before, before).is_empty
    assert "The same code" in str(diff_runs(before, before))


def test_words_of_a_prompt_are_compared() -> None:
    assert diff_words("Work it out.", "Work it all out.") == [
        Word("same", "Work it "),
        Word("added", "all "),
        Word("same", "out."),
    ]


@given(st.text(max_size=60), st.text(max_size=60))
def test_words_give_both_texts_back(before: str, after: str) -> None:
    words = diff_words(before, after)
    assert "".join(word.text for word in words if word.change != "added") == before
    assert "".join(word.text for word in words if word.change != "removed") == after


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.dictionaries(st.text("abc", min_size=1, max_size=2), inner, max_size=3),
    max_leaves=8,
)


@given(values)
def test_a_value_does_not_differ_from_itself(value: Any) -> None:
    assert diff_values(value, value) == []
