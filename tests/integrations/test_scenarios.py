"""Every scenario of every framework that is installed here gives full marks."""

from pathlib import Path

import pytest

from pellucid.demo.model_server import ScriptedModelServer
from pellucid.integrations import autolog
from pellucid.testing.scenarios import Case, load_cases, played
from pellucid.testing.scoring import CHECKS, score

FILES = sorted((Path(__file__).parent / "scenarios").glob("*.py"))
CASES = [
    pytest.param(case, id=f"{cases.framework}: {case.name}")
    for cases in map(load_cases, FILES)
    if cases.runnable
    for case in cases
]
pytestmark = pytest.mark.filterwarnings("default")


@pytest.mark.parametrize("case", CASES)
def test_a_scenario_gives_full_marks(case: Case) -> None:
    with played(case, serve=ScriptedModelServer, autolog=autolog) as outcome:
        missing = {
            CHECKS[name]: ratio for name, ratio in score(outcome).items() if ratio.got < ratio.of
        }
        assert not missing, outcome.recording.tree()
