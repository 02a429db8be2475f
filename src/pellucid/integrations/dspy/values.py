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
    if not callable(to_dict):
        return value
    fields = to_dict()
    if isinstance(fields, dict) and "trajectory" in fields:
        fields["trajectory"] = fields.pop("trajectory")  # the answer first, then the way to it
    return fields


def documents_of(passages: Any) -> list[dict[str, Any]]:
    """Return passages as documents."""
    return [
        {"text": passage} if isinstance(passage, str) else dict(passage) for passage in passages
    ]
