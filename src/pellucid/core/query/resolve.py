"""Steps between parsing and compiling that need to know what is stored."""

from collections.abc import Callable, Collection, Iterator

from pellucid.core.query.fields import SCHEMAS, Schema
from pellucid.core.query.habits import DOTTED_SYNONYMS, FAMILY_SYNONYMS
from pellucid.core.query.tree import (
    And,
    Compare,
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
    Unresolved,
    Value,
)


def list_unresolved(query: Query) -> list[str]:
    """List the bare dotted names of a query, sorted, once each."""
    return sorted(
        {leaf.field.name for leaf in _leaves(query.root) if isinstance(leaf.field, Unresolved)}
    )


def resolve(
    query: Query,
    *,
    is_score: Callable[[str], bool],
    is_param: Callable[[str], bool],
    is_attribute: Callable[[str], bool] = lambda _: True,
) -> Query:
    """Say what every bare dotted name is: a score, else a param, else an attribute.

    What is none of them, and another spelling of a field (`user.id`, `tags.env`), is that field.
    The result holds no `Unresolved`. All questions are asked with the whole dotted name.
    """
    schema = SCHEMAS[query.schema]

    def settle(leaf: Compare | Has, *, in_span: bool) -> Node:
        if not isinstance(leaf.field, Unresolved):
            return leaf
        name, position = leaf.field.name, leaf.field.position
        inside = schema.inside_span if in_span and schema.inside_span else schema
        if is_score(name):
            scope = Scope.SPAN if in_span or query.schema == "spans" else Scope.TRACE
            scope = Scope.RUN if query.schema == "runs" else scope
            field = Field("score", scope, FieldType.DYNAMIC, name, position)
        elif is_param(name) or query.schema == "runs":
            field = Field("param", Scope.RUN, FieldType.DYNAMIC, name, position)
        elif not is_attribute(name) and (other := _other_spelling(leaf, name, inside)):
            field = other
        else:
            field = Field("attr", Scope.SPAN, FieldType.DYNAMIC, name, position)
        if isinstance(leaf, Has):
            return Has(field)
        return Compare(field, leaf.op, leaf.values)

    return Query(_map_leaves(query.root, settle), query.schema, query.text)


def _other_spelling(leaf: Compare | Has, name: str, schema: Schema) -> Field | None:
    """Return the field that a dotted name spells otherwise, if the leaf can be said of it."""
    head, _, key = name.partition(".")
    family = schema.fields.get(FAMILY_SYNONYMS.get(head.lower(), ""))
    if family is not None and family.family:
        info, found = family, Field(family.name, family.scope, family.type, key)
    else:
        plain = schema.fields.get(DOTTED_SYNONYMS.get(name.lower(), ""))
        if plain is None:
            return None
        info, found = plain, Field(plain.name, plain.scope, plain.type)
    if isinstance(leaf, Has):
        return found
    if info.type is FieldType.TEXT:
        return None if leaf.op.is_ordered else found
    if info.type is FieldType.NUMBER:
        return found if all(value.number is not None for value in leaf.values) else None
    return found


def needs_runs(query: Query) -> bool:
    """Tell whether `replace_run_fields` has anything to do."""
    return any(_is_of_run(leaf) for leaf in _leaves(query.root))


def replace_run_fields(
    query: Query, find_runs: Callable[[Compare | Has], Collection[str]]
) -> Query:
    """Put the ids of the runs that a param or metric comparison finds in its place.

    `find_runs` is asked once for every such leaf. The result compares `run` with any of the ids
    (an empty `Compare`, which is false, where there are none), so a store never sees a param.
    """

    def settle(leaf: Compare | Has, *, in_span: bool) -> Node:
        if not _is_of_run(leaf):
            return leaf
        scope = Scope.SPAN if in_span or query.schema == "spans" else Scope.TRACE
        field = Field("run", scope, FieldType.TEXT)
        ids = tuple(Value(run_id, quoted=True) for run_id in sorted(find_runs(leaf)))
        return Compare(field, Op.EQUAL, ids)

    return Query(_map_leaves(query.root, settle), query.schema, query.text)


def _is_of_run(leaf: Compare | Has) -> bool:
    return isinstance(leaf.field, Field) and leaf.field.scope is Scope.RUN


def _leaves(node: Node) -> Iterator[Compare | Has]:
    match node:
        case And(items) | Or(items):
            for item in items:
                yield from _leaves(item)
        case Not(item) | InSpan(item):
            yield from _leaves(item)
        case Compare() | Has():
            yield node


def _map_leaves(node: Node, settle: Callable[..., Node], *, in_span: bool = False) -> Node:
    match node:
        case And(items):
            return And(tuple(_map_leaves(item, settle, in_span=in_span) for item in items))
        case Or(items):
            return Or(tuple(_map_leaves(item, settle, in_span=in_span) for item in items))
        case Not(item):
            return Not(_map_leaves(item, settle, in_span=in_span))
        case InSpan(item):
            return InSpan(_map_leaves(item, settle, in_span=True))
        case Compare() | Has():
            return settle(node, in_span=in_span)
    return node
