"""AutoGen's runtime: messages between agents, as messaging spans.

Source: spans recorded from autogen-core 0.7; agents and tools come in OTel GenAI names.
"""

from pellucid.core.span import SpanKind
from pellucid.semconv.rules import Dialect, Draft
from pellucid.semconv.values import UNREAD, read_value

RANK = 1900

_NOTHING = "No Message"


def _refine(draft: Draft) -> None:
    if not draft.decoded.name.startswith("autogen "):
        return
    draft.claim("kind", SpanKind.TASK, RANK)
    rest = draft.rest
    message = rest.get("message")
    if message is not None and message != _NOTHING:
        got = read_value(message)
        if got is not UNREAD:
            draft.claim("body_in", got, RANK)
            del rest["message"]
    recipient = rest.get("recipient_agent_type")
    if draft.decoded.name.startswith("autogen process ") and type(recipient) is str and recipient:
        # `planner_66aa9f0f-…`: the agent's name, then its team's id
        draft.claim("agent", recipient.rpartition("_")[0] or recipient, RANK)


DIALECT = Dialect(
    name="autogen",
    rules={},
    refine=_refine,
    scopes=("autogen",),
)
