"""Images, audio and documents cut out of a span: data URLs and base64, wherever they stand.

Each is replaced by `pellucid-attachment:DIGEST`, and listed with type and size in the span's
`pellucid.attachments`. What is cut once is not cut again.
"""

import base64
import binascii
import re
from typing import Any

import msgspec

from pellucid.core.digest import digest_bytes
from pellucid.core.span import DecodedSpan, LogRecord
from pellucid.semconv.attributes import ATTACHMENT_SCHEME, ATTACHMENTS
from pellucid.semconv.values import encode_json, json_safe, read_structure

_MIN_CHARACTERS = 96
"""Shorter base64 costs less in place than as a file."""

_BODY = rf"[A-Za-z0-9+/\\_-]{{{_MIN_CHARACTERS},}}={{0,2}}"
_DATA_URL = re.compile(rf"data:([\w.+-]+\\?/[\w.+-]+)(?:;[\w.-]+=[\w.+-]+)*;base64,({_BODY})")
# The base64 of the first bytes of PNG, JPEG, GIF, RIFF (WebP, WAV), PDF, MP3 (ID3), Ogg and FLAC.
# JSON writers may escape a slash, hence the backslashes.
_STARTS = (
    "iVBORw0KGg",
    "/9j/",
    "\\/9j\\/",
    "R0lGOD",
    "UklGR",
    "JVBERi0",
    "SUQz",
    "T2dnUw",
    "ZkxhQw",
)
_START = "|".join(re.escape(start) for start in _STARTS)
_BARE = re.compile(rf"(?<![A-Za-z0-9+/\\])(?:{_START}){_BODY}")

_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"ID3", "audio/mpeg"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
)
_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}


class CutAttachment(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes that were cut out; `digest` is their BLAKE2b-256 in hex."""

    digest: str
    media_type: str
    data: bytes
    name: str | None = None


class Cut(msgspec.Struct, frozen=True, kw_only=True):
    """A span without its attachments, and these, each once."""

    decoded: DecodedSpan
    attachments: list[CutAttachment] = []


class CutLog(msgspec.Struct, frozen=True, kw_only=True):
    """A log record without its attachments, and these, each once."""

    record: LogRecord
    attachments: list[CutAttachment] = []


def cut(decoded: DecodedSpan) -> Cut:
    """Cut attachments out of a span's attributes and events. Never raises."""
    cutter = _Cutter()
    attributes = cutter.value(decoded.attributes)
    events = [
        event
        if (found := cutter.value(event.attributes)) is event.attributes
        else msgspec.structs.replace(event, attributes=found)
        for event in decoded.events
    ]
    if not cutter.found:
        return Cut(decoded=decoded)
    attributes = {**attributes, ATTACHMENTS: _listed(attributes.get(ATTACHMENTS), cutter.found)}
    return Cut(
        decoded=msgspec.structs.replace(decoded, attributes=attributes, events=events),
        attachments=list(cutter.found.values()),
    )


def cut_log(record: LogRecord) -> CutLog:
    """Cut attachments out of a log record's body and attributes. Never raises."""
    cutter = _Cutter()
    body, attributes = cutter.value(record.body), cutter.value(record.attributes)
    if not cutter.found:
        return CutLog(record=record)
    return CutLog(
        record=msgspec.structs.replace(record, body=body, attributes=attributes),
        attachments=list(cutter.found.values()),
    )


class _Cutter:
    def __init__(self) -> None:
        self.found: dict[str, CutAttachment] = {}

    def value(self, value: Any, depth: int = 0) -> Any:
        """Return a value without attachments: the same object, if it held none."""
        kind = type(value)
        if kind is str:
            return self._text(value) if len(value) >= _MIN_CHARACTERS else value
        if kind is bytes:
            media_type = sniff(value) if len(value) >= _MIN_CHARACTERS else None
            return self._keep(value, media_type) if media_type else value
        if depth > 64:
            return value
        if kind is dict:
            return self._dict(value, depth)
        if kind is list:
            items = [self.value(item, depth + 1) for item in value]
            same = all(new is old for new, old in zip(items, value, strict=True))
            return value if same else items
        return value

    def _dict(self, value: dict[Any, Any], depth: int) -> dict[Any, Any]:
        # Every span passes here; most values are short texts and numbers.
        changed = {}
        for key, old in value.items():
            kind = type(old)
            if kind is str:
                if len(old) < _MIN_CHARACTERS:
                    continue
                new = self._text(old)
            elif kind is int or kind is bool or kind is float:
                continue
            else:
                new = self.value(old, depth + 1)
            if new is not old:
                changed[key] = new
        return {**value, **changed} if changed else value

    def _text(self, text: str) -> str:
        if ";base64," in text:
            text = _DATA_URL.sub(self._data_url, text)
        if _may_hold_bytes(text):
            text = _BARE.sub(self._bare, text)
        return text

    def _data_url(self, match: re.Match[str]) -> str:
        data = _decode(match.group(2))
        if data is None:
            return match.group()
        declared = match.group(1).replace("\\", "")
        return self._keep(data, sniff(data) or declared)

    def _bare(self, match: re.Match[str]) -> str:
        data = _decode(match.group())
        media_type = sniff(data) if data else None
        return match.group() if data is None or media_type is None else self._keep(data, media_type)

    def _keep(self, data: bytes, media_type: str) -> str:
        digest = digest_bytes(data)
        if digest not in self.found:
            self.found[digest] = CutAttachment(digest=digest, media_type=media_type, data=data)
        return ATTACHMENT_SCHEME + digest


def _may_hold_bytes(text: str) -> bool:
    """Tell whether any of `_STARTS` may be in a text.

    Looking for one character costs a tenth of looking for a word, and prose has few capitals.
    """
    return (
        ("9" in text and "9j" in text)
        or (
            "R" in text
            and ("iVBORw0KGg" in text or "R0lGOD" in text or "UklGR" in text or "JVBERi0" in text)
        )
        or ("U" in text and ("SUQz" in text or "T2dnUw" in text))
        or ("Q" in text and "ZkxhQw" in text)
    )


def sniff(data: bytes) -> str | None:
    """Return the media type that the first bytes show, or None."""
    for signature, media_type in _SIGNATURES:
        if data.startswith(signature):
            return media_type
    return _RIFF.get(data[8:12]) if data[:4] == b"RIFF" else None


def _decode(text: str) -> bytes | None:
    plain = text.replace("\\", "").rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def _listed(held: Any, found: dict[str, CutAttachment]) -> str:
    """Return the list that the span keeps: what it had listed, by name, then what was found."""
    listed: list[Any] = []
    missing = dict(found)
    entries = read_structure(held)
    if type(entries) is not list:
        entries = [] if held is None else [json_safe(held)]
    for entry in entries:
        uri = entry.get("uri") if type(entry) is dict else None
        digest = uri.removeprefix(ATTACHMENT_SCHEME) if type(uri) is str else ""
        attachment = missing.pop(digest, None)
        listed.append({**entry, **_entry(attachment)} if attachment else entry)
    return encode_json(listed + [_entry(attachment) for attachment in missing.values()])


def _entry(attachment: CutAttachment) -> dict[str, Any]:
    return {
        "uri": ATTACHMENT_SCHEME + attachment.digest,
        "media_type": attachment.media_type,
        "size_bytes": len(attachment.data),
    }
