"""How a query may go on: fields and fixed values from the language, others from what is stored."""

import re

import msgspec

from pellucid.core.errors import QuerySyntaxError
from pellucid.core.query import RUNS, TRACES, Schema, complete, fold, parse, print_value
from pellucid.core.query.tree import Value
from pellucid.core.run import RunStatus
from pellucid.server.services.runs import RunService
from pellucid.server.services.traces import TraceService

MOST = 20


_NAME = re.compile(r"[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)*")


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """One way to go on: the text to put in, and a few words about it."""

    text: str
    about: str


class QueryFault(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with a query, and where: characters from 0."""

    message: str
    position: int
    length: int
    proposal: str | None = None
    """The whole query put right, where the fault leaves no doubt."""


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

    async def complete(self, text: str, at: int | None) -> Completions:
        """Propose how to go on at character `at`, which is the end if it is None."""
        place = len(text) if at is None else min(max(at, 0), len(text))
        completion = complete(text, place, TRACES)
        proposals = [Proposal(text=one.text, about=one.about) for one in completion.suggestions]
        if completion.family:
            keys = await self._traces.list_keys(completion.family, completion.prefix, limit=MOST)
            proposals += [Proposal(text=write_key(key), about="a key") for key in keys]
        elif completion.field:
            proposals += await self._values(completion.field, completion.prefix)
        return Completions(
            start=completion.start,
            end=completion.end,
            proposals=proposals[:MOST],
            fault=find_fault(text, TRACES),
        )

    async def _values(self, field: str, prefix: str) -> list[Proposal]:
        if field == "experiment":
            names = [one.name for one in await self._traces.list_experiments()]
            values = [name for name in names if fold(name).startswith(fold(prefix))]
        else:
            values = await self._traces.list_values(field, prefix, limit=MOST)
        return [Proposal(text=print_value(Value(value)), about="a value") for value in values]


class RunCompletionService:
    """Completes queries on runs."""

    def __init__(self, runs: RunService) -> None:
        self._runs = runs

    async def complete(self, text: str, at: int | None, *, experiment: str | None) -> Completions:
        """Propose how to go on at character `at`, with the names that an experiment's runs have."""
        place = len(text) if at is None else min(max(at, 0), len(text))
        completion = complete(text, place, RUNS)
        proposals = [Proposal(text=one.text, about=one.about) for one in completion.suggestions]
        if completion.family and completion.family != "snapshot":
            proposals += await self._keys(completion.family, completion.prefix, experiment)
        elif completion.field == "status":
            proposals += [
                Proposal(text=status.value, about="a status")
                for status in RunStatus
                if status.value.startswith(fold(completion.prefix))
            ]
        return Completions(
            start=completion.start,
            end=completion.end,
            proposals=proposals[:MOST],
            fault=find_fault(text, RUNS),
        )

    async def _keys(self, family: str, prefix: str, experiment: str | None) -> list[Proposal]:
        names = await self._runs.list_columns(experiment)
        held = {
            "param": names.params,
            "metric": names.metrics,
            "tag": names.tags,
            "score": names.scores,
        }
        return [
            Proposal(text=write_key(name), about=f"{count:,} runs")
            for name, count in held[family].items()
            if fold(name).startswith(fold(prefix.strip('"')))
        ]


def find_fault(text: str, schema: Schema) -> QueryFault | None:
    """Return what is wrong with a query, if anything."""
    try:
        parse(text, schema)
    except QuerySyntaxError as error:
        return QueryFault(
            message=error.message,
            position=error.position,
            length=max(error.length, 1),
            proposal=error.proposal,
        )
    return None


def write_key(key: str) -> str:
    """Write the key of a family as it stands before a value, quoted where it must be."""
    plain = _NAME.fullmatch(key) is not None
    return (key if plain else print_value(Value(key, quoted=True))) + ":"
