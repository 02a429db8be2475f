"""How a query over an evaluation's examples may go on: its scores, metadata and their values."""

from collections import Counter
from collections.abc import Iterator

from pellucid.core.query import complete, fold, print_value
from pellucid.core.query.tree import Value
from pellucid.evals.report import ExampleResult, Report
from pellucid.server.services.completion import (
    MOST,
    Completions,
    Proposal,
    find_fault,
    write_key,
)
from pellucid.server.web.example_query import EXAMPLES
from pellucid.server.web.values import json_line

FIXED = {
    "status": ("ok", "error"),
    "regressed": ("true", "false"),
    "improved": ("true", "false"),
    "annotation": ("agree", "disagree"),
}


def complete_examples(report: Report, text: str, at: int | None) -> Completions:
    """Propose how to go on at character `at`, which is the end if it is None."""
    place = len(text) if at is None else min(max(at, 0), len(text))
    completion = complete(text, place, EXAMPLES)
    proposals = [Proposal(text=one.text, about=one.about) for one in completion.suggestions]
    if completion.family:
        proposals += _keys(report, completion.family, completion.prefix)
    elif completion.field:
        proposals += _values(report, completion.field, completion.prefix)
    return Completions(
        start=completion.start,
        end=completion.end,
        proposals=proposals[:MOST],
        fault=find_fault(text, EXAMPLES),
    )


def _keys(report: Report, family: str, prefix: str) -> list[Proposal]:
    if family == "score":
        found = Counter({name: summary.n for name, summary in report.scores.items()})
    else:
        found = Counter(key for one in report.examples for key in one.metadata)
    sought = fold(prefix.strip('"'))
    return [
        Proposal(text=write_key(key), about=f"{count:,} examples")
        for key, count in found.most_common()
        if fold(key).startswith(sought)
    ]


def _values(report: Report, field: str, prefix: str) -> list[Proposal]:
    sought = fold(prefix.strip('"'))
    if field in FIXED:
        return [
            Proposal(text=word, about="a value") for word in FIXED[field] if word.startswith(sought)
        ]
    head, _, key = field.partition(".")
    found: Counter[str] = Counter()
    for example in report.examples:
        found.update(_of(example, head, key))
    return [
        Proposal(text=print_value(Value(text)), about=f"{count:,} examples")
        for text, count in found.most_common(200)
        if fold(text).startswith(sought)
    ]


def _of(example: ExampleResult, head: str, key: str) -> Iterator[str]:
    if head == "split" and example.split is not None:
        yield example.split
    elif head == "id":
        yield example.id
    elif head in ("metadata", "meta") and key in example.metadata:
        value = example.metadata[key]
        for item in value if isinstance(value, list) else [value]:
            yield json_line(item)
    elif head == "score":
        for repeat in example.repeats[:1]:
            result = repeat.scores.get(key)
            if result is not None and isinstance(result.value, str | bool):
                yield json_line(result.value)
