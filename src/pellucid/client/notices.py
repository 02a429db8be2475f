"""What the client says to the person at the terminal: single lines on stderr, each once."""

import os
import sys
import threading

_lock = threading.Lock()  # guards _said
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


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()  # another thread of the parent may have held it


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def forget() -> None:
    """Say everything again when it is true again; for tests."""
    with _lock:
        _said.clear()
