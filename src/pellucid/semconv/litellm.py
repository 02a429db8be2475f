"""LiteLLM's own OTel callback: GenAI names, its costs, and its proxy's metadata.

Source: spans recorded from LiteLLM.
"""

from typing import Any

from pellucid.semconv.rules import Dialect, Draft, Flat, table
from pellucid.semconv.usage import claim_usage
from pellucid.semconv.values import UNREAD, read_literal, read_reported_cost, read_text, read_value

RANK = 1800

_METADATA = "metadata."
_USAGE = "metadata.usage_object"
"""A Python dict's text, with the details that no attribute has."""


def _refine(draft: Draft) -> None:
    usage = read_literal(draft.decoded.attributes.get(_USAGE))
    if type(usage) is dict:
        claim_usage(draft, usage, RANK)
    flats: list[Flat] = []
    for name in [name for name in draft.rest if name.startswith(_METADATA)]:
        value = draft.rest[name]
        got = UNREAD if value in ("", "[]", "{}", None) else read_value(value)
        if got is not UNREAD:
            flats.append(Flat(RANK, (name[len(_METADATA) :],), got))
            del draft.rest[name]
    if flats:
        draft.flats.setdefault("metadata", []).extend(flats)
    routed: Any = draft.claims.get("litellm.model")
    if routed is not None and "/" in routed:
        provider, _, model = routed.partition("/")
        draft.claim("provider", provider, RANK + 4900)
        draft.claim("model", model, RANK + 4900)


DIALECT = Dialect(
    name="litellm",
    rules=table(
        RANK,
        ("gen_ai.cost.total_cost", "cost", read_reported_cost),
        ("litellm.provider.model", "litellm.model", read_text),
    ),
    refine=_refine,
    scopes=("litellm",),
)
