"""Text that has a UTF-8 form: what Python lets stand in a string, JSON does not."""

from typing import Any


def writable(value: Any) -> Any:
    """Return a JSON value whose texts can be written: each lone surrogate becomes `?`."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {writable(name): writable(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [writable(item) for item in value]
    return value
