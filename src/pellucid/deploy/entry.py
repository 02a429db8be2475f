"""The served function: found in a restored folder, called with JSON, answered as JSON."""

import importlib
import inspect
import sys
import typing
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from pellucid.client.agent import input_schema, output_schema
from pellucid.client.encoding import simplify
from pellucid.core.errors import InvalidInput, NotFound
from pellucid.core.snapshot import EntryPoint


class Entry:
    """A function with what its types say about its arguments and its answer."""

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        plain = inspect.unwrap(function)
        self.function = function
        self.name = name
        self.description = inspect.getdoc(plain) or ""
        self.is_async = inspect.iscoroutinefunction(plain)
        self.is_generator = inspect.isgeneratorfunction(plain)
        self.is_async_generator = inspect.isasyncgenfunction(plain)
        self.input_schema = input_schema(plain)
        self.output_schema = output_schema(plain)
        self._signature = inspect.signature(plain)
        try:
            self._hints = typing.get_type_hints(plain)
        except Exception:  # an annotation that cannot be evaluated says nothing
            self._hints = {}

    @property
    def streams(self) -> bool:
        """Whether the answer comes in pieces."""
        return self.is_generator or self.is_async_generator

    def convert(self, inputs: Any) -> dict[str, Any]:
        """Return the arguments that JSON stands for. Raises InvalidInput, naming the argument."""
        if not isinstance(inputs, dict):
            raise InvalidInput("The inputs are not an object of arguments by name.")
        arguments = {name: self._convert(name, value) for name, value in inputs.items()}
        try:
            self._signature.bind(**arguments)
        except TypeError as error:
            names = ", ".join(self._signature.parameters)
            raise InvalidInput(f"{self.name}({names}): {error}.") from None
        return arguments

    def _convert(self, name: str, value: Any) -> Any:
        hint = self._hints.get(name, Any)
        validate = getattr(hint, "model_validate", None)
        try:
            if callable(validate):
                return validate(value)
            return msgspec.convert(value, hint)
        except (msgspec.ValidationError, ValueError) as error:
            raise InvalidInput(f"{name}: {error}") from None
        except TypeError:
            return value  # A type that msgspec does not know: the function sees the JSON.


def load_entry(root: Path, entry: EntryPoint) -> Entry:
    """Import the entry point's module from a restored folder, and return its function.

    Raises NotFound if it is not there. Whatever the module raises goes on.
    """
    file = PurePosixPath(entry.file)
    folder = root
    depth = len(entry.module.split("."))
    is_package = file.name == "__init__.py"
    parents = file.parts[: len(file.parts) - depth - (1 if is_package else 0)]
    for part in parents:
        if part in {"..", "."}:
            raise InvalidInput(f"{entry.file!r} leads outside the snapshot.")
        folder = folder / part
    sys.path.insert(0, str(folder))
    if folder != root:
        sys.path.insert(1, str(root))
    module = importlib.import_module(entry.module)
    found: Any = module
    for name in entry.name.split("."):
        found = getattr(found, name, None)
    if not callable(found):
        raise NotFound(f"{entry.file} has no function {entry.name!r} any more.")
    return Entry(found, entry.name)


def encode_output(value: Any) -> bytes:
    """Return any value as JSON: what has fields by its fields, the rest as traces show it."""
    return msgspec.json.encode(value, enc_hook=_plain)


def _plain(value: Any) -> Any:
    dump = getattr(value, "model_dump", None)
    if callable(dump):
        return dump(mode="json")
    return simplify(value)
