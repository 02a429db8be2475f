"""What a project outside git has beside its modules: prompts, configuration, data, scripts."""

import fnmatch
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

MAX_LOOSE_FILES = 2_000
MAX_LOOSE_BYTES = 1 << 20
_MAX_MET = 20_000
_SUFFIXES = frozenset(
    "ipynb txt md rst prompt prompty jinja jinja2 j2 mustache hbs tmpl tpl yaml yml json "
    "jsonl ndjson toml ini cfg conf env envrc csv tsv xml html css js mjs ts sql sh bash graphql "
    "proto lock in pem key".split()
)
"""What an agent reads besides its modules. Files of secrets too, to be reported as left out."""
_NAMES = frozenset({"Makefile", "Dockerfile", "Procfile", "justfile", ".gitignore", ".env"})
_FOREIGN = frozenset(
    "site-packages dist-packages venv __pycache__ node_modules build dist mlruns wandb".split()
)


class Loose(NamedTuple):
    """Paths below the root, `/` between names; `reason` says why there are none."""

    paths: list[str]
    reason: str | None


def find_loose(root: Path) -> Loose:
    """Return a folder's texts, scripts and links, up to `MAX_LOOSE_BYTES` each.

    None of a folder that is no project: one with too many files, a home, or the system's own.
    """
    if root in (Path.home(), Path(tempfile.gettempdir()).resolve(), Path(root.anchor)):
        return Loose([], None)
    found: list[str] = []
    for met, entry in enumerate(_walk(str(root), "", _ignored_patterns(root))):
        if entry.is_kept:
            found.append(entry.path)
        if met >= _MAX_MET or len(found) > MAX_LOOSE_FILES:
            reason = "what is no module: the folder has too many files to be one project; use git"
            return Loose([], reason)
    return Loose(sorted(found), None)


class _Met(NamedTuple):
    path: str
    is_kept: bool


def _walk(folder: str, prefix: str, ignored: list[str]) -> Iterator[_Met]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    if prefix and any(entry.name in ("pyvenv.cfg", ".git") for entry in entries):
        return  # An environment, or another project.
    for entry in entries:
        path = prefix + entry.name
        is_folder = entry.is_dir(follow_symlinks=False)
        if _is_ignored(path, ignored, is_folder=is_folder):
            continue
        if is_folder:
            if entry.name not in _FOREIGN and not entry.name.startswith("."):
                yield from _walk(entry.path, f"{path}/", ignored)
            continue
        yield _Met(path, _is_kept(entry))


def _is_kept(entry: "os.DirEntry[str]") -> bool:
    if entry.is_symlink():
        return True
    try:
        status = entry.stat(follow_symlinks=False)
    except OSError:
        return False
    if status.st_size > MAX_LOOSE_BYTES or not entry.is_file(follow_symlinks=False):
        return False
    suffix = entry.name.rpartition(".")[2].lower()
    return suffix in _SUFFIXES or entry.name in _NAMES or entry.name.startswith(".env.")


def _ignored_patterns(root: Path) -> list[str]:
    """Return the plain patterns of the folder's own `.gitignore`, as far as `fnmatch` has them."""
    try:
        lines = (root / ".gitignore").read_text("utf-8", "replace").splitlines()
    except OSError:
        return []
    return [text for line in lines if (text := line.strip()) and text[0] not in "#!"]


def _is_ignored(path: str, patterns: list[str], *, is_folder: bool) -> bool:
    name = path.rpartition("/")[2]
    for pattern in patterns:
        bare = pattern.rstrip("/")
        if pattern != bare and not is_folder:
            continue
        is_anchored = "/" in bare
        if fnmatch.fnmatchcase(path if is_anchored else name, bare.lstrip("/")):
            return True
    return False
