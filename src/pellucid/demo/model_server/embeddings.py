"""`/embeddings`: hashed bags of words. Texts that share words are near; nothing is learnt."""

import base64
import hashlib
import math
import re
import struct
from typing import Any

from pellucid.demo.model_server.errors import ApiError
from pellucid.demo.model_server.generation import Usage
from pellucid.demo.model_server.request import required
from pellucid.demo.model_server.tokens import count_tokens

_WORD = re.compile(r"[a-z0-9]+")
_ENDINGS = ("ing", "ed", "es", "s")
_STOPWORDS = frozenset(
    "a an and are as at be by do does for from has have how if in is it its many much of on or "
    "that the their there this to was what when where which who will with would".split()
)


def embed(text: str, dimensions: int) -> list[float]:
    """Return a unit vector; a text without words is the zero vector."""
    vector = [0.0] * dimensions
    for word in _WORD.findall(text.lower()):
        if word in _STOPWORDS:
            continue
        digest = hashlib.blake2b(_stem(word).encode(), digest_size=8).digest()
        number = int.from_bytes(digest, "big")
        vector[number % dimensions] += 1.0 if number >> 63 else -1.0
    length = math.sqrt(sum(x * x for x in vector))
    return [x / length for x in vector] if length else vector


def embeddings_body(body: dict[str, Any], default_dimensions: int) -> tuple[dict[str, Any], Usage]:
    """Answer a body of `/embeddings` and say what it cost."""
    model = required(body, "model")
    texts = [_as_text(item) for item in _inputs(required(body, "input"))]
    dimensions = int(body.get("dimensions") or default_dimensions)
    as_base64 = body.get("encoding_format") == "base64"
    usage = Usage(input=sum(count_tokens(text) for text in texts))
    data: list[dict[str, Any]] = []
    for index, text in enumerate(texts):
        vector = embed(text, dimensions)
        shown = _base64(vector) if as_base64 else vector
        data.append({"object": "embedding", "index": index, "embedding": shown})
    answer = {
        "object": "list",
        "data": data,
        "model": model,
        "usage": {"prompt_tokens": usage.input, "total_tokens": usage.input},
    }
    return answer, usage


def _inputs(value: Any) -> list[Any]:
    """Read a text, a list of texts, one list of token ids, or a list of such lists."""
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list) or not value:
        raise ApiError("'input' must be a string or a non-empty array.", param="input")
    return [value] if isinstance(value[0], int) else value


def _as_text(item: Any) -> str:
    return item if isinstance(item, str) else " ".join(f"t{token}" for token in item)


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def _base64(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode("ascii")
