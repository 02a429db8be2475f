"""Small numbers for words in hot columns. The order is part of the file format: only append."""

from typing import Final

from pellucid.core.span import SpanKind

KINDS: Final = (
    SpanKind.UNKNOWN,
    SpanKind.AGENT,
    SpanKind.CHAIN,
    SpanKind.LLM,
    SpanKind.TOOL,
    SpanKind.RETRIEVER,
    SpanKind.EMBEDDING,
    SpanKind.RERANKER,
    SpanKind.PARSER,
    SpanKind.GUARDRAIL,
    SpanKind.EVALUATOR,
    SpanKind.MEMORY,
    SpanKind.TASK,
    SpanKind.IMAGE,
)
KIND_CODES: Final = {kind: code for code, kind in enumerate(KINDS)}

OK: Final = 0
ERROR: Final = 1
PENDING: Final = 2
"""Running, or interrupted: the clock decides at each read."""

INTERRUPTED_AFTER_NS: Final = 5 * 60 * 1_000_000_000

TOKENS_COUNTED: Final = 1
COST_COUNTED: Final = 2

INT64_MAX: Final = 2**63 - 1
TOKENS_MAX: Final = 2**40
COST_MAX: Final = 1e12
