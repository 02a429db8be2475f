"""Vector stores, compressors and embeddings, which LangChain has no callbacks for.

Their classes are patched where they define a method, those that exist and those to come: the scores
of what a store finds, searches that no retriever makes, rerankers and other compressors of what was
found, and embeddings that no SDK shows.
"""

import functools
import importlib
import inspect
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry import context as otel_context

from pellucid.client.patching import Undo, Wrap, when_imported
from pellucid.client.tracing.context import detach
from pellucid.client.tracing.span import documents_attribute
from pellucid.core.span import SpanKind
from pellucid.integrations.langchain.handler import Tracer
from pellucid.integrations.langchain.runs import Run, current_run
from pellucid.integrations.langchain.values import document
from pellucid.integrations.langchain.wiring import GetTracer
from pellucid.semconv import attributes as names

_SEARCHES = (
    "similarity_search",
    "similarity_search_by_vector",
    "similarity_search_with_score",
    "similarity_search_with_score_by_vector",
    "similarity_search_with_relevance_scores",
    "max_marginal_relevance_search",
)
_INNER = ("_similarity_search_with_score_by_vector", "_similarity_search_with_relevance_scores")
_EMBEDDINGS = ("embed_query", "embed_documents")
_COMPRESSOR = "langchain_core.documents.compressor"
_SHOWN_ELSEWHERE = ("langchain_openai", "CacheBackedEmbeddings")
"""OpenAI's SDK shows its own calls; a cache asks others."""


def install(
    undo: Undo, tracer: GetTracer, active: Callable[[], bool], captures: Callable[[], bool]
) -> None:
    """Patch every vector store and embeddings class; `undo` gets what undoes it."""
    searches = {name: _searched(tracer, active, captures) for name in _with_async(_SEARCHES)}
    inner = {name: _scored(active) for name in (*_INNER, *(f"_a{n[1:]}" for n in _INNER))}
    _later(undo, "langchain_core.vectorstores.base", "VectorStore", {**searches, **inner})
    compress = _compressed(tracer, active, captures)
    compresses = {name: compress for name in _with_async(("compress_documents",))}
    _later(undo, _COMPRESSOR, "BaseDocumentCompressor", compresses)
    embeds = {name: _embedded(tracer, active, captures) for name in _with_async(_EMBEDDINGS)}
    _later(undo, "langchain_core.embeddings.embeddings", "Embeddings", embeds)


def _with_async(methods: Iterable[str]) -> list[str]:
    return [name for method in methods for name in (method, f"a{method}")]


def _later(undo: Undo, module: str, name: str, wraps: dict[str, Wrap]) -> None:
    def patch() -> None:
        undo.add(_patch_family(getattr(importlib.import_module(module), name), wraps))

    undo.add(when_imported(module, patch))


def _patch_family(base: Any, wraps: dict[str, Wrap]) -> Undo:
    """Patch methods of a class and of all that are or will be derived from it."""
    undo = Undo()
    known: list[Any] = [base]
    while known:
        kind = known.pop()
        _patch_class(kind, wraps, undo)
        known += kind.__subclasses__()
    own = vars(base).get("__init_subclass__")

    def derived(cls: Any, /, **kwargs: Any) -> None:
        if own is not None:
            own.__func__(cls, **kwargs)
        else:
            super(base, cls).__init_subclass__(**kwargs)
        _patch_class(cls, wraps, undo)

    hook: Any = classmethod(derived)
    base.__init_subclass__ = hook

    def unhook() -> None:
        if vars(base).get("__init_subclass__") is not hook:
            return
        if own is None:
            del base.__init_subclass__
        else:
            base.__init_subclass__ = own

    undo.add(unhook)
    return undo


def _patch_class(kind: type, wraps: dict[str, Wrap], undo: Undo) -> None:
    for name, original in list(vars(kind).items()):
        wrap = wraps.get(name)
        if wrap is None or not inspect.isfunction(original):
            continue
        if getattr(original, "__isabstractmethod__", False):
            continue
        replacement = wrap(original)
        setattr(kind, name, replacement)
        undo.add(functools.partial(_restore, kind, name, replacement, original))


def _restore(kind: type, name: str, replacement: Any, original: Any) -> None:
    if vars(kind).get(name) is replacement:
        setattr(kind, name, original)


def _around(begin: Callable[[Any, Any, Any], Any]) -> Wrap:
    """Make a wrapper, of either colour, of what `begin` returns: a block that takes the result."""

    def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.iscoroutinefunction(original):

            @functools.wraps(original)
            async def wrapper_async(self: Any, *args: Any, **kwargs: Any) -> Any:
                with begin(self, args, kwargs) as take:
                    result = await original(self, *args, **kwargs)
                    take(result)
                return result

            return wrapper_async

        @functools.wraps(original)
        def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
            with begin(self, args, kwargs) as take:
                result = original(self, *args, **kwargs)
                take(result)
            return result

        return wrapper

    return wrap


@contextmanager
def _running(tracer: Tracer, run: Run) -> Iterator[None]:
    token = otel_context.attach(run.context)
    try:
        yield
    except BaseException as error:
        tracer.cancelled(run.run_id, error)
        raise
    finally:
        detach(token)
        tracer.runs.end(run)


def _searched(tracer: GetTracer, active: Callable[[], bool], captures: Callable[[], bool]) -> Wrap:
    """A search notes its scores for the retriever that makes it, else is a retrieval itself."""

    @contextmanager
    def begin(store: Any, args: Any, kwargs: Any) -> Iterator[Callable[[Any], None]]:
        held, within = tracer(), current_run()
        if held is None or not active():
            yield _ignore
            return
        if within is not None and within.kind is SpanKind.RETRIEVER:
            yield functools.partial(_note_scores, within)
            return
        run = held.runs.start(uuid.uuid4(), within, type(store).__name__, SpanKind.RETRIEVER)
        query = args[0] if args else kwargs.get("query")
        span = run.span
        if span is not None and captures() and isinstance(query, str):
            span.set_input(query)

        def take(result: Any) -> None:
            _note_scores(run, result)
            if span is not None and captures():
                found = [one[0] if isinstance(one, tuple) else one for one in result]
                shown = [document(one, run.score_of(one)) for one in found]
                span.set_documents(shown)
                span.set_output(shown)

        with _running(held, run):
            yield take

    return _around(begin)


def _scored(active: Callable[[], bool]) -> Wrap:
    @contextmanager
    def begin(store: Any, args: Any, kwargs: Any) -> Iterator[Callable[[Any], None]]:
        within = current_run()
        if active() and within is not None and within.kind is SpanKind.RETRIEVER:
            yield functools.partial(_note_scores, within)
        else:
            yield _ignore

    return _around(begin)


def _note_scores(run: Run, result: Any) -> None:
    if not isinstance(result, list):
        return
    for one in result:
        if isinstance(one, tuple) and len(one) > 1 and hasattr(one[0], "page_content"):
            run.scores[id(one[0])] = (one[0], one[1])


def _compressed(
    tracer: GetTracer, active: Callable[[], bool], captures: Callable[[], bool]
) -> Wrap:
    @contextmanager
    def begin(compressor: Any, args: Any, kwargs: Any) -> Iterator[Callable[[Any], None]]:
        held, within = tracer(), current_run()
        if held is None or not active() or (within is not None and within.raw is compressor):
            yield _ignore  # the asynchronous way leads through the other
            return
        run = held.runs.start(uuid.uuid4(), within, type(compressor).__name__, SpanKind.RERANKER)
        run.raw = compressor
        span = run.span
        if within is not None:
            run.scores.update(within.scores)
        if span is not None and captures():
            before = args[0] if args else kwargs.get("documents") or ()
            span.set_input(args[1] if len(args) > 1 else kwargs.get("query"))
            shown = documents_attribute(document(one, run.score_of(one)) for one in before)
            span.otel_span.set_attribute(names.INPUT_DOCUMENTS, shown)

        def take(result: Any) -> None:
            if span is not None and captures():
                span.set_documents(document(one, run.score_of(one)) for one in result)

        with _running(held, run):
            yield take

    return _around(begin)


def _embedded(tracer: GetTracer, active: Callable[[], bool], captures: Callable[[], bool]) -> Wrap:
    @contextmanager
    def begin(model: Any, args: Any, kwargs: Any) -> Iterator[Callable[[Any], None]]:
        held, within, kind = tracer(), current_run(), type(model)
        elsewhere = any(
            base.__module__.startswith(_SHOWN_ELSEWHERE) or base.__name__ in _SHOWN_ELSEWHERE
            for base in kind.__mro__
        )
        nested = within is not None and within.kind is SpanKind.EMBEDDING
        if held is None or not active() or elsewhere or nested:
            yield _ignore
            return
        named = getattr(model, "model", None) or getattr(model, "model_name", None)
        name = named if isinstance(named, str) and named else kind.__name__
        run = held.runs.start(
            uuid.uuid4(), within, kind.__name__, SpanKind.EMBEDDING, title=f"embeddings {name}"
        )
        span = run.span
        if span is not None:
            span.set_model(name)
            if captures():
                span.set_input(args[0] if args else next(iter(kwargs.values()), None))

        def take(result: Any) -> None:
            if span is None or not isinstance(result, list) or not result:
                return
            vectors = result if isinstance(result[0], list) else [result]
            span.set_output({"embeddings": len(vectors), "dimensions": len(vectors[0])})

        with _running(held, run):
            yield take

    return _around(begin)


def _ignore(result: Any) -> None:
    """What is not traced needs nothing."""
