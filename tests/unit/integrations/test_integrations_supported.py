"""The lowest version that an integration says it traces is locked, as is one near the highest."""

import importlib
import re
from pathlib import Path

import pytest

from pellucid.client.instrument import Integration
from pellucid.integrations import FRAMEWORKS

LOCKS = Path(__file__).parents[3] / "requirements" / "integrations"
_PIN = re.compile(r"^([a-z0-9-]+)==([\w.]+)", re.MULTILINE)
INTEGRATIONS: list[Integration] = [
    integration
    for name in FRAMEWORKS
    for integration in importlib.import_module(f"pellucid.integrations.{name}").INTEGRATIONS
]


def pinned(distribution: str, *worlds: str) -> set[tuple[int, ...]]:
    texts = [(LOCKS / f"{world}.txt").read_text() for world in worlds]
    pins = [dict(_PIN.findall(text)) for text in texts]
    return {numbers(held[distribution]) for held in pins if distribution in held}


def numbers(version: str) -> tuple[int, ...]:
    parts = tuple(int(part) for part in version.split("."))
    return parts + (0,) * (3 - len(parts))


@pytest.mark.parametrize("integration", INTEGRATIONS, ids=lambda one: one.supported)
def test_both_ends_are_in_the_locked_environments(integration: Integration) -> None:
    found = re.fullmatch(r"[\w-]+>=([\d.]+),<([\d.]+)", integration.supported)
    assert found is not None
    low, high = map(numbers, found.groups())
    lowest = pinned(integration.distribution, "a-low", "b-low", "openai-low")
    assert low in lowest, f"no locked environment has {integration.supported} at its low end"
    highest = {v for v in pinned(integration.distribution, "a", "b") if low <= v < high}
    assert highest, f"no locked environment has {integration.supported}"
