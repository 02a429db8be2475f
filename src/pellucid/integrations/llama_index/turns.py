"""A team's agents: each has a turn, which holds its model's calls and its tools', until the next.

LlamaIndex tells of single steps. What an agent does from one handover to the next is one span.
"""

from typing import NamedTuple

from opentelemetry.context import Context

from pellucid.client.instrument import context_of, open_span
from pellucid.core.span import SpanKind
from pellucid.integrations.llama_index.kinds import Call, method_of
from pellucid.integrations.llama_index.records import Record, current_record
from pellucid.semconv import attributes as names

_TEAM = "AgentWorkflow."
_WITHIN = frozenset({"call_tool", "parse_agent_output", "aggregate_tool_results"})


class Turn(NamedTuple):
    """The turn that a step is part of."""

    record: Record
    is_new: bool


class Turns:
    """The turns that steps are under way in."""

    def __init__(self) -> None:
        self._steps: dict[str, Record] = {}

    def enter(self, id_: str, call: Call | None) -> Turn | None:
        """Return the turn that a step of a team is part of, its first step's included."""
        run = current_record() if id_.startswith(_TEAM) else None
        if run is None or run.ended:
            return None
        held = run.turn if run.turn is not None and not run.turn.ended else None
        if call is not None and call.kind is SpanKind.AGENT:
            if held is not None and held.call.name == call.name:
                found = Turn(held, is_new=False)
            else:
                if held is not None:
                    held.end(held.last_ns)
                found = Turn(_opened(call, run.context), is_new=True)
                run.turn = found.record
        elif held is not None and method_of(id_) in _WITHIN:
            found = Turn(held, is_new=False)
        else:
            return None
        self._steps[id_] = found.record
        return found

    def leave(self, id_: str) -> Record | None:
        """Return the turn that a step was part of, which goes on."""
        record = self._steps.pop(id_, None)
        if record is not None:
            record.touch()
        return record


def _opened(call: Call, parent: Context) -> Record:
    span = open_span(call.name, call.kind, parent=parent, attributes={names.AGENT_NAME: call.name})
    return Record(call, span, context_of(span, parent), None)
