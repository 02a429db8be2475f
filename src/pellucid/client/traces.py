"""Traces read back from the server, typed, and as pandas tables where pandas is."""

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from pellucid.client.tracing.setup import client_settings, flush
from pellucid.core.errors import InvalidInput, MissingExtra
from pellucid.core.views import SpanView, TraceDetailView, TraceListView, TraceView

if TYPE_CHECKING:
    from pellucid.client.http import ApiClient

_PAGE = 200
_FLUSH_S = 5.0


class Traces(list[TraceView]):
    """Traces, newest first."""

    def to_pandas(self) -> Any:
        """Return a DataFrame with a row a trace; scores are columns `score.NAME`."""
        frame = _frame(TraceView.__struct_fields__, self)
        for trace in self:
            for score in trace.scores:
                column = f"score.{score.name}"
                if column not in frame:
                    frame[column] = None
        for column in [name for name in frame.columns if name.startswith("score.")]:
            frame[column] = [_score_value(trace, column[len("score.") :]) for trace in self]
        return frame.drop(columns=["scores"])


class TraceWithSpans(TraceDetailView, frozen=True, kw_only=True):
    """One trace with its spans, parents before children."""

    def to_pandas(self) -> Any:
        """Return a DataFrame with a row a span."""
        return _frame(SpanView.__struct_fields__, self.spans)

    def find_spans(self, name: str | None = None, *, kind: str | None = None) -> list[SpanView]:
        """Return the spans of a name, a kind, or both."""
        return [
            span
            for span in self.spans
            if name in (None, span.name) and (kind is None or span.kind == kind.upper())
        ]


def search_traces(query: str = "", *, experiment: str | None = None, limit: int = 100) -> Traces:
    """Return the newest traces that match a query, such as `status:error duration>2s`.

    What this process has traced is sent first. Without `experiment` all are searched.
    Raises QuerySyntaxError for a query that does not parse, Unavailable without a server.
    """
    found = Traces()
    for trace in iter_traces(query, experiment=experiment, limit=limit):
        found.append(trace)
    return found


def iter_traces(
    query: str = "", *, experiment: str | None = None, limit: int | None = None
) -> Iterator[TraceView]:
    """Yield traces that match a query, newest first, page by page; `limit` None is all."""
    if limit is not None and limit < 0:
        raise InvalidInput(f"limit={limit} is below 0.")
    return _iter_traces(query, experiment, limit)


def get_trace(trace_id: str) -> TraceWithSpans:
    """Return one trace with all of its spans. Raises NotFound, and Unavailable without a server."""
    from pellucid.client.http import path_segment

    flush(_FLUSH_S)
    with _client() as client:
        body = client.get(f"/api/v1/traces/{path_segment(trace_id)}")
    with _undisturbed():
        return msgspec.json.decode(body, type=TraceWithSpans)


def _iter_traces(query: str, experiment: str | None, limit: int | None) -> Iterator[TraceView]:
    flush(_FLUSH_S)
    cursor = None
    left = limit
    with _client() as client:
        while left is None or left > 0:
            params = {
                "experiment": experiment,
                "query": query or None,
                "limit": _PAGE if left is None else min(left, _PAGE),
                "cursor": cursor,
            }
            body = client.get("/api/v1/traces", params)
            page = msgspec.json.decode(body, type=TraceListView)
            yield from page.traces
            left = None if left is None else left - len(page.traces)
            cursor = page.next
            if cursor is None:
                return


def _client() -> "ApiClient":
    from pellucid.client.http import ApiClient

    settings = client_settings()
    return ApiClient(settings.url, api_key=settings.api_key)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Make very many objects without a search for cycles among them, which takes twice as long."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _frame(fields: Sequence[str], rows: Sequence[Any]) -> Any:
    try:
        import pandas  # type: ignore[import-untyped, unused-ignore]
    except ImportError as error:
        raise MissingExtra("to_pandas()", "evals") from error
    # A column at a time: one call turns all of its structs, lists and enums into plain values.
    with _undisturbed():
        columns: dict[str, Any] = {
            name: msgspec.to_builtins([getattr(row, name) for row in rows]) for name in fields
        }
        frame = pandas.DataFrame(columns)
    starts = pandas.to_datetime(frame["start_ns"], unit="ns", utc=True)
    frame.insert(frame.columns.get_loc("start_ns"), "start", starts)
    return frame


def _score_value(trace: TraceView, name: str) -> Any:
    return next((score.value for score in trace.scores if score.name == name), None)
