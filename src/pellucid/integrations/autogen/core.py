"""Trace what AutoGen's agents work with: tools, code executors, models of other providers.

What is asked of an OpenAI model is a span of the OpenAI SDK's integration.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry import context as otel_context

from pellucid.client.encoding import simplify
from pellucid.client.instrument import Integration, open_span
from pellucid.client.patching import Patch, Undo, Wrap, patch_all, when_imported
from pellucid.client.stages import (
    Begin,
    Stage,
    captures,
    traced_async,
    traced_async_generator,
)
from pellucid.client.tracing.span import Span
from pellucid.core.span import Message, Part, SpanKind
from pellucid.integrations.autogen.core_messages import Messages
from pellucid.semconv import attributes as names
from pellucid.semconv.messages import encode_messages

SUPPORTED = "autogen-core>=0.7,<0.8"

_TOOLS = "autogen_core.tools._base"
_OPENED = otel_context.create_key("pellucid-autogen-opened")
_EXECUTORS = (
    "autogen_ext.code_executors.local:LocalCommandLineCodeExecutor",
    "autogen_ext.code_executors.docker:DockerCommandLineCodeExecutor",
    "autogen_ext.code_executors.jupyter:JupyterCodeExecutor",
    "autogen_ext.code_executors.docker_jupyter:DockerJupyterCodeExecutor",
)
_OTHER_CLIENTS = (
    "autogen_ext.models.anthropic._anthropic_client:BaseAnthropicChatCompletionClient",
    "autogen_ext.models.azure._azure_ai_client:AzureAIChatCompletionClient",
    "autogen_ext.models.llama_cpp._llama_cpp_completion_client:LlamaCppChatCompletionClient",
    "autogen_ext.models.ollama._ollama_client:BaseOllamaChatCompletionClient",
    "autogen_ext.models.replay._replay_chat_completion_client:ReplayChatCompletionClient",
)


def install() -> Undo:
    """Patch autogen-core's tools, and autogen-ext as it is imported, until the undo runs."""
    undo = patch_all(
        Patch(f"{_TOOLS}:BaseTool.run_json", _async(_tool)),
        Patch(f"{_TOOLS}:BaseStreamTool.run_json_stream", _stream(_stream_tool)),
    )
    undo.add(Messages(INTEGRATION).install())
    for target in _EXECUTORS:
        _later(undo, f"{target}.execute_code_blocks", _async(_code))
    for target in _OTHER_CLIENTS:
        _later(undo, f"{target}.create", _async(_model))
        _later(undo, f"{target}.create_stream", _stream(_model))
    _later(undo, "autogen_ext.tools.mcp._workbench:McpWorkbench.call_tool", _async(_mcp_tool))
    return undo


INTEGRATION = Integration(
    "autogen-core", supported=SUPPORTED, module="autogen_core", install=install
)


def _async(begin: Begin) -> Wrap:
    return traced_async(INTEGRATION, begin)


def _stream(begin: Begin) -> Wrap:
    return traced_async_generator(INTEGRATION, begin)


def _later(undo: Undo, target: str, wrap: Wrap) -> None:
    patch = Patch(target, wrap, required=False)
    undo.add(when_imported(patch.module, lambda: undo.add(patch.apply())))


def open_tool(name: str, arguments: Any, call_id: Any = None, start_ns: int | None = None) -> Span:
    """Start the span of a tool's call."""
    opened = otel_context.get_value(_OPENED)
    if isinstance(opened, list):
        opened.append(name)
    span = open_span(name, SpanKind.TOOL, start_ns=start_ns)
    shown = simplify(arguments) if captures(INTEGRATION) else None
    span.set_tool_call(name, shown, id=call_id)
    if shown is not None:
        span.set_input(shown)
    return span


def show_tool_error(span: Span, text: str) -> None:
    """Have a tool's span say that the model was told of an error."""
    span.add_event("exception", {"exception.type": "ToolError", "exception.message": text})
    span.set_error(text)


@contextmanager
def opened_tools() -> Iterator[list[str]]:
    """A block whose tools are noted by name, in it and in the tasks that it starts."""
    opened: list[str] = []
    token = otel_context.attach(otel_context.set_value(_OPENED, opened))
    try:
        yield opened
    finally:
        otel_context.detach(token)


def _tool(tool: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Stage:
    span = open_tool(str(tool.name), args[0] if args else kwargs.get("args"), kwargs.get("call_id"))

    def show(span: Span, result: Any) -> None:
        _show_tool_result(span, tool, result)

    return Stage(span, result=show, within=_telling(span, str(tool.name)))


def _stream_tool(tool: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Stage:
    span = open_tool(str(tool.name), args[0] if args else kwargs.get("args"), kwargs.get("call_id"))

    def show(span: Span, item: Any) -> None:
        if isinstance(item, tool._return_type):  # not what it yields on its way
            _show_tool_result(span, tool, item)

    return Stage(span, item=show)


@contextmanager
def _telling(span: Span, name: str) -> Iterator[None]:
    """A block that, inside an agent, shows what a model is told of a tool that raises."""
    try:
        yield
    except Exception as error:
        if captures(INTEGRATION) and isinstance(otel_context.get_value(_OPENED), list):
            span.set_tool_call(name, result=str(error))
            span.set_output(str(error))
        raise


def _show_tool_result(span: Span, tool: Any, result: Any) -> None:
    if not captures(INTEGRATION):
        return
    text = tool.return_value_as_string(result)
    span.set_tool_call(str(tool.name), result=text)
    span.set_output(text)


def _mcp_tool(workbench: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Stage:
    name = str(args[0] if args else kwargs.get("name"))
    arguments = args[1] if len(args) > 1 else kwargs.get("arguments")
    span = open_tool(name, arguments, kwargs.get("call_id"))

    def show(span: Span, result: Any) -> None:
        text = result.to_text()
        if captures(INTEGRATION):
            span.set_tool_call(name, result=text)
            span.set_output(text)
        if result.is_error:
            show_tool_error(span, text)

    return Stage(span, result=show)


def _code(executor: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Stage:
    blocks = args[0] if args else kwargs.get("code_blocks", [])
    code = [{"language": block.language, "code": block.code} for block in blocks]
    span = open_tool("execute code", {"blocks": code})
    if captures(INTEGRATION) and len(code) == 1:
        span.set_input(code[0]["code"])

    def show(span: Span, result: Any) -> None:
        if captures(INTEGRATION):
            span.set_tool_call(
                "execute code", result={"exit_code": result.exit_code, "output": result.output}
            )
            span.set_output(result.output)
        if result.exit_code:
            text = f"exit code {result.exit_code}"
            span.add_event("exception", {"exception.type": "Error", "exception.message": text})
            span.set_error(text)

    return Stage(span, result=show)


def _model(client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Stage:
    asked = getattr(client, "_create_args", {}).get("model")
    model = str(asked or getattr(client, "_model_name", None) or type(client).__name__)
    span = open_span(f"chat {model}", SpanKind.LLM)
    span.set_model(model)
    sent = args[0] if args else kwargs.get("messages", [])
    if captures(INTEGRATION):
        span.otel_span.set_attribute(names.INPUT_MESSAGES, encode_messages(_model_messages(sent)))

    def show(span: Span, result: Any) -> None:
        usage = getattr(result, "usage", None)
        if usage is None:
            return  # a chunk of text before the result
        span.set_usage(usage.prompt_tokens, usage.completion_tokens)
        span.otel_span.set_attribute(names.FINISH_REASONS, [str(result.finish_reason)])
        if captures(INTEGRATION):
            said = Message(role="assistant", parts=parts_of(result.content))
            span.otel_span.set_attribute(names.OUTPUT_MESSAGES, encode_messages([said]))

    return Stage(span, result=show, item=show)


def _model_messages(messages: Any) -> list[Message]:
    roles = {"SystemMessage": "system", "UserMessage": "user", "AssistantMessage": "assistant"}
    return [
        Message(role=roles.get(type(m).__name__, "tool"), parts=parts_of(m.content))
        for m in messages
    ]


def parts_of(content: Any) -> list[Part]:
    """Return a message's content, of any of AutoGen's kinds, as parts."""
    if isinstance(content, str):
        return [Part(type="text", content=content)]
    parts: list[Part] = []
    for item in content if isinstance(content, list) else [content]:
        if hasattr(item, "arguments"):
            parts.append(
                Part(type="tool_call", id=item.id, name=item.name, arguments=item.arguments)
            )
        elif hasattr(item, "call_id"):
            parts.append(Part(type="tool_call_response", id=item.call_id, response=item.content))
        elif hasattr(item, "data_uri"):
            parts.append(Part(type="image", uri=item.data_uri, media_type="image/png"))
        else:
            parts.append(Part(type="text", content=item if isinstance(item, str) else str(item)))
    return parts
