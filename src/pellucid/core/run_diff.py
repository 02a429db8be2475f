"""What differs between two runs: code, prompts, configuration, environment, data, results."""

import difflib
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from pellucid.core.run import Run, WireNumber, to_wire
from pellucid.core.snapshot import (
    MAX_DEPTH,
    EntryKind,
    GetObject,
    Manifest,
    SnapshotParts,
    TreeEntry,
    decode_tree,
    usual_mode,
)

MAX_TEXT_BYTES = 1 << 20
MAX_FILES = 2000
_CONTEXT = 3
_OWN_BITS = 0o700
_WORDS = re.compile(r"\s+|\w+|[^\w\s]")


class FileDiff(msgspec.Struct, frozen=True, kw_only=True):
    """One file: `change` is `added`, `removed`, `changed` or `mode`.

    `unified` is a unified diff without its two header lines; None for bytes that are no text, or
    more than `MAX_TEXT_BYTES`.
    """

    path: str
    change: str
    added: int
    removed: int
    unified: str | None
    size_before: int
    size_after: int


class ValueDiff(msgspec.Struct, frozen=True, kw_only=True):
    """One key whose value differs; None where there is none."""

    key: str
    before: Any
    after: Any


class Word(msgspec.Struct, frozen=True, array_like=True):
    """A piece of a prompt: `same`, `removed` or `added`."""

    change: str
    text: str


class PromptDiff(msgspec.Struct, frozen=True, kw_only=True):
    """One prompt, word by word."""

    name: str
    before: str | None
    after: str | None
    words: list[Word]


class NumberDiff(msgspec.Struct, frozen=True, kw_only=True):
    """A metric or score that either run has; `change` is after less before."""

    key: str
    before: Any
    after: Any
    change: WireNumber


class RunDiff(msgspec.Struct, frozen=True, kw_only=True):
    """Two runs compared; the lists hold what differs, metrics and scores all there are."""

    a: str
    b: str
    snapshot_a: str | None
    snapshot_b: str | None
    commit_a: str | None
    commit_b: str | None
    code: list[FileDiff]
    prompts: list[PromptDiff]
    config: list[ValueDiff]
    params: list[ValueDiff]
    environment: list[ValueDiff]
    data: list[ValueDiff]
    observed: list[ValueDiff]
    """Models, tools and retrievers."""
    metrics: list[NumberDiff]
    scores: list[NumberDiff]

    @property
    def is_empty(self) -> bool:
        """Whether nothing that the runs were made with differs."""
        return not any(
            (
                self.code,
                self.prompts,
                self.config,
                self.params,
                self.environment,
                self.data,
                self.observed,
            )
        )

    def __str__(self) -> str:
        """Return the comparison as text, code as a unified diff."""
        return "\n".join(_lines(self))


class Side(NamedTuple):
    """One of the two: the run, and its snapshot where there is one."""

    run: Run
    manifest: Manifest | None
    parts: SnapshotParts
    get: GetObject


def diff_runs(a: Side, b: Side) -> RunDiff:
    """Compare two runs. Raises NotFound if an object of a snapshot is missing."""
    return RunDiff(
        a=_label(a.run),
        b=_label(b.run),
        snapshot_a=a.run.snapshot_id,
        snapshot_b=b.run.snapshot_id,
        commit_a=_commit(a),
        commit_b=_commit(b),
        code=list(_diff_code(a, b)),
        prompts=_diff_prompts(a.parts, b.parts),
        config=diff_values(a.parts.config, b.parts.config),
        params=diff_values(a.run.params, b.run.params),
        environment=[
            *diff_values(a.parts.environment, b.parts.environment),
            *diff_values(a.parts.packages, b.parts.packages, prefix="package."),
        ],
        data=diff_values(_datasets(a), _datasets(b)),
        observed=diff_values(_without_prompts(a.parts), _without_prompts(b.parts)),
        metrics=_diff_numbers(a.run.metrics, b.run.metrics),
        scores=_diff_numbers(a.run.scores, b.run.scores),
    )


def diff_values(before: Any, after: Any, *, prefix: str = "") -> list[ValueDiff]:
    """Compare two JSON values key by key; keys of nested objects are joined with dots."""
    flat_before, flat_after = dict(_flatten(before, prefix)), dict(_flatten(after, prefix))
    return [
        ValueDiff(key=key or ".", before=flat_before.get(key), after=flat_after.get(key))
        for key in sorted({*flat_before, *flat_after})
        if flat_before.get(key) != flat_after.get(key)
        or type(flat_before.get(key)) is not type(flat_after.get(key))
    ]


def diff_words(before: str, after: str) -> list[Word]:
    """Compare two texts word by word."""
    old, new = _WORDS.findall(before), _WORDS.findall(after)
    words: list[Word] = []
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag == "equal":
            words.append(Word("same", "".join(old[i1:i2])))
            continue
        if i2 > i1:
            words.append(Word("removed", "".join(old[i1:i2])))
        if j2 > j1:
            words.append(Word("added", "".join(new[j1:j2])))
    return words


class Tree(NamedTuple):
    """A folder of a snapshot, and where its objects come from."""

    digest: str
    get: GetObject


def diff_trees(before: Tree, after: Tree) -> Iterator[FileDiff]:
    """Yield the files that differ, in order of their paths; at most `MAX_FILES`.

    Folders with one digest are not looked into.
    """
    if before.digest == after.digest:
        return
    pairs = _changed(before, after, before.digest, after.digest, "")
    for number, pair in enumerate(pairs):
        if number >= MAX_FILES:
            return
        yield _file_diff(before, after, pair)


class _Pair(NamedTuple):
    path: str
    before: TreeEntry | None
    after: TreeEntry | None


def _diff_code(a: Side, b: Side) -> Iterator[FileDiff]:
    if a.manifest is not None and b.manifest is not None:
        yield from diff_trees(Tree(a.manifest.tree, a.get), Tree(b.manifest.tree, b.get))


def _changed(
    a: Tree, b: Tree, tree_a: str | None, tree_b: str | None, prefix: str
) -> Iterator[_Pair]:
    if prefix.count("/") > MAX_DEPTH:
        return
    old = {entry.name: entry for entry in decode_tree(a.get(tree_a))} if tree_a else {}
    new = {entry.name: entry for entry in decode_tree(b.get(tree_b))} if tree_b else {}
    for name in sorted({*old, *new}):
        before, after = old.get(name), new.get(name)
        if before == after or _differs_for_others_only(before, after):
            continue
        path = prefix + name
        below_a = before.digest if before and before.kind is EntryKind.TREE else None
        below_b = after.digest if after and after.kind is EntryKind.TREE else None
        if below_a or below_b:
            yield from _changed(a, b, below_a, below_b, f"{path}/")
        file_a, file_b = None if below_a else before, None if below_b else after
        if file_a or file_b:
            yield _Pair(path, file_a, file_b)


def _differs_for_others_only(before: TreeEntry | None, after: TreeEntry | None) -> bool:
    """Tell whether only what group and others may do differs: that is the machine's umask."""
    if before is None or after is None or before.kind is not after.kind:
        return False
    own = [(usual_mode(e.kind) if e.mode is None else e.mode) & _OWN_BITS for e in (before, after)]
    return before.digest == after.digest and own[0] == own[1]


def _file_diff(a: Tree, b: Tree, pair: _Pair) -> FileDiff:
    before, after = pair.before, pair.after
    change = "added" if before is None else "removed" if after is None else "changed"
    if before is not None and after is not None and before.digest == after.digest:
        change = "mode"
    unified = "" if change == "mode" else _unified(a, b, before, after)
    lines = unified.splitlines() if unified else []
    return FileDiff(
        path=pair.path,
        change=change,
        added=sum(line.startswith("+") for line in lines),
        removed=sum(line.startswith("-") for line in lines),
        unified=unified,
        size_before=before.size_bytes if before else 0,
        size_after=after.size_bytes if after else 0,
    )


def _unified(a: Tree, b: Tree, before: TreeEntry | None, after: TreeEntry | None) -> str | None:
    old, new = _text(a, before), _text(b, after)
    if old is None or new is None:
        return None
    lines = difflib.unified_diff(
        old.splitlines(keepends=True), new.splitlines(keepends=True), n=_CONTEXT
    )
    body = [line if line.endswith("\n") else f"{line}\n\\ No newline at end\n" for line in lines]
    return "".join(body[2:])


def _text(tree: Tree, entry: TreeEntry | None) -> str | None:
    if entry is None:
        return ""
    if entry.size_bytes > MAX_TEXT_BYTES:
        return None
    data = tree.get(entry.digest)
    try:
        return None if b"\0" in data else data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _diff_prompts(a: SnapshotParts, b: SnapshotParts) -> list[PromptDiff]:
    old, new = _templates(a), _templates(b)
    return [
        PromptDiff(
            name=name,
            before=old.get(name),
            after=new.get(name),
            words=diff_words(old.get(name, ""), new.get(name, "")),
        )
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    ]


def _templates(parts: SnapshotParts) -> dict[str, str]:
    prompts = parts.observed.get("prompts")
    if not isinstance(prompts, dict):
        return {}
    return {
        name: str(prompt.get("template", ""))
        for name, prompt in prompts.items()
        if isinstance(prompt, dict)
    }


def _without_prompts(parts: SnapshotParts) -> dict[str, Any]:
    return {name: value for name, value in parts.observed.items() if name != "prompts"}


def _flatten(value: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, child in value.items():
            inner = f"{prefix}{key}"
            yield from _flatten(child, f"{inner}." if isinstance(child, dict) else inner)
    elif value is not None and value != {}:
        yield prefix.removesuffix("."), value


def _diff_numbers(before: dict[str, Any], after: dict[str, Any]) -> list[NumberDiff]:
    return [
        NumberDiff(
            key=key,
            before=_wire(before.get(key)),
            after=_wire(after.get(key)),
            change=_change(before.get(key), after.get(key)),
        )
        for key in sorted({*before, *after})
    ]


def _wire(value: Any) -> Any:
    return to_wire(value) if isinstance(value, float) else value


def _change(before: Any, after: Any) -> WireNumber:
    if not isinstance(before, int | float) or not isinstance(after, int | float):
        return None
    return to_wire(float(after) - float(before))


def _datasets(side: Side) -> dict[str, str]:
    return side.manifest.datasets if side.manifest else {}


def _commit(side: Side) -> str | None:
    return side.manifest.git.commit if side.manifest and side.manifest.git else None


def _label(run: Run) -> str:
    return f"{run.experiment}@{run.number}" if run.number is not None else run.id[:12]


def _lines(diff: RunDiff) -> Iterator[str]:
    yield f"{diff.a} → {diff.b}"
    for title, numbers in (("Metrics", diff.metrics), ("Scores", diff.scores)):
        if numbers:
            yield f"\n{title}"
            for item in numbers:
                sign = _signed(item.change)
                yield f"  {item.key}: {_shown(item.before)} → {_shown(item.after)}{sign}"
    for title, values in (
        ("Params", diff.params),
        ("Configuration", diff.config),
        ("Data", diff.data),
        ("Models and tools", diff.observed),
        ("Environment", diff.environment),
    ):
        if values:
            yield f"\n{title}"
            for value in values:
                yield f"  {value.key}: {_shown(value.before)} → {_shown(value.after)}"
    if diff.prompts:
        yield "\nPrompts"
        for prompt in diff.prompts:
            yield f"  {prompt.name}: {_marked(prompt.words)}"
    if diff.code:
        yield "\nCode"
    for file in diff.code:
        yield from _file_lines(file)
    if diff.is_empty:
        if diff.snapshot_a is None or diff.snapshot_b is None:
            missing = diff.a if diff.snapshot_a is None else diff.b
            yield f"\nNothing else can be compared: {missing} has no snapshot."
        else:
            yield "\nThe same code, prompts, configuration, environment and data."


def _file_lines(file: FileDiff) -> Iterator[str]:
    yield f"--- {'/dev/null' if file.change == 'added' else 'a/' + file.path}"
    yield f"+++ {'/dev/null' if file.change == 'removed' else 'b/' + file.path}"
    if file.change == "mode":
        yield "(only its mode)"
    elif file.unified is None:
        yield f"(no text: {file.size_before} → {file.size_after} bytes)"
    else:
        yield file.unified.rstrip("\n")


def _marked(words: list[Word]) -> str:
    marks = {"same": "{}", "removed": "[-{}-]", "added": "{{+{}+}}"}
    return "".join(marks[word.change].format(word.text) for word in words)


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _signed(change: WireNumber) -> str:
    return f" ({change:+.4g})" if isinstance(change, float) and change else ""
