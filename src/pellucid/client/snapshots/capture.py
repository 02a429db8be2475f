"""Take a snapshot: files → blobs and trees, the other facts → a manifest.

Only files that changed since the last one are read. A file that changes while it is read, or
before the snapshot is complete, is read again.
"""

import os
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from pellucid.client.snapshots import secrets
from pellucid.client.snapshots.cache import (
    CachedFile,
    ProjectCache,
    is_fresh,
    load_cache,
    save_cache,
    signature_of,
)
from pellucid.client.snapshots.environment import read_command, read_environment, read_packages
from pellucid.client.snapshots.project import Changed, Project, find_project, read_head_blobs
from pellucid.core.digest import digest_bytes
from pellucid.core.errors import InvalidInput
from pellucid.core.snapshot import (
    FILE_BITS,
    FOLDER_BITS,
    EntryKind,
    EntryPoint,
    LeftOut,
    Manifest,
    TreeFile,
    build_tree,
    check_name,
    encode_json,
    manifest_blobs,
)

MAX_FILE_BYTES = 10 << 20
MAX_TOTAL_BYTES = 200 << 20
MAX_FILES = 20_000
MAX_LEFT_OUT = 500
_ROUNDS = 3
_EXECUTABLE = 0o100


class Captured(NamedTuple):
    """A snapshot taken: its id, and how to get the bytes of what it is made of."""

    snapshot_id: str
    manifest: Manifest
    manifest_bytes: bytes
    trees: dict[str, bytes]
    """Every folder's bytes by digest, the root's last."""
    parts: dict[str, bytes]
    """The manifest's own blobs."""
    files: dict[str, TreeFile]
    """One file for each blob's digest."""
    root: Path
    cache: ProjectCache
    head_blobs: dict[str, bytes]
    """Blobs that only the commit has."""


@dataclass(frozen=True)
class Extras:
    """What the program says about itself."""

    config: Any = None
    entry_point: EntryPoint | None = None
    datasets: dict[str, str] = field(default_factory=dict)
    observed: Any = None
    cells: list[str] = field(default_factory=list)


def capture(
    start: Path, extras: Extras | None = None, *, is_cancelled: Callable[[], bool] = lambda: False
) -> Captured | None:
    """Take a snapshot of the project that a folder belongs to; None if cancelled."""
    extras = extras or Extras()
    project = find_project(start)
    cache = load_cache(project.root)
    known = dict(cache.files)
    files, left_out = _read_files(project, cache)
    if is_cancelled():
        return None
    folder_modes = _folder_modes(project.root, files)
    tree = build_tree(files, folder_modes)
    trees = dict(tree.objects)
    head_blobs: dict[str, bytes] = {}
    git = project.git
    if git is not None and git.dirty and git.commit is not None:
        head_files, head_blobs = _head_files(project, files, cache)
        head = build_tree(head_files, folder_modes)
        trees = {**head.objects, **trees}
        git = msgspec.structs.replace(git, head_tree=head.digest)
    parts = _Parts()
    manifest = Manifest(
        tree=tree.digest,
        file_count=len(files),
        size_bytes=sum(file.size_bytes for file in files),
        root_name=project.root.name,
        git=git,
        packages=parts.add(read_packages(cache)),
        config=parts.add(extras.config),
        environment=parts.add(read_environment()),
        observed=parts.add(extras.observed),
        datasets=extras.datasets,
        command=read_command(),
        working_folder=_relative(Path.cwd(), project.root),
        entry_point=extras.entry_point,
        notebook=parts.add([secrets.mask_text(cell) for cell in extras.cells]),
        left_out=left_out[:MAX_LEFT_OUT],
    )
    data = encode_json(manifest)
    if cache.files != known:
        save_cache(project.root, cache)
    return Captured(
        snapshot_id=digest_bytes(data),
        manifest=manifest,
        manifest_bytes=data,
        trees=trees,
        parts=parts.blobs,
        files={file.digest: file for file in files},
        root=project.root,
        cache=cache,
        head_blobs=head_blobs,
    )


def amend(captured: Captured, *, config: Any, datasets: dict[str, str], observed: Any) -> Captured:
    """Return a snapshot of the same state with other facts."""
    parts = _Parts()
    parts.blobs.update(captured.parts)
    manifest = msgspec.structs.replace(
        captured.manifest,
        config=parts.add(config),
        observed=parts.add(observed),
        datasets=dict(datasets),
    )
    data = encode_json(manifest)
    return captured._replace(
        snapshot_id=digest_bytes(data),
        manifest=manifest,
        manifest_bytes=data,
        parts={digest: parts.blobs[digest] for digest in manifest_blobs(manifest)},
    )


class _Parts:
    """The blobs of a manifest."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}

    def add(self, value: Any) -> str | None:
        """Take a value, and return the digest of its JSON; None for nothing."""
        if value is None or value == {} or value == []:
            return None
        data = encode_json(value)
        digest = digest_bytes(data)
        self.blobs[digest] = data
        return digest


def read_blob(captured: Captured, digest: str) -> bytes | None:
    """Return the bytes of an object of the snapshot; None if a file has changed since."""
    for held in (captured.trees, captured.parts, captured.head_blobs):
        if digest in held:
            return held[digest]
    if digest == captured.snapshot_id:
        return captured.manifest_bytes
    file = captured.files.get(digest)
    if file is None:
        return None
    read = _read(captured.root / file.path, file.path)
    return read.data if read is not None and digest_bytes(read.data) == digest else None


class _Read(NamedTuple):
    kind: EntryKind
    data: bytes
    left_out: list[tuple[int, str]]


def _read_files(project: Project, cache: ProjectCache) -> tuple[list[TreeFile], list[LeftOut]]:
    """Return the project's files, those unchanged since the last time without reading them."""
    held = dict(cache.files)
    left_out: list[LeftOut] = []
    if project.left_out is not None:
        left_out.append(LeftOut(path="", reason=project.left_out))
    paths = _safe_paths(project.paths, left_out)
    current: dict[str, CachedFile] = {}
    waiting = paths
    for _ in range(_ROUNDS):
        for path in waiting:
            found = _look(project.root, path, held.get(path))
            if found is None:
                current.pop(path, None)
            else:
                current[path] = held[path] = found
        # Whatever changed meanwhile is read again, so that the whole was true at one moment.
        waiting = [path for path in current if _has_changed(project.root / path, current[path])]
        if not waiting:
            break
    cache.files = current
    left_out += [
        LeftOut(path=path, reason="a folder: a git submodule")
        for path in paths
        if path not in current and (project.root / path).is_dir()
    ]
    files = _within_limits(current, left_out)
    for path, entry in current.items():
        left_out += [LeftOut(path=path, reason=r, line=n or None) for n, r in entry.left_out]
    return files, sorted(left_out, key=lambda item: (item.path, item.line or 0))


def _safe_paths(paths: list[str], left_out: list[LeftOut]) -> list[str]:
    safe = []
    for path in paths:
        try:
            path.encode()
            for name in path.split("/"):
                check_name(name)
        except (InvalidInput, UnicodeEncodeError):
            shown = path.encode("utf-8", "replace").decode()
            left_out.append(LeftOut(path=shown, reason="its name cannot be kept"))
            continue
        safe.append(path)
    if len(safe) > MAX_FILES:
        left_out.append(LeftOut(path="", reason=f"{len(safe) - MAX_FILES} files too many"))
    return safe[:MAX_FILES]


def _look(root: Path, path: str, held: CachedFile | None) -> CachedFile | None:
    """Return a file as it is now; None if it is gone or no file."""
    place = root / path
    for _ in range(_ROUNDS):
        seen_ns = time.time_ns()
        try:
            status = place.lstat()
        except OSError:
            return None
        signature = signature_of(status)
        if held is not None and is_fresh(held, signature):
            return held
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode)):
            return None
        found = _judge(root, path, status, signature, seen_ns)
        if found is not None and not _has_changed(place, found):
            return found
        held = None
    return found


def _judge(
    root: Path, path: str, status: os.stat_result, signature: Any, seen_ns: int
) -> CachedFile | None:
    def without(reason: str) -> CachedFile:
        return CachedFile(signature, seen_ns, None, status.st_size, [(0, reason)])

    if secrets.is_secret_file(path):
        return without("a file of secrets")
    if status.st_size > MAX_FILE_BYTES:
        return without(f"larger than {MAX_FILE_BYTES >> 20} MiB")
    if stat.S_ISLNK(status.st_mode) and not _stays_inside(root, path):
        return without("a link that leads outside the project")
    try:
        read = _read(root / path, path)
    except OSError as error:
        return without(f"cannot be read: {error.strerror or error}")
    if read is None:
        return without("a binary or UTF-16 file with a secret in it")
    return CachedFile(signature, seen_ns, digest_bytes(read.data), len(read.data), read.left_out)


def _read(place: Path, path: str) -> _Read | None:
    """Return a file without its secrets; None if they cannot be cut out of it."""
    if place.is_symlink():
        return _Read(EntryKind.LINK, os.fsencode(os.readlink(place)), [])
    data = place.read_bytes()
    kind = EntryKind.EXECUTABLE if place.stat().st_mode & _EXECUTABLE else EntryKind.FILE
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = data.decode("utf-16", "replace").encode("utf-8", "replace")
        return None if secrets.find(text, path) else _Read(kind, data, [])
    masked = secrets.mask(data, path)
    if masked.findings and b"\0" in data[:8192]:
        return None
    return _Read(kind, masked.data, [(finding.line, finding.kind) for finding in masked.findings])


def _has_changed(place: Path, held: CachedFile) -> bool:
    try:
        return signature_of(place.lstat()) != held.signature
    except OSError:
        return True


def _stays_inside(root: Path, path: str) -> bool:
    target = os.readlink(root / path)
    if os.path.isabs(target):
        return False
    resolved = os.path.normpath(os.path.join(os.path.dirname(path), target))
    return not (resolved == ".." or resolved.startswith("../"))


def _within_limits(current: dict[str, CachedFile], left_out: list[LeftOut]) -> list[TreeFile]:
    files: list[TreeFile] = []
    total = 0
    for path, entry in current.items():
        if entry.digest is None:
            continue
        total += entry.size_bytes
        if total > MAX_TOTAL_BYTES:
            reason = f"the project is larger than {MAX_TOTAL_BYTES >> 20} MiB"
            left_out.append(LeftOut(path=path, reason=reason))
            continue
        kind = _kind(entry)
        mode = None if kind is EntryKind.LINK else entry.signature[4] & FILE_BITS
        files.append(TreeFile(path, kind, entry.digest, entry.size_bytes, mode))
    return files


def _folder_modes(root: Path, files: list[TreeFile]) -> dict[str, int]:
    """Return the permission bits of the folders that hold files."""
    modes: dict[str, int] = {}
    for file in files:
        folder = file.path.rpartition("/")[0]
        while folder and folder not in modes:
            try:
                modes[folder] = (root / folder).stat().st_mode & FOLDER_BITS
            except OSError:
                break  # It is gone meanwhile; its files were here.
            folder = folder.rpartition("/")[0]
    return modes


def _kind(entry: CachedFile) -> EntryKind:
    mode = entry.signature[4]
    if stat.S_ISLNK(mode):
        return EntryKind.LINK
    return EntryKind.EXECUTABLE if mode & _EXECUTABLE else EntryKind.FILE


def _head_files(
    project: Project, files: list[TreeFile], cache: ProjectCache
) -> tuple[list[TreeFile], dict[str, bytes]]:
    """Return the files of the commit: those unchanged are the same blobs as the folder's."""
    head = {file.path: file for file in files if file.path not in project.changed}
    changed = {path: item for path, item in project.changed.items() if item.blob}
    contents = read_head_blobs(project.root, {item.blob for item in changed.values() if item.blob})
    blobs: dict[str, bytes] = {}
    for path, item in changed.items():
        file = _head_file(path, item, contents)
        if file is None:
            continue
        data, entry = file
        blobs[entry.digest] = data
        head[path] = entry
    return list(head.values()), blobs


def _head_file(
    path: str, item: Changed, contents: dict[str, bytes]
) -> tuple[bytes, TreeFile] | None:
    data = contents.get(item.blob or "")
    if data is None or len(data) > MAX_FILE_BYTES or secrets.is_secret_file(path):
        return None
    kinds = {"120000": EntryKind.LINK, "100755": EntryKind.EXECUTABLE, "100644": EntryKind.FILE}
    kind = kinds.get(item.mode)
    if kind is None:
        return None
    masked = secrets.mask(data, path)
    if masked.findings and b"\0" in data[:8192]:
        return None
    data = masked.data
    return data, TreeFile(path, kind, digest_bytes(data), len(data))


def _relative(folder: Path, root: Path) -> str:
    try:
        relative = folder.resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        return ""
    return "" if relative == "." else relative
