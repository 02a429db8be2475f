"""Any Python value as a bounded JSON value, with secrets masked.

Nothing here calls code of the user's classes: no `repr`, `str`, property or iterator of theirs,
for these may raise, take for ever or have effects. What an object holds is read from its fields.
"""

import datetime
import decimal
import enum
import fractions
import itertools
import logging
import math
import pathlib
import re
import types
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from pellucid.client.images import MAX_BYTES, Image, data_url, is_pil_image, sniff
from pellucid.client.masking import MASK, masked
from pellucid.client.scientific import describe
from pellucid.semconv.values import encode_json, write_value

_log = logging.getLogger("pellucid")

MAX_CHARACTERS = 4 * 1024 * 1024
MAX_NODES = 20_000
MAX_ITEMS = 1_000
MAX_DEPTH = 24
MAX_OBJECT_DEPTH = 3
MAX_PAIRS = 9_000
"""Attributes taken of one mapping: fewer than fit a span, so that none of ours is pushed out."""
_MAX_FIELDS = 200

_PRINTABLE = (
    datetime.date,
    datetime.time,
    datetime.timedelta,
    datetime.timezone,
    decimal.Decimal,
    fractions.Fraction,
    pathlib.PurePath,
    uuid.UUID,
)
"""Types of the standard library whose `str` is short and safe, where not subclassed."""
_CONTAINERS = (dict, list, tuple, set, frozenset, deque)
_SCALARS = frozenset({bool, int, float})
_MAX_KEY = 1_000
_to_json = msgspec.json.Encoder().encode


class Budget:
    """What may still be written; shared by the values of one attribute."""

    def __init__(self, characters: int = MAX_CHARACTERS, nodes: int = MAX_NODES) -> None:
        self.characters = characters
        self.nodes = nodes

    @property
    def spent(self) -> bool:
        """Whether nothing more fits."""
        return self.nodes <= 0 or self.characters <= 0


def attribute_of(value: Any, budget: Budget | None = None) -> Any:
    """Return a value as a span attribute: text, number or boolean as such, else JSON text."""
    kind = type(value)
    if kind is str:
        text = value if len(value) <= MAX_CHARACTERS else _cut(value, MAX_CHARACTERS)
        return write_value(text) if text[:1] in ("{", "[", '"') else text
    if kind is bool or (kind is float and math.isfinite(value)):
        return value
    if kind is int and -(2**63) <= value < 2**63:
        return value
    if kind is dict and _is_flat(value):
        return json_text(value)
    simple = simplify(value, budget)
    if type(simple) is str:
        return write_value(simple)
    return simple if type(simple) in _SCALARS else json_text(simple)


def name_of(value: Any) -> str:
    """Return the text of a name, an id, a model or a message, whatever the user gave for it."""
    if type(value) is str:
        return value
    simple = simplify(value)
    return simple if type(simple) is str else json_text(simple)


def pairs_of(mapping: Any, most: int = MAX_PAIRS) -> list[tuple[str, Any]]:
    """Return at most `most` of a mapping's names and values; none of what is no mapping."""
    if mapping is None:
        return []
    try:
        items = dict.items(mapping) if isinstance(mapping, dict) else mapping.items()
        found = [(name_of(name), value) for name, value in itertools.islice(items, most)]
    except Exception as error:  # the mapping is the user's
        _log.warning("%s is left out: %s", qualified(type(mapping)), type(error).__name__)
        return []
    return found


def integer_text(value: int) -> str:
    """Return an integer that no number of JSON or OTLP holds; a very long one by its length."""
    bits = value.bit_length()  # Python refuses to write long ones: 640 digits are always allowed
    return str(value) if bits < 2_000 else f"<int of {bits:,} bits>"


def taken(items: Iterable[Any]) -> list[Any]:
    """Return at most `MAX_ITEMS` of what the user gave to be iterated, and no error of theirs."""
    found: list[Any] = []
    try:
        found.extend(itertools.islice(items, MAX_ITEMS))
    except Exception as error:  # the iterable is the user's
        found.append(f"<{_type_name(items)}: {type(error).__name__} while it was read>")
    return found


def json_text(simple: Any) -> str:
    """Return the JSON text of what `simplify` returned."""
    try:
        return _to_json(simple).decode()
    except (UnicodeError, ValueError, TypeError, msgspec.MsgspecError):
        return encode_json(simple)


def simplify(value: Any, budget: Budget | None = None) -> Any:
    """Return a JSON value that shows `value`, within a budget. Never raises."""
    try:
        return _Simplifier(budget or Budget()).value(value, 0)
    except Exception as error:  # the caller's program matters more than one captured value
        return f"<{_type_name(value)}: {type(error).__name__} while it was read>"


def _is_flat(value: dict[Any, Any]) -> bool:
    """Tell whether a dict is small and plain enough to be JSON as it is: most calls' arguments."""
    if len(value) > 32:
        return False
    for key, item in value.items():
        kind = type(item)
        if kind is str:
            if len(item) > 65_536:
                return False
        elif kind is int:
            if not -(2**63) <= item < 2**63:
                return False
        elif kind is not bool and item is not None:
            return False
        if type(key) is not str or masked(key, item):
            return False
    return True


class _Simplifier:
    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._open: set[int] = set()
        self._objects = 0

    def value(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if kind is str:
            return self._text(value)
        self._budget.nodes -= 1
        if value is None or kind is bool:
            return value
        if kind is int:
            return value if -(2**63) <= value < 2**63 else self._text(integer_text(value))
        if kind is float:
            return value if math.isfinite(value) else str(value)
        if depth >= MAX_DEPTH or self._budget.spent:
            return f"<{_type_name(value)}>"
        if id(value) in self._open:
            return f"<{_type_name(value)}: contains itself>"
        self._open.add(id(value))
        try:
            if kind is dict:
                return self._mapping(value.items(), len(value), depth)
            if kind is list:
                return self._sequence(value, len(value), depth)
            return self._structure(value, kind, depth)
        except Exception as error:  # one bad value must not hide its neighbours
            return f"<{_type_name(value)}: {type(error).__name__} while it was read>"
        finally:
            self._open.discard(id(value))

    def _structure(self, value: Any, kind: type, depth: int) -> Any:
        if issubclass(kind, dict):
            return self._mapping(dict.items(value), dict.__len__(value), depth)
        if issubclass(kind, list):
            return self._sequence(list.__iter__(value), list.__len__(value), depth)
        if issubclass(kind, tuple):
            names = getattr(kind, "_fields", None)
            if type(names) is tuple and len(names) == tuple.__len__(value):
                pairs = zip(names, tuple.__iter__(value), strict=True)
                return self._mapping(pairs, len(names), depth)
            return self._sequence(tuple.__iter__(value), tuple.__len__(value), depth)
        if issubclass(kind, set | frozenset | deque):
            base = next(base for base in (set, frozenset, deque) if issubclass(kind, base))
            return self._sequence(base.__iter__(value), base.__len__(value), depth)
        if issubclass(kind, enum.Enum):
            return self.value(value._value_, depth + 1)
        for builtin in (str, bool, int, float):
            if issubclass(kind, builtin):
                return self.value(_plain(builtin, value), depth)
        return self._leaf_or_object(value, kind, depth)

    def _leaf_or_object(self, value: Any, kind: type, depth: int) -> Any:
        if kind in (bytes, bytearray, memoryview):
            return self._bytes(value)
        if kind is Image or is_pil_image(value):
            return self._image(value)
        if kind.__module__ in _TRUSTED_MODULES and issubclass(kind, _PRINTABLE):
            return self._text(str(value))
        if kind is complex or kind is range:
            return str(value)
        if kind is re.Pattern:
            return self._text(str(value.pattern))
        if issubclass(kind, type):
            return f"<class {qualified(value)}>"
        if kind in _NAMED:
            return f"<{kind.__name__} {self._name_of(value)}>"
        if issubclass(kind, BaseException):
            return self._exception(value, kind, depth)
        found = describe(value)
        if found is not None:
            return self.value(found, depth + 1)
        return self._object(value, kind, depth)

    def _object(self, value: Any, kind: type, depth: int) -> Any:
        """Show the public fields of an object that was written to hold data."""
        fields = _declared_fields(value, kind)
        if fields is not None:
            return self._mapping(fields.items(), len(fields), depth)
        fields = _plain_fields(value, kind)
        if fields is None or self._objects >= MAX_OBJECT_DEPTH:
            return f"<{_type_name(value)}>"
        self._objects += 1
        try:
            return self._mapping(fields.items(), len(fields), depth)
        finally:
            self._objects -= 1

    def _mapping(self, items: Iterable[tuple[Any, Any]], size: int, depth: int) -> dict[str, Any]:
        out: dict[str, Any] = {}
        budget = self._budget
        for number, (key, item) in enumerate(_steady(items)):
            if number >= MAX_ITEMS or budget.nodes <= 0 or budget.characters <= 0:
                out["…"] = f"{size - number:,} more"
                break
            name = key if type(key) is str else self._key(key)
            budget.characters -= len(name)
            if len(name) > _MAX_KEY:
                name = _cut(name, _MAX_KEY)
            if masked(name, item):
                out[name] = MASK
            elif type(item) is str:
                out[name] = self._text(item)
            else:
                out[name] = self.value(item, depth + 1)
        return out

    def _sequence(self, items: Iterable[Any], size: int, depth: int) -> list[Any]:
        out: list[Any] = []
        budget = self._budget
        for number, item in enumerate(_steady(items)):
            if number >= MAX_ITEMS or budget.nodes <= 0 or budget.characters <= 0:
                out.append(f"… {size - number:,} more")
                break
            out.append(self._text(item) if type(item) is str else self.value(item, depth + 1))
        return out

    def _key(self, key: Any) -> str:
        simple = self.value(key, MAX_DEPTH - 2)
        return simple if type(simple) is str else json_text(simple)

    def _text(self, text: str) -> str:
        budget = self._budget
        budget.nodes -= 1
        if len(text) > budget.characters:
            text = _cut(text, max(budget.characters, 0))
        budget.characters -= len(text)
        return text

    def _bytes(self, value: Any) -> str:
        size = value.nbytes if type(value) is memoryview else len(value)
        head = bytes(memoryview(value).cast("B")[:16]) if size else b""
        if sniff(head) and size <= min(MAX_BYTES, self._budget.characters):
            return self._image(Image(bytes(value)))
        return f"<{type(value).__name__}: {size:,} bytes>"

    def _image(self, value: Any) -> str:
        # Cut bytes are of no use: an image is whole or not there.
        url = data_url(value)
        self._budget.characters -= len(url)
        return url

    @staticmethod
    def _name_of(value: Any) -> str:
        name = getattr(value, "__qualname__", None) or getattr(value, "__name__", "")
        return name if type(name) is str else ""

    def _exception(self, value: BaseException, kind: type, depth: int) -> Any:
        return {"type": qualified(kind), "args": self.value(value.args, depth + 1)}


_TRUSTED_MODULES = frozenset(
    "datetime decimal _decimal _pydecimal fractions pathlib pathlib._local uuid zoneinfo".split()
)
_NAMED = frozenset(
    {
        types.FunctionType,
        types.BuiltinFunctionType,
        types.MethodType,
        types.ModuleType,
        types.GeneratorType,
        types.CoroutineType,
        types.AsyncGeneratorType,
    }
)


def _declared_fields(value: Any, kind: type) -> dict[str, Any] | None:
    """Return the fields of dataclasses, attrs classes, msgspec structs and pydantic models."""
    if any("__pydantic_fields__" in base.__dict__ for base in kind.__mro__):
        extra = _slot(value, kind, "__pydantic_extra__")
        return {**(_instance_dict(value) or {}), **(extra if type(extra) is dict else {})}
    names: Iterable[Any] | None = None
    if "__dataclass_fields__" in _all_names(kind):
        names = getattr(kind, "__dataclass_fields__", {})
    elif "__struct_fields__" in _all_names(kind):
        names = getattr(kind, "__struct_fields__", ())
    elif "__attrs_attrs__" in _all_names(kind):
        names = [field.name for field in getattr(kind, "__attrs_attrs__", ())]
    if names is None:
        return None
    held = _instance_dict(value) or {}
    config = getattr(kind, "__struct_config__", None)
    leave_out = config is not None and config.omit_defaults
    out = {}
    for name in names:
        item = held[name] if name in held else _slot(value, kind, name)
        if item is not _MISSING and not (leave_out and _is_nothing(item)):
            out[name] = item
    return out


def _is_nothing(item: Any) -> bool:
    return item is None or (type(item) in (dict, list) and not item)


def _plain_fields(value: Any, kind: type) -> dict[str, Any] | None:
    """Return public instance variables, if there are some and none is a service's machinery."""
    held = _instance_dict(value)
    if not held or len(held) > _MAX_FIELDS:
        return None
    public = {
        name: item
        for name, item in dict.items(held)
        if type(name) is str and not name.startswith("_")
    }
    shown = {name: item for name, item in public.items() if _is_data(item)}
    return shown if shown and len(shown) * 2 > len(public) else None


def _is_data(item: Any) -> bool:
    kind = type(item)
    if item is None or kind in (str, int, float, bool, bytes) or kind in _CONTAINERS:
        return True
    if issubclass(kind, enum.Enum | BaseException) or kind.__module__ in _TRUSTED_MODULES:
        return True
    return _declared_fields(item, kind) is not None or bool(_instance_dict(item))


def _instance_dict(value: Any) -> dict[str, Any] | None:
    """Return an instance's `__dict__` without asking the class, which may lie."""
    for base in type(value).__mro__:
        descriptor = base.__dict__.get("__dict__")
        if type(descriptor) is types.GetSetDescriptorType:
            held = descriptor.__get__(value)
            return held if type(held) is dict else None
    return None


def _slot(value: Any, kind: type, name: str) -> Any:
    """Read a slot through its descriptor; a property is not read."""
    for base in kind.__mro__:
        descriptor = base.__dict__.get(name)
        if type(descriptor) is types.MemberDescriptorType:
            try:
                return descriptor.__get__(value)
            except AttributeError:
                return _MISSING
    return _MISSING


class _Missing:
    pass


_MISSING = _Missing()


def _all_names(kind: type) -> set[str]:
    return {name for base in kind.__mro__ for name in base.__dict__ if name in _MARKS}


_MARKS = frozenset({"__dataclass_fields__", "__struct_fields__", "__attrs_attrs__"})


def _steady(items: Iterable[Any]) -> Iterator[Any]:
    """Iterate a container that another thread may change meanwhile, as far as that goes."""
    try:
        yield from items
    except RuntimeError:
        return


def _plain(base: type, value: Any) -> Any:
    """Return the builtin value inside an instance of a subclass, by the base's own code."""
    convert: Callable[[Any], Any] = {
        str: str.__str__,
        int: int.__int__,
        float: float.__float__,
        bool: bool.__bool__,
    }[base]
    plain = convert(value)
    return plain if type(plain) is base else str.__getitem__(plain, slice(None))


def _cut(text: str, size: int) -> str:
    return f"{text[:size]}… {len(text) - size:,} more characters"


def _type_name(value: Any) -> str:
    return qualified(type(value))


def qualified(kind: type) -> str:
    """Return a class's name with its module, without asking its metaclass."""
    module = _MODULE(kind)
    name: str = _QUALNAME(kind)
    return name if module == "builtins" else f"{module}.{name}"


_MODULE, _QUALNAME = type.__dict__["__module__"].__get__, type.__dict__["__qualname__"].__get__
