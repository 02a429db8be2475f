"""A scripted, OpenAI-compatible model server: deterministic, offline, with a log of what it served.

It answers `/v1/chat/completions`, `/v1/responses`, `/v1/embeddings`, `/v1/images/generations`
and `/v1/models` as the OpenAI API does, streams included; what it says comes from a script.
"""

from pellucid.demo.model_server.errors import ApiError
from pellucid.demo.model_server.images import ImageRequest, Painter
from pellucid.demo.model_server.log import RequestLog, ServedCall
from pellucid.demo.model_server.request import (
    ChatMessage,
    ModelRequest,
    OfferedTool,
    RequestedCall,
    ToolResult,
)
from pellucid.demo.model_server.script import Call, Fault, Reply, Rule, Script
from pellucid.demo.model_server.server import ScriptedModelServer

__all__ = [
    "ApiError",
    "Call",
    "ChatMessage",
    "Fault",
    "ImageRequest",
    "ModelRequest",
    "OfferedTool",
    "Painter",
    "Reply",
    "RequestLog",
    "RequestedCall",
    "Rule",
    "Script",
    "ScriptedModelServer",
    "ServedCall",
    "ToolResult",
]
