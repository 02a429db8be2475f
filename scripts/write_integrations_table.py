"""Write docs/integrations/README.md from captured.json and scores.json beside it.

Usage: .venv/bin/python scripts/write_integrations_table.py
`make test-integrations` runs the tests, which write both, and then this.
"""

import json
from pathlib import Path
from typing import Any

from pellucid.testing import scoring
from pellucid.testing.captured import CHECKS, FEATURES

FOLDER = Path(__file__).parents[1] / "docs" / "integrations"
FRAMEWORKS = {
    "openai": ("OpenAI SDK", "openai.md"),
    "langgraph": ("LangGraph", "langgraph.md"),
    "langchain": ("LangChain", "langgraph.md"),
    "llama_index": ("LlamaIndex", "llama_index.md"),
    "dspy": ("DSPy", "dspy.md"),
    "ag2": ("ag2 0.x", "autogen.md"),
    "autogen_agentchat": ("AgentChat", "autogen.md"),
    "ag2_next": ("ag2 1.x", "autogen.md"),
}
_HEAD = """# Integrations

`pellucid.autolog()` traces every framework below that is installed, before or after its import;
each has a page.

Written by `scripts/write_integrations_table.py` from `captured.json` and `scores.json`, which the
framework tests write.

## What each captures

A figure is the number of that framework's tests, against a scripted model, that passed and
showed it; where two environments run them, the greater. An empty cell means that no test shows it,
be it that the framework has no such thing.
"""
_SCORES = """
## What the scenarios reach

Programs of each framework (`tests/integrations/scenarios`), run untraced and then traced; what the
scripted model says that it served is the truth. Got of asked, in all environments together; the
score is the mean of the ratios, in percent.
"""


def table(captured: dict[str, Any]) -> str:
    """Return the page for what was recorded."""
    shown = {name: _greatest(captured[name]) for name in FRAMEWORKS if name in captured}
    titles = " | ".join(f"[{FRAMEWORKS[name][0]}]({FRAMEWORKS[name][1]})" for name in shown)
    lines = [f"| | {titles} |", "|---" * (len(shown) + 1) + "|"]
    lines.append(
        "| tests | " + " | ".join(str(counts["tests"]) for counts in shown.values()) + " |"
    )
    for feature, title in FEATURES.items():
        cells = " | ".join(str(counts.get(feature, "")) for counts in shown.values())
        lines.append(f"| {title}{' *' if feature in CHECKS else ''} | {cells} |")
    note = "\\* a check of the conformance suite (`pellucid.testing.conformance`).\n"
    return _HEAD + "\n" + "\n".join(lines) + "\n\n" + note


def scores(written: dict[str, Any]) -> str:
    """Return the section that shows what the scenarios reached, summed over the environments."""
    sums = {name: _summed(written[name]) for name in FRAMEWORKS if name in written}
    lines = [
        "| | " + " | ".join(FRAMEWORKS[name][0] for name in sums) + " |",
        "|---" * (len(sums) + 1) + "|",
        "| **score** | " + " | ".join(f"**{_score(one):.1f}**" for one in sums.values()) + " |",
        "| scenarios | " + " | ".join(str(one["cases"][0]) for one in sums.values()) + " |",
    ]
    for check, title in scoring.CHECKS.items():
        cells = ("/".join(map(str, one[check])) if check in one else "" for one in sums.values())
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return _SCORES + "\n" + "\n".join(lines) + "\n"


def _summed(worlds: dict[str, dict[str, Any]]) -> dict[str, list[int]]:
    sums: dict[str, list[int]] = {"cases": [0, 0]}
    for card in worlds.values():
        sums["cases"][0] += card["cases"]
        for check, (got, of) in card["checks"].items():
            held = sums.setdefault(check, [0, 0])
            held[0] += got
            held[1] += of
    return sums


def _score(sums: dict[str, list[int]]) -> float:
    ratios = [got / of for got, of in sums.values() if of]
    return 100 * sum(ratios) / len(ratios)


def _greatest(worlds: dict[str, dict[str, int]]) -> dict[str, int]:
    names = {name for counts in worlds.values() for name in counts}
    return {name: max(counts.get(name, 0) for counts in worlds.values()) for name in names}


if __name__ == "__main__":
    page = table(json.loads((FOLDER / "captured.json").read_text()))
    page += scores(json.loads((FOLDER / "scores.json").read_text()))
    (FOLDER / "README.md").write_text(page)
