"""A provider's own account of the tokens of a call, as some producers pass it on whole.

OpenAI (both APIs), Anthropic, Gemini and Bedrock name and count differently: Anthropic's and
Bedrock's input leaves both caches out, Gemini's output leaves the thoughts out.
"""

from typing import Any, Final

from pellucid.semconv.rules import Draft
from pellucid.semconv.values import UNREAD, read_count

_INPUT: Final = ("prompt_tokens", "prompt_token_count", "promptTokenCount", "promptTokens")
_BARE_INPUT: Final = ("input_tokens", "inputTokens")
"""Of Anthropic and Bedrock, and of OpenAI's responses, which have details beside it."""
_OUTPUT: Final = (
    *("completion_tokens", "output_tokens", "candidates_token_count", "candidatesTokenCount"),
    *("outputTokens", "completionTokens"),
)
_TOTAL: Final = ("total_tokens", "total_token_count", "totalTokenCount", "totalTokens")
CACHE_READ: Final = ("cache_read_input_tokens", "cacheReadInputTokens")
CACHE_WRITTEN: Final = (
    *("cache_creation_input_tokens", "cacheCreationInputTokens", "cacheWriteInputTokens"),
)
_CACHED: Final = ("cached_content_token_count", "cachedContentTokenCount")
_THOUGHTS: Final = ("thoughts_token_count", "thoughtsTokenCount")
_DETAILS: Final = (
    ("prompt_tokens_details", "cached_tokens", "tokens.cache_read"),
    ("input_tokens_details", "cached_tokens", "tokens.cache_read"),
    ("completion_tokens_details", "reasoning_tokens", "tokens.reasoning"),
    ("output_tokens_details", "reasoning_tokens", "tokens.reasoning"),
)


def claim_usage(draft: Draft, usage: dict[str, Any], rank: int) -> None:
    """Claim what a provider's account says, in our terms."""
    received, bare = _first(usage, _INPUT), _first(usage, _BARE_INPUT)
    sent, total = _first(usage, _OUTPUT), _first(usage, _TOTAL)
    read, written = _first(usage, CACHE_READ), _first(usage, CACHE_WRITTEN)
    thoughts = _first(usage, _THOUGHTS)
    if received is None and bare is not None:
        caches = (read or 0) + (written or 0)
        is_whole = total is not None and total == bare + (sent or 0)
        received = bare if is_whole else bare + caches
    if thoughts is not None:
        sent = (sent or 0) + thoughts
    if read is None:
        read = _first(usage, _CACHED)
    for field, count in (
        ("tokens.input", received),
        ("tokens.output", sent),
        ("tokens.cache_read", read),
        ("tokens.cache_write", written),
        ("tokens.reasoning", thoughts),
        ("tokens.total", total),
    ):
        if count is not None:
            draft.claim(field, count, rank)
    for name, key, field in _DETAILS:
        details = usage.get(name)
        told = read_count(details.get(key)) if type(details) is dict else UNREAD
        if told is not UNREAD:
            draft.claim(field, told, rank)


def include_caches(claims: dict[str, Any]) -> None:
    """Add the caches to an input that is passed on as Bedrock tells it, without them."""
    caches = claims.get("tokens.cache_read", 0) + claims.get("tokens.cache_write", 0)
    if caches and "tokens.input" in claims:
        claims["tokens.input"] += caches
        claims.pop("tokens.total", None)  # it may know no caches either


def _first(usage: dict[str, Any], names: tuple[str, ...]) -> int | None:
    for name in names:
        count = read_count(usage.get(name))
        if count is not UNREAD:
            return int(count)
    return None
