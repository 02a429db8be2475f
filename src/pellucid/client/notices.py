"""What the client says to the person at the terminal: single lines on stderr, each once."""

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


def forget() -> None:
    """Say everything again when it is true again; for tests."""
    with _lock:
        _said.clear()
