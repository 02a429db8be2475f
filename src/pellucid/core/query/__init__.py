"""The query language (contracts.md §3): one grammar, one typed tree, compiled by each store."""

from pellucid.core.query.completion import Completion, Suggestion, complete
from pellucid.core.query.fields import RUNS, SCHEMAS, SPANS, TRACES, FieldInfo, Schema
from pellucid.core.query.parser import all_of, any_of, parse
from pellucid.core.query.printer import print_field, print_query, print_value
from pellucid.core.query.resolve import (
    list_unresolved,
    needs_runs,
    replace_run_fields,
    resolve,
)
from pellucid.core.query.tree import (
    And,
    Compare,
    Everything,
    Field,
    FieldType,
    Has,
    InSpan,
    Node,
    Not,
    Op,
    Or,
    Query,
    Scope,
    Text,
    Unresolved,
    Value,
    fold,
)
from pellucid.core.query.words import find_words, words_of

__all__ = [
    "RUNS",
    "SCHEMAS",
    "SPANS",
    "TRACES",
    "And",
    "Compare",
    "Completion",
    "Everything",
    "Field",
    "FieldInfo",
    "FieldType",
    "Has",
    "InSpan",
    "Node",
    "Not",
    "Op",
    "Or",
    "Query",
    "Schema",
    "Scope",
    "Suggestion",
    "Text",
    "Unresolved",
    "Value",
    "all_of",
    "any_of",
    "complete",
    "find_words",
    "fold",
    "list_unresolved",
    "needs_runs",
    "parse",
    "print_field",
    "print_query",
    "print_value",
    "replace_run_fields",
    "resolve",
    "words_of",
]
