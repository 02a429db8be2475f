"""Strands Agents: OTel GenAI names, with Bedrock's figures as they are.

Source: spans recorded from strands-agents 0.2 and 1.62. Its time to first token is in milliseconds.
Before version 1 caches stand in the total alone.
"""

from pellucid.core.span import SpanKind
from pellucid.semconv.rules import Dialect, Draft
from pellucid.semconv.values import UNREAD, read_milliseconds, read_value

RANK = 1600
_FIRST_TOKEN = "gen_ai.server.time_to_first_token"


_CACHES = frozenset({"tokens.cache_read", "tokens.cache_write"})


def _refine(draft: Draft) -> None:
    got = read_milliseconds(draft.decoded.attributes.get(_FIRST_TOKEN))
    if got is not UNREAD:
        draft.claim("ttft", got, RANK)
    claims = draft.claims
    if draft.decoded.name.startswith(("Cycle ", "execute_event_loop_cycle")):
        draft.claim("kind", SpanKind.CHAIN, RANK)
    if claims.get("kind") is SpanKind.TOOL and "tool.arguments" not in claims:
        for event in draft.decoded.events:
            if event.name == "gen_ai.tool.message" and "content" in event.attributes:
                draft.claim("tool.arguments", read_value(event.attributes["content"]), RANK)
    beyond = claims.get("tokens.total", 0) - claims.get("tokens.output", 0)
    if not _CACHES & claims.keys() and beyond > claims.get("tokens.input", beyond):
        claims["tokens.input"] = beyond


DIALECT = Dialect(name="strands", rules={}, refine=_refine, scopes=("strands.",))
