"""Trace LangChain and LangGraph: chains, graphs and their nodes, models, tools, retrievers.

LangChain's own callbacks tell of the runs. One handler is part of every callback manager that is
configured, with or without callbacks of the program's; the patches besides only have its spans be
current where the program's code runs.
"""

import atexit
import importlib
from contextvars import ContextVar
from typing import Any

from pellucid.client.instrument import Integration
from pellucid.client.patching import Undo, when_imported
from pellucid.integrations.langchain import graphs, stores, wiring
from pellucid.integrations.langchain.handler import Tracer, handler_class

SUPPORTED = "langchain-core>=1.0,<2"
SUPPORTED_LANGGRAPH = "langgraph>=1.0,<2"


def autolog(*, disable: bool = False, capture_content: bool = True) -> None:
    """Trace every run of LangChain and LangGraph; `disable=True` undoes it.

    `capture_content=False` leaves out what runs were given and gave back: messages, states,
    arguments, documents.
    """
    for integration in INTEGRATIONS:
        integration.switch(disable=disable, capture_content=capture_content)


def install() -> Undo:
    """Have every callback manager hold our handler until the returned undo runs."""
    undo = Undo()
    undo.add(when_imported("langchain_core.callbacks.base", lambda: undo.add(_add_handler())))
    wiring.install(undo, _tracer, INTEGRATION)
    stores.install(undo, _tracer, lambda: INTEGRATION.active, _captures)
    return undo


def install_langgraph() -> Undo:
    """Patch what LangGraph has of its own until the returned undo runs."""
    return graphs.install(_tracer)


INTEGRATION = Integration(
    "LangChain", supported=SUPPORTED, module="langchain_core", install=install
)
LANGGRAPH = Integration(
    "LangGraph",
    supported=SUPPORTED_LANGGRAPH,
    module="langgraph.pregel",
    install=install_langgraph,
)
INTEGRATIONS = (INTEGRATION, LANGGRAPH)

_handler: Any = None


def _captures() -> bool:
    return bool(INTEGRATION.options.get("capture_content", True))


def _tracer() -> Tracer | None:
    found: Tracer | None = _handler
    return found


def _add_handler() -> Undo:
    """Register the handler as LangChain's tracers are, for every context at once."""
    global _handler
    base = importlib.import_module("langchain_core.callbacks.base")
    context = importlib.import_module("langchain_core.tracers.context")
    if _handler is None:
        made = handler_class(base.BaseCallbackHandler)
        _handler = made(lambda: INTEGRATION.active, _captures)
        # A stream that a variable still holds is let go of only after the last spans were sent.
        atexit.register(_handler.runs.end_all)
    everywhere: ContextVar[Any] = ContextVar("pellucid-langchain", default=_handler)
    context.register_configure_hook(everywhere, inheritable=True)
    hooks = context._configure_hooks

    def remove() -> None:
        hooks[:] = [hook for hook in hooks if hook[0] is not everywhere]

    return Undo(remove)
