"""Trace DSPy: modules, ReAct agents, model calls, tools, retrievers, optimisers, evaluations.

DSPy calls its callbacks around each of these, in the frame that does the work, so that ours sees
all of it and adds no frame to a traceback, which ReAct would show to the model.
"""

import dis
import functools
import inspect
import time
from collections.abc import Callable
from contextvars import ContextVar, Token
from types import CodeType, TracebackType
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry.context import Context

from pellucid.client.encoding import simplify
from pellucid.client.instrument import (
    Integration,
    context_of,
    current_model_call,
    model_call_context,
    open_span,
)
from pellucid.client.patching import Patch, Undo, patch_all
from pellucid.client.stages import Stage, captures, traced_sync
from pellucid.client.tracing.span import Span
from pellucid.core.span import Message, Part, SpanKind
from pellucid.semconv import attributes as names
from pellucid.semconv.messages import encode_messages, messages_of
from pellucid.semconv.openai_wire import read_usage

SUPPORTED = "dspy>=3.4,<4"

_AGENTS = frozenset({"ReAct", "CodeAct", "ReActV2", "RLM"})
_LEFT = frozenset(
    "CancelledError GeneratorExit ClosedResourceError BrokenResourceError RunFinishedError".split()
)
"""What a stream's end raises in the run that feeds it, when its reader has gone."""
_NOT_PARAMETERS = frozenset({"model", "messages", "prompt", "tools", "api_key", "rollout_id"})


def autolog(*, disable: bool = False, capture_content: bool = True) -> None:
    """Trace all that DSPy runs; `disable=True` undoes it.

    `capture_content=False` leaves out inputs, outputs, messages and documents.
    """
    INTEGRATION.switch(disable=disable, capture_content=capture_content)


def install() -> Undo:
    """Patch DSPy until the returned undo runs."""
    return patch_all(
        Patch("dspy.dsp.utils.settings:Settings.get", _with_ours),
        Patch("dspy.clients.execution:finalize", _finalized),
        Patch("dspy.clients.execution:stream_emitted", _first_token),
        Patch("dspy.clients.execution:_price_result", _answered, required=False),
        Patch("dspy.retrievers.embeddings:Embeddings.forward", traced_sync(INTEGRATION, _search)),
        Patch("dspy.retrievers.embeddings:Embeddings._batch_forward", _batched, required=False),
        Patch("dspy.utils.unbatchify:Unbatchify.__call__", _scored, required=False),
    )


INTEGRATION = Integration("DSPy", supported=SUPPORTED, module="dspy", install=install)
INTEGRATIONS = (INTEGRATION,)

_progress = otel_context.create_key("pellucid-dspy-progress")
_asked: dict[str, Context] = {}
"""Queries of searches that go on, and where their embeddings belong."""
_scores: ContextVar[list[Any] | None] = ContextVar("pellucid-dspy-scores", default=None)


def _with_ours(original: Callable[..., Any]) -> Callable[..., Any]:
    """DSPy asks its settings for the callbacks; ours come with them, and are seen nowhere else."""

    @functools.wraps(original)
    def get(self: Any, key: str, default: Any = None) -> Any:
        found = original(self, key, default)
        if key == "callbacks" and INTEGRATION.active:
            return [*(found or []), _CALLBACK]
        return found

    return get


class _Progress:
    """A model call under way: when it began, and when each answer of several was there."""

    def __init__(self) -> None:
        self.start_ns = time.time_ns()
        self.answers: list[tuple[int, Any]] = []


class _Callback:
    """Answers to every `on_…_start` and `on_…_end` that DSPy may call."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[Span, Token[Context]]] = {}

    def on_module_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        name = type(instance).__name__
        if _is_retriever(instance):
            span = open_span(name, SpanKind.RETRIEVER)
        elif name in _AGENTS:
            span = open_span(name, SpanKind.AGENT, attributes={names.AGENT_NAME: name})
        else:
            span = open_span(name, SpanKind.CHAIN)
        signature = getattr(instance, "signature", None)
        if signature is not None:
            span.set_attribute("dspy.signature", str(getattr(signature, "signature", signature)))
            instructions = getattr(signature, "instructions", None)
            if instructions:
                span.set_attribute("dspy.instructions", instructions)
        if captures(INTEGRATION):
            span.set_input(_arguments(inputs))
        self._begin(call_id, span)

    def on_module_end(self, call_id: str, outputs: Any, exception: Any = None) -> None:
        span = self._end(call_id)
        if span is None:
            return
        if outputs is not None and captures(INTEGRATION):
            shown = _plain(outputs)
            span.set_output(shown)
            passages = shown.get("passages") if isinstance(shown, dict) else None
            if passages:
                span.set_documents(_documents(passages))
        _close(span, exception)

    def on_lm_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        model = str(getattr(instance, "model", type(instance).__name__))
        provider, _, name = model.rpartition("/")
        span = open_span(f"chat {name}", SpanKind.LLM)
        own = inputs.get("kwargs") if isinstance(inputs.get("kwargs"), dict) else {}
        parameters = {**(getattr(instance, "kwargs", None) or {}), **(own or {})}
        shown = {k: v for k, v in parameters.items() if not k.startswith("api_")}
        span.set_model(
            name,
            provider.partition("/")[0] or None,
            **{k: v for k, v in shown.items() if k not in _NOT_PARAMETERS},
        )
        if captures(INTEGRATION):
            messages = inputs.get("messages")
            if messages is None:
                messages = [{"role": "user", "content": str(inputs.get("prompt"))}]
            found = messages_of(simplify(list(messages)))
            span.otel_span.set_attribute(names.INPUT_MESSAGES, encode_messages(found))
        context = otel_context.set_value(_progress, _Progress(), model_call_context(span))
        self._begin(call_id, span, context)

    def on_lm_end(self, call_id: str, outputs: Any, exception: Any = None) -> None:
        span = self._end(call_id)
        if span is not None:
            _close(span, exception)

    def on_tool_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        name = str(getattr(instance, "name", None) or type(instance).__name__)
        span = open_span(name, SpanKind.TOOL)
        arguments = simplify(_arguments(inputs)) if captures(INTEGRATION) else None
        span.set_tool_call(name, arguments)
        if arguments is not None:
            span.set_input(arguments)
        self._begin(call_id, span)

    def on_tool_end(self, call_id: str, outputs: Any, exception: Any = None) -> None:
        span = self._end(call_id)
        if span is None:
            return
        if exception is None and captures(INTEGRATION):
            name = getattr(span.otel_span, "name", "")
            span.set_tool_call(name, result=_plain(outputs))
            span.set_output(_plain(outputs))
        _close(span, exception)

    def on_interpreter_execute_start(self, call_id: str, instance: Any, inputs: Any) -> None:
        span = open_span("execute code", SpanKind.TOOL)
        code = inputs.get("code") if captures(INTEGRATION) else None
        span.set_tool_call("execute code", {"code": code})
        span.set_input(code)
        self._begin(call_id, span)

    on_interpreter_execute_end = on_tool_end

    def on_evaluate_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        span = open_span("Evaluate", SpanKind.EVALUATOR)
        examples = inputs.get("devset") or getattr(instance, "devset", None) or []
        span.set_input({"program": type(inputs.get("program")).__name__, "examples": len(examples)})
        self._begin(call_id, span)

    def on_evaluate_end(self, call_id: str, outputs: Any, exception: Any = None) -> None:
        span = self._end(call_id)
        if span is None:
            return
        score = getattr(outputs, "score", outputs if isinstance(outputs, int | float) else None)
        if score is not None:
            span.set_output({"score": score})
        _close(span, exception)

    def on_compile_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        span = open_span(f"{type(instance).__name__}.compile", SpanKind.TASK)
        student = inputs.get("student") or inputs.get("program")
        span.set_input(
            {"program": type(student).__name__, "examples": len(inputs.get("trainset") or [])}
        )
        self._begin(call_id, span)

    def on_compile_end(self, call_id: str, outputs: Any, exception: Any = None) -> None:
        span = self._end(call_id)
        if span is not None:
            span.set_output(None if outputs is None else type(outputs).__name__)
            _close(span, exception)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("on_"):
            return _nothing  # formatting, parsing, an interpreter's coming and going
        raise AttributeError(name)

    def _begin(self, call_id: str, span: Span, context: Context | None = None) -> None:
        token = otel_context.attach(context_of(span) if context is None else context)
        self._open[call_id] = (span, token)

    def _end(self, call_id: str) -> Span | None:
        held = self._open.pop(call_id, None)
        if held is None:
            return None  # it began before tracing did
        otel_context.detach(held[1])
        return held[0]


_CALLBACK = _Callback()


def _nothing(**_: Any) -> None:
    return None


def _finalized(original: Callable[..., Any]) -> Callable[..., Any]:
    """Every answer of a model passes here, from a server or from the cache."""

    @functools.wraps(original)
    def finalize(lm: Any, call: Any, result: Any) -> Any:
        held = current_model_call() if INTEGRATION.active else None
        if held is not None:
            progress = otel_context.get_value(_progress)
            answers = progress.answers if isinstance(progress, _Progress) else []
            beside = held.beside()
            if len(answers) > 1 and beside is not None and not held.seen:
                _show_several(held.span, answers, beside)
            else:
                _show_answer(held.span, result, from_wire=held.seen > 0)
        return original(lm, call, result)

    return finalize


def _answered(original: Callable[..., Any]) -> Callable[..., Any]:
    """DSPy asks for `n` answers by so many requests, and prices each when it is there."""

    @functools.wraps(original)
    def price(lm: Any, result: Any, *args: Any, **kwargs: Any) -> Any:
        progress = otel_context.get_value(_progress)
        if INTEGRATION.active and isinstance(progress, _Progress):
            progress.answers.append((time.time_ns(), result))
        return original(lm, result, *args, **kwargs)

    return price


def _show_several(span: Span, answers: list[tuple[int, Any]], beside: Context) -> None:
    """Each request is a model call of its own, one after the other."""
    asked = dict(getattr(span.otel_span, "attributes", None) or {})
    name = str(getattr(span.otel_span, "name", "chat"))
    start_ns, first = answers[0]
    _show_answer(span, first, from_wire=False)
    for end_ns, result in answers[1:]:
        another = open_span(name, SpanKind.LLM, parent=beside, attributes=asked, start_ns=start_ns)
        _show_answer(another, result, from_wire=False)
        another.otel_span.end(end_ns)
        start_ns = end_ns


def _show_answer(span: Span, result: Any, *, from_wire: bool) -> None:
    if getattr(result, "cache_hit", False):
        span.set_attribute("dspy.cache_hit", True)
    elif not from_wire:
        tokens = read_usage(simplify(getattr(result, "usage", None)))
        span.set_usage(
            tokens.input,
            tokens.output,
            cache_read=tokens.cache_read or None,
            reasoning=tokens.reasoning or None,
        )
    model = getattr(result, "response_model", None)
    if model:
        span.otel_span.set_attribute(names.RESPONSE_MODEL, str(model))
    if captures(INTEGRATION) and not from_wire:
        said = [_message(output) for output in getattr(result, "outputs", None) or []]
        span.otel_span.set_attribute(names.OUTPUT_MESSAGES, encode_messages(said))


def _message(output: Any) -> Message:
    if isinstance(output, str):
        return Message(role="assistant", parts=[Part(type="text", content=output)])
    plain = simplify(output)
    fields = plain if isinstance(plain, dict) else {"text": plain}
    said = {"role": "assistant", "content": fields.get("text"), **fields}
    return messages_of([said])[0]


def _first_token(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def stream_emitted(*args: Any, **kwargs: Any) -> Any:
        held = current_model_call() if INTEGRATION.active else None
        if held is not None:
            attributes = getattr(held.span.otel_span, "attributes", None) or {}
            progress = otel_context.get_value(_progress)
            if names.TTFT_NS not in attributes and isinstance(progress, _Progress):
                held.span.set_attribute(names.TTFT_NS, time.time_ns() - progress.start_ns)
        return original(*args, **kwargs)

    return stream_emitted


def _search(retriever: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Stage:
    query = args[0] if args else kwargs.get("query")
    span = open_span(type(retriever).__name__, SpanKind.RETRIEVER)
    span.set_attribute("gen_ai.retrieval.top_k", getattr(retriever, "k", None))
    if captures(INTEGRATION):
        span.set_input(query)
    token = _scores.set([])

    def show(span: Span, found: Any) -> None:
        if not captures(INTEGRATION):
            return
        scores = _scores.get() or []
        passages, indices = list(found.passages), list(found.indices)
        span.set_documents(
            {
                "id": str(indices[rank]),
                "text": str(passage),
                "score": float(scores[rank]) if rank < len(scores) else None,
            }
            for rank, passage in enumerate(passages)
        )

    stage = Stage(span, result=show)
    if isinstance(query, str):
        _asked[query] = stage.context

    def over() -> None:
        _scores.reset(token)
        _asked.pop(str(query), None)

    stage.finally_(over)
    return stage


def _batched(original: Callable[..., Any]) -> Callable[..., Any]:
    """A search is done in a thread that was there before it, for several queries at once."""

    @functools.wraps(original)
    def batch_forward(self: Any, queries: list[str]) -> Any:
        context = next((_asked[query] for query in queries if query in _asked), None)
        if context is None or not INTEGRATION.active:
            return original(self, queries)
        token = otel_context.attach(context)
        try:
            return original(self, queries)
        finally:
            otel_context.detach(token)

    return batch_forward


def _scored(original: Callable[..., Any]) -> Callable[..., Any]:
    """The scores of a search are dropped above here."""

    @functools.wraps(original)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        found = original(self, *args, **kwargs)
        if _scores.get() is not None and isinstance(found, tuple) and len(found) == 3:
            _scores.set(list(found[2]))
        return found

    return call


def _is_retriever(instance: Any) -> bool:
    return any(kind.__name__ == "Retrieve" for kind in type(instance).__mro__)


def _arguments(inputs: dict[str, Any]) -> Any:
    """Return what a function was called with, without the wrapping of `*args, **kwargs`."""
    inputs = {name: value for name, value in inputs.items() if name != "self"}
    named = inputs.pop("kwargs", None)
    if isinstance(named, dict):
        inputs.update(named)
    if not inputs.get("args", True):
        inputs.pop("args")
    return inputs


def _plain(value: Any) -> Any:
    """Return a prediction or example as a dictionary."""
    to_dict = getattr(value, "toDict", None)
    return to_dict() if callable(to_dict) else value


def _documents(passages: Any) -> list[dict[str, Any]]:
    return [
        {"text": passage} if isinstance(passage, str) else dict(passage) for passage in passages
    ]


def _close(span: Span, exception: Any) -> None:
    if _is_abandoned(exception):
        span.end()
    elif isinstance(exception, BaseException):
        _leave_no_mark(exception)
        span.__exit__(type(exception), exception, None)
    else:
        span.end()


def _is_abandoned(exception: Any) -> bool:
    """Tell whether a run ended because nobody reads its stream any more: no failure."""
    from dspy import settings

    if getattr(settings, "send_stream", None) is None:
        return False
    error, seen = exception, 0
    while isinstance(error, BaseException) and seen < 10:
        if type(error).__name__ in _LEFT:
            return True
        error, seen = error.__cause__ or error.__context__, seen + 1
    return False


def _leave_no_mark(error: BaseException) -> None:
    """Have a traceback say what it would say without callbacks.

    DSPy calls the function on another line when there are callbacks, and ReAct shows tracebacks to
    the model. Frames stay; the wrapper's entry gets the place of the call without callbacks.
    """
    entries: list[TracebackType] = []
    entry = error.__traceback__
    while entry is not None:
        entries.append(entry)
        entry = entry.tb_next
    rebuilt: TracebackType | None = None
    changed = False
    for entry in reversed(entries):
        place = _plain_call(entry)
        changed = changed or place is not None
        offset, line = place if place is not None else (entry.tb_lasti, entry.tb_lineno)
        rebuilt = TracebackType(rebuilt, entry.tb_frame, offset, line)
    if changed:
        error.__traceback__ = rebuilt


def _plain_call(entry: TracebackType) -> tuple[int, int] | None:
    frame = entry.tb_frame
    code = frame.f_code
    if code.co_name not in {"sync_wrapper", "async_wrapper"}:
        return None
    if not code.co_filename.endswith("callback.py") or frame.f_locals.get("callbacks") != [
        _CALLBACK
    ]:
        return None
    return _first_call(code)


@functools.cache
def _first_call(code: CodeType) -> tuple[int, int] | None:
    """Return offset and line of the first call of `fn`, the one without callbacks."""
    wanted = "SEND" if code.co_flags & inspect.CO_COROUTINE else "CALL_FUNCTION_EX"
    for instruction in dis.get_instructions(code):
        positions = instruction.positions
        if instruction.opname == wanted and positions is not None and positions.lineno:
            return instruction.offset, positions.lineno
    return None
