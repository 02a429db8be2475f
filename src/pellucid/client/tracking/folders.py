"""The files of a folder that is logged, by names that an artifact may have."""

import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pellucid.client.notices import say_once
from pellucid.client.snapshots.secret_kinds import is_secret_file


class Found(NamedTuple):
    """One file: where it is, and its name below the folder, `/` between parts."""

    path: Path
    name: str


def iter_folder(folder: Path) -> Iterator[Found]:
    """Yield a folder's files in order of their names, without files of secrets, pipes and devices.

    Links to files are followed, links to folders are not. Raises OSError for what is no folder.
    """
    os.scandir(folder).close()
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        name = _allowed(path.relative_to(folder).as_posix())
        if is_secret_file(name):
            say_once(f"artifact {path}", f"{path} is a file of secrets and was not logged.")
            continue
        yield Found(path, name)


def _allowed(name: str) -> str:
    """Return a name with `_` for what no artifact's path may hold."""
    text = os.fsencode(name).decode("utf-8", "replace").replace("\\", "_")
    head, separator, rest = text.partition("/")
    text = head.replace(":", "_") + separator + rest
    return "".join("_" if unicodedata.category(c) in {"Cc", "Cs"} else c for c in text)
