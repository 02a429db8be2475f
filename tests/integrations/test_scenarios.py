"""Every scenario of every framework that is installed here gives full marks."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pellucid.demo.model_server import ScriptedModelServer
from pellucid.integrations import autolog
from pellucid.testing.scenarios import Case, load_cases, played
from pellucid.testing.scoring import CHECKS, Card, score

FILES = sorted((Path(__file__).parent / "scenarios").glob("*.py"))
CASES = [
    pytest.param(cases.framework, case, id=f"{cases.framework}: {case.name}")
    for cases in map(load_cases, FILES)
    if cases.runnable
    for case in cases
]
pytestmark = pytest.mark.filterwarnings("default")


WORLD = os.environ.get("PELLUCID_TEST_WORLD", "")
SCORES = os.environ.get("PELLUCID_TEST_SCORES", "")
"""Where to write what every framework reached, if anywhere."""


@pytest.fixture(scope="module")
def cards() -> Iterator[dict[str, Card]]:
    held: dict[str, Card] = {}
    yield held
    if SCORES:
        path = Path(SCORES)
        scores = json.loads(path.read_text()) if path.exists() else {}
        for framework, card in held.items():
            scores.setdefault(framework, {})[WORLD] = card.figures()
        path.write_text(json.dumps(scores, indent=1, sort_keys=True) + "\n")


@pytest.mark.parametrize(("framework", "case"), CASES)
def test_a_scenario_gives_full_marks(framework: str, case: Case, cards: dict[str, Card]) -> None:
    with played(case, serve=ScriptedModelServer, autolog=autolog) as outcome:
        scores = score(outcome)
        cards.setdefault(framework, Card(framework)).add(case.name, scores)
        missing = {CHECKS[name]: ratio for name, ratio in scores.items() if ratio.got < ratio.of}
        assert not missing, outcome.recording.tree()
