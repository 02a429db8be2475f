"""Tool definitions in the JSON shapes that producers write."""

from typing import Any

from pellucid.core.span import Tool
from pellucid.semconv.values import UNREAD, encode_json, read_embedded, read_structure

_SCHEMAS = ("parameters", "input_schema", "inputSchema", "parameters_json_schema", "json_schema")


def read_tools(value: Any) -> Any:
    """Read tool definitions from a list, native or JSON (its members too may be JSON texts)."""
    got = read_structure(value)
    if type(got) is dict:
        got = got.get("tools", [got])
    if type(got) is not list:
        return UNREAD
    return tools_of(got) or UNREAD


def tools_of(value: list[Any]) -> list[Tool]:
    """Return the tools that a list defines; what defines none is left out."""
    found: list[Tool] = []
    for item in value:
        item = read_embedded(item)
        if type(item) is not dict:
            continue
        declared = item.get("function_declarations", item.get("functionDeclarations"))
        if type(declared) is list:  # Gemini
            found += tools_of(declared)
            continue
        tool = tool_of(item)
        if tool is not None:
            found.append(tool)
    return found


def tool_of(item: dict[str, Any]) -> Tool | None:
    """Return the tool that an object defines, or None."""
    function = item.get("function", item.get("toolSpec"))
    if type(function) is dict:
        item = function
    name = item.get("name")
    if type(name) is not str:
        return None
    description = item.get("description")
    schema = next((item[key] for key in _SCHEMAS if item.get(key) is not None), None)
    return Tool(
        name=name,
        description=description if type(description) is str else None,
        parameters=read_embedded(schema),
    )


def encode_tools(tools: list[Tool]) -> str:
    """Return the JSON text that `read_tools` reads back."""
    return encode_json(tools)
