"""Completions for the query bar, with what is wrong with the query so far."""

from collections import Counter

import msgspec
from litestar import Request, get
from litestar.datastructures import State

from pellucid.core.errors import QuerySyntaxError
from pellucid.core.query import TRACES, Completion, complete, fold, parse
from pellucid.core.trace import TraceSummary
from pellucid.server.services.overview import read_newest
from pellucid.server.services.traces import TraceService
from pellucid.server.web.format import quote_term

MOST = 12
_LOOKED_THROUGH = 200
"""Newest traces whose values are proposed."""


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """One way to go on."""

    text: str
    about: str


class FaultPlace(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with the query, and where."""

    message: str
    position: int
    length: int


class Completions(msgspec.Struct, frozen=True, kw_only=True):
    """What may stand between two characters of the query."""

    start: int
    end: int
    proposals: list[Proposal]
    fault: FaultPlace | None


@get("/experiments/{slug:str}/complete", include_in_schema=False)
async def complete_query(
    request: Request[object, object, State],
    traces: TraceService,
    slug: str,
    text: str = "",
    at: int | None = None,
) -> Completions:
    """Propose how to go on at character `at` (the end, if it is missing)."""
    place = len(text) if at is None else min(max(at, 0), len(text))
    completion = complete(text, place, TRACES)
    proposals = [Proposal(text=one.text, about=one.about) for one in completion.suggestions]
    if completion.field or completion.family:
        name = (await traces.get_experiment(slug)).name
        newest = await read_newest(traces, name, "", most=_LOOKED_THROUGH)
        proposals += _stored(completion, newest.traces)
    return Completions(
        start=completion.start,
        end=completion.end,
        proposals=proposals[:MOST],
        fault=_find_fault(text),
    )


def _find_fault(text: str) -> FaultPlace | None:
    try:
        parse(text, TRACES)
    except QuerySyntaxError as error:
        return FaultPlace(
            message=error.message, position=error.position, length=max(error.length, 1)
        )
    return None


def _stored(completion: Completion, traces: list[TraceSummary]) -> list[Proposal]:
    counts: Counter[str] = Counter()
    for trace in traces:
        counts.update(set(_values(completion, trace)))
    prefix = fold(completion.prefix)
    ending = ":" if completion.family else ""
    return [
        Proposal(text=quote_term(value) + ending, about=f"{count} of the newest {len(traces)}")
        for value, count in counts.most_common()
        if value and fold(value).startswith(prefix)
    ]


def _values(completion: Completion, trace: TraceSummary) -> list[str]:
    """Return what one trace holds of the field, or of the keys, that is being typed."""
    if completion.family:
        keys = {"tag": list(trace.tags), "score": [score.name for score in trace.scores]}
        return keys.get(completion.family, [])
    field = completion.field or ""
    head, _, key = field.partition(".")
    if head == "tag":
        return [trace.tags[key]] if key in trace.tags else []
    if head == "score":
        return [
            score.value
            for score in trace.scores
            if score.name == key and isinstance(score.value, str)
        ]
    single = {
        "name": trace.name,
        "session": trace.session_id,
        "user": trace.user_id,
        "experiment": trace.experiment,
    }
    return trace.models if field == "model" else [single.get(field) or ""]
