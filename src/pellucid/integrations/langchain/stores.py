"""Vector stores: the scores of what they find, and searches that no retriever makes."""

from collections.abc import Callable

from pellucid.client.patching import Undo
from pellucid.integrations.langchain.wiring import GetTracer


def install(
    undo: Undo, tracer: GetTracer, active: Callable[[], bool], captures: Callable[[], bool]
) -> None:
    """Patch every vector store class; `undo` gets what undoes it."""
