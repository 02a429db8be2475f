"""A smallest value that a JSON Schema allows, for replies that must have a shape."""

from typing import Any

_DEPTH = 12


def example_of(schema: dict[str, Any], text: str = "") -> Any:
    """Return a value that `schema` allows, with `text` wherever a free string is wanted.

    Knows what function parameters and `json_schema` formats use in practice: types, `enum`,
    `const`, `default`, `anyOf`, `$ref` into the same schema, `minItems`, `minimum`.
    """
    return _value(schema, schema, text, _DEPTH)


def _value(schema: dict[str, Any], root: dict[str, Any], text: str, depth: int) -> Any:
    schema = _resolve(schema, root)
    for name in ("const", "default"):
        if name in schema:
            return schema[name]
    if schema.get("enum"):
        return schema["enum"][0]
    for name in ("anyOf", "oneOf", "allOf"):
        if schema.get(name):
            return _value(schema[name][0], root, text, depth - 1)
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) else kind
    if (kind == "object" or "properties" in schema) and depth > 0:
        names = schema.get("required") or list(schema.get("properties", {}))
        properties = schema.get("properties", {})
        return {n: _value(properties.get(n, {}), root, text, depth - 1) for n in names}
    if kind == "array":
        count = max(schema.get("minItems", 0), 1 if depth > 0 else 0)
        return [_value(schema.get("items", {}), root, text, depth - 1) for _ in range(count)]
    simple: dict[Any, Any] = {
        "integer": 0,
        "number": 0.0,
        "boolean": True,
        "null": None,
        "object": {},
    }
    if kind in simple:
        return schema.get("minimum", simple[kind])
    return text


def _resolve(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    ref = schema.get("$ref")
    if not isinstance(ref, str) or not ref.startswith("#/"):
        return schema
    target: Any = root
    for step in ref[2:].split("/"):
        target = target.get(step, {}) if isinstance(target, dict) else {}
    return target if isinstance(target, dict) else {}
