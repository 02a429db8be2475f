"""The copy of a report that leaves this process: bounded, masked and redacted as traces are."""

from typing import Any

import msgspec

from pellucid.client.encoding import json_text, simplify
from pellucid.client.tracing.otlp import Redact
from pellucid.client.tracing.setup import redact_hook
from pellucid.core.span import Document
from pellucid.evals.report import ExampleResult, Repeat, Report, ScoreResult, ScorerInfo
from pellucid.semconv import attributes as names


def shown_report(report: Report) -> Report:
    """Return a report whose values are what its traces would show of them."""
    show = _Shower(redact_hook())
    return msgspec.structs.replace(
        report,
        scorers=[show.scorer(scorer) for scorer in report.scorers],
        examples=[show.example(example) for example in report.examples],
        figures={name: summary.figures for name, summary in report.scores.items()},
    )


def plain_report(report: Report) -> Any:
    """Return a report as values that JSON surely holds."""
    return _sound(msgspec.to_builtins(shown_report(report), enc_hook=repr))


def _sound(value: Any) -> Any:
    """Escape lone surrogates, which have no UTF-8 form."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, list):
        return [_sound(item) for item in value]
    if isinstance(value, dict):
        return {_sound(key): _sound(item) for key, item in value.items()}
    return value


class _Shower:
    def __init__(self, redact: Redact | None) -> None:
        self._redact = redact

    def scorer(self, scorer: ScorerInfo) -> ScorerInfo:
        if not scorer.worked:
            return scorer
        worked = [self._value(names.INPUT, one) for one in scorer.worked]
        kept = [one for one in worked if isinstance(one, dict)]
        return msgspec.structs.replace(scorer, worked=kept)

    def example(self, example: ExampleResult) -> ExampleResult:
        inputs = self._value(names.INPUT, example.inputs)
        return msgspec.structs.replace(
            example,
            inputs=inputs if isinstance(inputs, dict) else {"shown": inputs},
            expected=self._value(names.OUTPUT, example.expected),
            repeats=[self._repeat(repeat) for repeat in example.repeats],
        )

    def _repeat(self, repeat: Repeat) -> Repeat:
        return msgspec.structs.replace(
            repeat,
            output=self._value(names.OUTPUT, repeat.output),
            documents=self._documents(repeat.documents),
            scores={name: self._score(score) for name, score in repeat.scores.items()},
        )

    def _score(self, score: ScoreResult) -> ScoreResult:
        return msgspec.structs.replace(
            score,
            rationale=self._value(names.OUTPUT, score.rationale),
            metadata=self._value(names.METADATA, score.metadata) or {},
        )

    def _documents(self, documents: list[Document]) -> list[Document]:
        shown = self._value(names.DOCUMENTS, documents)
        if not isinstance(shown, list):
            return []
        return [msgspec.convert(one, Document) for one in shown if isinstance(one, dict)]

    def _value(self, name: str, value: Any) -> Any:
        shown = simplify(value)
        if self._redact is None or shown is None:
            return shown
        text = shown if isinstance(shown, str) else json_text(shown)
        kept = self._redact(name, text)
        if not isinstance(kept, str) or isinstance(shown, str):
            return kept
        try:
            return msgspec.json.decode(kept)
        except msgspec.DecodeError:
            return kept
