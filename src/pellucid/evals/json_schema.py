"""JSON Schema (2020-12), as far as answers of agents and judges need it.

Knows `type enum const`, bounds of numbers, strings, arrays and objects, `pattern`, `properties`
and their kin, `items prefixItems contains uniqueItems`, `anyOf oneOf allOf not if/then/else`,
`dependentRequired`, and `$ref` inside the schema. `format` and annotations are not checked;
any other keyword is refused by `check_schema` rather than passed over.
"""

import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sized
from typing import Any

import msgspec


class SchemaError(ValueError):
    """A schema that cannot be checked."""


_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "null": (type(None),),
    "object": (dict,),
    "array": (list,),
}
_BOUNDS: dict[str, tuple[Callable[[float, float], bool], str]] = {
    "minimum": (operator.ge, "is below the minimum {}"),
    "maximum": (operator.le, "is above the maximum {}"),
    "exclusiveMinimum": (operator.gt, "is not above {}"),
    "exclusiveMaximum": (operator.lt, "is not below {}"),
    "multipleOf": (lambda value, base: _is_multiple(value, base), "is not a multiple of {}"),
}
_SIZES: dict[str, tuple[type[Sized], Callable[[int, int], bool], str]] = {
    "minLength": (str, operator.ge, "is shorter than {} characters"),
    "maxLength": (str, operator.le, "is longer than {} characters"),
    "minItems": (list, operator.ge, "has fewer than {} items"),
    "maxItems": (list, operator.le, "has more than {} items"),
    "minProperties": (dict, operator.ge, "has fewer than {} properties"),
    "maxProperties": (dict, operator.le, "has more than {} properties"),
}
_ONE_SCHEMA = {
    "items",
    "contains",
    "additionalProperties",
    "propertyNames",
    "not",
    "if",
    "then",
    "else",
}
_MANY_SCHEMAS = {"anyOf", "oneOf", "allOf", "prefixItems"}
_NAMED_SCHEMAS = {"properties", "patternProperties", "$defs", "definitions"}
_OTHER = {
    "type", "enum", "const", "pattern", "required", "uniqueItems", "dependentRequired", "$ref",
    "minContains", "maxContains",
    "$schema", "$id", "$comment", "title", "description", "default", "examples", "format",
    "deprecated", "readOnly", "writeOnly",
}  # fmt: skip
_DEEPEST = 64


def check_schema(schema: Any) -> None:
    """Raise SchemaError for a schema with keywords that `violations` does not know."""
    if isinstance(schema, bool):
        return
    if not isinstance(schema, Mapping):
        raise SchemaError(f"a schema is an object or a bool, not {type(schema).__name__}")
    for key, value in schema.items():
        if key in _ONE_SCHEMA:
            check_schema(value)
        elif key in _MANY_SCHEMAS:
            for one in value:
                check_schema(one)
        elif key in _NAMED_SCHEMAS:
            for one in value.values():
                check_schema(one)
        elif key not in _OTHER and key not in _BOUNDS and key not in _SIZES:
            raise SchemaError(f"the keyword {key!r} is not known")


def violations(value: Any, schema: Any) -> list[str]:
    """Return what is wrong with a JSON value under a schema, each with its path; [] if valid."""
    return list(_Checker(schema).check(value, schema, "$", 0))


class _Checker:
    def __init__(self, root: Any) -> None:
        self._root = root

    def check(self, value: Any, schema: Any, path: str, depth: int) -> Iterator[str]:
        if depth > _DEEPEST:
            yield f"{path}: nested too deep to check"
            return
        if schema is True or schema == {}:
            return
        if schema is False:
            yield f"{path}: nothing is allowed here"
            return
        if "$ref" in schema:
            yield from self.check(value, self._resolve(schema["$ref"]), path, depth + 1)
        yield from self._scalars(value, schema, path)
        if isinstance(value, dict):
            yield from self._object(value, schema, path, depth)
        elif isinstance(value, list):
            yield from self._array(value, schema, path, depth)
        yield from self._combined(value, schema, path, depth)

    def _valid(self, value: Any, schema: Any, depth: int) -> bool:
        return next(self.check(value, schema, "$", depth + 1), None) is None

    def _resolve(self, reference: str) -> Any:
        if not reference.startswith("#"):
            raise SchemaError(f"$ref {reference!r} is not inside the schema")
        found = self._root
        for part in filter(None, reference[1:].split("/")):
            key = part.replace("~1", "/").replace("~0", "~")
            found = found[int(key)] if isinstance(found, list) else found[key]
        return found

    def _scalars(self, value: Any, schema: Mapping[str, Any], path: str) -> Iterator[str]:
        if "type" in schema:
            kinds = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
            if not any(_is_type(value, kind) for kind in kinds):
                yield f"{path}: {_shown(value)} is not of type {' or '.join(kinds)}"
        if "enum" in schema and not any(_equal(value, one) for one in schema["enum"]):
            allowed = ", ".join(_shown(one) for one in schema["enum"])
            yield f"{path}: {_shown(value)} is none of {allowed}"
        if "const" in schema and not _equal(value, schema["const"]):
            yield f"{path}: {_shown(value)} is not {_shown(schema['const'])}"
        if isinstance(value, int | float) and not isinstance(value, bool):
            for key, (within, message) in _BOUNDS.items():
                if key in schema and not within(value, schema[key]):
                    yield f"{path}: {value} {message.format(schema[key])}"
        for key, (kind, holds, message) in _SIZES.items():
            if key in schema and isinstance(value, kind) and not holds(len(value), schema[key]):
                yield f"{path} {message.format(schema[key])}"
        if isinstance(value, str) and "pattern" in schema:
            if re.search(schema["pattern"], value) is None:
                yield f"{path}: {_shown(value)} does not match {schema['pattern']}"

    def _object(
        self, value: dict[str, Any], schema: Mapping[str, Any], path: str, depth: int
    ) -> Iterator[str]:
        for name in schema.get("required", ()):
            if name not in value:
                yield f"{path}: {name!r} is missing"
        for name, needed in schema.get("dependentRequired", {}).items():
            for other in needed:
                if name in value and other not in value:
                    yield f"{path}: {name!r} needs {other!r}"
        properties = schema.get("properties", {})
        patterns = schema.get("patternProperties", {})
        for name, item in value.items():
            inner = f"{path}.{name}"
            if "propertyNames" in schema:
                yield from self.check(name, schema["propertyNames"], inner, depth + 1)
            matching = [one for pattern, one in patterns.items() if re.search(pattern, name)]
            if name in properties:
                matching.append(properties[name])
            for one in matching:
                yield from self.check(item, one, inner, depth + 1)
            if not matching and "additionalProperties" in schema:
                if schema["additionalProperties"] is False:
                    yield f"{path}: {name!r} is not allowed"
                else:
                    yield from self.check(item, schema["additionalProperties"], inner, depth + 1)

    def _array(
        self, value: list[Any], schema: Mapping[str, Any], path: str, depth: int
    ) -> Iterator[str]:
        first = schema.get("prefixItems", [])
        for i, item in enumerate(value):
            one = first[i] if i < len(first) else schema.get("items", True)
            yield from self.check(item, one, f"{path}[{i}]", depth + 1)
        if schema.get("uniqueItems") and len({_canonical(item) for item in value}) < len(value):
            yield f"{path}: the items are not unique"
        if "contains" in schema:
            found = sum(self._valid(item, schema["contains"], depth) for item in value)
            if not schema.get("minContains", 1) <= found <= schema.get("maxContains", math.inf):
                yield f"{path}: {found} items are as `contains` asks"

    def _combined(
        self, value: Any, schema: Mapping[str, Any], path: str, depth: int
    ) -> Iterator[str]:
        for one in schema.get("allOf", ()):
            yield from self.check(value, one, path, depth + 1)
        if "anyOf" in schema:
            if not any(self._valid(value, one, depth) for one in schema["anyOf"]):
                yield f"{path}: {_shown(value)} fits none of anyOf"
        if "oneOf" in schema:
            fitting = sum(self._valid(value, one, depth) for one in schema["oneOf"])
            if fitting != 1:
                yield f"{path}: {_shown(value)} fits {fitting} of oneOf, not one"
        if "not" in schema and self._valid(value, schema["not"], depth):
            yield f"{path}: {_shown(value)} is what it must not be"
        if "if" in schema:
            branch = "then" if self._valid(value, schema["if"], depth) else "else"
            if branch in schema:
                yield from self.check(value, schema[branch], path, depth + 1)


def _is_type(value: Any, kind: str) -> bool:
    if kind in ("number", "integer"):
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return kind == "number" or float(value).is_integer()
    return isinstance(value, _TYPES.get(kind, ()))


def _is_multiple(value: float, base: float) -> bool:
    ratio = value / base
    return math.isclose(ratio, round(ratio), rel_tol=1e-9, abs_tol=1e-9)


def _equal(first: Any, second: Any) -> bool:
    return _canonical(first) == _canonical(second)


def _canonical(value: Any) -> bytes:
    return msgspec.json.encode(_whole(value), order="sorted")


def _whole(value: Any) -> Any:
    """In JSON Schema 1.0 and 1 are one number."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_whole(item) for item in value]
    if isinstance(value, dict):
        return {key: _whole(item) for key, item in value.items()}
    return value


def _shown(value: Any) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 60 else text[:57] + "…"
