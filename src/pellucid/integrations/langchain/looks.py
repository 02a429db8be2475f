"""How a chain's run is shown: under what name and kind, or not at all."""

import asyncio
import inspect
import os
import sys
import weakref
from typing import Any, NamedTuple

from pellucid.client.stages import is_let_go
from pellucid.core.span import SpanKind

HIDDEN_TAG = "langsmith:hidden"
_PREGEL = "langgraph/pregel/main.py"
_HERE = os.path.dirname(__file__)
_STEP = "graph:step:"
_INTERNAL = frozenset(
    {
        "Prompt",
        "Write",
        "_write",
        "call_runnable_async",
        "call_runnable_or_acall",
        "check_sync_or_async",
        "insert_history",
        "load_history",
    }
)
_ROOTS = {
    "": "chain",
    "RunnableLambda": "function",
    "RunnableParallel": "parallel",
    "RunnableSequence": "chain",
}
"""What a program's outermost run is called that has no name but its class's."""
_MANAGER_FRAMES = 12
_known_agents: "weakref.WeakKeyDictionary[Any, bool]" = weakref.WeakKeyDictionary()


class Look(NamedTuple):
    """How to show a run."""

    name: str
    kind: SpanKind
    hidden: bool = False


def name_of(serialized: Any, name: Any) -> str:
    """Return the name that a run was given, else its class's; "" where it has none."""
    if name:
        return str(name)
    if isinstance(serialized, dict):
        found = serialized.get("name") or (serialized.get("id") or [None])[-1]
        if found:
            return str(found)
    return ""


def look_of(name: str, tags: Any, run_type: str | None, *, root: bool, node: bool) -> Look:
    """Return how a chain's run looks.

    What LangChain makes of its own accord to put a chain together is hidden below a run that is
    shown: sequences, lambdas without a name, writers of a graph's channels.
    """
    kind = SpanKind.PARSER if run_type == "parser" else SpanKind.CHAIN
    shown = name.lstrip("_") or name
    if tags and HIDDEN_TAG in tags:
        return Look(shown, kind, hidden=True)
    if node:
        return Look(shown, kind, hidden=name == "__start__")
    if root:
        return Look(_ROOTS.get(name.partition("<")[0], shown), kind)
    internal = name.startswith(("Runnable", "ChannelWrite", "ChannelRead")) or name in _INTERNAL
    return Look(shown, kind, hidden=internal or not name)


def step_of(tags: Any) -> int | None:
    """Return the step of a graph that a node's run is part of."""
    for tag in tags or ():
        if isinstance(tag, str) and tag.startswith(_STEP) and tag[len(_STEP) :].isdigit():
            return int(tag[len(_STEP) :])
    return None


class Starter(NamedTuple):
    """What starts a run, where the callbacks tell no more than a name."""

    graph: Any = None
    """The compiled graph whose `stream` it is."""
    retries: bool = False
    """Whether it tries another runnable again and again, by whose name it goes."""
    streamed: Any = None
    """The first piece of the input of a chain that is streamed through."""


def starter() -> Starter:
    """Return what starts the run that a callback is told of."""
    frame = _caller()
    if frame is None:
        return Starter()
    called = frame.f_code.co_name
    if called in {"stream", "astream"}:
        pregel = frame.f_code.co_filename.replace("\\", "/").endswith(_PREGEL)
        return Starter(graph=frame.f_locals.get("self")) if pregel else Starter()
    if called in {"_transform_stream_with_config", "_atransform_stream_with_config"}:
        return Starter(streamed=frame.f_locals.get("final_input"))
    owner = frame.f_locals.get("self")
    return Starter(retries=any(kind.__name__ == "RunnableRetry" for kind in type(owner).__mro__))


def model_call_streams() -> bool:
    """Tell whether the model call that is starting is one of `stream`, not of `generate`."""
    frame = _caller()
    if frame is None or "language_models" not in frame.f_code.co_filename:
        return False
    return frame.f_code.co_name in {"stream", "astream"}


def is_streamed() -> bool:
    """Tell whether the run that is ending was streamed through a chain."""
    frame = _caller()
    return frame is not None and frame.f_code.co_name == "_transform_stream_with_config"


def _caller() -> Any:
    """Return the frame that asked a callback manager to tell its handlers."""
    frame: Any = sys._getframe(2)
    for _ in range(_MANAGER_FRAMES):
        if frame is None or not _is_manager(frame.f_code.co_filename):
            return frame
        frame = frame.f_back
    return None


def _is_manager(filename: str) -> bool:
    path = filename.replace("\\", "/")
    return path.endswith("langchain_core/callbacks/manager.py") or filename.startswith(_HERE)


def is_agent(graph: Any, name: str) -> bool:
    """Tell whether a compiled graph is an agent: it says so, or it lets a model choose tools."""
    try:
        known = _known_agents.get(graph)
        if known is None:
            known = _known_agents[graph] = _looks_like_agent(graph)
    except TypeError:  # not hashable, or not weakly referable
        known = _looks_like_agent(graph)
    return known or "agent" in name.lower()


def _looks_like_agent(graph: Any) -> bool:
    config = getattr(graph, "config", None) or {}
    metadata = config.get("metadata") or {}
    if "agent" in str(metadata.get("ls_integration", "")):
        return True
    nodes = getattr(graph, "nodes", None) or {}
    if "agent" in nodes:
        return True
    return any(_is_agents(getattr(node, "bound", None)) for node in nodes.values())


def _is_agents(bound: Any) -> bool:
    """Tell whether a node is one that only an agent has: it runs tools, or was made for one."""
    if any(kind.__name__.lstrip("_") == "ToolNode" for kind in type(bound).__mro__):
        return True
    made = getattr(getattr(bound, "func", None), "__qualname__", "")
    return made.startswith(("create_agent.", "create_react_agent."))


def is_node(graph: Any, name: str, above: Any) -> bool:
    """Tell whether a graph is itself the node of the graph above that is running."""
    nodes = getattr(getattr(above, "graph", None), "nodes", None) or {}
    return getattr(nodes.get(name), "bound", None) is graph


def is_bubble(error: BaseException) -> bool:
    """Tell whether an exception is LangGraph's way to pause or to hand over, not a failure."""
    return any(kind.__name__ == "GraphBubbleUp" for kind in type(error).__mro__)


def is_over(error: BaseException) -> bool:
    """Tell whether a run ends because the program reads no further."""
    if isinstance(error, asyncio.CancelledError):
        # The event loop closes a stream that was left alone: thrown in where it had yielded.
        last = error.__traceback__
        alone = last is not None and last.tb_next is None and _is_stream(last.tb_frame.f_code)
        return alone or is_let_go()
    return isinstance(error, GeneratorExit)


def _is_stream(code: Any) -> bool:
    return code.co_name == "astream" and bool(code.co_flags & inspect.CO_ASYNC_GENERATOR)
