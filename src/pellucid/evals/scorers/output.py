"""Which part of an output a text scorer reads."""

from collections.abc import Mapping
from typing import Any

import msgspec

from pellucid.core.errors import InvalidInput

_ANSWERS = ("answer", "output", "response", "text", "content", "result")


def answer_of(output: Any, field: str | None = None) -> Any:
    """Return the answer inside an output.

    With `field` the key or attribute of that name; else of a dict the first of `answer`,
    `output`, `response`, `text`, `content`, `result` that it has; else the output itself.
    Raises InvalidInput where there is no such field.
    """
    if field is not None:
        found = output.get(field) if isinstance(output, Mapping) else getattr(output, field, None)
        if found is None:
            raise InvalidInput(f"The output has no field {field!r}.")
        return found
    if isinstance(output, Mapping):
        for name in _ANSWERS:
            if output.get(name) is not None:
                return output[name]
    return output


def as_text(value: Any) -> str:
    """Return text as it is, and anything else as JSON, with sorted keys."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value, order="sorted", enc_hook=str).decode()
