"""Datasets as a server keeps them: versions with a number, who made them and what they changed."""

import re
from collections.abc import Iterable, Sequence
from enum import StrEnum

import msgspec

from pellucid.core.dataset import Example
from pellucid.core.errors import InvalidInput, TooLarge

DATASETS_PATH = "/api/v1/datasets"
FILE_FORMATS = ("jsonl", "json", "csv", "parquet")
MAX_NAME = 120
MAX_ID = 200
MAX_SPLIT = 100
MAX_MESSAGE = 1000
MAX_EXAMPLE_BYTES = 1 << 20
MAX_EXAMPLES = 1_000_000
_NAME = re.compile(r"\w[\w .+()-]*")
_ID = re.compile(r"[0-9a-f]{32}")


class Existing(StrEnum):
    """What becomes of an example whose id the dataset has already."""

    REPLACE = "replace"
    KEEP = "keep"
    REFUSE = "refuse"


class DatasetVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a dataset, without its examples."""

    name: str
    number: int
    """1, 2, 3 … in the order in which the versions were made."""
    version: str
    """The digest of the content (`core.dataset.version_of`)."""
    id: str
    """The id of the write that made it."""
    base: int | None
    """The number of the version before."""
    time_ns: int
    message: str = ""
    author: str | None = None
    source: str = ""
    """What made it: `sdk`, `page`, `import`, `traces` …"""
    example_count: int
    size_bytes: int
    splits: dict[str, int] = {}
    """Examples by split, sorted by name; those without one are not counted."""
    added: int
    removed: int
    changed: int

    @property
    def spec(self) -> str:
        """How to name it: `name@number`."""
        return f"{self.name}@{self.number}"


class DatasetSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One dataset: its newest version, and how many there are."""

    name: str
    created_ns: int
    version_count: int
    latest: DatasetVersion


class DatasetPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some datasets, the most recently changed first."""

    datasets: list[DatasetSummary]
    next: str | None = None


class VersionPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some versions of a dataset, the newest first."""

    versions: list[DatasetVersion]
    next: str | None = None


class PlacedExample(msgspec.Struct, frozen=True, kw_only=True):
    """One example and its place in the version, from 1."""

    position: int
    example: Example


class ExamplePage(msgspec.Struct, frozen=True, kw_only=True):
    """Some examples of a version, in its order."""

    examples: list[PlacedExample]
    next: str | None = None


class ChangeKind(StrEnum):
    """How an example differs between two versions."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


class DatasetChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One example that two versions do not hold alike."""

    kind: ChangeKind
    before: Example | None = None
    after: Example | None = None


class DiffPage(msgspec.Struct, frozen=True, kw_only=True):
    """What changed between two versions: all counts, and some of the examples.

    Removed ones come first, in the earlier version's order, then changed and added ones in the
    later one's.
    """

    before: DatasetVersion
    after: DatasetVersion
    added: int
    removed: int
    changed: int
    unchanged: int
    changes: list[DatasetChange]
    next: str | None = None


class DatasetWrite(msgspec.Struct, frozen=True, kw_only=True):
    """A new version: all of its examples, or edits of an earlier one.

    Exactly one of `examples`, `digests` and (`put`, `remove`) says what it holds.
    """

    id: str
    """Made by who writes; the same write again changes nothing."""
    name: str
    time_ns: int
    base: int | None = None
    """The version that it follows; another newest one is a Conflict. 0: the dataset is new.

    None: whatever is the newest.
    """
    message: str = ""
    author: str | None = None
    source: str = "sdk"
    examples: list[Example] | None = None
    digests: list[str] | None = None
    """All examples by digest; they were stored before."""
    put: list[Example] = []
    """Examples at the end, or in the place of the ones of the same id."""
    remove: list[str] = []
    existing: Existing = Existing.REPLACE


class DatasetDeletion(msgspec.Struct, frozen=True, kw_only=True):
    """What a deletion takes away, or would."""

    name: str
    version_count: int
    example_count: int
    """Examples that no other dataset holds."""


def is_dataset_spec(text: str) -> bool:
    """Tell whether a text can name a dataset of a server, rather than a file."""
    name, _ = split_spec(text)
    return _fault_of(name) is None


def split_spec(text: str) -> tuple[str, int | None]:
    """Return the name and the number of `name@number`; no number is the newest."""
    name, at, number = text.rpartition("@")
    if at and number.isascii() and number.isdigit():
        return name, int(number)
    return (name, None) if at and number == "latest" else (text, None)


def check_name(name: str) -> None:
    """Raise InvalidInput for what no dataset can be called."""
    fault = _fault_of(name)
    if fault is not None:
        raise InvalidInput(f"{name[:80]!r} cannot name a dataset: {fault}.")


def check_write(write: DatasetWrite) -> None:
    """Raise InvalidInput or TooLarge, naming the fault, for a write that a store cannot take."""
    check_name(write.name)
    if not _ID.fullmatch(write.id):
        raise InvalidInput(f"{write.id[:80]!r} is not a write's id (32 lowercase hex digits).")
    given = (write.examples is not None, write.digests is not None, bool(write.put or write.remove))
    if sum(given) != 1:
        raise InvalidInput("Give one of `examples`, `digests`, and edits (`put`, `remove`).")
    for what, text in (("message", write.message), ("author", write.author or "")):
        if len(text) > MAX_MESSAGE or "\x00" in text:
            raise InvalidInput(f"The {what} must be a text of at most {MAX_MESSAGE:,} characters.")
    count = max(len(write.examples or ()), len(write.digests or ()), len(write.put))
    if count > MAX_EXAMPLES:
        raise TooLarge(f"{count:,} examples; a dataset holds at most {MAX_EXAMPLES:,}.")
    check_ids(write.examples or write.put)
    if not 0 <= write.time_ns < 2**63:
        raise InvalidInput("The time is not one in nanoseconds since 1970.")


def check_ids(examples: Sequence[Example]) -> None:
    """Raise InvalidInput for ids that are no ids, or that two of the examples have."""
    seen: set[str] = set()
    for number, example in enumerate(examples, 1):
        if not 1 <= len(example.id) <= MAX_ID or not example.id.isprintable():
            raise InvalidInput(
                f"Example {number}: an id has 1 to {MAX_ID} characters that can be printed, "
                f"unlike {example.id[:80]!r}."
            )
        if example.split is not None and not 1 <= len(example.split) <= MAX_SPLIT:
            raise InvalidInput(f"Example {example.id!r}: a split has 1 to {MAX_SPLIT} characters.")
        if example.id in seen:
            raise InvalidInput(f"Two examples have the id {example.id!r}.")
        seen.add(example.id)


def pack_example(example: Example) -> bytes:
    """Return an example as JSON. Raises InvalidInput for values that JSON has not, and TooLarge."""
    try:
        body = msgspec.json.encode(example)
        msgspec.json.decode(body)  # a float that is no number is encoded, but as null
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(
            f"Example {example.id!r} holds what JSON cannot: {error}. "
            "Turn it into text, a number, a list or a dict first."
        ) from None
    if len(body) > MAX_EXAMPLE_BYTES:
        raise TooLarge(
            f"Example {example.id!r} has {len(body):,} bytes; one holds at most "
            f"{MAX_EXAMPLE_BYTES:,}. Keep large texts elsewhere and name them in it."
        )
    return body


def plain_examples(examples: Iterable[Example]) -> list[Example]:
    """Return examples as they are read back from JSON, so that their digests are the server's."""
    return [msgspec.json.decode(pack_example(example), type=Example) for example in examples]


def _fault_of(name: str) -> str | None:
    if not 1 <= len(name) <= MAX_NAME:
        return f"a name has 1 to {MAX_NAME} characters"
    if not _NAME.fullmatch(name) or name != name.strip():
        return (
            "a name is letters, digits, spaces and . _ - + ( ), and begins with a letter or digit"
        )
    if name.rpartition(".")[2].lower() in (*FILE_FORMATS, "ndjson", "pq") and "." in name:
        return "it would be read as the name of a file"
    return None
