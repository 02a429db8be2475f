"""Any value as text that a page can carry: bounded, and never a surprise to the browser."""

import re
from dataclasses import dataclass
from typing import Any

import msgspec

from pellucid.semconv.attributes import ATTACHMENT_SCHEME
from pellucid.server.web.format import format_size

TEXT_LIMIT = 20_000
"""Characters of one text that a page shows; the rest is one click away."""
JSON_LIMIT = 200_000
LONG_LINES = 12
_DATA_IMAGE = re.compile(r"data:image/(?:png|jpeg|gif|webp|avif);base64,[A-Za-z0-9+/=\s]+")
_DIGEST = re.compile(r"[0-9a-f]{32,128}")
_DISPLAYED_IMAGES = {"image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"}


@dataclass(frozen=True, kw_only=True)
class TextView:
    """A text as shown: `text` is at most TEXT_LIMIT characters of it."""

    text: str
    size: int
    words: int
    cut: bool

    def is_longer_than(self, characters: int) -> bool:
        """Whether it starts folded where so many characters are shown at once."""
        return len(self.text) > characters or self.text.count("\n") >= LONG_LINES

    @property
    def amount(self) -> str:
        """How much there is in all, for the button that shows it."""
        return format_size(self.size) if self.cut else f"{self.words:,} words"


@dataclass(frozen=True, kw_only=True)
class ValueView:
    """One input, output or the like: a text, or JSON that `<pl-json>` unfolds."""

    label: str
    text: TextView | None
    json: str | None
    raw_url: str
    is_empty: bool = False


@dataclass(frozen=True, kw_only=True)
class MediaView:
    """An image, a sound or a file: `src` is None where the browser may not load it."""

    kind: str
    """`image`, `audio` or `file`."""
    label: str
    src: str | None
    media_type: str
    href: str | None = None


def view_text(text: str) -> TextView:
    """Bound a text."""
    shown = text[:TEXT_LIMIT]
    return TextView(
        text=shown,
        size=len(text.encode("utf-8", "replace")),
        words=len(shown.split()),
        cut=len(text) > TEXT_LIMIT,
    )


def view_value(label: str, value: Any, raw_url: str) -> ValueView:
    """Show a string as text, everything else as JSON; JSON that is too large as its beginning."""
    if value is None or value == "":
        return ValueView(label=label, text=None, json=None, raw_url=raw_url, is_empty=True)
    if isinstance(value, str):
        parsed = _parse_structure(value)
        if parsed is None:
            return ValueView(label=label, text=view_text(value), json=None, raw_url=raw_url)
        value = parsed
    if not isinstance(value, dict | list | tuple):
        return ValueView(label=label, text=view_text(json_line(value)), json=None, raw_url=raw_url)
    encoded = json_text(value)
    if len(encoded) > JSON_LIMIT:
        return ValueView(label=label, text=view_text(encoded), json=None, raw_url=raw_url)
    return ValueView(label=label, text=None, json=encoded, raw_url=raw_url)


def json_text(value: Any) -> str:
    """Write a value as indented JSON; what JSON lacks becomes text."""
    try:
        encoded = msgspec.json.encode(value, enc_hook=str)
        return msgspec.json.format(encoded, indent=2).decode("utf-8", "replace")
    except (TypeError, ValueError, msgspec.MsgspecError, RecursionError):
        return str(value)


def json_line(value: Any) -> str:
    """Write a value as JSON in one line; a string stays as it is."""
    if isinstance(value, str):
        return value
    try:
        return msgspec.json.encode(value, enc_hook=str).decode("utf-8", "replace")
    except (TypeError, ValueError, msgspec.MsgspecError, RecursionError):
        return str(value)


def view_media(kind: str, uri: str | None, media_type: str | None, label: str) -> MediaView:
    """Address bytes that a message or span names.

    Bytes that the server keeps come from its own address. A data URL is shown when it is an image
    of a known type. Anything elsewhere is only linked, and only over http(s).
    """
    media = (media_type or "").lower()
    if uri and uri.startswith(ATTACHMENT_SCHEME):
        digest = uri.removeprefix(ATTACHMENT_SCHEME)
        if _DIGEST.fullmatch(digest):
            src = f"/api/v1/attachments/{digest}"
            shown = kind != "image" or not media or media in _DISPLAYED_IMAGES
            return MediaView(
                kind=kind if shown else "file", label=label, src=src, media_type=media, href=src
            )
    if uri and kind == "image" and len(uri) < 2_000_000 and _DATA_IMAGE.fullmatch(uri):
        return MediaView(kind=kind, label=label, src=uri, media_type=media)
    href = uri if uri and uri.startswith(("https://", "http://")) else None
    return MediaView(kind=kind, label=label, src=None, media_type=media, href=href)


def _parse_structure(text: str) -> Any:
    """Read a text that is a JSON object or array; None for every other text."""
    stripped = text.strip()
    if not stripped or stripped[0] + stripped[-1] not in {"{}", "[]"}:
        return None
    try:
        return msgspec.json.decode(stripped)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
