"""Which traces the home page shows."""

from pellucid.core.span import SpanKind, Status
from pellucid.core.trace import TraceSummary
from pellucid.server.web.pages.home import NEWEST, OF_A_NAME, choose_newest


def _trace(number: int, name: str) -> TraceSummary:
    return TraceSummary(
        trace_id=f"{number:032x}",
        experiment="e",
        run_id=None,
        name=name,
        root_kind=SpanKind.AGENT,
        status=Status.OK,
        start_ns=1_000 - number,
        duration_ns=1,
        span_count=1,
        error_count=0,
        models=[],
        tokens_in=0,
        tokens_out=0,
        cost_usd=None,
        input_preview=None,
        output_preview=None,
        session_id=None,
        user_id=None,
        tags={},
        scores=[],
    )


def test_one_agent_fills_the_list() -> None:
    traces = [_trace(number, "answer") for number in range(50)]
    assert choose_newest(traces) == traces[:NEWEST]


def test_a_busy_agent_hides_no_other() -> None:
    busy = [_trace(number, "answer") for number in range(60)]
    rare = _trace(60, "bluray-agent")
    assert choose_newest([*busy, rare]) == [*busy[:OF_A_NAME], rare]
