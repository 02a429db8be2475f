"""Answers on disk: a cache keyed by content, and the journal that a crashed evaluation resumes."""

import contextlib
import logging
import os
import tempfile
from collections.abc import Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import msgspec

from pellucid.core.settings import read_client_settings
from pellucid.core.span import Document

try:
    import fcntl
except ImportError:  # Windows: two evaluations at once are then the user's to avoid
    fcntl = None  # type: ignore[assignment]


class Answers(Protocol):
    """Answers by key; None is "not there"."""

    def find(self, key: str) -> Any:
        """Return the answer kept under a key, or None."""
        ...

    def keep(self, key: str, answer: Any) -> None:
        """Keep an answer, if JSON can hold it."""
        ...


_log = logging.getLogger("pellucid")

CURRENT: ContextVar[Answers | None] = ContextVar("pellucid_answers", default=None)
"""Where the running evaluation keeps the answers of judges' models."""
SCOPE: ContextVar[str] = ContextVar("pellucid_answers_scope", default="")
"""Tells apart repeats, which must not share one answer."""


def default_folder() -> Path:
    """Return the folder for caches and journals: `evaluations`, beside the spool."""
    return read_client_settings().spool_dir.parent / "evaluations"


class DiskCache:
    """One file an answer; safe for several processes, since files are complete or absent."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, key: str) -> Any:
        """Return the answer kept under a key, or None."""
        try:
            return unpack((self._folder / key[:2] / key[2:]).read_bytes())
        except (OSError, msgspec.DecodeError):
            return None

    def keep(self, key: str, answer: Any) -> None:
        """Keep an answer, if JSON can hold it; a full disk only costs the cache."""
        data = pack(answer)
        if data is None:
            return
        folder = self._folder / key[:2]
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
                file.write(data)
            os.replace(file.name, folder / key[2:])


class Both:
    """Looks in the journal, then in the cache; keeps in both."""

    def __init__(self, first: Answers, second: Answers) -> None:
        self._both = (first, second)

    def find(self, key: str) -> Any:
        """Return the answer kept under a key, or None."""
        for answers in self._both:
            if (answer := answers.find(key)) is not None:
                return answer
        return None

    def keep(self, key: str, answer: Any) -> None:
        """Keep an answer, if JSON can hold it."""
        for answers in self._both:
            answers.keep(key, answer)


class Journal:
    """What one evaluation has paid for so far, line by line, until it has ended.

    The file is named by the evaluation's content. Whoever runs the same evaluation after a crash
    reads it. A second one at the same time gets no journal rather than a shared one, and where
    the disk takes none there is none: the evaluation runs, but cannot be resumed.
    """

    def __init__(self, path: Path, *, resume: bool = True) -> None:
        self._path = path
        self._answers: dict[str, Any] = {}
        self._file: BinaryIO | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a+b")
            if fcntl is not None:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if resume:
                self._read(self._file)
            else:
                self._file.truncate(0)
        except OSError as error:
            self._give_up(error)
        self.resumed = len(self._answers)

    def find(self, key: str) -> Any:
        """Return the answer kept under a key, or None."""
        return self._answers.get(key)

    def keep(self, key: str, answer: Any) -> None:
        """Append an answer, if JSON can hold it; the line is out of this process on return."""
        if self._file is None or (data := pack(answer)) is None:
            return
        try:
            line = msgspec.json.encode({"key": key, "answer": msgspec.Raw(data)})
            self._file.write(line + b"\n")
            self._file.flush()
        except OSError as error:
            self._give_up(error)

    def finish(self) -> None:
        """Forget everything: the evaluation has ended, a later one starts anew."""
        if self._file is not None:
            self._path.unlink(missing_ok=True)
            self.close()

    def close(self) -> None:
        """Leave the journal for the next run."""
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):  # what could not be written cannot be kept
                file.close()

    def _give_up(self, error: OSError) -> None:
        self.close()
        _log.warning("This evaluation cannot be resumed: %s: %s", self._path, error)

    def _read(self, file: BinaryIO) -> None:
        file.seek(0)
        for line in file:
            try:
                record = msgspec.json.decode(line)
            except msgspec.DecodeError:
                continue  # the crash cut this line short
            self._answers[record["key"]] = _revived(record["answer"])
        file.seek(0, os.SEEK_END)
        if file.tell():
            file.write(b"\n")  # ends a line that was cut short


def pack(answer: Any) -> bytes | None:
    """Return JSON that `unpack` reads back to an equal value, or None if there is none."""
    try:
        data = msgspec.json.encode(_marked(answer))
        return data if unpack(data) == answer else None
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError):
        return None


def unpack(data: bytes) -> Any:
    """Read what `pack` wrote."""
    return _revived(msgspec.json.decode(data))


_DOCUMENT = "$document"


def _marked(value: Any) -> Any:
    if isinstance(value, Document):
        return {_DOCUMENT: msgspec.to_builtins(value)}
    if isinstance(value, Mapping):
        return {key: _marked(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_marked(item) for item in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise TypeError(f"{type(value).__name__} is not kept")


def _revived(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {_DOCUMENT}:
            return msgspec.convert(value[_DOCUMENT], Document)
        return {key: _revived(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_revived(item) for item in value]
    return value
