"""What people write who know other query languages is taken, or answered with what to write."""

import pytest

from pellucid.core.errors import QuerySyntaxError
from pellucid.core.query import RUNS, TRACES, Schema, parse, print_query, resolve


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("@http.status:500", "attr.http.status:500"),
        ("-@http.status:500", "-attr.http.status:500"),
        ("@env mentioned", "@env mentioned"),
        ("user_id:u1", "user:u1"),
        ("userId:u1", "user:u1"),
        ("sessionId:s1", "session:s1"),
        ("trace_id:ab*", "trace:ab*"),
        ("spanId:ab*", "span:ab*"),
        ("id:ab", "trace:ab OR span:ab"),
        ("kind:LLM id:(ab, cd)", "kind:LLM (trace:(ab, cd) OR span:(ab, cd))"),
        ("id!=ab", "-trace=ab -span=ab"),
        ("input_tokens>5", "tokens_in>5"),
        ("totalCost>0.1", "cost>0.1"),
        ("finish_reason:stop", "finish:stop"),
        ("status:(error OR running)", "status:(error, running)"),
        ("disc or layer", "disc or layer"),
        ("span (disc)", "span disc"),
    ],
)
def test_other_spellings_are_taken(typed: str, read: str) -> None:
    assert print_query(parse(typed, TRACES)) == read


@pytest.mark.parametrize(
    ("typed", "proposal"),
    [
        ("duration:>2s", "duration>2s"),
        ("a duration:>=2s b", "a duration>=2s b"),
        ("score.x:>=0.5", "score.x>=0.5"),
        ("status:!=ok", "status!=ok"),
        ("status==error", "status=error"),
        ("duration>2", "duration>2s"),
        ("duration_ms > 2000", "duration>2000ms"),
        ("duration:[1s TO 2s]", "duration>=1s duration<=2s"),
        ("-tokens:[1 TO 5]", "-(tokens>=1 tokens<=5)"),
        ("http.status:[400 TO *]", "http.status>=400"),
        ("duration:1s..2s", "duration>=1s duration<=2s"),
        ("level:ERROR", "status:error"),
        ("error:true x", "status:error x"),
        ("status:eror", "status:error"),
        ("status:failed", "status:error"),
        ("type:GENERATION", "kind:LLM"),
        ("kind:TOOLS", "kind:TOOL"),
        ("env:prod", "tag.env:prod"),
        ("tags:env:prod", "tag.env:prod"),
        ("tag:beta", "has:tag.beta"),
        ("score:x>0.5", "score.x>0.5"),
        ("tenant:42", "attr.tenant:42"),
        ("correctness>0.5", "score.correctness>0.5"),
        ("service:web", "service.name:web"),
        ("project:web", "experiment:web"),
        ("staus:error", "status:error"),
        ("input:disc", "disc"),
        ('output:"blu ray"', '"blu ray"'),
        ("timestamp>2026-01-31", "since:2026-01-31"),
        ("timestamp < 2026-01-31", "until:2026-01-31"),
        ("since>2026-01-31", "since:2026-01-31"),
        ("since:now-1h", "since:1h"),
        ("since:2w", "since:14d"),
        ("timestamp > 2026-01-31", "since:2026-01-31"),
        ("since:[now-2h TO now]", "since:2h"),
        ("since:[2026-01-30 TO 2026-01-31]", "since:2026-01-30 until:2026-01-31"),
        ("duration_ms:>2000 x", "duration>2000ms x"),
        ("duration > 10 s", "duration > 10s"),
        ("(duration>10seconds)", "(duration>10s)"),
        ("latency<2 Min user:a", "latency<2m user:a"),
        ("price:>3", "cost>3"),
        ("tokens>5K", "tokens>5k"),
        ("kind:!TOOL", "-kind:TOOL"),
        ("status:-error x", "-status:error x"),
        ("!(status:error)", "-(status:error)"),
        ("attr['a b']:1", 'attr."a b":1'),
        ('disc"', "disc"),
        ("*error*", "error"),
        ("*error", "error"),
        ("err*r", "err*"),
        ("name:*tool*", "tool"),
        ("name:a*b", "name:a*"),
        ("user:*", "has:user"),
        ("cost=null", "-has:cost"),
        ("name:'blu ray' x", 'name:"blu ray" x'),
        ("'blu ray'", '"blu ray"'),
        ("model:a or model:b", "model:a OR model:b"),
        ("disc and status:error", "disc AND status:error"),
        ("not status:ok", "NOT status:ok"),
        ("disc && layer", "disc AND layer"),
        ("disc || layer", "disc OR layer"),
        ("!status:ok", "-status:ok"),
        ("- status:ok", "-status:ok"),
        ("--status:ok", "-status:ok"),
        ("status IN (error, ok)", "status:(error, ok)"),
        ('model CONTAINS "gpt"', "model:gpt*"),
        ("model LIKE 'gpt%'", "model:gpt*"),
        ("model =~ gpt", "model:gpt*"),
        ("exists(session)", "has:session"),
        ("_exists_:session", "has:session"),
        ('contains(input, "disc")', '"disc"'),
        ('attributes["http.status"] = 500', 'attr."http.status" = 500'),
        ("span (kind:TOOL)", "span(kind:TOOL)"),
        ("status:error,kind:TOOL", "status:error kind:TOOL"),
        ("(status:error", "(status:error)"),
        ("status:error)", "status:error"),
        ("status:error AND", "status:error"),
        ("OR status:error", "status:error"),
        ('name:"open', 'name:"open"'),
        ("https://example.com/x", '"https://example.com/x"'),
        ("*", ""),
    ],
)
def test_an_error_says_the_whole_query_put_right(typed: str, proposal: str) -> None:
    with pytest.raises(QuerySyntaxError) as caught:
        parse(typed, TRACES)
    assert caught.value.proposal == proposal
    assert 0 <= caught.value.position < len(typed)
    parse(proposal, TRACES)


@pytest.mark.parametrize(
    "typed",
    [
        "limit:10",
        "sort:duration",
        "parent_id:ab",
        "SELECT * FROM traces WHERE 1",
        "status:ok | count",
        "span(",
        "tag:#beta",
    ],
)
def test_what_a_filter_cannot_say_is_answered_without_a_proposal(typed: str) -> None:
    with pytest.raises(QuerySyntaxError) as caught:
        parse(typed, TRACES)
    assert caught.value.proposal is None
    assert "None" not in caught.value.message


def test_an_error_is_shown_with_its_place() -> None:
    with pytest.raises(QuerySyntaxError) as caught:
        parse("duration:>2s", TRACES)
    shown = "  duration:>2s\n           ^^^\nWrite: duration>2s"
    assert str(caught.value).endswith(shown)
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("user.id:u1", "user:u1"),
        ("tags.env:prod", "tag.env:prod"),
        ("scores.x>0.5", "score.x>0.5"),
        ("attributes.http.status:500", "attr.http.status:500"),
        ("has:session.id", "has:session"),
        ("usage.total>5", "tokens>5"),
        ("usage.total:many", "attr.usage.total:many"),
        ("params.k:3", "param.k:3"),
        ("foo.bar:1", "attr.foo.bar:1"),
        ("span(tool.name:x)", "span(tool:x)"),
    ],
)
def test_dotted_names_that_nothing_has_are_read_as_fields(typed: str, read: str) -> None:
    def settle(*, known: bool) -> str:
        query = parse(typed, TRACES)
        return print_query(
            resolve(
                query,
                is_score=lambda _: False,
                is_param=lambda _: False,
                is_attribute=lambda _: known,
            )
        )

    assert settle(known=False) == read
    assert "attr." in settle(known=True)


def test_long_and_odd_texts_are_refused_quickly() -> None:
    for typed in (
        "-" * 20_000,
        " " * 19_999 + "-",
        "a " * 9_000 + "OR",
        "'" * 20_000,
        "[" * 20_000,
    ):
        with pytest.raises(QuerySyntaxError) as caught:
            parse(typed, TRACES)
        assert len(caught.value.message) < 400


@pytest.mark.parametrize(
    ("schema", "proposal"), [(RUNS, "metric.recall>0.9"), (TRACES, "score.recall>0.9")]
)
def test_what_is_ordered_is_a_metric_of_runs_and_a_score_of_traces(
    schema: Schema, proposal: str
) -> None:
    with pytest.raises(QuerySyntaxError) as raised:
        parse("recall>0.9", schema)
    assert raised.value.proposal == proposal
    assert "for a metric" in raised.value.message or schema is TRACES
