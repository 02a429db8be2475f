"""Code that a model wrote, run by an interpreter that does not call DSPy's callbacks itself."""

import functools
import inspect
import logging
import uuid
from collections.abc import Callable
from typing import Any

from pellucid.client.instrument import drop_frame
from pellucid.integrations.dspy.callback import CALLBACK
from pellucid.integrations.dspy.switch import INTEGRATION

_log = logging.getLogger("pellucid")


class _Watched:
    """An interpreter whose executions are told of."""

    def __init__(self, interpreter: Any) -> None:
        self._interpreter = interpreter

    def execute(self, code: str, *args: Any, **kwargs: Any) -> Any:
        """Run code."""
        call_id = uuid.uuid4().hex
        _tell(CALLBACK.on_interpreter_execute_start, call_id, self._interpreter, {"code": code})
        try:
            result = self._interpreter.execute(code, *args, **kwargs)
        except BaseException as error:
            _tell(CALLBACK.on_interpreter_execute_end, call_id, None, error)
            drop_frame(error)
            raise
        _tell(CALLBACK.on_interpreter_execute_end, call_id, result, None)
        return result

    def __getattr__(self, name: str) -> Any:
        return getattr(self._interpreter, name)


def watched(original: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap what has a module's interpreter run the model's code."""

    @functools.wraps(original)
    def execute_code(self: Any, *args: Any, **kwargs: Any) -> Any:
        if INTEGRATION.active:
            args = tuple(_watched(value) for value in args)
            kwargs = {name: _watched(value) for name, value in kwargs.items()}
        try:
            return original(self, *args, **kwargs)
        except BaseException as error:
            drop_frame(error)
            raise

    return execute_code


def _tell(method: Callable[..., object], *values: Any) -> None:
    try:
        method(*values)
    except Exception:
        _log.debug("Pellucid could not trace an interpreter", exc_info=True)


def _watched(value: Any) -> Any:
    execute = inspect.getattr_static(value, "execute", None)
    if execute is None or _tells(execute):
        return value
    return _Watched(value)


def _tells(execute: Any) -> bool:
    """Tell whether a method calls DSPy's callbacks."""
    code = getattr(execute, "__code__", None)
    return code is not None and code.co_filename.replace("\\", "/").endswith("utils/callback.py")
