"""Pellucid: tracing, evaluation, tracking with restorable snapshots, and serving for LLM agents.

Names are imported when first used, so that `import pellucid` stays light.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "Document": "pellucid.core.span",
}
"""Public name → the module that defines it."""

_MODULES: dict[str, str] = {}
"""Public name → the module that it stands for."""

__all__ = sorted(["__version__", *_HOME, *_MODULES])

if TYPE_CHECKING:
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
