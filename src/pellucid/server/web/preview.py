"""Previews: the beginning of an input or output in one line, with Markdown's marks resolved."""

import re

from markupsafe import Markup, escape

_BOLD = re.compile(r"\*\*(\S(?:[^*]*\S)?)\*\*|__(\S(?:[^_]*\S)?)__")
_MARKS = re.compile(r"\*\*|__|`+|^\s{0,3}#{1,6}\s+|(?<=\s)#{1,6}\s+")
_LINK = re.compile(r"!?\[([^\]]*)\]\((?:[^()\s]*)\)?")


def plain_preview(text: str | None) -> str:
    """Return a preview without the marks of Markdown."""
    return _MARKS.sub("", _LINK.sub(r"\1", text or ""))


def rich_preview(text: str | None) -> Markup:
    """Return a preview as HTML in which strong words stay strong and all else is text."""
    pieces: list[Markup] = []
    at = 0
    source = text or ""
    for match in _BOLD.finditer(source):
        pieces.append(escape(plain_preview(source[at : match.start()])))
        pieces.append(Markup("<b>{}</b>").format(plain_preview(match[1] or match[2])))
        at = match.end()
    pieces.append(escape(plain_preview(source[at:])))
    return Markup("").join(pieces)
