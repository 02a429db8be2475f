"""Scorers: anything that looks at an example's output and gives scores."""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from pellucid.core.errors import InvalidInput
from pellucid.core.score import ScoreSource
from pellucid.evals.calling import is_async

FIELDS = (
    "inputs",
    "output",
    "expected",
    "documents",
    "gold_documents",
    "trace",
    "metadata",
    "example",
    "duration_s",
    "cost_usd",
    "tokens",
)
"""What a scorer may ask for by name; any input of the example too."""


class Asked(NamedTuple):
    """The names that a scoring function takes."""

    names: list[str]
    optional: frozenset[str] = frozenset()
    everything: bool = False


class Scorer:
    """A named scoring function. Built-in scorers are made of these; users need not be.

    `lower_is_better` turns the verdict of comparisons round. A `quick` scorer is sure not to
    block, so it runs on the event loop itself. `config` tells one setting from another. An
    example without what it `needs` gets no score.
    """

    def __init__(
        self,
        name: str,
        function: Callable[..., Any],
        *,
        lower_is_better: bool = False,
        quick: bool = False,
        source: ScoreSource = ScoreSource.CODE,
        author: str | None = None,
        config: Mapping[str, Any] | None = None,
        asks: Asked | None = None,
        needs: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.function = function
        self.lower_is_better = lower_is_better
        self.quick = quick
        self.source = source
        self.author = author
        self.config = dict(config or {})
        self.asks = asks or _asked(name, function)
        self.needs = tuple(needs)
        self.is_async = is_async(function)
        self.makes_calls = False
        """Whether it takes slots for the model calls inside it, rather than one for itself."""

    def __call__(self, **fields: Any) -> Any:
        """Score by hand: `exact_match()(output="a", expected="a")`."""
        return self.function(**fields)

    def __repr__(self) -> str:
        config = "".join(f", {key}={value!r}" for key, value in self.config.items())
        return f"<scorer {self.name}{config}>"

    def applies(self, fields: Mapping[str, Any]) -> bool:
        """Tell whether an example has what the scorer needs."""
        return all(fields.get(name) is not None for name in self.needs)

    def arguments(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Pick what the function asks for; an input of the example comes after the fields."""
        if self.asks.everything:
            return dict(fields)
        inputs: Mapping[str, Any] = fields.get("inputs") or {}
        picked = {}
        for name in self.asks.names:
            if name in fields:
                picked[name] = fields[name]
            elif name in inputs:
                picked[name] = inputs[name]
            elif name not in self.asks.optional:
                raise InvalidInput(
                    f"The scorer {self.name!r} asks for {name!r}, which is neither an input of "
                    f"this example nor one of {', '.join(FIELDS)}."
                )
        return picked


def as_scorer(scorer: Any) -> Scorer:
    """Make a scorer of a function, an object with one public method, or a Scorer.

    Raises InvalidInput for what cannot be called, and for a class instead of its object.
    """
    if isinstance(scorer, Scorer):
        return scorer
    if inspect.isclass(scorer):
        raise InvalidInput(
            f"{scorer.__name__} is a class; give an object of it: {scorer.__name__}(…)"
        )
    function = scorer if callable(scorer) else _only_method(scorer)
    made = Scorer(
        _name(scorer),
        function,
        lower_is_better=bool(getattr(scorer, "lower_is_better", False)),
        config={"source": _source(scorer)},
    )
    made.makes_calls = bool(getattr(scorer, "makes_calls", False))
    return made


def as_scorers(scorers: Any) -> list[Scorer]:
    """Make scorers of one or several. Raises InvalidInput where two have one name."""
    if scorers is None:
        return []
    if callable(scorers) or not isinstance(scorers, list | tuple):
        scorers = [scorers]
    made = [as_scorer(scorer) for scorer in scorers]
    names = [scorer.name for scorer in made]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidInput(f"Two scorers are named {twice[0]!r}; give one another name=.")
    return made


def _only_method(scorer: Any) -> Callable[..., Any]:
    names = [
        name
        for name in dir(type(scorer))
        if not name.startswith("_") and inspect.isfunction(inspect.getattr_static(scorer, name))
    ]
    if len(names) != 1:
        raise InvalidInput(
            f"{type(scorer).__name__} is no scorer: give a function, or an object with one public "
            f"method or __call__ (it has {', '.join(names) or 'none'})."
        )
    method: Callable[..., Any] = getattr(scorer, names[0])
    return method


def _name(scorer: Any) -> str:
    name = getattr(scorer, "name", None) or getattr(scorer, "__name__", None)
    if not isinstance(name, str):
        inner = getattr(scorer, "func", None)  # functools.partial
        name = inner.__name__ if inner is not None else snake_case(type(scorer).__name__)
    return "scorer" if name == "<lambda>" else name


def snake_case(name: str) -> str:
    """Turn `ExactMatch` into `exact_match`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def _source(scorer: Any) -> str:
    try:
        return inspect.getsource(scorer if inspect.isroutine(scorer) else type(scorer))
    except (OSError, TypeError):
        return type(scorer).__qualname__


def _asked(name: str, function: Callable[..., Any]) -> Asked:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        raise InvalidInput(
            f"The scorer {name!r} does not say what it wants; wrap it in a function with named "
            "parameters such as (output, expected)."
        ) from None
    kinds = [parameter.kind for parameter in parameters]
    if inspect.Parameter.POSITIONAL_ONLY in kinds:
        raise InvalidInput(f"The scorer {name!r} must take its parameters by name.")
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    return Asked(
        names=[p.name for p in named],
        optional=frozenset(p.name for p in named if p.default is not p.empty),
        everything=inspect.Parameter.VAR_KEYWORD in kinds,
    )
