"""What the dispatcher does not tell of: building an index, and postprocessing nodes."""

import functools
from collections.abc import Callable
from typing import Any

from pellucid.client.instrument import Integration, open_span
from pellucid.client.patching import Wrap
from pellucid.client.stages import Begin, Stage, captures
from pellucid.client.tracing.span import Span
from pellucid.core.span import SpanKind
from pellucid.integrations.llama_index.reading import documents_of, text_of
from pellucid.semconv import attributes as names


def traced_from_documents(integration: Integration) -> Wrap:
    """Return the wrapper of `BaseIndex.from_documents`, a class method."""

    def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def from_documents(cls: Any, documents: Any, *args: Any, **kwargs: Any) -> Any:
            if not integration.active:
                return original(cls, documents, *args, **kwargs)
            stage = _stage(f"{cls.__name__}.from_documents", {"documents": len(documents)})
            with stage.running():
                return original(cls, documents, *args, **kwargs)

        return from_documents

    return wrap


def build(integration: Integration) -> Begin:
    """Return what opens the span of an index made from nodes."""

    def begin(index: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Stage:
        nodes = args[0] if args else kwargs.get("nodes") or []
        return _stage("build index", {"nodes": len(nodes)})

    return begin


def postprocess(integration: Integration) -> Begin:
    """Return what opens the span of a reranker or another postprocessor."""

    def begin(processor: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Stage:
        nodes = args[0] if args else kwargs.get("nodes") or []
        bundle = args[1] if len(args) > 1 else kwargs.get("query_bundle")
        asked = kwargs.get("query_str") or (args[2] if len(args) > 2 else None) or bundle
        span = open_span(type(processor).__name__, SpanKind.RERANKER)
        if captures(integration):
            span.set_input(text_of(asked))
            span.otel_span.set_attribute(names.INPUT_DOCUMENTS, documents_of(nodes))

        def show(span: Span, kept: Any) -> None:
            if captures(integration):
                span.otel_span.set_attribute(names.DOCUMENTS, documents_of(kept))

        return Stage(span, result=show)

    return begin


def _stage(name: str, given: dict[str, int]) -> Stage:
    span = open_span(name, SpanKind.TASK)
    span.set_input(given)
    return Stage(span)
