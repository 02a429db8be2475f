"""How each span kind looks: its word, its glyph in `icons.svg` and its colour's name."""

from typing import NamedTuple

from pellucid.core.span import SpanKind


class KindLook(NamedTuple):
    """One kind on the page."""

    key: str
    """The value of `data-k`, which picks the colour."""
    label: str
    icon: str


_LOOKS = {
    SpanKind.AGENT: KindLook("agent", "Agent", "bot"),
    SpanKind.CHAIN: KindLook("chain", "Chain", "link"),
    SpanKind.LLM: KindLook("llm", "LLM", "sparkles"),
    SpanKind.TOOL: KindLook("tool", "Tool", "wrench"),
    SpanKind.RETRIEVER: KindLook("retriever", "Retriever", "text-search"),
    SpanKind.EMBEDDING: KindLook("embedding", "Embedding", "binary"),
    SpanKind.RERANKER: KindLook("reranker", "Reranker", "list-ordered"),
    SpanKind.PARSER: KindLook("parser", "Parser", "braces"),
    SpanKind.GUARDRAIL: KindLook("guardrail", "Guardrail", "shield-check"),
    SpanKind.EVALUATOR: KindLook("evaluator", "Evaluator", "scale"),
    SpanKind.MEMORY: KindLook("memory", "Memory", "brain"),
    SpanKind.TASK: KindLook("task", "Task", "list-checks"),
    SpanKind.IMAGE: KindLook("image", "Image", "image"),
    SpanKind.UNKNOWN: KindLook("unknown", "Span", "circle-dashed"),
}


def kind_look(kind: str) -> KindLook:
    """Return how a kind looks; a word that is no kind looks like an unknown one."""
    try:
        return _LOOKS[SpanKind(kind)]
    except ValueError:
        return _LOOKS[SpanKind.UNKNOWN]
