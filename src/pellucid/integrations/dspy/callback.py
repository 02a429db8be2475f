"""DSPy's callbacks as spans.

DSPy calls them around each stage, in the frame that does the work, so that ours sees all of it and
adds no frame to a traceback, which ReAct would show to the model.
"""

import sys
from contextvars import Token
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry.context import Context

from pellucid.client.encoding import simplify
from pellucid.client.instrument import context_of, model_call_context, open_span
from pellucid.client.stages import captures
from pellucid.client.tracing.span import Span
from pellucid.core.span import SpanKind
from pellucid.integrations.dspy.answers import in_progress, show_partial
from pellucid.integrations.dspy.endings import close
from pellucid.integrations.dspy.switch import INTEGRATION
from pellucid.integrations.dspy.values import arguments_of, documents_of, plain
from pellucid.semconv import attributes as names
from pellucid.semconv.messages import encode_messages, messages_of
from pellucid.semconv.tools import encode_tools, tools_of

_AGENTS = frozenset({"ReAct", "CodeAct", "ReActV2", "RLM"})
_SET_UP_FRAMES = 8
_NOT_PARAMETERS = frozenset({"model", "messages", "prompt", "tools", "api_key", "rollout_id"})


class _Callback:
    """Answers to every `on_…_start` and `on_…_end` that DSPy may call."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[Span, Token[Context], Context]] = {}

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
            span.set_input(arguments_of(inputs))
        self._begin(call_id, span)

    def on_module_end(self, call_id: str, outputs: Any, exception: Any = None) -> None:
        span = self._end(call_id)
        if span is None:
            return
        if outputs is not None and captures(INTEGRATION):
            shown = plain(outputs)
            span.set_output(shown)
            passages = shown.get("passages") if isinstance(shown, dict) else None
            if passages:
                span.set_documents(documents_of(passages))
        close(span, exception, self)

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
        offered = parameters.get("tools")
        if isinstance(offered, list) and offered:
            tools = tools_of(simplify(offered))
            span.otel_span.set_attribute(names.TOOL_DEFINITIONS, encode_tools(tools))
        if captures(INTEGRATION):
            messages = inputs.get("messages")
            if messages is None:
                messages = [{"role": "user", "content": str(inputs.get("prompt"))}]
            found = messages_of(simplify(list(messages)))
            span.otel_span.set_attribute(names.INPUT_MESSAGES, encode_messages(found))
        self._begin(call_id, span, in_progress(model_call_context(span)))

    def on_lm_end(self, call_id: str, outputs: Any, exception: Any = None) -> None:
        if exception is not None and call_id in self._open:
            show_partial(self._open[call_id][0])
        span = self._end(call_id)
        if span is not None:
            close(span, exception, self)

    def on_tool_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        name = str(getattr(instance, "name", None) or type(instance).__name__)
        span = open_span(name, SpanKind.TOOL)
        arguments = simplify(arguments_of(inputs)) if captures(INTEGRATION) else None
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
            span.set_tool_call(name, result=plain(outputs))
            span.set_output(plain(outputs))
        close(span, exception, self)

    def on_interpreter_execute_start(self, call_id: str, instance: Any, inputs: Any) -> None:
        if _sets_up():
            return
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
        close(span, exception, self)

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
            close(span, exception, self)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("on_"):
            return _nothing  # formatting, parsing, an interpreter's coming and going
        raise AttributeError(name)

    def _begin(self, call_id: str, span: Span, context: Context | None = None) -> None:
        context = context_of(span) if context is None else context
        self._open[call_id] = (span, otel_context.attach(context), context)

    def end_all(self) -> None:
        """End what goes on in threads that end with the program, as of streams that it left."""
        while self._open:
            try:
                _, (span, _, context) = self._open.popitem()
            except KeyError:  # another thread took the last
                return
            show_partial(span, context)
            span.end()

    def _end(self, call_id: str) -> Span | None:
        held = self._open.pop(call_id, None)
        if held is None:
            return None  # it began before tracing did
        otel_context.detach(held[1])
        return held[0]


def _nothing(**_: Any) -> None:
    return None


def _sets_up() -> bool:
    """Tell whether an interpreter runs what DSPy gives it beforehand: tools, its own functions."""
    frame: Any = sys._getframe(2)
    for _ in range(_SET_UP_FRAMES):
        if frame is None:
            return False
        called = frame.f_code.co_name
        if called == "_setup_facade":
            return True
        if called == "forward" and _is_code_act(frame.f_locals.get("self")):
            return "trajectory" not in frame.f_locals
        if called == "_execute_code":
            return False
        frame = frame.f_back
    return False


def _is_code_act(owner: Any) -> bool:
    return any(kind.__name__ == "CodeAct" for kind in type(owner).__mro__)


def _is_retriever(instance: Any) -> bool:
    return any(kind.__name__ == "Retrieve" for kind in type(instance).__mro__)


CALLBACK = _Callback()
