"""Write docs/integrations/README.md from what the framework tests recorded in captured.json.

Usage: .venv/bin/python scripts/write_integrations_table.py
`make test-integrations` runs the tests, which write captured.json, and then this.
"""

import json
from pathlib import Path
from typing import Any

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

Written by `scripts/write_integrations_table.py` from `captured.json`, which the framework tests
write. A figure is the number of that framework's tests, against a scripted model, that passed and
showed it; where two environments run them, the greater. An empty cell means that no test shows it,
be it that the framework has no such thing.
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


def _greatest(worlds: dict[str, dict[str, int]]) -> dict[str, int]:
    names = {name for counts in worlds.values() for name in counts}
    return {name: max(counts.get(name, 0) for counts in worlds.values()) for name in names}


if __name__ == "__main__":
    page = table(json.loads((FOLDER / "captured.json").read_text()))
    (FOLDER / "README.md").write_text(page)
