from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from msgspec.structs import replace

from pellucid.core.span import Arrival, DecodedSpan, LogRecord, Span
from pellucid.storage.spans.sqlite.store import SqliteSpanStore
from pellucid.testing.reference import ReferenceStore
from pellucid.testing.span_store import Clock
from pellucid.testing.span_store.support import assert_agrees
from pellucid.testing.spans import START, make_arrival, toy_normalise, trace_id, usage


class Priced:
    """A normaliser with a price for a token that may change."""

    def __init__(self, price: float) -> None:
        self.price = price

    def __call__(self, decoded: DecodedSpan, logs: Sequence[LogRecord] = ()) -> Span:
        span = toy_normalise(decoded, logs)
        if span.cost_usd is not None or not span.tokens.has_usage:
            return span
        return replace(span, estimated_cost_usd=self.price * span.tokens.input)

    def read(self, arrivals: list[Arrival]) -> list[Arrival]:
        return [replace(arrival, span=self(arrival.decoded)) for arrival in arrivals]


def test_a_new_price_reaches_spans_totals_and_rollups_only_when_asked(tmp_path: Path) -> None:
    arrivals = [
        make_arrival(1, 1),
        make_arrival(1, 2, 1, tokens=usage(10), model="m"),
        make_arrival(1, 3, 1, tokens=usage(20), model="m", cost_usd=0.5),
        make_arrival(2, 1, tokens=usage(30), model="m"),
    ]
    normaliser = Priced(0.25)
    path = tmp_path / "spans.db"
    with closing(SqliteSpanStore(path, normalise=normaliser, clock=Clock())) as store:
        store.write(normaliser.read(arrivals))
        assert store.get_trace(trace_id(1)).cost_usd == 3.0
        normaliser.price = 0.5
        assert store.renormalise(version=1) == 0
        assert store.get_trace(trace_id(1)).cost_usd == 3.0

        after, calls = store.renormalise(version=1, limit=1, prices=True), 1
        while after:
            after = store.renormalise(version=1, limit=1, after=after, prices=True)
            calls += 1
        assert calls <= 2 * len(arrivals) + 1
        assert store.get_trace(trace_id(1)).cost_usd == 5.5

        reference = ReferenceStore()
        reference.write(normaliser.read(arrivals))
        assert_agrees(store, reference, START)
