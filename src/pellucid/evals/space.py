"""Which configurations a sweep tries: all, a random part, or what looks promising (TPE)."""

import importlib
import itertools
import math
import random
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

from pellucid.core.errors import InvalidInput

Config = dict[str, Any]


class Sampler(Protocol):
    """Proposes configurations one by one and is told how good each was."""

    def propose(self) -> Config | None:
        """Return the next configuration, or None when there is no more."""
        ...

    def tell(self, config: Config, value: float | None) -> None:
        """Learn the objective of a configuration; None if it failed or broke a constraint."""
        ...


def make_sampler(
    sampler: str, space: Mapping[str, Any], *, count: int | None, seed: int
) -> Sampler:
    """Make a sampler by its name: `grid`, `random` or `tpe`. Raises InvalidInput."""
    values = {name: _options(options) for name, options in space.items()}
    empty = [name for name, options in values.items() if not options]
    if not values or empty:
        raise InvalidInput(f"The space needs at least one value for each of {list(values)}.")
    if sampler == "grid":
        return _Listed(itertools.islice(_product(values), count))
    if sampler == "random":
        return _Listed(_random(values, count, seed))
    if sampler == "tpe":
        return _Tpe(values, count or min(30, _size(values)), seed)
    raise InvalidInput(f"sampler={sampler!r}: say grid, random or tpe.")


def _options(options: Any) -> list[Any]:
    """Return a parameter's values; a text or a number alone is one value."""
    if isinstance(options, str | bytes) or not isinstance(options, Iterable):
        return [options]
    return list(options)


def _size(values: Mapping[str, list[Any]]) -> int:
    return math.prod(len(options) for options in values.values())


def _product(values: Mapping[str, list[Any]]) -> Iterator[Config]:
    for chosen in itertools.product(*values.values()):
        yield dict(zip(values, chosen, strict=True))


def _random(values: dict[str, list[Any]], count: int | None, seed: int) -> Iterator[Config]:
    """Draw distinct configurations, as many as asked for or as there are."""
    size = _size(values)
    numbers = random.Random(seed).sample(range(size), min(count or size, size))
    for number in numbers:
        config = {}
        for name, options in values.items():
            number, index = divmod(number, len(options))
            config[name] = options[index]
        yield config


class _Listed:
    def __init__(self, configs: Iterator[Config]) -> None:
        self._configs = configs

    def propose(self) -> Config | None:
        return next(self._configs, None)

    def tell(self, config: Config, value: float | None) -> None:
        """Nothing is learnt."""


class _Tpe:
    """Optuna's tree-structured Parzen estimator, over the places in each list of values."""

    def __init__(self, values: dict[str, list[Any]], count: int, seed: int) -> None:
        try:
            optuna = importlib.import_module("optuna")
        except ImportError:
            raise InvalidInput("sampler='tpe' needs Optuna: pip install optuna") from None
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._failed = optuna.trial.TrialState.FAIL
        self._values = values
        self._left = count
        self._open: list[tuple[Config, Any]] = []
        self._study = optuna.create_study(
            direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed)
        )

    def propose(self) -> Config | None:
        if self._left == 0:
            return None
        self._left -= 1
        proposal = self._study.ask()
        config = {
            name: options[proposal.suggest_categorical(name, list(range(len(options))))]
            for name, options in self._values.items()
        }
        self._open.append((config, proposal))
        return config

    def tell(self, config: Config, value: float | None) -> None:
        index = next(i for i, (known, _) in enumerate(self._open) if known == config)
        _, proposal = self._open.pop(index)
        if value is None:
            self._study.tell(proposal, state=self._failed)
        else:
            self._study.tell(proposal, value)
