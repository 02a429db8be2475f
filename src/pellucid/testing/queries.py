"""Hypothesis strategies of queries: trees that the parser could have made."""

from hypothesis import strategies as st

from pellucid.core.query import (
    SPANS,
    Compare,
    Everything,
    Field,
    FieldType,
    Has,
    InSpan,
    Node,
    Not,
    Op,
    Schema,
    Text,
    Unresolved,
    Value,
    all_of,
    any_of,
    words_of,
)
from pellucid.core.query.fields import read_duration, read_number, read_time

_WORDS = ["search", "blu-ray", "Refund", "x", "東京", "get_weather", "or", "a.b", "ß"]
_IDS = [f"{1:032x}", f"{2:016x}"]
"""Of a trace and a span, as `testing.spans` names them."""
_TEXTS = [*_WORDS, "a b", "AND", "-x", "*", 'say "hi"', "back\\slash", "(x)", "http://x", "1.0"]
_NUMBERS = ["0", "1", "-2", "3.5", "$0.10", "5k", "2M", "1e-3", "1200"]
_DURATIONS = ["2s", "150ms", "1.5h", "7d", "10us", "1ns", "3m"]
_TIMES = ["2026-01-31", "2026-01-31T09:30", "2026-01-31T09:30:00Z", "24h", "7d"]
_KEYS = ["env", "relevance", "a.b", "gen_ai.request.model", "with space", 'quo"te', "0.x"]
_BARE = [Unresolved(name) for name in ("x.y", "llm.model_name", "relevance.mean")]
_EQUALITIES = [Op.FOLD, Op.EQUAL]


def fields_of(schema: Schema) -> st.SearchStrategy[Field]:
    """Draw any field of a schema, with a key where it needs one."""
    return st.sampled_from(
        [
            Field(info.name, info.scope, info.type, key)
            for info in schema.fields.values()
            for key in (_KEYS if info.family else [None])
        ]
    )


@st.composite
def comparisons(draw: st.DrawFn, schema: Schema) -> Compare:
    """Draw a comparison whose values fit its field."""
    field = draw(st.one_of(fields_of(schema), st.sampled_from(_BARE)))
    kind = field.type if isinstance(field, Field) else FieldType.DYNAMIC
    if kind in (FieldType.TEXT, FieldType.TIME):
        op = draw(st.sampled_from(_EQUALITIES))
    else:
        op = draw(st.sampled_from(list(Op)))
    choices = schema.fields[field.name].values if isinstance(field, Field) else ()
    most = 1 if op.is_ordered else 3
    values = [draw(_value(kind, op, choices)) for _ in range(draw(st.integers(1, most)))]
    return Compare(field, op, tuple(values))


@st.composite
def _value(draw: st.DrawFn, kind: FieldType, op: Op, choices: tuple[str, ...]) -> Value:
    if choices:
        return Value(draw(st.sampled_from(choices)))
    if kind is FieldType.DURATION:
        text = draw(st.sampled_from(_DURATIONS))
        return Value(text, number=read_duration(text))
    if kind is FieldType.TIME:
        text = draw(st.sampled_from(_TIMES))
        age = read_duration(text)
        return Value(text, number=None if age else read_time(text), age_ns=age)
    if kind is FieldType.NUMBER or op.is_ordered:
        text = draw(st.sampled_from(_NUMBERS))
        return Value(text, number=read_number(text))
    if draw(st.booleans()):
        text = draw(st.sampled_from(_TEXTS))
        number = read_number(text) if kind is FieldType.DYNAMIC else None
        return Value(text, quoted=True, number=number)
    text = draw(st.sampled_from(_WORDS + _IDS + (_NUMBERS if kind is FieldType.DYNAMIC else [])))
    prefix = draw(st.booleans())
    number = read_number(text) if kind is FieldType.DYNAMIC and not prefix else None
    return Value(text, prefix=prefix, number=number)


def _leaves(schema: Schema) -> st.SearchStrategy[Node]:
    words = st.sampled_from([*_WORDS, *_IDS])
    phrases = st.sampled_from([text for text in _TEXTS if words_of(text)])
    texts = st.one_of(
        words.map(Text),
        words.map(lambda word: Text(word, prefix=True)),
        phrases.map(lambda text: Text(text, phrase=True)),
    )
    choices = [comparisons(schema), fields_of(schema).map(Has)]
    if schema.full_text:
        choices.append(texts)
    return st.one_of(*choices)


def nodes(schema: Schema, max_leaves: int = 6) -> st.SearchStrategy[Node]:
    """Draw a tree over a schema, as the parser makes them."""

    def grow(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
        return st.one_of(
            st.lists(inner, min_size=2, max_size=3).map(all_of),
            st.lists(inner, min_size=2, max_size=3).map(any_of),
            inner.map(Not),
        )

    leaves = _leaves(schema)
    if schema.inside_span is not None:
        leaves = st.one_of(leaves, leaves, nodes(SPANS, 3).map(InSpan))
    return st.recursive(leaves, grow, max_leaves=max_leaves)


def roots(schema: Schema) -> st.SearchStrategy[Node]:
    """Draw the root of a query; now and then it is everything."""
    return st.one_of(st.just(Everything()), nodes(schema), nodes(schema), nodes(schema))
