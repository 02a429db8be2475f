from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pellucid.core.errors import QuerySyntaxError
from pellucid.core.query import (
    RUNS,
    SCHEMAS,
    SPANS,
    TRACES,
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
    parse,
    print_query,
)
from pellucid.testing.queries import roots

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


STATUS = Field("status", Scope.TRACE, FieldType.TEXT)
DURATION = Field("duration", Scope.TRACE, FieldType.DURATION)
NAME = Field("name", Scope.TRACE, FieldType.TEXT)


def _is(field: Field, text: str, op: Op = Op.FOLD, **more: object) -> Compare:
    return Compare(field, op, (Value(text, **more),))  # type: ignore[arg-type]


def _attr(key: str) -> Field:
    return Field("attr", Scope.SPAN, FieldType.DYNAMIC, key)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("", Everything()),
        ("  \n ", Everything()),
        ("status:error", _is(STATUS, "error")),
        ("status : error", _is(STATUS, "error")),
        ("status:(error, running)", Compare(STATUS, Op.FOLD, (Value("error"), Value("running")))),
        ("status!=error", Not(_is(STATUS, "error", Op.EQUAL))),
        ("-status:ok", Not(_is(STATUS, "ok"))),
        ("NOT status:ok", Not(_is(STATUS, "ok"))),
        ("-name!=a", Not(Not(_is(NAME, "a", Op.EQUAL)))),
        ("duration>2s", _is(DURATION, "2s", Op.GREATER, number=2_000_000_000)),
        ("latency >= 1.5m", _is(DURATION, "1.5m", Op.GREATER_EQUAL, number=90_000_000_000)),
        ("name:search*", _is(NAME, "search", prefix=True)),
        ('name:"search*"', _is(NAME, "search*", quoted=True)),
        ('name="a \\"b\\" \\\\"', _is(NAME, 'a "b" \\', Op.EQUAL, quoted=True)),
        ("name:-x", _is(NAME, "-x")),
        ("attr.tenant:42", _is(_attr("tenant"), "42", number=42)),
        ('attr."a b".c:x', _is(_attr("a b.c"), "x")),
        ("attr.llm.0.x:1", _is(_attr("llm.0.x"), "1", number=1)),
        (
            "llm.model_name:gpt*",
            Compare(Unresolved("llm.model_name"), Op.FOLD, (Value("gpt", prefix=True),)),
        ),
        ("has:session", Has(Field("session", Scope.TRACE, FieldType.TEXT))),
        ("has:score", Has(Field("score", Scope.TRACE, FieldType.DYNAMIC))),
        ("has:score.x", Has(Field("score", Scope.TRACE, FieldType.DYNAMIC, "x"))),
        ("has:foo.bar", Has(Unresolved("foo.bar"))),
        ("refund", Text("refund")),
        ("refund*", Text("refund", prefix=True)),
        ('"refund policy"', Text("refund policy", phrase=True)),
        ('"OR"', Text("OR", phrase=True)),
        ("orange or", And((Text("orange"), Text("or")))),
        ("blu-ray", Text("blu-ray")),
        ("foo -bar", And((Text("foo"), Not(Text("bar"))))),
        ("span (a)", And((Text("span"), Text("a")))),
        ("a b OR c", Or((And((Text("a"), Text("b"))), Text("c")))),
        ("a AND (b OR c)", And((Text("a"), Or((Text("b"), Text("c")))))),
        ("(a b) c", And((Text("a"), Text("b"), Text("c")))),
        ("a OR (b OR c)", Or((Text("a"), Text("b"), Text("c")))),
        (
            "span(kind:tool name:x)",
            InSpan(
                And(
                    (
                        _is(Field("kind", Scope.SPAN, FieldType.TEXT), "tool"),
                        _is(Field("name", Scope.SPAN, FieldType.TEXT), "x"),
                    )
                )
            ),
        ),
    ],
)
def test_text_becomes_a_tree(text: str, tree: Node) -> None:
    assert parse(text, TRACES).root == tree


def test_the_example_of_the_contract() -> None:
    text = (
        "status:error kind:TOOL duration>2s cost>$0.10 tokens>5k tag.env:prod score.relevance<0.5 "
        'name:search* "blu-ray" since:24h attr.tenant:42 -user:ci'
    )
    root = parse(text, TRACES).root
    assert isinstance(root, And)
    assert len(root.items) == 12
    assert print_query(root) == text
    amounts = [item.values[0].number for item in root.items if isinstance(item, Compare)]
    assert amounts == [None, None, 2_000_000_000, 0.1, 5000, None, 0.5, None, None, 42]
    since = root.items[9]
    assert isinstance(since, Compare)
    assert since.values[0].age_ns == 24 * 3600 * 10**9


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("2026-01-31", 1_769_817_600_000_000_000),
        ("2026-01-31T00:00:00Z", 1_769_817_600_000_000_000),
        ("2026-01-31T01:00+01:00", 1_769_817_600_000_000_000),
        ("1970-01-01T00:00:00.000001", 1_000),
    ],
)
def test_times_are_utc(text: str, number: int) -> None:
    root = parse(f"since:{text}", TRACES).root
    assert isinstance(root, Compare)
    assert root.values[0].number == number


@pytest.mark.parametrize(
    ("text", "position", "length", "says"),
    [
        ("http://x", 0, 4, 'quote it: "http://x"'),
        ("ok http://x/y", 3, 4, 'quote it: "http://x/y"'),
        ("12:30", 0, 5, 'quote it: "12:30"'),
        ("staus:error", 0, 5, "Did you mean status?"),
        ("Status:error", 0, 6, "Did you mean status?"),
        ("zzz:1", 0, 3, "attr.zzz:1 for an attribute"),
        ("status:eror", 7, 4, "ok, error, running, interrupted"),
        ("kind:toool", 5, 5, "LLM"),
        ("name>5", 4, 1, "name:value (any case)"),
        ("duration>2", 9, 1, "duration>2s"),
        ("tokens:many", 7, 4, "5k"),
        ("tokens:5*", 7, 2, "Remove it"),
        ("since:yesterday", 6, 9, "24h"),
        ("since>24h", 5, 1, "bound already"),
        ("tag:prod", 0, 3, "tag.NAME"),
        ("score.x<high", 8, 4, "takes a number"),
        ("foo.bar<high", 8, 4, "takes a number"),
        ('name:"open', 5, 5, "never closed"),
        ("(a b", 0, 1, "never closed"),
        ("a)", 1, 1, "no open bracket"),
        ("()", 1, 1, "missing before this )"),
        ("a OR", 3, 1, "missing at the end"),
        ("OR a", 0, 2, 'write "OR"'),
        ("a OR OR b", 5, 2, 'write "OR"'),
        ("NOT NOT a", 4, 3, "One NOT"),
        ("- a", 0, 1, "with no space"),
        ("name:", 4, 1, "is missing here"),
        ("name:*", 5, 1, "has:name"),
        ("name:(a b)", 8, 1, "needs quotes"),
        ("name:(a", 5, 1, "Expected , or )"),
        ("name:((a))", 6, 1, "not lists"),
        ("tokens>(1,2)", 7, 1, "goes with"),
        ("a, b", 1, 1, "comma"),
        ("has:", 0, 4, "directly after it"),
        ("has : x", 0, 3, "directly after the colon"),
        ("!!!", 0, 3, "no letter or digit"),
        ("!status:ok", 0, 10, "-status:ok"),
        ("duration:>2s", 9, 3, "duration>2s"),
        ("score.x:<=0.5", 8, 5, "score.x<=0.5"),
        ("name:*search*", 5, 8, "write it alone: search"),
        ("*search", 0, 7, "found anywhere"),
        ("tags:x", 0, 4, "has:tag.x"),
        ("service:web", 0, 7, "Write service.name:web."),
        ("input:hello", 0, 5, "write only the words"),
        ("level:error", 0, 5, "Write status:error."),
        ("span(spans>3)", 5, 5, "inside span"),
        ("span(span(a))", 5, 5, "no meaning here"),
        ("(" * 100 + "a" + ")" * 100, 60, 1, "nested more than 60"),
    ],
)
def test_errors_point_and_propose(text: str, position: int, length: int, says: str) -> None:
    with pytest.raises(QuerySyntaxError) as caught:
        parse(text, TRACES)
    assert says in caught.value.message
    assert (caught.value.position, caught.value.length) == (position, length)


def test_runs_have_no_full_text_and_no_spans() -> None:
    with pytest.raises(QuerySyntaxError, match="name:refund"):
        parse("refund", RUNS)
    with pytest.raises(QuerySyntaxError, match="no meaning here"):
        parse("span(a)", RUNS)
    assert isinstance(parse("metric.accuracy>0.8 param.k:3", RUNS).root, And)


@patient
@given(st.one_of([roots(s).map(partial(Query, schema=s.name)) for s in SCHEMAS.values()]))
def test_what_is_printed_is_parsed_again(query: Query) -> None:
    text = print_query(query)
    again = parse(text, SCHEMAS[query.schema])
    assert again == query
    assert print_query(again) == text


@patient
@given(st.text(alphabet='ab:=<>!-()"*,. \\ORANDT1sk', max_size=24) | st.text(max_size=12))
def test_any_text_parses_or_fails_with_a_place(text: str) -> None:
    for schema in (TRACES, SPANS, RUNS):
        try:
            root = parse(text, schema).root
        except QuerySyntaxError as error:
            place = error.position
        else:
            place = 0
            assert parse(print_query(root), schema).root == root
        assert 0 <= place <= max(len(text) - 1, 0)


def test_a_query_that_is_too_long_is_refused() -> None:
    with pytest.raises(QuerySyntaxError, match="longest"):
        parse("a " * 20_000, TRACES)
