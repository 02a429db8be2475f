"""Score an integration: what its traces show of its scenarios, check by check.

    card = Card("ag2")
    for case in load_cases(path):
        with played(case, serve=ScriptedModelServer, autolog=autolog) as outcome:
            card.add(case.name, score(outcome))
    print(card)           # got/of of every check, their mean, and what is missing
    card.figures()        # {"framework": …, "score": 97.5, "checks": {check: [got, of]}}

The score is the mean over the checks that were asked of got/of, in percent.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from pellucid.testing import scoring_checks
from pellucid.testing.scenarios import Outcome
from pellucid.testing.scoring_checks import Ratio, Seen

CHECKS = {
    "stdout": "same stdout as without",
    "wire": "same requests on the wire",
    "traces": "one trace a case",
    "orphans": "no orphan",
    "unended": "no span unended",
    "unknown": "no UNKNOWN kind",
    "duplicates": "no duplicate",
    "private": "no private span",
    "llm": "LLM spans",
    "extra_llm": "no extra LLM span",
    "embeddings": "embedding spans",
    "tokens": "tokens",
    "tools": "tool calls with arguments and results",
    "extra_tool": "no extra TOOL span",
    "documents": "documents with text and score",
    "agents": "agents",
    "owner": "model call below the agent that made it",
    "helpers": "no helper shown as an agent",
    "stages": "stages below what holds them",
    "input": "root input",
    "output": "root output",
    "model": "model",
    "parameters": "parameters",
    "messages_in": "messages in",
    "messages_out": "messages out",
    "definitions": "tool definitions",
    "session": "session",
    "failed": "error and exception on what failed",
    "failed_above": "error on all above",
    "failed_elsewhere": "no error elsewhere",
    "stream_end": "true end of streams",
    "first_token": "time to first token",
    "manual": "manual span below its tool",
}
"""Check → how a table names it, in its order."""

Scores = dict[str, Ratio]


def score(outcome: Outcome) -> Scores:
    """Return the checks that a case asks for."""
    seen = Seen(outcome)
    found = {name: check(seen) for name, check in scoring_checks.CHECKS.items()}
    return {name: ratio for name, ratio in found.items() if ratio is not None and ratio.of}


@dataclass
class Card:
    """The sums of a framework's cases."""

    framework: str
    cases: int = 0
    sums: dict[str, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))
    faults: list[str] = field(default_factory=list)

    def add(self, case: str, scores: Scores) -> None:
        """Add one case."""
        self.cases += 1
        for name, ratio in scores.items():
            self.sums[name][0] += ratio.got
            self.sums[name][1] += ratio.of
            if ratio.got < ratio.of:
                self.faults.append(f"{case}: {name} {ratio.got}/{ratio.of} {ratio.fault}".rstrip())

    @property
    def score(self) -> float:
        """The mean of the checks' ratios, in percent."""
        ratios = [got / of for got, of in self.sums.values()]
        return 100 * sum(ratios) / len(ratios) if ratios else 0.0

    def figures(self) -> dict[str, Any]:
        """Return the card as JSON values."""
        checks = {name: self.sums[name] for name in CHECKS if name in self.sums}
        return {
            "framework": self.framework,
            "cases": self.cases,
            "score": round(self.score, 1),
            "checks": checks,
        }

    def __str__(self) -> str:
        lines = [f"{self.framework}: {self.score:.1f} over {self.cases} cases"]
        for name in CHECKS:
            if name in self.sums:
                got, of = self.sums[name]
                lines.append(f"  {CHECKS[name]:42} {got}/{of}")
        return "\n".join([*lines, *(f"  ! {fault}" for fault in self.faults)])
