"""LangChain's callbacks as spans."""

import asyncio
import functools
import logging
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

from opentelemetry import trace as otel

from pellucid.client.instrument import model_call_context
from pellucid.core.span import SpanKind
from pellucid.integrations.langchain.looks import (
    is_agent,
    is_bubble,
    is_node,
    is_over,
    is_streamed,
    look_of,
    model_call_streams,
    name_of,
    starter,
    step_of,
)
from pellucid.integrations.langchain.models import (
    model_of,
    says_something,
    show_call,
    show_partial,
    show_result,
)
from pellucid.integrations.langchain.runs import Run, Runs
from pellucid.integrations.langchain.states import show_input, show_output, show_pause, show_resume
from pellucid.integrations.langchain.tracebacks import without_our_frames
from pellucid.integrations.langchain.values import (
    document,
    is_message,
    message,
    plain,
)
from pellucid.semconv import attributes as names

_log = logging.getLogger("pellucid")
_DEFAULT_GRAPH = "LangGraph"


class Tracer:
    """Makes spans of LangChain's callbacks; `handler_class` makes it a callback handler."""

    run_inline = True
    """Called in the task that starts a run, whose context it may change, not in a worker."""
    raise_error = False

    def __init__(self, active: Callable[[], bool], captures: Callable[[], bool]) -> None:
        self.runs = Runs(self._show_said)
        self._active = active
        self._captures = captures

    # Chains, graphs and their nodes.

    def on_chain_start(
        self,
        serialized: Any,
        inputs: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: Any = None,
        metadata: Any = None,
        run_type: str | None = None,
        name: Any = None,
        **_: Any,
    ) -> None:
        """Start a chain's run."""
        if not self._active():
            return
        parent = self.runs.find(parent_run_id)
        began = starter()
        called = "retry" if began.retries else name_of(serialized, name)
        if not called and parent is not None and parent.is_node:
            called = "route"  # a condition without a name
        if began.graph is not None:
            self._start_graph(began.graph, called, inputs, run_id, parent, metadata or {})
            return
        node = parent is not None and parent.graph is not None
        look = look_of(called, tags, run_type, root=parent is None, node=node)
        body = not node and parent is not None and inputs is not None and parent.raw is inputs
        edits = called.endswith("UpdateState") and not _is_within(parent)
        if edits or (parent is not None and parent.muted):
            self.runs.hide(run_id, parent, look.name, look.kind).muted = True
            return
        if look.hidden or body:  # a node's span stands for what it runs
            run = self.runs.hide(run_id, parent, look.name, look.kind)
        else:
            run = self.runs.start(run_id, parent, look.name, look.kind)
        if run.span is None:
            return
        if node and parent is not None:
            run.raw, run.called, run.is_node = inputs, called, True
            run.span.set_attribute("langgraph.node", called)
            step = step_of(tags)
            if step is not None:
                run.span.set_attribute("langgraph.step", step)
            attempt = parent.count_attempt((metadata or {}).get("langgraph_checkpoint_ns"))
            if attempt > 1:
                run.span.set_attribute("langgraph.attempt", attempt)
        given = inputs if began.streamed is None else began.streamed
        show_input(run, given, content=self._captures())

    def on_chain_end(self, outputs: Any, *, run_id: UUID, inputs: Any = None, **_: Any) -> None:
        """End a chain's run that came to its end."""
        run = self.runs.find(run_id)
        if run is None:
            return
        if run.span is not None:
            if inputs is not None:  # of a stream, only now complete
                show_input(run, inputs, content=self._captures())
            show_output(run, outputs, content=self._captures())
        if run.left or (run.children and is_streamed()):
            self.runs.end(run, end_ns=run.last_ns, left=True)
            return
        run.touch()
        self.runs.end(run)

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        """End a chain's run that was left by an exception."""
        run = self.runs.find(run_id)
        if run is not None:
            self._fail(run, error)

    def _start_graph(
        self,
        graph: Any,
        called: str,
        inputs: Any,
        run_id: UUID,
        parent: Run | None,
        metadata: dict[str, Any],
    ) -> None:
        kind = SpanKind.AGENT if is_agent(graph, called) else SpanKind.CHAIN
        above = parent.visible if parent is not None else None
        if above is not None and (
            (above is parent and _is_node_itself(graph, called, inputs, kind, above))
            or (kind is SpanKind.AGENT and _is_named_after(above, called))
        ):
            # A subgraph that is a node: one span for both, by the node's name.
            run = self.runs.stand_in(run_id, above, kind)
            span = above.span
            assert span is not None
            if kind is SpanKind.AGENT:
                span.set_attribute(names.KIND, str(kind))
                span.set_attribute(names.OPERATION, "invoke_agent")
                span.set_attribute(names.AGENT_NAME, above.name)
            run.graph = graph
            return
        attributes = {names.AGENT_NAME: called} if kind is SpanKind.AGENT else {}
        run = self.runs.start(run_id, parent, called, kind, attributes=attributes)
        run.graph = graph
        show_resume(run, inputs, content=self._captures())
        show_input(run, inputs, content=self._captures())
        thread = metadata.get("thread_id")
        if thread is not None:
            self.set_session(run, thread)

    def set_session(self, run: Run, session: Any) -> None:
        """Have the first of a run's spans say what conversation it is part of."""
        top = run.top
        if top.session or top.span is None:
            return
        top.session = True
        top.span.set_attribute(names.CONVERSATION_ID, str(session))

    def route(self, run: Run, destinations: list[Any]) -> None:
        """Note on a node's span which edges the graph goes on by."""
        run = run.visible or run
        if run.span is None:
            return
        run.span.add_event("route", {"langgraph.from": run.name, "langgraph.to": destinations})

    # Model calls.

    def on_chat_model_start(
        self,
        serialized: Any,
        messages: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: Any = None,
        name: Any = None,
        invocation_params: Any = None,
        **_: Any,
    ) -> None:
        """Start a chat model's call."""
        if not self._active():
            return
        said = [message(item) for batch in messages for item in batch] if self._captures() else []
        called = name_of(serialized, name)
        self._start_model(
            called, said, run_id, parent_run_id, invocation_params or {}, metadata or {}, "chat"
        )

    def on_llm_start(
        self,
        serialized: Any,
        prompts: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: Any = None,
        name: Any = None,
        invocation_params: Any = None,
        **_: Any,
    ) -> None:
        """Start a completion model's call."""
        if not self._active():
            return
        said = [message(text) for text in prompts] if self._captures() else []
        called = name_of(serialized, name)
        self._start_model(
            called, said, run_id, parent_run_id, invocation_params or {}, metadata or {}, "complete"
        )

    def _start_model(
        self,
        called: str,
        said: list[Any],
        run_id: UUID,
        parent_run_id: UUID | None,
        params: dict[str, Any],
        metadata: dict[str, Any],
        operation: str,
    ) -> None:
        model = model_of(params, metadata, called)
        run = self.runs.start(
            run_id,
            self.runs.find(parent_run_id),
            called,
            SpanKind.LLM,
            title=f"{operation} {model}",
        )
        assert run.span is not None
        show_call(run.span, model, params, metadata)
        if said:
            run.span.set_messages(input=said)
        run.context = model_call_context(run.span, run.context)
        if model_call_streams():
            run.attach()

    def on_llm_new_token(self, token: Any, *, run_id: UUID, chunk: Any = None, **_: Any) -> None:
        """Note that a piece of a model's answer came."""
        run = self.runs.find(run_id)
        if run is None:
            return
        run.detach()
        run.touch()
        if isinstance(token, str):
            run.said.append(token)
        if not run.first_token and run.span is not None and says_something(token, chunk):
            run.first_token = True
            held = getattr(run.span.otel_span, "attributes", None) or {}
            if names.TTFT_NS not in held:
                run.span.otel_span.set_attribute(names.TTFT_NS, time.time_ns() - run.start_ns)

    def on_stream_event(self, event: Any, *, run_id: UUID, **_: Any) -> None:
        """Note that a piece of a model's answer came, as an event."""
        kind = event.get("event") if isinstance(event, dict) else None
        if kind != "message-start":
            self.on_llm_new_token(event, run_id=run_id)

    def on_llm_end(self, response: Any, *, run_id: UUID, **_: Any) -> None:
        """End a model call that was answered."""
        run = self.runs.find(run_id)
        if run is None:
            return
        if run.span is not None:
            show_result(run.span, response, content=self._captures())
        run.touch()
        self.runs.end(run)

    def on_llm_error(
        self, error: BaseException, *, run_id: UUID, response: Any = None, **_: Any
    ) -> None:
        """End a model call that failed, or whose stream is read no further."""
        run = self.runs.find(run_id)
        if run is None:
            return
        if run.span is not None and response is not None:
            show_result(run.span, response, content=self._captures())
        self._fail(run, error)

    # Tools.

    def on_tool_start(
        self,
        serialized: Any,
        input_str: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        inputs: Any = None,
        name: Any = None,
        tool_call_id: Any = None,
        **_: Any,
    ) -> None:
        """Start a tool's call."""
        if not self._active():
            return
        called = name_of(serialized, None) if serialized else name_of(None, name)
        run = self.runs.start(run_id, self.runs.find(parent_run_id), called, SpanKind.TOOL)
        assert run.span is not None
        arguments = plain(inputs if inputs is not None else input_str)
        shown = arguments if self._captures() else None
        run.span.set_tool_call(called, shown, id=None if tool_call_id is None else tool_call_id)
        if shown is not None:
            run.span.set_input(shown)
        description = serialized.get("description") if isinstance(serialized, dict) else None
        if description:
            run.span.set_attribute("gen_ai.tool.description", description)

    def on_tool_end(self, output: Any, *, run_id: UUID, **_: Any) -> None:
        """End a tool's call that returned."""
        run = self.runs.find(run_id)
        if run is None:
            return
        if run.span is not None:
            answered = is_message(output)
            if answered and getattr(output, "tool_call_id", None):
                run.span.set_tool_call(run.name, id=output.tool_call_id)
            result = plain(output.content) if answered else plain(output)
            if self._captures():
                run.span.set_tool_call(run.name, result=result)
                run.span.set_output(result)
            if answered and getattr(output, "status", None) == "error":
                # The tool's own handler turned an exception into this answer.
                text = result if isinstance(result, str) else str(output.content)
                run.span.add_event(
                    "exception", {"exception.type": "ToolException", "exception.message": text}
                )
                run.span.set_error(text)
        run.touch()
        self.runs.end(run)

    def on_tool_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        """End a tool's call that raised."""
        run = self.runs.find(run_id)
        if run is not None:
            self._fail(run, error)

    # Retrievers.

    def on_retriever_start(
        self,
        serialized: Any,
        query: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        name: Any = None,
        **_: Any,
    ) -> None:
        """Start a retriever's call; it stays current until it ends."""
        if not self._active():
            return
        called = name_of(serialized, name)
        run = self.runs.start(run_id, self.runs.find(parent_run_id), called, SpanKind.RETRIEVER)
        assert run.span is not None
        if self._captures():
            run.span.set_input(plain(query))
        run.attach()

    def on_retriever_end(self, documents: Any, *, run_id: UUID, **_: Any) -> None:
        """End a retriever's call that found documents."""
        run = self.runs.find(run_id)
        if run is None:
            return
        if run.parent is not None and run.parent.kind is SpanKind.RETRIEVER:
            run.parent.scores.update(run.scores)
        if run.span is not None and self._captures():
            found = [document(one, run.score_of(one)) for one in documents]
            run.span.set_documents(found)
            run.span.set_output(found)
        run.touch()
        self.runs.end(run)

    def on_retriever_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        """End a retriever's call that raised."""
        run = self.runs.find(run_id)
        if run is not None:
            self._fail(run, error)

    # What is said on the way.

    def on_custom_event(self, name: str, data: Any, *, run_id: UUID, **_: Any) -> None:
        """Note an event of the program's own on the span that it happened in."""
        run = self.runs.find(run_id)
        if run is None or run.visible is None or run.visible.span is None:
            return
        shown = {"data": plain(data)} if self._captures() else {}
        run.visible.span.add_event(name, shown)

    def on_retry(self, retry_state: Any, *, run_id: UUID, **_: Any) -> None:
        """Note that a run is tried again."""
        run = self.runs.find(run_id)
        if run is None or run.visible is None or run.visible.span is None:
            return
        attempt = getattr(retry_state, "attempt_number", None)
        run.visible.span.add_event("retry", {"attempt": attempt})

    def cancelled(self, run_id: UUID | None, error: BaseException) -> None:
        """End a run that LangChain tells nothing more of: its task was cancelled."""
        run = self.runs.find(run_id)
        if run is not None:
            self._fail(run, error)

    def _show_said(self, run: Run) -> None:
        if run.said and run.span is not None and self._captures():
            show_partial(run.span, "".join(run.said))

    def _fail(self, run: Run, error: BaseException) -> None:
        without_our_frames(error)
        self._show_said(run)
        if is_over(error):
            # Of what is cancelled below, LangChain need not tell.
            whole = isinstance(error, asyncio.CancelledError)
            self.runs.end(run, end_ns=run.last_ns, left=True, whole=whole)
            return
        run.touch()
        if is_bubble(error):
            show_pause(run, error, content=self._captures())
            self.runs.end(run)
            return
        if isinstance(error, asyncio.CancelledError) and run.parent is not None:
            run.detach()
            run.cancelled = (error, time.time_ns())
            return
        self.runs.end(run, error)


def _is_node_itself(graph: Any, called: str, inputs: Any, kind: SpanKind, node: Run) -> bool:
    """Tell whether a graph is a node, or one that a node of its name hands its own input to."""
    same = kind is SpanKind.CHAIN and node.called == called and node.raw is inputs
    return same or is_node(graph, node.called, node.parent)


def _is_named_after(node: Run, called: str) -> bool:
    """Tell whether an agent is the first that a node calls: by its name, or without one."""
    return node.is_node and not node.taken and called in {node.called, _DEFAULT_GRAPH}


def _is_within(parent: Run | None) -> bool:
    """Tell whether a run is part of a trace already."""
    return parent is not None or otel.get_current_span().get_span_context().is_valid


def handler_class(base: type) -> type:
    """Return the tracer as a subclass of LangChain's handler, which is not imported here."""
    told = {name: _quiet(one) for name, one in vars(Tracer).items() if name.startswith("on_")}
    return type("PellucidTracer", (Tracer, base), told)


def _quiet(tell: Callable[..., None]) -> Callable[..., None]:
    """A fault of ours is no concern of the program's, whose log LangChain would write it to."""

    @functools.wraps(tell)
    def quiet(*args: Any, **kwargs: Any) -> None:
        try:
            tell(*args, **kwargs)
        except Exception:
            _log.debug("Pellucid could not trace a LangChain callback", exc_info=True)

    return quiet
