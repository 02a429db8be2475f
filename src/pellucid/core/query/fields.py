"""The fields that a query may name (contracts.md §3), and how their literals are read."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from pellucid.core.query.tree import FieldType, Scope
from pellucid.core.run import RunStatus
from pellucid.core.span import SpanKind, Status

_KINDS = tuple(kind.value for kind in SpanKind)
_STATUSES = tuple(status.value for status in Status)
_RUN_STATUSES = tuple(status.value for status in RunStatus)


@dataclass(frozen=True, slots=True)
class FieldInfo:
    """One row of a schema."""

    name: str
    type: FieldType
    scope: Scope
    about: str
    """What it holds, in a few words, for completions and the reference page."""
    family: bool = False
    """Whether it needs a key: `tag.env`."""
    values: tuple[str, ...] = ()
    """All values, where they are few and fixed."""


@dataclass(frozen=True, slots=True)
class Schema:
    """The fields of one kind of query."""

    name: str
    fields: Mapping[str, FieldInfo]
    aliases: Mapping[str, str]
    full_text: bool = True
    inside_span: "Schema | None" = None
    """The fields inside `span( … )`, where that is allowed."""


def _rows(scope: Scope, *rows: tuple[str, FieldType, str]) -> dict[str, FieldInfo]:
    found: dict[str, FieldInfo] = {}
    for spelled, kind, about in rows:
        name = spelled.removesuffix(".*")
        statuses = _RUN_STATUSES if scope is Scope.RUN else _STATUSES
        values = {"status": statuses, "kind": _KINDS, "root": _KINDS}.get(name, ())
        found[name] = FieldInfo(name, kind, scope, about, spelled != name, values)
    return found


_ALIASES = {"latency": "duration"}
_OF_RUN = _rows(
    Scope.RUN,
    ("param.*", FieldType.DYNAMIC, "a param of its run"),
    ("metric.*", FieldType.NUMBER, "the last value of a metric of its run"),
)
_ONLY_SPAN = _rows(
    Scope.SPAN,
    ("kind", FieldType.TEXT, "what a span did: LLM, TOOL, RETRIEVER …"),
    ("span", FieldType.TEXT, "a span's id"),
    ("model", FieldType.TEXT, "the model that was called"),
    ("provider", FieldType.TEXT, "who serves the model"),
    ("tool", FieldType.TEXT, "the tool that was called"),
    ("prompt", FieldType.TEXT, "the name of the prompt"),
    ("finish", FieldType.TEXT, "why the model stopped"),
    ("ttft", FieldType.DURATION, "time to first token"),
    ("document", FieldType.TEXT, "the id of a retrieved document"),
    ("attr.*", FieldType.DYNAMIC, "an attribute of it or of its resource, as it was received"),
)


def _shared(scope: Scope, thing: str) -> dict[str, FieldInfo]:
    return _rows(
        scope,
        ("status", FieldType.TEXT, f"how the {thing} stands"),
        ("name", FieldType.TEXT, f"the {thing}'s name"),
        ("trace", FieldType.TEXT, "the trace's id"),
        ("duration", FieldType.DURATION, "how long it took"),
        ("tokens", FieldType.NUMBER, "tokens in and out"),
        ("tokens_in", FieldType.NUMBER, "input tokens, caches included"),
        ("tokens_out", FieldType.NUMBER, "output tokens, reasoning included"),
        ("cost", FieldType.NUMBER, "dollars"),
        ("experiment", FieldType.TEXT, "the experiment's name"),
        ("run", FieldType.TEXT, "the run's id"),
        ("session", FieldType.TEXT, "the session's id"),
        ("user", FieldType.TEXT, "the user's id"),
        ("since", FieldType.TIME, "started at or after this time, or within this age"),
        ("until", FieldType.TIME, "started before this time, or longer ago than this age"),
        ("tag.*", FieldType.TEXT, "a tag"),
        ("score.*", FieldType.DYNAMIC, f"the latest score on the {thing}"),
    )


SPANS = Schema(
    name="spans",
    fields={**_shared(Scope.SPAN, "span"), **_ONLY_SPAN, **_OF_RUN},
    aliases=_ALIASES,
)
"""One span; what `span( … )` holds."""

TRACES = Schema(
    name="traces",
    fields={
        **_shared(Scope.TRACE, "trace"),
        **_rows(
            Scope.TRACE,
            ("root", FieldType.TEXT, "the kind of its root span: AGENT, EVALUATOR …"),
            ("spans", FieldType.NUMBER, "how many spans the trace has"),
            ("errors", FieldType.NUMBER, "how many of its spans failed"),
        ),
        **_ONLY_SPAN,
        **_OF_RUN,
    },
    aliases=_ALIASES,
    inside_span=SPANS,
)
"""Traces; a span's field is true if some span of the trace has it."""

RUNS = Schema(
    name="runs",
    fields=_rows(
        Scope.RUN,
        ("status", FieldType.TEXT, "how the run stands"),
        ("number", FieldType.NUMBER, "its number in the experiment"),
        ("name", FieldType.TEXT, "the run's name"),
        ("since", FieldType.TIME, "started at or after this time, or within this age"),
        ("until", FieldType.TIME, "started before this time, or longer ago than this age"),
        ("param.*", FieldType.DYNAMIC, "a param"),
        ("metric.*", FieldType.NUMBER, "the last value of a metric"),
        ("tag.*", FieldType.TEXT, "a tag"),
        ("score.*", FieldType.DYNAMIC, "the latest score on the run"),
        ("snapshot.*", FieldType.DYNAMIC, "a fact of its snapshot"),
    ),
    aliases={},
    full_text=False,
)
"""Runs."""

SCHEMAS: Mapping[str, Schema] = {schema.name: schema for schema in (TRACES, SPANS, RUNS)}

_DURATION = re.compile(r"([0-9.]+)(ns|us|ms|s|m|h|d)")
_NUMBER = re.compile(r"(-?)\$?([0-9.]+)([eE]-?\d+)?(k|M)?")
_UNITS = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
}
_MULTIPLES = {"k": 1_000, "M": 1_000_000}


def read_duration(text: str) -> int | None:
    """Return the nanoseconds of `1.5s`, or None."""
    match = _DURATION.fullmatch(text)
    amount = match and _read_decimal(match[1])
    return None if match is None or amount is None else round(amount * _UNITS[match[2]])


def read_number(text: str) -> float | int | None:
    """Return the amount of `5k`, `$0.10` or `-1e-3`, or None."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    sign, digits, exponent, multiple = match.groups()
    amount = _read_decimal(digits + (exponent or ""))
    if amount is None:
        return None
    amount *= _MULTIPLES.get(multiple or "", 1)
    return -amount if sign else amount


def read_time(text: str) -> int | None:
    """Return the nanoseconds since the epoch of an ISO 8601 time (UTC unless it says), or None."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        since = moment - _EPOCH
    except OverflowError:
        return None
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1_000


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _read_decimal(text: str) -> float | int | None:
    try:
        return int(text) if text.isdigit() else _finite(float(text))
    except ValueError:
        return None


def _finite(number: float) -> float | None:
    return number if abs(number) != float("inf") else None
