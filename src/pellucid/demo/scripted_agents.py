"""What the scripted model says to agents of other frameworks that ask the demo's question.

It knows two manners of calling tools: the API's own, and DSPy's, which writes them as text. It
calls what it is offered: `search_encyclopedia`, `calculate`, `convert_units`.
"""

import json
import re
from collections.abc import Callable, Sequence

from pellucid.demo.model_server import Call, ModelRequest, Rule, ScriptedModelServer, ToolResult
from pellucid.demo.model_server.script import ReplyLike
from pellucid.demo.scripted_reasoning import (
    COMPARISON_SEARCH,
    INCOMPLETE,
    NO_FACTS,
    SEARCHES,
    Facts,
    Results,
    Sources,
    answer_text,
    next_calls,
)

_STEP = re.compile(
    r"\[\[ ## tool_name_(\d+) ## \]\]\n(?P<name>.*?)\n\n"
    r"\[\[ ## tool_args_\1 ## \]\]\n(?P<arguments>.*?)\n\n"
    r"\[\[ ## observation_\1 ## \]\]\n(?P<result>.*?)(?=\n\n\[\[ ## |\n\nRespond with)",
    re.DOTALL,
)


def with_tools(request: ModelRequest) -> ReplyLike:
    """Reply to an agent that is offered tools: calls as long as any are needed, then the answer."""
    calls = _next(request.text, request.tool_results, lambda n: request.find_tool(n) is not None)
    return calls or _answer(request.text, request.tool_results)


def dspy_react(request: ModelRequest) -> ReplyLike:
    """Reply to one step of `dspy.ReAct`."""
    results = _trajectory(request.user)
    calls = _next(request.user, results, lambda name: f"'{name}'" in request.system)
    call = calls[0] if calls else Call("finish")
    thought = "A figure is missing." if calls else "All figures are known."
    return _fields(
        next_thought=thought, next_tool_name=call.name, next_tool_args=call.arguments_text
    )


def dspy_extract(request: ModelRequest) -> ReplyLike:
    """Reply to the last step of `dspy.ReAct`, which asks for the answer."""
    answer = _answer(request.user, _trajectory(request.user))
    return _fields(reasoning="The tools gave every figure.", answer=answer)


AGENT_SCRIPT = [
    Rule(dspy_react, system=r"`next_tool_name`"),
    Rule(dspy_extract, system=r"`trajectory`"),
    Rule(with_tools),
]


def scripted_agent_server() -> ScriptedModelServer:
    """Return a model server that plays its part in the examples."""
    return ScriptedModelServer(AGENT_SCRIPT, aliases={"gpt-4o-mini": "gpt-4o-mini-2024-07-18"})


def _next(
    text: str, tool_results: Sequence[ToolResult], offered: Callable[[str], bool]
) -> list[Call]:
    """Return the next calls among the tools that are offered."""
    results, facts = Results(tool_results), Facts(Sources(text))
    asked = {result.arguments.get("query") for result in tool_results}
    if offered("search_encyclopedia"):
        queries = [query for query in (*SEARCHES, COMPARISON_SEARCH) if query not in asked]
        if queries:
            return [Call("search_encyclopedia", {"query": query}) for query in queries]
    if not offered("calculate") or not facts.suffice or results.failed:
        return []
    return next_calls(facts, results)


def _answer(text: str, tool_results: Sequence[ToolResult]) -> str:
    facts, results = Facts(Sources(text)), Results(tool_results)
    if not facts.suffice:
        return NO_FACTS
    return INCOMPLETE if results.failed else answer_text(facts, results)


def _trajectory(text: str) -> list[ToolResult]:
    return [
        ToolResult(
            name=step["name"].strip(),
            arguments=json.loads(step["arguments"]),
            content=step["result"].strip(),
        )
        for step in _STEP.finditer(text)
    ]


def _fields(**fields: str) -> str:
    written = [f"[[ ## {name} ## ]]\n{value}" for name, value in fields.items()]
    return "\n\n".join([*written, "[[ ## completed ## ]]"])
