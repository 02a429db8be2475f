"""Snapshots: an agent's complete state as a Merkle tree (DESIGN §11).

A blob is a file's bytes, a tree one folder, a manifest the root tree and the other facts. Each is
named by the digest of its bytes; trees and manifests have one canonical JSON, so that the same
state always has the same name.
"""

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from pellucid.core.digest import digest_bytes, is_digest
from pellucid.core.errors import InvalidInput

MAX_DEPTH = 64
FORMAT = 1
FILE_BITS = 0o777
"""What is kept of a file's mode: nothing that lets it run as somebody else."""
FOLDER_BITS = 0o3777
"""Of a folder's: also that what is made in it has its group and is removed by its owner only."""


class EntryKind(StrEnum):
    """What an entry of a tree is; the letter is what stands in its JSON."""

    FILE = "f"
    EXECUTABLE = "x"
    LINK = "l"
    """A symbolic link; the blob is its target."""
    TREE = "t"


class TreeEntry(msgspec.Struct, frozen=True, array_like=True):
    """One name in a folder."""

    name: str
    kind: EntryKind
    digest: str
    size_bytes: int = 0
    """Of the blob; of a tree, the sum below it."""
    mode: int | None = None
    """Permission bits; None for 0o644 of a file and 0o755 of an executable or a folder."""


class SnapshotObject(msgspec.Struct, frozen=True):
    """A blob, tree or manifest on its way: its digest, and its bytes compressed with zstd."""

    digest: str
    data: bytes
    size_bytes: int
    """Of the plain bytes."""


class LeftOut(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that was not taken as it is: a file (too large, secret), or a secret in a line."""

    path: str
    reason: str
    line: int | None = None


class GitState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where the project stood in git; `head_tree` is the code of the commit, if it was dirty."""

    commit: str | None = None
    branch: str | None = None
    dirty: bool = False
    remote: str | None = None
    head_tree: str | None = None


class EntryPoint(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The function declared with `@pellucid.agent`; `module` as imported from the root folder."""

    module: str
    name: str
    file: str
    input_schema: dict[str, Any] = {}
    output_schema: dict[str, Any] = {}
    streams: bool = False
    description: str = ""


class Manifest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything about an agent's state. Fields that are digests name a blob of canonical JSON."""

    format: int = FORMAT
    tree: str
    """The root folder's tree."""
    file_count: int = 0
    size_bytes: int = 0
    root_name: str = ""
    git: GitState | None = None
    packages: str | None = None
    """Blob: package → version, or a URL it was installed from."""
    config: str | None = None
    """Blob: the resolved configuration, secrets masked."""
    environment: str | None = None
    """Blob: Python, platform, names of environment variables."""
    observed: str | None = None
    """Blob: prompts, models, tools and retrievers as the run's traces showed them."""
    datasets: dict[str, str] = {}
    """Dataset name → version."""
    command: list[str] = []
    """The arguments of the process, the program first, secrets masked."""
    working_folder: str = ""
    """Relative to the root folder."""
    entry_point: EntryPoint | None = None
    notebook: str | None = None
    """Blob: the executed cells in order."""
    left_out: list[LeftOut] = []


class TreeFile(msgspec.Struct, frozen=True):
    """A file below a tree, with its path from there (`/` between names)."""

    path: str
    kind: EntryKind
    digest: str
    size_bytes: int
    mode: int | None = None
    """As in `TreeEntry`."""


class TreeFolder(NamedTuple):
    """A folder below a tree, with its path from there, and its permission bits."""

    path: str
    mode: int


GetObject = Callable[[str], bytes]
"""Returns the plain bytes of a digest; raises NotFound."""

_canonical = msgspec.json.Encoder(order="deterministic")
_tree_decoder = msgspec.json.Decoder(list[TreeEntry])
_manifest_decoder = msgspec.json.Decoder(Manifest)


def encode_json(value: Any) -> bytes:
    """Return a value's canonical JSON: keys sorted, no spaces."""
    return _canonical.encode(value)


def encode_tree(entries: list[TreeEntry]) -> bytes:
    """Return a folder's canonical JSON: entries sorted by name, usual modes left out."""
    return _canonical.encode([_row(e) for e in sorted(entries, key=lambda entry: entry.name)])


def usual_mode(kind: EntryKind) -> int:
    """Return the permission bits that an entry has if it names none."""
    return 0o644 if kind is EntryKind.FILE else 0o755


def _row(entry: TreeEntry) -> list[str | int]:
    row: list[str | int] = [entry.name, entry.kind.value, entry.digest, entry.size_bytes]
    is_usual = entry.mode is None or entry.mode == usual_mode(entry.kind)
    return row if is_usual or entry.mode is None else [*row, entry.mode]


def decode_tree(data: bytes) -> list[TreeEntry]:
    """Read a tree. Raises InvalidInput unless every name and digest is safe and in order."""
    try:
        entries = _tree_decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidInput(f"A tree of a snapshot cannot be read: {error}") from None
    previous = ""
    for entry in entries:
        check_name(entry.name)
        if not is_digest(entry.digest):
            raise InvalidInput(f"{entry.name!r} in a snapshot names no digest.")
        bits = FOLDER_BITS if entry.kind is EntryKind.TREE else FILE_BITS
        if entry.mode is not None and entry.mode & ~bits:
            raise InvalidInput(f"{entry.name!r} in a snapshot has the mode {entry.mode:o}.")
        if entry.name <= previous:
            raise InvalidInput(f"{entry.name!r} in a snapshot stands twice or out of order.")
        previous = entry.name
    return entries


def decode_manifest(data: bytes) -> Manifest:
    """Read a manifest. Raises InvalidInput."""
    try:
        manifest = _manifest_decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidInput(f"A manifest cannot be read: {error}") from None
    if manifest.format > FORMAT:
        raise InvalidInput(
            f"The snapshot has format {manifest.format}; this Pellucid reads up to {FORMAT}. "
            "Upgrade it."
        )
    for digest in [manifest.tree, *manifest_blobs(manifest)]:
        if not is_digest(digest):
            raise InvalidInput(f"{digest[:80]!r} in a manifest is not a digest.")
    return manifest


def manifest_blobs(manifest: Manifest) -> list[str]:
    """Return the digests of the blobs that a manifest names itself."""
    blobs = (
        manifest.packages,
        manifest.config,
        manifest.environment,
        manifest.observed,
        manifest.notebook,
    )
    return [digest for digest in blobs if digest]


def manifest_trees(manifest: Manifest) -> list[str]:
    """Return the digests of the root trees that a manifest names."""
    head = manifest.git.head_tree if manifest.git else None
    return [manifest.tree, head] if head else [manifest.tree]


def check_name(name: str) -> None:
    """Raise InvalidInput for a name that could leave its folder."""
    if not name or name in {".", ".."} or "/" in name or "\\" in name or "\0" in name:
        raise InvalidInput(f"{name[:80]!r} is not allowed as a name in a snapshot.")
    if len(name.encode("utf-8", "surrogatepass")) > 255:
        raise InvalidInput(f"The name {name[:40]!r}… in a snapshot is too long.")


def iter_files(
    tree: str, get: GetObject, *, prefix: str = "", depth: int = 0
) -> Iterator[TreeFile]:
    """Yield the files below a tree in order of their paths' parts.

    Raises InvalidInput for names that could leave the folder and for more than `MAX_DEPTH` levels.
    """
    if depth > MAX_DEPTH:
        raise InvalidInput(f"A snapshot has more than {MAX_DEPTH} levels of folders.")
    for entry in decode_tree(get(tree)):
        path = f"{prefix}{entry.name}"
        if entry.kind is EntryKind.TREE:
            yield from iter_files(entry.digest, get, prefix=f"{path}/", depth=depth + 1)
        else:
            yield TreeFile(path, entry.kind, entry.digest, entry.size_bytes, entry.mode)


def iter_folders(tree: str, get: GetObject, *, prefix: str = "") -> Iterator[TreeFolder]:
    """Yield the folders below a tree, those inside before the one that holds them.

    Raises InvalidInput as `iter_files` does.
    """
    if prefix.count("/") > MAX_DEPTH:
        raise InvalidInput(f"A snapshot has more than {MAX_DEPTH} levels of folders.")
    for entry in decode_tree(get(tree)):
        if entry.kind is EntryKind.TREE:
            path = f"{prefix}{entry.name}"
            yield from iter_folders(entry.digest, get, prefix=f"{path}/")
            yield TreeFolder(path, usual_mode(entry.kind) if entry.mode is None else entry.mode)


class BuiltTree(msgspec.Struct, frozen=True):
    """A tree made from files: its root, and the bytes of every folder by digest."""

    digest: str
    objects: dict[str, bytes]


def build_tree(files: list[TreeFile], folder_modes: Mapping[str, int] = {}) -> BuiltTree:
    """Return the Merkle tree of files, given in any order; `folder_modes` are by path.

    Raises InvalidInput for an unsafe path, one that stands twice, or one that is a file and a
    folder.
    """
    root: dict[str, Any] = {}
    for file in files:
        *folders, name = file.path.split("/")
        node = root
        for folder in folders:
            check_name(folder)
            node = node.setdefault(folder, {})
            if not isinstance(node, dict):
                raise InvalidInput(f"{file.path!r} lies below a file.")
        check_name(name)
        if name in node:
            raise InvalidInput(f"{file.path!r} stands twice in a snapshot.")
        node[name] = file
    objects: dict[str, bytes] = {}
    return BuiltTree(_build(root, objects, folder_modes, "").digest, objects)


def _build(
    node: dict[str, Any], objects: dict[str, bytes], modes: Mapping[str, int], prefix: str
) -> TreeEntry:
    entries = []
    for name, child in node.items():
        if isinstance(child, dict):
            path = f"{prefix}{name}"
            built = _build(child, objects, modes, f"{path}/")
            mode = modes.get(path)
            entries.append(TreeEntry(name, EntryKind.TREE, built.digest, built.size_bytes, mode))
        else:
            kept = (child.kind, child.digest, child.size_bytes, child.mode)
            entries.append(TreeEntry(name, *kept))
    data = encode_tree(entries)
    digest = digest_bytes(data)
    objects[digest] = data
    return TreeEntry("", EntryKind.TREE, digest, sum(entry.size_bytes for entry in entries))


class SnapshotParts(msgspec.Struct, frozen=True, kw_only=True):
    """A manifest's small parts, read."""

    packages: dict[str, str] = {}
    config: Any = None
    environment: dict[str, Any] = {}
    observed: dict[str, Any] = {}


def read_parts(manifest: Manifest, get: GetObject) -> SnapshotParts:
    """Read a manifest's parts. Raises NotFound, and InvalidInput for one that is no JSON."""

    def read(digest: str | None, kind: Any, default: Any) -> Any:
        if digest is None:
            return default
        try:
            return msgspec.json.decode(get(digest), type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise InvalidInput(f"The part {digest} of a snapshot cannot be read: {error}") from None

    return SnapshotParts(
        packages=read(manifest.packages, dict[str, str], {}),
        config=read(manifest.config, Any, None),
        environment=read(manifest.environment, dict[str, Any], {}),
        observed=read(manifest.observed, dict[str, Any], {}),
    )
