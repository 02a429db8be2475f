"""What the client says to the person at the terminal: single lines on stderr, each once."""

import os
import re
import sys
import threading
from pathlib import Path

_lock = threading.RLock()  # guards _said; a signal handler may come in between
_said: set[str] = set()


def say_once(key: str, text: str) -> None:
    """Print one line on stderr, the first time that this process uses `key`."""
    with _lock:
        if key in _said:
            return
        _said.add(key)
    try:
        print(f"pellucid: {text}", file=sys.stderr, flush=True)
    except (OSError, ValueError, AttributeError):
        return  # No stderr (pythonw), or a closed one: there is nobody to tell.


def tell_away(url: str, folder: Path, status: int | None, error: OSError | None) -> None:
    """Say that a server is not there, or answers as none of ours would."""
    if not _takes_files(folder):
        return  # `tell_no_disk` says both.
    where = f"traces are kept in {folder}"
    if status is None:
        # Refused and timed out say no more than "no server"; a bad certificate or name does.
        plain = error is None or isinstance(error, ConnectionError | TimeoutError)
        detail = "" if plain else f" ({error})"
        text = f"No server at {url}{detail}; {where}; run `pellucid up`."
    elif status in {401, 403}:
        text = f"{url} answered {status}; {where}. Set PELLUCID_API_KEY to its key."
    else:
        text = f"{url} answered {status}; {where}. Is it a Pellucid server?"
    say_once(f"away {url} {status}", text)


def _takes_files(folder: Path) -> bool:
    nearest = next((place for place in (folder, *folder.parents) if place.exists()), None)
    return nearest is not None and nearest.is_dir() and os.access(nearest, os.W_OK)


def tell_late(url: str, folder: Path) -> None:
    """Say that the program ends before a server has answered."""
    say_once(
        f"late {url}",
        f"{url} did not answer in time; traces are kept in {folder} and sent later.",
    )


def tell_partial(url: str, body: bytes) -> None:
    """Pass on what an ExportTraceServiceResponse says of spans that were not taken."""
    words = b" ".join(re.findall(rb"[\x20-\x7e]{4,}", body[:2_000])).decode()
    if words:
        say_once("partial", f"{url} did not take every span: {words}")


def tell_rejected(url: str, folder: Path, status: int | None = None) -> None:
    """Say that a server refused a request for good."""
    detail = f" (status {status})" if status else ""
    say_once("rejected", f"{url} refused a request for good; it is kept in {folder}{detail}")


def tell_no_disk(url: str, folder: Path, error: OSError) -> None:
    """Say that the spool cannot be written."""
    say_once(
        "spool-failed",
        f"no server at {url}, and {folder} cannot be written ({error}): "
        "traces wait in memory and end with it. Set PELLUCID_SPOOL_DIR to another folder.",
    )


def tell_full(folder: Path, limit_bytes: int) -> None:
    """Say that the spool has reached its limit."""
    say_once(
        "spool-full",
        f"{folder} is full ({limit_bytes // 2**20} MiB): the oldest traces are dropped. "
        "Start a server for them with: pellucid up",
    )


def tell_memory_full() -> None:
    """Say that memory stands in for the spool, and is full too."""
    say_once("memory-full", "too much waits in memory: the oldest traces are dropped.")


def _after_fork() -> None:
    global _lock
    _lock = threading.RLock()  # another thread of the parent may have held it


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def forget() -> None:
    """Say everything again when it is true again; for tests."""
    with _lock:
        _said.clear()
