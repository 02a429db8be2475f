"""Autolog: one call traces every framework that is installed, one framework a file."""

import importlib
import logging
from types import ModuleType

FRAMEWORKS = ("openai",)
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
        integration = _module(name).INTEGRATION
        if integration.active and not disable:
            return True  # keep the options that its own autolog was given
        return bool(integration.switch(disable=disable))
    except Exception:
        _log.warning("Pellucid cannot trace %s", name, exc_info=True)
        return False


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"{__name__}.{name}")
