"""Strands Agents: OTel GenAI names, with Bedrock's figures as they are.

Source: the tracer of strands-agents. Its time to first token is in milliseconds.
"""

from pellucid.semconv.rules import Dialect, Draft
from pellucid.semconv.values import UNREAD, read_milliseconds

RANK = 1600
_FIRST_TOKEN = "gen_ai.server.time_to_first_token"


def _refine(draft: Draft) -> None:
    got = read_milliseconds(draft.decoded.attributes.get(_FIRST_TOKEN))
    if got is not UNREAD:
        draft.claim("ttft", got, RANK)


DIALECT = Dialect(name="strands", rules={}, refine=_refine, scopes=("strands.",))
