"""Previews: the beginning of an input or output in one line, with Markdown's marks resolved."""

import re

from markupsafe import Markup, escape

from pellucid.core.trace import PREVIEW_CHARACTERS

_BOLD = re.compile(r"\*\*(\S(?:[^*]*\S)?)\*\*|__(\S(?:[^_]*\S)?)__")
_MARKS = re.compile(r"\*\*|__|`+|^\s{0,3}#{1,6}\s+|(?<=\s)#{1,6}\s+")
_BULLET = re.compile(r"(?<=\S)\s+[-*]\s+(?=[A-Z])|(?<=[.:;!?])\s+[-*]\s+(?=[0-9])")
"""Where a list began a line; between numbers it is arithmetic."""
_LINK = re.compile(r"!?\[([^\]]*)\]\((?:[^()\s]*)\)?")


def plain_preview(text: str | None) -> str:
    """Return a preview without the marks of Markdown."""
    return _strip(_end_with_ellipsis(text or ""))


def rich_preview(text: str | None) -> Markup:
    """Return a preview as HTML in which strong words stay strong and all else is text."""
    pieces: list[Markup] = []
    at = 0
    source = _end_with_ellipsis(text or "")
    for match in _BOLD.finditer(source):
        pieces.append(escape(_strip(source[at : match.start()])))
        pieces.append(Markup("<b>{}</b>").format(_strip(match[1] or match[2])))
        at = match.end()
    pieces.append(escape(_strip(source[at:])))
    return Markup("").join(pieces)


def _strip(text: str) -> str:
    return _MARKS.sub("", _BULLET.sub(" · ", _LINK.sub(r"\1", text)))


def _end_with_ellipsis(text: str) -> str:
    """Drop the word that the preview's limit cut, and say that there is more."""
    if len(text) < PREVIEW_CHARACTERS:
        return text
    head, space, _ = text.rpartition(" ")
    return (head if space else text) + " …"
