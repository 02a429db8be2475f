"""DSPy's values as plain ones."""

from typing import Any


def arguments_of(inputs: dict[str, Any]) -> Any:
    """Return what a function was called with, without the wrapping of `*args, **kwargs`."""
    inputs = {name: value for name, value in inputs.items() if name != "self"}
    named = inputs.pop("kwargs", None)
    if isinstance(named, dict):
        inputs.update(named)
    if not inputs.get("args", True):
        inputs.pop("args")
    return inputs


def plain(value: Any) -> Any:
    """Return a prediction or example as a dictionary."""
    to_dict = getattr(value, "toDict", None)
    return to_dict() if callable(to_dict) else value


def documents_of(passages: Any) -> list[dict[str, Any]]:
    """Return passages as documents."""
    return [
        {"text": passage} if isinstance(passage, str) else dict(passage) for passage in passages
    ]
