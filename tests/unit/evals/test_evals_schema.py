"""The JSON Schema checker, keyword by keyword."""

from typing import Any

import pytest

from pellucid.evals.json_schema import SchemaError, check_schema, violations

CASES: list[tuple[Any, list[Any], list[Any]]] = [
    (True, [1, None], []),
    (False, [], [1]),
    ({"type": "integer"}, [1, 1.0], [1.5, "1", True]),
    ({"type": ["string", "null"]}, ["a", None], [1]),
    ({"enum": [1, "a", None]}, [1, 1.0, "a", None], [True, "b"]),
    ({"const": {"a": 1}}, [{"a": 1.0}], [{"a": 2}]),
    ({"minimum": 1, "exclusiveMaximum": 3}, [1, 2.9, "x"], [0, 3]),
    ({"multipleOf": 0.1}, [0.3, 1], [0.25]),
    ({"minLength": 2, "maxLength": 3}, ["ab", 5], ["a", "abcd"]),
    ({"pattern": "^a"}, ["ab", 1], ["ba"]),
    ({"minItems": 1, "maxItems": 2, "uniqueItems": True}, [[1], [1, 2]], [[], [1, 1], [1, 2, 3]]),
    ({"items": {"type": "string"}}, [[], ["a"]], [["a", 1]]),
    ({"prefixItems": [{"type": "string"}], "items": False}, [["a"], []], [["a", 1], [1]]),
    ({"contains": {"const": 1}, "maxContains": 1}, [[1, 2]], [[2], [1, 1]]),
    ({"required": ["a"]}, [{"a": 1}, []], [{}]),
    ({"dependentRequired": {"a": ["b"]}}, [{}, {"a": 1, "b": 1}], [{"a": 1}]),
    ({"properties": {"a": {"type": "string"}}}, [{"a": "x"}, {"b": 1}], [{"a": 1}]),
    ({"additionalProperties": False, "patternProperties": {"^x": {}}}, [{"x1": 1}], [{"y": 1}]),
    ({"additionalProperties": {"type": "null"}}, [{"y": None}], [{"y": 1}]),
    ({"propertyNames": {"maxLength": 1}}, [{"y": 1}], [{"yy": 1}]),
    ({"minProperties": 1, "maxProperties": 1}, [{"y": 1}], [{}, {"a": 1, "b": 1}]),
    ({"anyOf": [{"type": "string"}, {"minimum": 3}]}, ["a", 3], [2]),
    ({"oneOf": [{"minimum": 1}, {"maximum": 3}]}, [0, 5], [2]),
    ({"allOf": [{"minimum": 1}, {"maximum": 3}]}, [2], [0, 5]),
    ({"not": {"type": "string"}}, [1], ["a"]),
    ({"if": {"minimum": 5}, "then": {"multipleOf": 5}, "else": {"maximum": 3}}, [10, 2], [6, 4]),
    (
        {"$defs": {"n": {"properties": {"next": {"$ref": "#/$defs/n"}}, "required": ["v"]}},
         "$ref": "#/$defs/n"},
        [{"v": 1, "next": {"v": 2}}],
        [{"v": 1, "next": {}}],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("schema", "valid", "invalid"), CASES, ids=[str(c[0]) for c in CASES])
def test_keywords(schema: Any, valid: list[Any], invalid: list[Any]) -> None:
    check_schema(schema)
    for value in valid:
        assert violations(value, schema) == [], value
    for value in invalid:
        assert violations(value, schema) != [], value


def test_messages_point_at_the_fault() -> None:
    schema = {"properties": {"a": {"items": {"type": "string"}}}}
    assert violations({"a": ["x", 3]}, schema) == ["$.a[1]: 3 is not of type string"]


def test_unknown_keywords_and_foreign_references_are_refused() -> None:
    with pytest.raises(SchemaError, match="'unevaluatedItems'"):
        check_schema({"properties": {"a": {"unevaluatedItems": False}}})
    with pytest.raises(SchemaError, match="not inside"):
        violations(1, {"$ref": "http://example.test/schema"})


def test_endless_references_end() -> None:
    assert violations(1, {"$ref": "#"}) == ["$: nested too deep to check"]
