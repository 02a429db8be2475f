"""`@pellucid.agent`: the function that a snapshot is served by."""

import inspect
import sys
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, overload

import msgspec

from pellucid.core.snapshot import EntryPoint

P = ParamSpec("P")
R = TypeVar("R")
Function = TypeVar("Function", bound=Callable[..., Any])

_declared: list[Callable[..., Any]] = []


@overload
def agent(function: Function, /) -> Function: ...


@overload
def agent(*, name: str | None = None) -> Callable[[Function], Function]: ...


def agent(function: Any = None, /, *, name: str | None = None) -> Any:
    """Declare a function as the agent's entry point, and trace its calls as kind AGENT.

    `pellucid serve RUN` calls it with the JSON that comes in: its arguments by name. It may be
    sync or async, and a generator streams. The last one declared counts.
    """

    def declare(target: Any) -> Any:
        from pellucid.client.tracing.decorator import trace

        _declared.append(target)
        return trace(kind="AGENT", name=name)(target)

    return declare if function is None else declare(function)


def declared_entry_point(start: Path) -> EntryPoint | None:
    """Return the declared entry point, or None where there is none."""
    if not _declared:
        return None
    function = _declared[-1]
    try:
        file = Path(inspect.getsourcefile(function) or "").resolve()
    except TypeError:
        return None
    return EntryPoint(
        module=_module_name(function, file),
        name=function.__qualname__,
        file=_relative(file, start),
        input_schema=input_schema(function),
        output_schema=output_schema(function),
        streams=inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function),
        description=inspect.getdoc(function) or "",
    )


def input_schema(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the JSON Schema of a function's arguments, from its annotations."""
    hints = _hints(function)
    properties: dict[str, Any] = {}
    required: list[str] = []
    open_ended = False
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            open_ended = open_ended or parameter.kind is parameter.VAR_KEYWORD
            continue
        properties[parameter.name] = _schema(hints.get(parameter.name, Any))
        if parameter.default is parameter.empty:
            required.append(parameter.name)
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": open_ended,
    }


def output_schema(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the JSON Schema of what a function returns, or of what its generator yields."""
    hint = _hints(function).get("return", Any)
    is_generator = inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)
    if is_generator:
        hint = next(iter(typing.get_args(hint)), Any)
    return _schema(hint)


def _schema(hint: Any) -> dict[str, Any]:
    try:
        schema = msgspec.json.schema(hint)
    except Exception:  # a type that JSON Schema does not know: anything goes
        return {}
    return schema


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function)
    except Exception:  # an annotation that cannot be evaluated says nothing
        return {}


def _module_name(function: Callable[..., Any], file: Path) -> str:
    if function.__module__ != "__main__":
        return function.__module__
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    return spec.name.removesuffix(".__main__") if spec is not None else file.stem


def _relative(file: Path, start: Path) -> str:
    """Return a file's path below the nearest folder that a project starts in."""
    for folder in (start, *start.parents):
        if (folder / ".git").exists() and file.is_relative_to(folder):
            return file.relative_to(folder).as_posix()
    return file.relative_to(start).as_posix() if file.is_relative_to(start) else file.name
