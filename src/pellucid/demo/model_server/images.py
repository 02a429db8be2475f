"""`/images/generations`: real PNG files, by whatever painter the server was given."""

import base64
import hashlib
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pellucid.core.errors import MissingExtra
from pellucid.demo.model_server.chat import CREATED
from pellucid.demo.model_server.errors import ApiError
from pellucid.demo.model_server.generation import Usage
from pellucid.demo.model_server.request import required
from pellucid.demo.model_server.tokens import count_tokens

_SIZE = re.compile(r"(\d{2,4})x(\d{2,4})")
_DEFAULT_SIZE = "1024x1024"
_PIXELS_A_TOKEN = 768


@dataclass(frozen=True, kw_only=True)
class ImageRequest:
    """One picture to paint."""

    prompt: str
    width: int
    height: int
    number: int = 0
    """Which of the pictures asked for, from 0."""


Painter = Callable[[ImageRequest], bytes]
"""Returns a PNG file."""


def paint_stripes(request: ImageRequest) -> bytes:
    """Paint stripes whose colours depend on the prompt."""
    try:
        from PIL import Image, ImageDraw
    except ModuleNotFoundError as error:
        raise MissingExtra("Painting images", "demo") from error
    digest = hashlib.blake2b(f"{request.prompt}#{request.number}".encode(), digest_size=24).digest()
    image = Image.new("RGB", (request.width, request.height))
    draw = ImageDraw.Draw(image)
    for stripe in range(8):
        colour = (digest[stripe * 3], digest[stripe * 3 + 1], digest[stripe * 3 + 2])
        left = request.width * stripe // 8
        draw.rectangle((left, 0, request.width, request.height), fill=colour)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


def images_body(
    body: dict[str, Any], painter: Painter, keep: Callable[[bytes], str]
) -> tuple[dict[str, Any], Usage]:
    """Answer a body of `/images/generations` and say what it cost.

    `keep` stores a picture and returns its URL, for `response_format: url`.
    """
    prompt = str(required(body, "prompt"))
    asked = body.get("size") or _DEFAULT_SIZE
    size = _DEFAULT_SIZE if asked == "auto" else asked
    match = _SIZE.fullmatch(size)
    if match is None:
        raise ApiError(f"Invalid value: {size!r} is not WIDTHxHEIGHT.", param="size")
    width, height = int(match[1]), int(match[2])
    data: list[dict[str, Any]] = []
    for number in range(int(body.get("n") or 1)):
        request = ImageRequest(prompt=prompt, width=width, height=height, number=number)
        png = painter(request)
        if body.get("response_format") == "url":
            data.append({"url": keep(png)})
        else:
            data.append({"b64_json": base64.b64encode(png).decode("ascii")})
    text_tokens = count_tokens(prompt)
    usage = Usage(input=text_tokens, output=len(data) * max(width * height // _PIXELS_A_TOKEN, 1))
    answer = {
        "created": CREATED,
        "background": "opaque",
        "output_format": "png",
        "quality": body.get("quality") or "medium",
        "size": f"{width}x{height}",
        "data": data,
        "usage": {
            "input_tokens": usage.input,
            "input_tokens_details": {"text_tokens": text_tokens, "image_tokens": 0},
            "output_tokens": usage.output,
            "output_tokens_details": {"text_tokens": 0, "image_tokens": usage.output},
            "total_tokens": usage.total,
        },
    }
    return answer, usage
