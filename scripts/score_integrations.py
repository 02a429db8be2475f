"""Score the integrations over tests/integrations/scenarios, those whose frameworks are here.

Usage: .venvs/a/bin/python scripts/score_integrations.py [--only WORDS] [--tree] [framework …]
`make test-integrations` writes the figures of all of them into docs/integrations/scores.json.
"""

import argparse
import os
import sys
import tempfile
import warnings
from pathlib import Path

from pellucid.demo.model_server import ScriptedModelServer
from pellucid.integrations import autolog
from pellucid.testing.scenarios import Cases, load_cases, played
from pellucid.testing.scoring import Card, score

SCENARIOS = Path(__file__).parents[1] / "tests" / "integrations" / "scenarios"


def card_of(cases: Cases, *, only: str = "", tree: bool = False) -> Card:
    """Play every case, or those whose name holds `only`."""
    card = Card(cases.framework)
    for case in cases:
        if only and only not in case.name:
            continue
        try:
            with played(case, serve=ScriptedModelServer, autolog=autolog) as outcome:
                card.add(case.name, score(outcome))
                if tree:
                    print(f"--- {case.name}\n{outcome.recording.tree()}")
        except Exception as error:
            card.faults.append(f"{case.name}: {type(error).__name__}: {error}")
            card.sums["traces"][1] += 1
    return card


def main() -> int:
    """Print a card a framework; return 1 where something is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("frameworks", nargs="*")
    parser.add_argument("--only", default="", help="play the cases whose name holds this")
    parser.add_argument("--tree", action="store_true", help="draw what was recorded")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    os.environ.setdefault("OPENAI_API_KEY", "scripted")
    faults = 0
    with tempfile.TemporaryDirectory() as spool:
        os.environ["PELLUCID_SPOOL_DIR"] = spool
        for path in sorted(SCENARIOS.glob("*.py")):
            cases = load_cases(path)
            wanted = not options.frameworks or cases.framework in options.frameworks
            if not wanted or not cases.runnable:
                continue
            card = card_of(cases, only=options.only, tree=options.tree)
            faults += len(card.faults)
            print(card, flush=True)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
