"""Autolog: one call traces every framework that is installed, one framework a file."""

import importlib
import logging
from types import ModuleType

from pellucid.client.instrument import Integration

FRAMEWORKS = ("openai", "langchain", "autogen", "dspy", "llama_index")
"""The modules of this package, the SDKs that others call through first."""

_log = logging.getLogger("pellucid")


def autolog(*, disable: bool = False) -> list[str]:
    """Trace every supported framework that is installed; return their names.

    It may be called before or after they are imported, and again. `disable=True` undoes all of
    it, in reverse. A framework that cannot be traced is one warning and disturbs nothing else.
    """
    names = tuple(reversed(FRAMEWORKS)) if disable else FRAMEWORKS
    return [name for name in names if _switch(name, disable=disable)]


def _switch(name: str, *, disable: bool) -> bool:
    try:
        switched = [_switch_one(one, disable=disable) for one in _module(name).INTEGRATIONS]
        return any(switched)
    except Exception:
        _log.warning("Pellucid cannot trace %s", name, exc_info=True)
        return False


def _switch_one(integration: Integration, *, disable: bool) -> bool:
    if integration.active and not disable:
        return True  # keep the options that its own autolog was given
    return integration.switch(disable=disable)


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"{__name__}.{name}")
