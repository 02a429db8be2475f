"""The demo agent: it plans, searches, calculates, draws and answers, and Pellucid sees it all.

Read it from the bottom: `answer` is the agent, and the functions it calls are its stages.
"""

import json
from dataclasses import dataclass
from typing import Any

import pellucid
from pellucid.demo.model import Message, Model
from pellucid.demo.retrieval import Index
from pellucid.demo.tools import TOOLS, Encyclopedia, Toolbox

QUESTION = (
    "How many Blu-ray discs would it take to store all of English Wikipedia's text and images, "
    "and how tall would the stack be?"
)

PLANNER = (
    "You plan how to answer a question from an encyclopedia and a calculator. "
    "Give the searches that find every figure needed, and the steps of the calculation."
)
WORKER = (
    "You work out the figures that answer the question. Take every fact from the numbered "
    "sources, and every number from a tool: never calculate in your head. Search when a fact is "
    "missing. When all figures are known, draw the stack once. Then reply: done."
)
WRITER = (
    "Write the answer for the reader: the number of discs and the height first, then how they "
    "follow from the sources, which you cite by number like [1], then what you assumed. "
    "Use only numbers that stand in the sources or came from the tools."
)

PLAN_FORMAT = {
    "type": "json_schema",
    "json_schema": {
        "name": "plan",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {
                "searches": {"type": "array", "items": {"type": "string"}},
                "steps": {"type": "array", "items": {"type": "string"}},
            },
            "required": ["searches", "steps"],
            "additionalProperties": False,
        },
    },
}

MAX_TURNS = 12
MAX_SEARCHES = 6


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to look up, and what to do with it."""

    searches: list[str]
    steps: list[str]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the agent gives back."""

    text: str
    picture: bytes | None
    """A PNG file, where one could be drawn."""
    trace_id: str | None


class Watcher:
    """Told what the agent is doing; the terminal overrides these."""

    def started(self, trace_id: str | None) -> None:
        """Called first, with the id of the trace that has begun."""

    def planned(self, plan: Plan) -> None:
        """Called once, with the plan."""

    def searched(self, query: str, documents: list[pellucid.Document]) -> None:
        """Called after every planned search."""

    def called(self, name: str, arguments: str, result: str) -> None:
        """Called after every tool call."""

    def wrote(self, piece: str) -> None:
        """Called with each piece of the answer as it comes."""


class BlurayAgent:
    """Answers one question at a time."""

    def __init__(self, model: Model, index: Index, watcher: Watcher | None = None) -> None:
        self._model = model
        self._index = index
        self._watcher = watcher or Watcher()

    @pellucid.trace(name="plan", kind="CHAIN")
    def make_plan(self, question: str) -> Plan:
        """Ask the model what to look up and in which order to calculate."""
        reply = self._model.ask(
            "draft plan",
            [{"role": "system", "content": PLANNER}, {"role": "user", "content": question}],
            response_format=PLAN_FORMAT,
        )
        return Plan(**json.loads(reply["content"]))

    def gather(self, plan: Plan, encyclopedia: Encyclopedia) -> list[pellucid.Document]:
        """Search for everything that the plan names; no paragraph comes twice."""
        found: dict[str, pellucid.Document] = {}
        with pellucid.span("gather sources", kind="CHAIN", input=plan.searches) as span:
            for query in plan.searches[:MAX_SEARCHES]:
                documents = encyclopedia.search(query)
                self._watcher.searched(query, documents)
                found |= {document.id or "": document for document in documents}
            span.set_output([document.id for document in found.values()])
        return list(found.values())

    def work_out(self, question: str, sources: str, toolbox: Toolbox) -> list[Message]:
        """Let the model call tools until it calls none; return the conversation."""
        messages: list[Message] = [
            {"role": "system", "content": WORKER},
            {"role": "user", "content": f"Question: {question}\n\nSources:\n{sources}"},
        ]
        with pellucid.span("work out figures", kind="CHAIN", input=question) as span:
            for turn in range(1, MAX_TURNS + 1):
                reply = self._model.ask(f"turn {turn}", messages, tools=TOOLS)
                messages.append(reply)
                calls = reply.get("tool_calls", [])
                if not calls:
                    break
                messages += [self._call(toolbox, call) for call in calls]
            span.set_output(reply.get("content") or f"Stopped after {MAX_TURNS} turns.")
        return messages

    def _call(self, toolbox: Toolbox, call: dict[str, Any]) -> Message:
        result = toolbox.run(call)
        function = call["function"]
        self._watcher.called(function["name"], function["arguments"], result["content"])
        return result

    def write(self, messages: list[Message]) -> str:
        """Let the model write the answer from the whole conversation, streamed."""
        request = {"role": "user", "content": WRITER}
        return self._model.stream("write answer", [*messages, request], self._watcher.wrote)

    def answer(self, question: str = QUESTION) -> Answer:
        """Answer a question; everything below happens in one trace."""
        with pellucid.span("bluray-agent", kind="AGENT", input=question) as span:
            trace_id = pellucid.current_trace_id()
            self._watcher.started(trace_id)
            encyclopedia = Encyclopedia(self._index, self._model)
            toolbox = Toolbox(encyclopedia, self._model)
            plan = self.make_plan(question)
            self._watcher.planned(plan)
            documents = self.gather(plan, encyclopedia)
            messages = self.work_out(question, encyclopedia.cite(documents), toolbox)
            text = self.write(messages)
            span.set_output(text)
            return Answer(text=text, picture=toolbox.picture, trace_id=pellucid.current_trace_id())
