"""Tokens, near enough: pieces of up to six letters, as a real tokenizer would on average cut."""

import re

_PIECE = re.compile(r" ?\w{1,6}| ?[^\w\s]|\s+")

MESSAGE_OVERHEAD = 4
"""Tokens that the frame of one chat message costs."""

IMAGE_TOKENS = 85
"""Tokens that an image in a message costs, whatever its size."""


def split_tokens(text: str) -> list[str]:
    """Cut `text` into tokens; joined again they are `text`."""
    return _PIECE.findall(text)


def count_tokens(text: str) -> int:
    """Count the tokens of `text`."""
    return len(split_tokens(text))
