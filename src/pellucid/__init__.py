"""Pellucid: tracing, evaluation, tracking with restorable snapshots, and serving for LLM agents.

Names are imported when first used, so that `import pellucid` stays light.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "Document": "pellucid.core.span",
    "Image": "pellucid.client.images",
    "Span": "pellucid.client.tracing.span",
    "current_span": "pellucid.client.tracing.span",
    "current_trace_id": "pellucid.client.tracing.span",
    "extract": "pellucid.client.tracing.propagation",
    "flush": "pellucid.client.tracing.setup",
    "init": "pellucid.client.tracing.setup",
    "inject": "pellucid.client.tracing.propagation",
    "session": "pellucid.client.tracing.context",
    "shutdown": "pellucid.client.tracing.setup",
    "span": "pellucid.client.tracing.span",
    "trace": "pellucid.client.tracing.decorator",
    "trace_url": "pellucid.client.tracing.setup",
}
"""Public name → the module that defines it."""

_MODULES: dict[str, str] = {}
"""Public name → the module that it stands for."""

__all__ = sorted(["__version__", *_HOME, *_MODULES])

if TYPE_CHECKING:
    from pellucid.client.images import Image as Image
    from pellucid.client.tracing.context import session as session
    from pellucid.client.tracing.decorator import trace as trace
    from pellucid.client.tracing.propagation import extract as extract
    from pellucid.client.tracing.propagation import inject as inject
    from pellucid.client.tracing.setup import flush as flush
    from pellucid.client.tracing.setup import init as init
    from pellucid.client.tracing.setup import shutdown as shutdown
    from pellucid.client.tracing.setup import trace_url as trace_url
    from pellucid.client.tracing.span import Span as Span
    from pellucid.client.tracing.span import current_span as current_span
    from pellucid.client.tracing.span import current_trace_id as current_trace_id
    from pellucid.client.tracing.span import span as span
    from pellucid.core.span import Document as Document


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(importlib.import_module(_HOME[name]), name)
    elif name in _MODULES:
        value = importlib.import_module(_MODULES[name])
    else:
        raise AttributeError(f"module 'pellucid' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
