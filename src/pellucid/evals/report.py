"""What an evaluation found: by scorer, by example, and as a whole."""

import importlib
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from pellucid.core.dataset import GoldDocuments
from pellucid.core.errors import InvalidInput, MissingExtra, NotFound
from pellucid.core.score import ScoreValue
from pellucid.core.span import Document
from pellucid.evals.score import GREATEST
from pellucid.evals.statistics import Interval, mean_interval, pass_at_k

FORMAT = 1
Kind = TypeVar("Kind")


class RunInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The run that the evaluation is."""

    id: str
    name: str | None = None
    number: int | None = None
    experiment: str = "default"
    url: str | None = None

    @property
    def called(self) -> str:
        """Its name, else how commands name it: `experiment@number`, or the id."""
        number = None if self.number is None else f"{self.experiment}@{self.number}"
        return self.name or number or self.id


class ScoreResult(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One scorer's answer about one output: a value, or an error."""

    value: ScoreValue | None = None
    rationale: str | None = None
    error: str | None = None
    metadata: dict[str, Any] = {}
    trace_id: str | None = None
    """The trace of the scorer's own work, such as a judge's call."""
    duration_s: float = 0.0
    cost_usd: float | None = None
    """What the scorer's models cost; of several scores of one call, the first bears it."""


class Repeat(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One run of one example."""

    number: int = 0
    output: Any = None
    error: str | None = None
    trace_id: str | None = None
    duration_s: float | None = None
    """The task's own time, without waiting for a slot; None where no task ran."""
    cost_usd: float | None = None
    tokens_in: int = 0
    tokens_out: int = 0
    documents: list[Document] = []
    scores: dict[str, ScoreResult] = {}
    reused: bool = False
    """Whether the output came from the cache or from a run that was cut short."""


class ExampleResult(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One example with all its repeats; `output` and the like are those of the first."""

    id: str
    inputs: dict[str, Any]
    expected: Any = None
    gold_documents: GoldDocuments = []
    metadata: dict[str, Any] = {}
    split: str | None = None
    repeats: list[Repeat] = []

    @property
    def output(self) -> Any:
        """The first repeat's output."""
        return self.repeats[0].output

    @property
    def error(self) -> str | None:
        """The first error of any repeat."""
        return next((repeat.error for repeat in self.repeats if repeat.error), None)

    @property
    def trace_id(self) -> str | None:
        """The first repeat's trace."""
        return self.repeats[0].trace_id

    @property
    def documents(self) -> list[Document]:
        """The first repeat's documents."""
        return self.repeats[0].documents

    @property
    def scores(self) -> "Named[ScoreResult]":
        """The first repeat's scores by name."""
        return Named(self.repeats[0].scores)

    def mean(self, name: str) -> float | None:
        """Return the mean of one score over the repeats that have it; None if none has."""
        if len(self.repeats) == 1:  # the usual case, asked for each metric of each example
            return as_number(self.repeats[0].scores.get(name))
        values = [
            number
            for repeat in self.repeats
            if (number := as_number(repeat.scores.get(name))) is not None
        ]
        return math.fsum(values) / len(values) if values else None


class ScorerInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a report keeps of a scorer."""

    name: str
    lower_is_better: bool = False
    source: str = "CODE"
    author: str | None = None
    prompt: str | None = None
    """A judge's template."""
    version: int | None = None
    """Of the template."""
    gives: list[str] = []
    """Its scores' names, where these are others than its own."""
    digest: str | None = None
    """Of all that a judge's answer depends on but the model: prompts, form, worked examples."""
    models: list[str] = []
    steps: dict[str, str] = {}
    """Templates of the steps before `prompt`, or those of a jury's other members."""
    choices: dict[str, ScoreValue] = {}
    """A judge's labels, and the value that each stands for."""
    scale: tuple[float, float] | None = None
    """The ends of a judge's scale."""
    schema: dict[str, Any] = {}
    """Of the model's answer (JSON Schema)."""
    worked: list[dict[str, Any]] = []
    """Examples of right judgements in a judge's prompt."""


class Figures(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One score's figures, as a stored report keeps them for pages to show."""

    mean: float | None = None
    low: float | None = None
    high: float | None = None
    std: float | None = None
    variance: float | None = None
    n: int = 0
    failures: int = 0
    counts: dict[str, int] = {}
    """How often each category was given; empty for numbers."""
    lower_is_better: bool = False
    cost_usd: float | None = None
    """What the scorer's models cost, where that is known."""


class ScoreSummary:
    """One score over all examples. Examples, not repeats, are what the interval resamples."""

    def __init__(
        self,
        name: str,
        examples: list[ExampleResult],
        *,
        lower_is_better: bool = False,
        known: Figures | None = None,
    ) -> None:
        """Sum up one score; `known` are its figures where they were computed before."""
        if known is not None and known.low is not None and known.high is not None:
            self.interval = Interval(known.low, known.high)
        self.name = name
        self.lower_is_better = lower_is_better
        results = [repeat.scores.get(name) for e in examples for repeat in e.repeats]
        self.values = [result.value for result in results if result and result.value is not None]
        """Every value that was given, of all repeats."""
        costs = [result.cost_usd for result in results if result and result.cost_usd is not None]
        self.cost_usd = math.fsum(costs) if costs else None
        """What the scorer's models cost, where that is known."""
        broken = [repeat.error for e in examples for repeat in e.repeats]
        self.failures = sum(
            (result is not None and result.error is not None) or (result is None and bool(error))
            for result, error in zip(results, broken, strict=True)
        )
        """Outputs that have no value because the scorer or the task failed."""
        self._groups = [
            [n for repeat in e.repeats if (n := as_number(repeat.scores.get(name))) is not None]
            for e in examples
        ]
        self._groups = [group for group in self._groups if group]
        self._numbers = [number for group in self._groups for number in group]

    @property
    def n(self) -> int:
        """How many values there are."""
        return len(self.values)

    @property
    def is_binary(self) -> bool:
        """Whether every value is true or false."""
        return bool(self.values) and all(isinstance(value, bool) for value in self.values)

    @cached_property
    def example_means(self) -> list[float]:
        """One mean an example that has a value."""
        return [math.fsum(group) / len(group) for group in self._groups]

    @property
    def mean(self) -> float | None:
        """The mean over examples (of each one's mean over repeats); None for categories."""
        means = self.example_means
        return math.fsum(means) / len(means) if means else None

    @property
    def std(self) -> float | None:
        """The sample standard deviation over examples; None below two."""
        return math.sqrt(v) if (v := _variance(self.example_means)) is not None else None

    @property
    def variance(self) -> float | None:
        """How much repeats of one example differ: the mean over examples of their variance."""
        spread = [v for group in self._groups if (v := _variance(group)) is not None]
        return sum(spread) / len(spread) if spread else None

    @cached_property
    def interval(self) -> Interval | None:
        """The 95 % confidence interval of the mean; None where there are too few examples.

        Wilson's interval for single yes-or-no answers, else a bootstrap over examples.
        """
        return mean_interval(
            self.example_means, binary=self.is_binary and len(self._numbers) == len(self._groups)
        )

    @property
    def figures(self) -> Figures:
        """The figures at a glance; without ends of the interval where numpy is missing."""
        try:
            interval = self.interval
        except MissingExtra:
            interval = None
        return Figures(
            mean=self.mean,
            low=interval.low if interval is not None else None,
            high=interval.high if interval is not None else None,
            std=self.std,
            variance=self.variance,
            n=self.n,
            failures=self.failures,
            counts=self.counts if self.mean is None or self.is_binary else {},
            lower_is_better=self.lower_is_better,
            cost_usd=self.cost_usd,
        )

    def pass_at(self, k: int, *, threshold: float = 1.0) -> float:
        """Return pass@k: the chance that at least one of `k` repeats reaches the threshold."""
        passed = [(len(g), sum(value >= threshold for value in g)) for g in self._groups]
        return pass_at_k(passed, k)

    @property
    def counts(self) -> dict[str, int]:
        """How often each value was given, the most frequent first."""
        return {str(key): n for key, n in Counter(map(str, self.values)).most_common()}

    def __repr__(self) -> str:
        shown = "categories" if self.mean is None else f"{self.mean:.4g}"
        return f"<{self.name}: {shown}, n={self.n}, failures={self.failures}>"


class Named(Mapping[str, Kind], Generic[Kind]):
    """Scores by name; `recall` finds `recall_at_5` where only one name begins so."""

    def __init__(self, items: Mapping[str, Kind]) -> None:
        self._items = items

    def __getitem__(self, name: str) -> Kind:
        name = name.replace("@", "_at_")
        if name in self._items:
            return self._items[name]
        near = [known for known in self._items if known.startswith(f"{name}_at_")]
        if len(near) == 1:
            return self._items[near[0]]
        raise _NoScore(
            f"There is no score {name!r}; there are: {', '.join(self._items) or 'none'}."
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return repr(dict(self._items))


class _NoScore(NotFound, KeyError):
    """A score that is not there; a KeyError too, as a mapping must raise."""

    def __str__(self) -> str:
        return self.message


class Report(msgspec.Struct, kw_only=True, dict=True):
    """An evaluation's result. Print it, or show it in a notebook, for the figures."""

    run: RunInfo
    dataset: str
    dataset_version: str
    """The digest of the examples."""
    dataset_number: int | None = None
    """The number of the server's version that they are, or are a part of."""
    dataset_split: str | None = None
    """That part."""
    task: str
    scorers: list[ScorerInfo]
    examples: list[ExampleResult]
    started_ns: int = 0
    wall_s: float = 0.0
    calls: int = 0
    """Calls of the task and of judges' models that this run made."""
    cost_usd: float = 0.0
    """What this run spent, judges included."""
    notes: list[str] = []
    figures: dict[str, Figures] = {}
    """By score, in a report that was stored with its run; `scores` computes them anew."""
    format: int = FORMAT

    @property
    def name(self) -> str | None:
        """The run's name."""
        return self.run.name

    @cached_property
    def scores(self) -> Named[ScoreSummary]:
        """One ScoreSummary a score name, in the scorers' order."""
        found = dict.fromkeys(n for e in self.examples for r in e.repeats for n in r.scores)
        several = {name.partition(".")[0] for name in found} - set(found)
        names = [
            name
            for info in self.scorers
            for name in (info.gives or ([] if info.name in several else [info.name]))
        ]
        return Named(
            {
                name: ScoreSummary(
                    name,
                    self.examples,
                    lower_is_better=(info := self.scorer_of(name)) is not None
                    and info.lower_is_better,
                    known=self.figures.get(name),
                )
                for name in dict.fromkeys([*names, *found])
            }
        )

    def scorer_of(self, score: str) -> ScorerInfo | None:
        """Return the scorer that gave a score; None where the report keeps none."""
        known = {info.name: info for info in self.scorers}
        giving = next((info for info in self.scorers if score in info.gives), None)
        return giving or known.get(score) or known.get(score.partition(".")[0])

    @property
    def errors(self) -> list[ExampleResult]:
        """The examples whose task failed, in any repeat."""
        return [example for example in self.examples if example.error is not None]

    @property
    def repeats(self) -> int:
        """How often each example was run."""
        return max((len(example.repeats) for example in self.examples), default=0)

    def where(self, **metadata: Any) -> "Report":
        """Return the slice of examples with these metadata values (`split` counts too)."""
        chosen = [
            example
            for example in self.examples
            if all(
                (example.split if key == "split" else example.metadata.get(key)) == value
                for key, value in metadata.items()
            )
        ]
        return msgspec.structs.replace(self, examples=chosen, figures={})

    def to_rows(self) -> list[dict[str, Any]]:
        """Return a flat row an output: `inputs.x`, `output`, `score.x`, `rationale.x`, …."""
        return [_row(example, repeat) for example in self.examples for repeat in example.repeats]

    def to_pandas(self) -> Any:
        """Return `to_rows` as a DataFrame."""
        return data_frame(self.to_rows())

    def save(self, path: str | Path) -> None:
        """Write the report as JSON; outputs that JSON cannot hold are written as their `repr`."""
        Path(path).write_bytes(self.to_json())

    def to_json(self) -> bytes:
        """Return the report as JSON."""
        try:
            return msgspec.json.encode(self, enc_hook=repr)
        except (TypeError, ValueError):  # keys, or text, that JSON does not know
            from pellucid.evals.shown import plain_report

            return msgspec.json.encode(plain_report(self))

    @classmethod
    def load(cls, path: str | Path) -> "Report":
        """Read a report that `save` wrote. Raises NotFound, and InvalidInput for another file."""
        try:
            data = Path(path).read_bytes()
        except FileNotFoundError:
            raise NotFound(f"There is no report {str(path)!r}.") from None
        return cls.from_json(data, str(path))

    @classmethod
    def from_json(cls, data: bytes, name: str = "This") -> "Report":
        """Read what `to_json` gave. Raises InvalidInput that names what was read."""
        try:
            return msgspec.json.decode(data, type=Report)
        except msgspec.MsgspecError as error:
            raise InvalidInput(f"{name} is not a report of an evaluation: {error}") from None

    def __str__(self) -> str:
        from pellucid.evals.report_view import as_text

        return as_text(self)

    def __repr__(self) -> str:
        return f"<Report {self.run.called}: {counted(len(self.examples), 'example')}>"

    def __rich__(self) -> Any:
        from pellucid.evals.report_view import as_table

        return as_table(self)

    def _repr_html_(self) -> str:
        from pellucid.evals.report_view import as_html

        return as_html(self)


def _row(example: ExampleResult, repeat: Repeat) -> dict[str, Any]:
    row: dict[str, Any] = {"id": example.id, "repeat": repeat.number, "split": example.split}
    row |= {f"inputs.{key}": value for key, value in example.inputs.items()}
    row |= {f"metadata.{key}": value for key, value in example.metadata.items()}
    row |= {"expected": example.expected, "output": repeat.output, "error": repeat.error}
    row |= {"duration_s": repeat.duration_s, "cost_usd": repeat.cost_usd}
    row |= {"tokens_in": repeat.tokens_in, "tokens_out": repeat.tokens_out}
    row["trace_id"] = repeat.trace_id
    for name, result in repeat.scores.items():
        row |= {f"score.{name}": result.value, f"rationale.{name}": result.rationale}
    return row


def counted(count: int, noun: str) -> str:
    """Return `1 example`, `2 examples`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def data_frame(rows: list[dict[str, Any]]) -> Any:
    """Return rows as a pandas DataFrame. Raises InvalidInput without pandas."""
    try:
        pandas = importlib.import_module("pandas")
    except ImportError:
        raise InvalidInput("to_pandas() needs pandas: pip install pandas") from None
    return pandas.DataFrame(rows)


def as_number(result: ScoreResult | None) -> float | None:
    """Return a score as a number (true = 1); None for categories, failures and what is none."""
    if result is None or result.value is None or isinstance(result.value, str):
        return None
    # A file may hold what no scorer may give.
    return float(result.value) if abs(result.value) <= GREATEST else None


def _variance(values: list[float]) -> float | None:
    if len(values) < 2:
        return None
    mean = math.fsum(values) / len(values)
    return math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
