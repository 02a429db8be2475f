"""What pages make of figures: charts, first spans, annotations, experiment totals."""

import pytest

from pellucid.core.errors import InvalidInput
from pellucid.core.rollup import Figures, Rollup, latency_bucket
from pellucid.core.score import ScoreValue
from pellucid.core.span import SpanKind, Tokens
from pellucid.core.trace import Waterfall
from pellucid.server.web.pages.annotate import read_value
from pellucid.server.web.pages.experiment import figure_rows, place_bars
from pellucid.server.web.pages.trace import READ_WHOLE, failed_span, first_span, first_token
from pellucid.server.web.pages.traces import list_ranges

HOUR = 3_600_000_000_000


def _columns(statuses: list[str], depths: list[int], ttfts: list[int | None]) -> Waterfall:
    count = len(statuses)
    return Waterfall(
        trace_id="1" * 32,
        start_ns=0,
        duration_ns=100,
        span_ids=[f"{row:016x}" for row in range(count)],
        parents=[-1] + [0] * (count - 1),
        depths=depths,
        names=["span"] * count,
        kinds=["LLM"] * count,
        statuses=statuses,
        starts=[row * 10 for row in range(count)],
        durations=[10] * count,
        models=[None] * count,
        agents=[None] * count,
        tokens_in=[0] * count,
        tokens_out=[0] * count,
        costs=[None] * count,
        ttfts=ttfts,
        details=[""] * count,
    )


def test_a_trace_opens_at_its_root_unless_it_failed() -> None:
    survived = _columns(["ok", "error", "ok"], [0, 1, 1], [None, None, None])
    assert first_span(survived) == survived.span_ids[0]
    failed = _columns(["error", "error", "error", "ok"], [0, 1, 2, 2], [None] * 4)
    assert first_span(failed) == failed.span_ids[2]


def test_a_large_trace_opens_at_a_failure_that_it_survived() -> None:
    count = READ_WHOLE + 1
    columns = _columns(["ok"] * (count - 1) + ["error"], [0] + [1] * (count - 1), [None] * count)
    assert first_span(columns) == columns.span_ids[-1] == failed_span(columns)


def test_a_trace_found_by_words_opens_at_the_deepest_match() -> None:
    columns = _columns(["ok"] * 3, [0, 1, 2], [None] * 3)
    assert first_span(columns, [columns.span_ids[0], columns.span_ids[2]]) == columns.span_ids[2]


def test_the_first_token_is_that_of_the_last_streamed_answer() -> None:
    assert first_token(_columns(["ok"] * 3, [0, 1, 1], [None, 3, 4])) == 24
    assert first_token(_columns(["ok"], [0], [None])) is None


@pytest.mark.parametrize(
    ("text", "note", "value"),
    [
        ("good", "", True),
        ("No", "", False),
        ("0.8", "", 0.8),
        ("-3", "", -3.0),
        ("nan", "", "nan"),
        ("partly", "", "partly"),
        ("", "only a note", "only a note"),
    ],
)
def test_a_score_is_read_as_it_was_meant(text: str, note: str, value: ScoreValue) -> None:
    read = read_value(text, note)
    assert read == value
    assert type(read) is type(value)


def test_a_score_of_nothing_is_refused() -> None:
    with pytest.raises(InvalidInput, match="good or bad"):
        read_value("  ", "")


def _rollup(hour: int, kind: SpanKind, model: str | None, cost: float | None) -> Rollup:
    return Rollup(
        experiment="e",
        time_ns=hour * HOUR,
        kind=kind,
        model=model,
        figures=Figures(
            count=4,
            error_count=1,
            tokens=Tokens(input=100, output=10) if model else Tokens(),
            cost_usd=cost,
            latency={latency_bucket(1_000_000): 4},
        ),
    )


def test_figures_add_up_by_kind_and_model() -> None:
    rollups = [
        _rollup(0, SpanKind.LLM, "gpt-4o", 0.03),
        _rollup(1, SpanKind.LLM, "gpt-4o", 0.03),
        _rollup(1, SpanKind.LLM, "own-model", None),
        _rollup(1, SpanKind.TOOL, None, 0.02),
    ]
    rows = {(row.kind, row.model): row for row in figure_rows(rollups)}
    assert rows["LLM", "gpt-4o"].spans == 8
    assert rows["LLM", "gpt-4o"].share == pytest.approx(0.75)
    assert rows["LLM", "gpt-4o"].query == "span(kind:LLM model=gpt-4o)"
    assert rows["LLM", "own-model"].is_unpriced
    assert not rows["TOOL", ""].is_unpriced
    assert rows["TOOL", ""].p95_ns == pytest.approx(1_000_000, rel=0.07)


@pytest.mark.parametrize(("hours", "step_hours"), [(1, 1), (72, 1), (73, 2), (7 * 24, 6)])
def test_bars_stay_few_and_inside_the_drawing(hours: int, step_hours: int) -> None:
    rollups = [_rollup(hour, SpanKind.LLM, None, None) for hour in range(hours)]
    bars, step = place_bars(rollups, 0, hours * HOUR - 1)
    assert step == step_hours * HOUR
    assert len(bars) <= 72
    assert sum(bar.spans for bar in bars) == 4 * hours
    assert all(0 <= bar.x and bar.x + bar.width <= 1000.01 and bar.height <= 62 for bar in bars)


def test_the_time_menu_knows_which_range_the_query_has() -> None:
    menu = list_ranges("/t", "status:error since:24h")
    assert [one.label for one in menu if one.is_on] == ["Last 24 hours"]
    assert menu[0].href == "/t?query=status%3Aerror"
    assert [one.label for one in list_ranges("/t", "since:3h") if one.is_on] == ["As in the query"]
    assert [one.label for one in list_ranges("/t", "") if one.is_on] == ["All time"]
