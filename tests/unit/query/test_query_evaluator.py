from typing import Any

import pytest

from pellucid.core.query import TRACES, parse
from pellucid.core.score import Score
from pellucid.core.span import (
    Document,
    PromptRef,
    Span,
    SpanKind,
    Status,
    StoredSpan,
    Tokens,
    ToolCall,
)
from pellucid.core.trace import TraceSummary
from pellucid.testing.query_evaluator import Candidate, matches

NOW = 100 * 3600 * 10**9
HOUR = 3600 * 10**9


def _span(span_id: str, raw: dict[str, Any] | None = None, **fields: Any) -> StoredSpan:
    return StoredSpan(
        span=Span(trace_id="1" * 32, span_id=span_id, start_ns=NOW - 2 * HOUR, **fields),
        raw=raw or {},
        counted=True,
        cost_counted=True,
        last_seen_ns=0,
    )


TRACE = Candidate(
    trace=TraceSummary(
        trace_id="1" * 32,
        experiment="blu-ray",
        run_id="r1",
        name="Answer question",
        root_kind=SpanKind.AGENT,
        status=Status.OK,
        start_ns=NOW - 2 * HOUR,
        duration_ns=3_000_000_000,
        span_count=3,
        error_count=1,
        models=["gpt-4o-mini"],
        tokens_in=5000,
        tokens_out=100,
        cost_usd=None,
        input_preview=None,
        output_preview=None,
        session_id="chat-7",
        user_id=None,
        tags={"env": "prod", "beta": ""},
        scores=[],
    ),
    spans=[
        _span(
            "a" * 16,
            {"tenant": 42, "flag": True, "ids": ["x", 3], "empty": "", "half": 0.5, "text": "42"},
            name="Answer question",
            kind=SpanKind.AGENT,
            duration_ns=3_000_000_000,
            input="How many discs?",
            output={"answer": "Refunds are allowed", "n": 12},
        ),
        _span(
            "b" * 16,
            name="search",
            kind=SpanKind.RETRIEVER,
            duration_ns=5,
            documents=[Document(id="d1", text="Die Größe")],
        ),
        _span(
            "c" * 16,
            name="call",
            kind=SpanKind.TOOL,
            status=Status.ERROR,
            duration_ns=2_000_000_000,
            tool_call=ToolCall(name="get_weather", arguments={"city": "東京都"}),
            model="gpt-4o-mini",
            tokens=Tokens(input=10, output=5),
            cost_usd=0.25,
            prompt=PromptRef(name="triage"),
            finish_reason="stop",
            ttft_ns=700_000_000,
        ),
    ],
    scores=[
        Score(id="1", name="relevance", value=0.4, time_ns=1, trace_id="1" * 32),
        Score(id="2", name="good", value=True, time_ns=1, trace_id="1" * 32, span_id="c" * 16),
        Score(id="3", name="verdict", value="Mostly", time_ns=1, trace_id="1" * 32),
    ],
)

TRUE = """
    status:ok
    status:OK
    status!=error
    -status:error
    name:answer*
    name="Answer question"
    name:"answer question"
    duration>2s
    latency<=3000ms
    tokens:5100
    tokens>5k
    tokens_in=5000
    errors>0
    spans:(1, 3)
    experiment:BLU-ray
    run:r1
    span:BBBBBBBBBBBBBBBB
    span:bb*
    span(span:cc* kind:TOOL)
    id:cccccccccccccccc
    cccccccccccccccc
    11111111111111111111111111111111
    session:chat-7
    has:session
    -has:user
    -user:u1
    -cost>0
    since:3h
    until:1h
    -since:1h
    since:1970-01-01
    tag.env:PROD
    tag.beta:""
    has:tag.beta
    has:tag
    kind:tool
    kind:(llm, agent)
    model:gpt*
    tool:get_weather
    prompt:triage
    finish:stop
    ttft<1s
    document:d1
    attr.tenant:42
    attr.tenant>41.5
    attr.tenant:42.0
    attr.text:42
    attr.flag:true
    attr.ids:x
    attr.ids:3
    attr.half<1
    -has:attr.empty
    has:attr
    score.relevance<0.5
    score.good:true
    score.verdict:most*
    has:score.verdict
    span(kind:tool status:error duration>1s)
    span(tool:get_weather cost:0.25 tokens:15)
    span(score.good:true kind:TOOL)
    -span(kind:agent status:error)
    discs
    DISCS
    "how many"
    refund*
    größe
    GRÖSSE
    12
    東京
    京都
    span(search kind:retriever)
    answer discs
    nothing OR discs
"""

FALSE = """
    status=OK
    name=answer*
    name:question
    duration<1s
    cost>0
    cost<1
    -cost:5 cost:5
    user!=x user:x
    attr.tenant:4*
    attr.tenant:x
    attr.text>41
    attr.missing<5
    attr.ids>5
    tag.env=PROD
    tag.none:""
    has:tag.none
    score.relevance:high
    score.good:1
    span(status:error kind:agent)
    span(score.relevance<0.5)
    span(discs search)
    "many how"
    京東
"""


@pytest.mark.parametrize("text", TRUE.strip().splitlines())
def test_what_holds(text: str) -> None:
    assert matches(parse(text.strip(), TRACES), TRACE, now_ns=NOW)


@pytest.mark.parametrize("text", FALSE.strip().splitlines())
def test_what_does_not_hold(text: str) -> None:
    assert not matches(parse(text.strip(), TRACES), TRACE, now_ns=NOW)
