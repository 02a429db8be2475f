"""A call's arguments by name, without the price of `inspect.Signature.bind`."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

_P = inspect.Parameter


class ArgumentNames:
    """How one function's arguments are called; made once, when it is decorated."""

    def __init__(self, function: Callable[..., Any]) -> None:
        try:
            parameters = list(inspect.signature(function).parameters.values())
        except (ValueError, TypeError):  # builtins without a signature
            parameters = [_P("args", _P.VAR_POSITIONAL), _P("kwargs", _P.VAR_KEYWORD)]
        positional = (_P.POSITIONAL_ONLY, _P.POSITIONAL_OR_KEYWORD)
        names = [p.name for p in parameters if p.kind in positional]
        self._skip = 1 if names[:1] in (["self"], ["cls"]) else 0
        self._names = names[self._skip :]
        self._rest = next((p.name for p in parameters if p.kind is _P.VAR_POSITIONAL), None)
        self._defaults = {
            p.name: p.default
            for p in parameters
            if p.default is not _P.empty and p.name in {*self._names, *_keyword_only(parameters)}
        }

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return arguments by name with defaults filled in, without `self` or `cls`."""
        given = args[self._skip :] if self._skip else args
        names = self._names
        bound = dict(zip(names, given, strict=False))
        if len(given) > len(names):
            bound[self._rest or "args"] = list(given[len(names) :])
        if kwargs:
            bound.update(kwargs)
        if self._defaults and len(bound) < len(names) + len(self._defaults):
            for name, value in self._defaults.items():
                bound.setdefault(name, value)
        return bound


def _keyword_only(parameters: list[inspect.Parameter]) -> list[str]:
    return [p.name for p in parameters if p.kind is _P.KEYWORD_ONLY]
