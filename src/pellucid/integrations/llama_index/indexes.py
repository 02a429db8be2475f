"""What the dispatcher does not tell of: making an index, postprocessing nodes, asking by SQL."""

import functools
from collections.abc import Callable, Sized
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry import trace as otel

from pellucid.client.instrument import Integration, open_span
from pellucid.client.patching import Patch, Undo, Wrap, patch_all
from pellucid.client.stages import Begin, Stage, captures, traced_async, traced_sync
from pellucid.client.tracing.span import Span
from pellucid.core.span import SpanKind
from pellucid.integrations.llama_index.reading import documents_of, text_of
from pellucid.semconv import attributes as names

_CHANGING = otel_context.create_key("pellucid-llama-index-change")
SQL = "llama_index.core.indices.struct_store.sql_retriever"
_JUDGED = ("query", "response", "contexts", "reference")


def traced_from_documents(integration: Integration) -> Wrap:
    """Return the wrapper of `BaseIndex.from_documents`, a class method."""

    def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def from_documents(cls: Any, documents: Any, *args: Any, **kwargs: Any) -> Any:
            if not integration.active:
                return original(cls, documents, *args, **kwargs)
            stage = _stage(f"{cls.__name__}.from_documents", {"documents": len(documents)})
            with stage.running():
                made = original(cls, documents, *args, **kwargs)
                stage.show(made)
            return made

        return from_documents

    return wrap


def build(integration: Integration) -> Begin:
    """Return what opens the span of an index made from nodes."""

    def begin(index: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Stage:
        nodes = args[0] if args else kwargs.get("nodes") or []
        return _stage("build index", {"nodes": len(nodes)}, index=index)

    return begin


def change(integration: Integration, method: str) -> Begin:
    """Return what opens the span of a change to an index: documents or nodes in or out."""

    def begin(index: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Stage | None:
        if otel_context.get_value(_CHANGING):
            return None  # a part of a change that is shown
        given = args[0] if args else next(iter(kwargs.values()), None)
        shown = len(given) if isinstance(given, Sized) and not isinstance(given, str) else 1
        what = "nodes" if "nodes" in method else "documents"
        stage = _stage(f"{type(index).__name__}.{method}", {what: shown}, index=index)
        stage.context = otel_context.set_value(_CHANGING, True, stage.context)
        return stage

    return begin


def parse(integration: Integration) -> Begin:
    """Return what opens the span of a node parser."""

    def begin(parser: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Stage:
        given = args[0] if args else kwargs.get("nodes") or []
        span = open_span(type(parser).__name__, SpanKind.PARSER)
        span.set_input({"nodes": len(given)})
        return Stage(span, result=lambda span, made: span.set_output({"nodes": len(made)}))

    return begin


def evaluate(integration: Integration) -> Begin:
    """Return what opens the span of an evaluator."""

    def begin(evaluator: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Stage:
        span = open_span(type(evaluator).__name__, SpanKind.EVALUATOR)
        if captures(integration):
            asked = dict(zip(("query", "response", "contexts"), args, strict=False))
            asked |= {name: kwargs[name] for name in _JUDGED if kwargs.get(name) is not None}
            span.set_input({name: value for name, value in asked.items() if value is not None})

        def show(span: Span, found: Any) -> None:
            shown = {name: getattr(found, name, None) for name in ("passing", "score", "feedback")}
            span.set_output({name: value for name, value in shown.items() if value is not None})

        return Stage(span, result=show)

    return begin


def patch_evaluators(integration: Integration) -> Undo:
    """Trace LlamaIndex's own evaluators, once they have been imported."""
    from llama_index.core import evaluation

    wrap = traced_async(integration, evaluate(integration))
    # Some stand there under two names.
    found = {kind for kind in vars(evaluation).values() if isinstance(kind, type)}
    return patch_all(
        *(
            Patch(f"{kind.__module__}:{kind.__name__}.aevaluate", wrap)
            for kind in found
            if issubclass(kind, evaluation.BaseEvaluator)
            and kind is not evaluation.BaseEvaluator
            and "aevaluate" in vars(kind)
        )
    )


def retrieve(integration: Integration) -> Begin:
    """Return what opens the span of a retriever that a query engine asks for rows."""

    def begin(retriever: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Stage | None:
        name = type(retriever).__name__
        if getattr(otel.get_current_span(), "name", None) == name:
            return None  # it was asked by `retrieve`, of which the dispatcher tells
        span = open_span(name, SpanKind.RETRIEVER)
        if captures(integration):
            span.set_input(text_of(args[0] if args else kwargs.get("str_or_query_bundle")))

        def show(span: Span, found: Any) -> None:
            if captures(integration):
                span.otel_span.set_attribute(names.DOCUMENTS, documents_of(found[0]))

        return Stage(span, result=show)

    return begin


def patch_sql(integration: Integration) -> Undo:
    """Trace the retrievers that ask a database, once they have been imported."""
    begin = retrieve(integration)
    asked = "retrieve_with_metadata"
    return patch_all(
        Patch(f"{SQL}:NLSQLRetriever.{asked}", traced_sync(integration, begin), False),
        Patch(f"{SQL}:NLSQLRetriever.a{asked}", traced_async(integration, begin), False),
        Patch(f"{SQL}:SQLRetriever.{asked}", traced_sync(integration, begin), False),
    )


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


def _stage(name: str, given: dict[str, int], index: Any = None) -> Stage:
    span = open_span(name, SpanKind.TASK)
    span.set_input(given)

    def show(span: Span, made: Any) -> None:
        done = index if index is not None else made
        span.set_output({"index": type(done).__name__})

    return Stage(span, result=show)
