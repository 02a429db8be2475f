"""Which files make up a project: what git tracks or would, else the imported modules and texts."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from pellucid.client.snapshots.loose import find_loose
from pellucid.core.snapshot import GitState

_TIMEOUT_S = 20.0
_FOREIGN = {
    "site-packages",
    "dist-packages",
    ".venv",
    "venv",
    "__pycache__",
    "node_modules",
    ".git",
}


class Changed(NamedTuple):
    """A file that differs from HEAD: its git blob there and its mode, or None if it is new."""

    blob: str | None
    mode: str


class Project(NamedTuple):
    """A folder with its files, by path from there, `/` between names."""

    root: Path
    paths: list[str]
    git: GitState | None
    changed: dict[str, Changed]
    left_out: str | None = None
    """Why more of the folder does not belong to it."""


def find_project(start: Path) -> Project:
    """Return the project that a folder belongs to."""
    found = _git_root(start)
    if found is None:
        loose = find_loose(start)
        paths = sorted({*_imported_files(start), *loose.paths})
        return Project(start, paths, None, {}, loose.reason)
    root, commit, branch = found
    listing = _popen(root, "ls-files", "-z", "--cached")
    status = _popen(root, "status", "--porcelain=v2", "-z", "--untracked-files=all", "--no-renames")
    remote = _popen(root, "config", "--get", "remote.origin.url")
    tracked = {os.fsdecode(name) for name in _output(listing).split(b"\0") if name}
    changed = _changed_files(_output(status))
    if commit is None:
        changed = {path: Changed(None, "") for path in tracked | changed.keys()}
    paths = sorted(tracked | changed.keys())
    address = _output(remote).decode("utf-8", "replace").strip()
    git = GitState(
        commit=commit,
        branch=branch,
        dirty=bool(changed),
        remote=_without_password(address) or None,
    )
    return Project(root, paths, git, changed)


def start_folder(configured: Path | None = None) -> Path:
    """Return the main program's folder; the current one for a notebook or an installed program."""
    if configured is not None:
        return configured.expanduser().resolve()
    file = getattr(sys.modules.get("__main__"), "__file__", None)
    if isinstance(file, str) and os.path.isfile(file):
        folder = Path(file).resolve().parent
        installed = _FOREIGN & set(folder.parts) or folder == Path(sys.executable).parent
        if not installed:
            return folder
    return Path.cwd().resolve()


def read_head_blobs(root: Path, blobs: Iterable[str]) -> dict[str, bytes]:
    """Return git blobs by id; one that is missing is left out."""
    wanted = list(blobs)
    if not wanted:
        return {}
    process = _popen(root, "cat-file", "--batch", stdin=True)
    if process is None:
        return {}
    data = _output(process, "\n".join(wanted).encode() + b"\n")
    found: dict[str, bytes] = {}
    position = 0
    while position < len(data):
        head, _, _ = data[position:].partition(b"\n")
        position += len(head) + 1
        words = head.split()
        if len(words) != 3:
            continue
        size = int(words[2])
        found[words[0].decode()] = data[position : position + size]
        position += size + 1
    return found


def _git_root(start: Path) -> tuple[Path, str | None, str | None] | None:
    names = ("--show-toplevel", "HEAD", "--abbrev-ref", "HEAD")
    lines = _output(_popen(start, "rev-parse", *names)).decode("utf-8", "replace").splitlines()
    if not lines:
        return None
    is_commit = len(lines) >= 3 and len(lines[1]) in {40, 64}
    commit = lines[1] if is_commit else None
    branch = lines[2] if is_commit and lines[2] != "HEAD" else None
    return Path(lines[0]), commit, branch


def _changed_files(status: bytes) -> dict[str, Changed]:
    """Read `git status --porcelain=v2 -z`: what differs from HEAD, untracked files included."""
    changed: dict[str, Changed] = {}
    for record in status.split(b"\0"):
        kind = record[:2]
        if kind == b"1 ":
            _, _, _, mode, _, _, blob, _, path = record.split(b" ", 8)
        elif kind == b"u ":
            _, _, _, mode, _, _, _, blob, _, _, path = record.split(b" ", 10)
        elif kind == b"? ":
            changed[os.fsdecode(record[2:])] = Changed(None, "")
            continue
        else:
            continue
        is_new = not blob.strip(b"0")
        changed[os.fsdecode(path)] = Changed(None if is_new else blob.decode(), mode.decode())
    return changed


def _popen(folder: Path, *arguments: str, stdin: bool = False) -> "subprocess.Popen[bytes] | None":
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
    try:
        return subprocess.Popen(
            ["git", "-C", str(folder), *arguments],
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
    except OSError:
        return None


def _output(process: "subprocess.Popen[bytes] | None", given: bytes | None = None) -> bytes:
    if process is None:
        return b""
    try:
        out, _ = process.communicate(given, timeout=_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return b""
    return out


def _without_password(address: str) -> str:
    scheme, separator, rest = address.partition("://")
    if not separator:
        return address
    return f"{scheme}://{rest.rpartition('@')[2]}"


def _imported_files(root: Path) -> list[str]:
    """Return the modules imported from a folder, and what these import from there in turn."""
    found: set[Path] = set()
    waiting = [
        Path(file)
        for module in list(sys.modules.values())
        if isinstance(file := getattr(module, "__file__", None), str)
    ]
    while waiting:
        path = waiting.pop()
        if path in found or path.suffix != ".py" or not _is_own(path, root):
            continue
        found.add(path)
        waiting += _local_imports(path, root)
    return sorted(path.relative_to(root).as_posix() for path in found)


def _is_own(path: Path, root: Path) -> bool:
    if not path.is_relative_to(root) or not path.is_file():
        return False
    return not _FOREIGN & set(path.relative_to(root).parts)


def _local_imports(path: Path, root: Path) -> list[Path]:
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return []
    found: list[Path] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                found += _candidates([root, path.parent], alias.name)
        elif isinstance(node, ast.ImportFrom):
            bases = [root, path.parent]
            if node.level:
                bases = [path.parents[min(node.level, len(path.parents)) - 1]]
            names = [node.module] if node.module else []
            inner = [f"{node.module}.{a.name}" if node.module else a.name for a in node.names]
            for name in [*names, *inner]:
                found += _candidates(bases, name)
    return found


def _candidates(bases: list[Path], name: str) -> list[Path]:
    parts = name.split(".")
    found = []
    for base in bases:
        for depth in range(1, len(parts) + 1):
            place = base.joinpath(*parts[:depth])
            found += [place.with_suffix(".py"), place / "__init__.py"]
    return [path for path in found if path.is_file()]
