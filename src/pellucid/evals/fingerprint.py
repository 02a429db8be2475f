"""What identifies code and values by content, so that caches notice a change."""

import functools
import hashlib
import inspect
import re
import types
from collections.abc import Callable, Iterator
from typing import Any

from pellucid.core.dataset import digest
from pellucid.core.ids import new_id

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
MOST_OBJECTS = 5_000
"""Beyond this many objects with attributes only types count: a client can hold the world."""
_PLAIN = (str, bytes, int, float, bool, type(None))


def fingerprint(*values: Any) -> str:
    """Return 32 hex digits of the values' content; functions count by their code.

    A function's content is its compiled code, defaults, what it closes over, and the functions
    and constants of its own module that it names, and so on from there. Code of other modules
    counts by its name alone.
    """
    try:
        return digest(_Reader().read(list(values)))
    except RecursionError:  # a list inside itself: equal to nothing, so never found again
        return new_id()


class _Reader:
    def __init__(self) -> None:
        # By identity; the objects are held, so that no identity is used twice.
        self._seen: dict[int, Any] = {}
        self._left = MOST_OBJECTS

    def read(self, value: Any) -> Any:
        if isinstance(value, bytes | bytearray) and len(value) > 256:
            return hashlib.blake2b(value, digest_size=16).hexdigest()
        if isinstance(value, _PLAIN):
            return repr(value)
        if isinstance(value, list | tuple):
            return [type(value).__name__, *(self.read(item) for item in value)]
        if isinstance(value, dict):
            return {str(key): self.read(item) for key, item in list(value.items())}
        if isinstance(value, set | frozenset):
            return sorted(str(self.read(item)) for item in value)
        if id(value) in self._seen:
            return "again"
        self._seen[id(value)] = value
        if isinstance(value, functools.partial):
            return [
                "partial",
                self.read(value.func),
                self.read(value.args),
                self.read(value.keywords),
            ]
        if isinstance(value, types.MethodType):
            return ["method", self.read(value.__func__), self._state(value.__self__)]
        if isinstance(value, types.FunctionType):
            return self._function(value)
        if isinstance(value, type | types.BuiltinFunctionType | types.ModuleType):
            return [type(value).__name__, getattr(value, "__qualname__", value.__name__)]
        if wrapped := getattr(value, "__wrapped__", None):
            return ["wrapped", self.read(wrapped)]
        return self._state(value)

    def _function(self, function: types.FunctionType) -> Any:
        if wrapped := getattr(function, "__wrapped__", None):
            return ["wrapped", self.read(wrapped)]
        code = function.__code__
        cells = [_content(cell) for cell in function.__closure__ or ()]
        return [
            function.__module__,
            function.__qualname__,
            self._code(code),
            self.read(function.__defaults__),
            self.read(function.__kwdefaults__),
            [self.read(cell) for cell in cells],
            {name: self._global(function, name) for name in sorted(_names(code))},
        ]

    def _code(self, code: types.CodeType) -> Any:
        consts = [
            self._code(const) if isinstance(const, types.CodeType) else self.read(const)
            for const in code.co_consts
        ]
        return [code.co_code.hex(), consts, list(code.co_names), list(code.co_varnames)]

    def _global(self, function: types.FunctionType, name: str) -> Any:
        value = function.__globals__.get(name)
        home = getattr(inspect.unwrap(value) if callable(value) else value, "__module__", None)
        if isinstance(value, types.FunctionType) and home == function.__module__:
            return self.read(value)
        if isinstance(value, (*_PLAIN, tuple)):
            return self.read(value)
        return str(home)

    def _state(self, value: Any) -> Any:
        """An object is its type, the code of its call, and its attributes."""
        if isinstance(value, types.ModuleType):
            return value.__name__
        kind = type(value)
        self._left -= 1
        if self._left < 0:
            return kind.__qualname__
        call = kind.__dict__.get("__call__")
        content = self._inside(value)
        return [f"{kind.__module__}.{kind.__qualname__}", self.read(call), content]

    def _inside(self, value: Any) -> Any:
        """Return what pickle would keep of an object, read rather than pickled.

        An object that pickle refuses is its attributes; a lock or a socket is nothing.
        """
        try:
            kept = value.__reduce_ex__(4)
        except Exception:  # whatever a class raises to say that it cannot be pickled
            state = getattr(value, "__dict__", None)
            return self.read(state) if state else _ADDRESS.sub("", repr(value))
        if isinstance(kept, str):
            return kept
        parts = [list(part) if isinstance(part, Iterator) else part for part in kept[1:]]
        return self.read(parts)


def _names(code: types.CodeType) -> set[str]:
    names = set(code.co_names)
    for const in code.co_consts:
        if isinstance(const, types.CodeType):
            names |= _names(const)
    return names


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return None  # not filled yet


def describe(function: Callable[..., Any] | None) -> str:
    """Return a callable's readable name."""
    if function is None:
        return "table"
    if isinstance(function, functools.partial):
        return describe(function.func)
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    return str(name).rpartition("<locals>.")[2]
