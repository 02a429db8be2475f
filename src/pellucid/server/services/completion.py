"""How a query may go on: fields and fixed values from the language, others from newest traces."""

import re
from collections import Counter

import msgspec

from pellucid.core.errors import QuerySyntaxError
from pellucid.core.query import TRACES, Completion, complete, fold, parse, print_value
from pellucid.core.query.tree import Value
from pellucid.core.trace import TraceSummary
from pellucid.server.services.traces import TraceService

MOST = 20
LOOKED_THROUGH = 200
"""Newest traces whose values are proposed."""


_NAME = re.compile(r"[A-Za-z_][\w-]*")


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """One way to go on: the text to put in, and a few words about it."""

    text: str
    about: str


class QueryFault(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with a query, and where: characters from 0."""

    message: str
    position: int
    length: int


class Completions(msgspec.Struct, frozen=True, kw_only=True):
    """What may stand between the characters `start` and `end` of a query."""

    start: int
    end: int
    proposals: list[Proposal]
    fault: QueryFault | None
    """What is wrong with the whole query as it stands."""


class CompletionService:
    """Completes queries on traces."""

    def __init__(self, traces: TraceService) -> None:
        self._traces = traces

    async def complete(self, text: str, at: int | None, experiment: str | None) -> Completions:
        """Propose how to go on at character `at`, which is the end if it is None."""
        place = len(text) if at is None else min(max(at, 0), len(text))
        completion = complete(text, place, TRACES)
        proposals = [Proposal(text=one.text, about=one.about) for one in completion.suggestions]
        if completion.field or completion.family:
            page = await self._traces.list_traces(experiment=experiment, limit=LOOKED_THROUGH)
            proposals += _stored(completion, page.traces)
        return Completions(
            start=completion.start,
            end=completion.end,
            proposals=proposals[:MOST],
            fault=_find_fault(text),
        )


def _find_fault(text: str) -> QueryFault | None:
    try:
        parse(text, TRACES)
    except QuerySyntaxError as error:
        return QueryFault(
            message=error.message, position=error.position, length=max(error.length, 1)
        )
    return None


def _stored(completion: Completion, traces: list[TraceSummary]) -> list[Proposal]:
    counts: Counter[str] = Counter()
    for trace in traces:
        counts.update(set(_values(completion, trace)))
    prefix = fold(completion.prefix)
    write = _write_key if completion.family else _write_value
    return [
        Proposal(text=write(value), about=f"{count} of the newest {len(traces)}")
        for value, count in counts.most_common()
        if value and fold(value).startswith(prefix)
    ]


def _write_key(key: str) -> str:
    plain = _NAME.fullmatch(key) is not None
    return (key if plain else print_value(Value(key, quoted=True))) + ":"


def _write_value(value: str) -> str:
    return print_value(Value(value))


def _values(completion: Completion, trace: TraceSummary) -> list[str]:
    """Return what one trace holds of the field, or of the keys, that is being typed."""
    if completion.family:
        keys = {"tag": list(trace.tags), "score": [score.name for score in trace.scores]}
        return keys.get(completion.family, [])
    head, _, key = (completion.field or "").partition(".")
    if head == "tag":
        return [trace.tags[key]] if key in trace.tags else []
    if head == "score":
        return [
            score.value
            for score in trace.scores
            if score.name == key and isinstance(score.value, str)
        ]
    if head == "model":
        return trace.models
    single = {
        "name": trace.name,
        "session": trace.session_id,
        "user": trace.user_id,
        "experiment": trace.experiment,
    }
    return [single.get(head) or ""]
