"""What LangGraph has of its own: the context of its nodes, and the edges that it goes on by."""

import functools
from collections.abc import Callable
from typing import Any

from pellucid.client.patching import Patch, Undo, Wrap
from pellucid.integrations.langchain.looks import is_bubble
from pellucid.integrations.langchain.values import plain
from pellucid.integrations.langchain.wiring import GetTracer, entering, later


def install(tracer: GetTracer) -> Undo:
    """Patch LangGraph until the returned undo runs."""
    undo = Undo()
    later(undo, Patch("langgraph._internal._runnable:_set_config_context", entering(tracer)))
    later(undo, Patch("langgraph.graph._branch:BranchSpec._finish", _routed(tracer)))
    loop = "langgraph.pregel._loop:PregelLoop._suppress_interrupt"
    later(undo, Patch(loop, _paused(tracer), required=False))
    return undo


def _routed(tracer: GetTracer) -> Wrap:
    def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def finish(self: Any, writer: Any, input: Any, result: Any, config: Any) -> Any:
            held = tracer()
            manager = config.get("callbacks") if isinstance(config, dict) else None
            run = None
            if held is not None:
                run = held.runs.find(getattr(manager, "parent_run_id", None))
            if held is not None and run is not None:
                held.route(run, _destinations(self, result))
            return original(self, writer, input, result, config)

        return finish

    return wrap


def _paused(tracer: GetTracer) -> Wrap:
    """A graph that stops before or after a node, as it was compiled to, tells nobody."""

    def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def suppress(self: Any, kind: Any, error: Any, traceback: Any) -> Any:
            held = tracer()
            run = None
            if held is not None and error is not None and not getattr(self, "is_nested", False):
                run = held.runs.find(getattr(getattr(self, "manager", None), "run_id", None))
            if run is not None and run.span is not None and is_bubble(error) and not run.paused:
                tasks = getattr(self, "tasks", None) or {}
                shown = {
                    "langgraph.reason": getattr(self, "status", None),
                    "langgraph.next": [task.name for task in tasks.values()],
                }
                run.paused.add(id(error))
                run.span.add_event("interrupt", shown)
            return original(self, kind, error, traceback)

        return suppress

    return wrap


def _destinations(branch: Any, result: Any) -> list[Any]:
    chosen = result if isinstance(result, list | tuple) else [result]
    ends = getattr(branch, "ends", None) or {}
    found = []
    for one in chosen:
        if hasattr(one, "node") and hasattr(one, "arg"):
            found.append(str(one.node))
            continue
        try:
            found.append(str(ends.get(one, one)))
        except TypeError:
            found.append(plain(one))
    return found
