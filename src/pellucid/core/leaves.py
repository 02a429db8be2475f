"""Nested params as leaves with dotted names: `{"retriever": {"k": 5}}` is `retriever.k` = 5."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pellucid.core.run import MAX_NAME

MAX_LEAVES = 2000
"""How many leaves of one param are named; the rest stands in the param itself alone."""


class Leaf(NamedTuple):
    """One value inside a nested param."""

    name: str
    value: Any


def is_nested(value: Any) -> bool:
    """Tell whether a param has leaves. A list is one value, and so is an empty object."""
    return isinstance(value, dict) and bool(value)


def iter_leaves(name: str, value: Any) -> Iterator[Leaf]:
    """Yield what stands in an object, in its order, at most `MAX_LEAVES`.

    An object is a leaf whole if a key of it would make no name, longer than `MAX_NAME` say.
    """
    # No recursion: an object may be as deep as a value may be long.
    waiting = [Leaf(name, value)]
    count = 0
    while waiting and count < MAX_LEAVES:
        leaf = waiting.pop()
        if is_nested(leaf.value):
            children = [Leaf(f"{leaf.name}.{key}", child) for key, child in leaf.value.items()]
            if all(_is_name(child.name) for child in children):
                waiting.extend(reversed(children))
                continue
        count += 1
        yield leaf


def _is_name(name: str) -> bool:
    return len(name) <= MAX_NAME and "\0" not in name


def flatten_params(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return params by name in their order, nested ones as their leaves.

    A param of its own goes before a leaf of the same name, and an earlier leaf before a later
    one. A nested param is not there itself.
    """
    flat: dict[str, Any] = {}
    for name, value in params.items():
        for leaf in iter_leaves(name, value):
            if leaf.name == name or leaf.name not in params:
                flat.setdefault(*leaf)
    return flat


def find_param(params: Mapping[str, Any], name: str) -> Any:
    """Return the param or the leaf of a name; None if there is none."""
    if name in params:
        return params[name]
    return next(_find(params, name), None)


def _find(held: Any, name: str) -> Iterator[Any]:
    """Yield what stands under a dotted name; a key may have dots itself."""
    if not isinstance(held, Mapping):
        return
    end = name.find(".")
    while end >= 0:
        yield from _find(held.get(name[:end]), name[end + 1 :])
        end = name.find(".", end + 1)
    if name in held and not is_nested(held[name]):
        yield held[name]
