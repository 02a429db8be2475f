"""What the scripted model says in the demo.

It stands in for a language model so that the demo needs no key and no network: the agent's three
prompts are its cues, and scripted_reasoning.py is what it knows.
"""

import re

from pellucid.demo.agent import PLANNER, WORKER, WRITER
from pellucid.demo.drawing import paint_stack
from pellucid.demo.model import ModelSettings
from pellucid.demo.model_server import Call, ModelRequest, Rule, ScriptedModelServer
from pellucid.demo.model_server.script import ReplyLike
from pellucid.demo.scripted_reasoning import (
    COMPARISON_SEARCH,
    INCOMPLETE,
    NO_FACTS,
    SEARCHES,
    Facts,
    Results,
    Sources,
    Sums,
    answer_text,
    next_calls,
)

SETTINGS = ModelSettings(
    provider="scripted",
    chat="scripted-chat",
    embedding="scripted-embedding",
    image="scripted-image",
    parameters={"temperature": 0.2, "seed": 7, "max_completion_tokens": 1200},
)


def plan(request: ModelRequest) -> ReplyLike:
    """Reply to the planner's prompt."""
    return {
        "searches": SEARCHES,
        "steps": [
            "Bring the size of the images to the unit of the text",
            "Add text and images",
            "Divide by the capacity of a dual-layer disc and round up",
            "Multiply by the thickness of a disc",
            "Find something of known height to compare with, and draw both",
        ],
    }


def work(request: ModelRequest) -> ReplyLike:
    """Reply in the tool loop: the next calls that are possible, or `done`."""
    facts, results = Facts(Sources(request.text)), Results(request.tool_results)
    if not facts.suffice:
        return NO_FACTS
    if results.failed and not results.used("draw_stack"):
        return INCOMPLETE
    calls = next_calls(facts, results)
    if calls:
        return calls
    if not results.used("search_encyclopedia"):
        return Call("search_encyclopedia", {"query": COMPARISON_SEARCH})
    if not results.used("draw_stack"):
        return _drawing(facts, Sums(facts, results)) or "done"
    return "done"


def write(request: ModelRequest) -> ReplyLike:
    """Reply with the answer."""
    results = [r for r in request.tool_results if r.name != "draw_stack"]
    return answer_text(Facts(Sources(request.text)), Results(results))


def _drawing(facts: Facts, sums: Sums) -> Call | None:
    thickness, diameter = facts.thickness_mm, facts.diameter_mm
    person, house = facts.person_m, facts.house_m
    if not (thickness and diameter and person and house and sums.discs and sums.height_m):
        return None
    return Call(
        "draw_stack",
        {
            "discs": int(sums.discs),
            "stack_height_m": float(sums.height_m),
            "disc_diameter_mm": float(diameter.value),
            "disc_thickness_mm": float(thickness.value),
            "person_height_m": float(person.value),
            "house_height_m": float(house.value),
        },
    )


SCRIPT = [
    Rule(plan, system=re.escape(PLANNER)),
    Rule(write, user=re.escape(WRITER)),
    Rule(work, system=re.escape(WORKER)),
]


def scripted_server(*, pace: float = 1.0) -> ScriptedModelServer:
    """Return the demo's model server; `pace` stretches its answers in time, 0 is at once."""
    return ScriptedModelServer(
        SCRIPT,
        latency_s=0.12 * pace,
        token_delay_s=0.006 * pace,
        painter=paint_stack,
        models=(SETTINGS.chat, SETTINGS.embedding, SETTINGS.image),
    )
