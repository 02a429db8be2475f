"""Images and other bytes as data URLs, which the server cuts out and stores once."""

import base64
import io
import mimetypes
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pellucid.core.errors import InvalidInput

MAX_BYTES = 20 * 1024 * 1024
_MAX_PIXELS = 4096 * 4096
_PNG_MODES = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "I;16"})
_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"OggS", "audio/ogg"),
    (b"ID3", "audio/mpeg"),
)


@dataclass(frozen=True)
class Image:
    """An image as an input, an output or a part of one.

    `data` is a PIL image, the bytes of an image file, or the path of one.
    """

    data: Any
    media_type: str | None = None


def data_url(data: Any, media_type: str | None = None) -> str:
    """Return a PIL image, bytes or a path as a data URL; a URL stays what it is.

    Raises InvalidInput for anything else, and beyond `MAX_BYTES`; OSError for an unreadable path.
    """
    if isinstance(data, Image):
        return data_url(data.data, media_type or data.media_type)
    if isinstance(data, str) and data.startswith(("data:", "http://", "https://")):
        return data
    if isinstance(data, str | Path):
        path = Path(data)
        if path.stat().st_size > MAX_BYTES:
            raise InvalidInput(f"{path} is larger than {MAX_BYTES // 2**20} MiB.")
        media_type = media_type or mimetypes.guess_type(path.name)[0]
        data = path.read_bytes()
    elif is_pil_image(data):
        data, media_type = _png_of(data), "image/png"
    if not isinstance(data, bytes | bytearray | memoryview):
        raise InvalidInput(
            f"{type(data).__name__} is not an image. Give a PIL image, bytes or a path."
        )
    if len(data) > MAX_BYTES:
        raise InvalidInput(f"{len(data)} bytes are more than {MAX_BYTES // 2**20} MiB.")
    media_type = media_type or sniff(bytes(data[:16])) or "application/octet-stream"
    return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"


def sniff(head: bytes) -> str | None:
    """Return the media type that the first 16 bytes of a file show."""
    for magic, media_type in _MAGIC:
        if head.startswith(magic):
            return media_type
    if head[:4] == b"RIFF":
        return {b"WEBP": "image/webp", b"WAVE": "audio/wav"}.get(head[8:12])
    if head[4:12] in (b"ftypavif", b"ftypavis"):
        return "image/avif"
    return None


def is_pil_image(value: Any) -> bool:
    """Tell whether a value is a PIL image, without importing PIL."""
    return any(
        kind.__module__ == "PIL.Image" and kind.__name__ == "Image" for kind in type(value).__mro__
    )


def png_bytes(image: Any) -> bytes:
    """Return a PIL image of any mode as a PNG file. Raises OSError or ValueError as PIL does."""
    out = io.BytesIO()
    _for_png(image).save(out, format="PNG", compress_level=1)
    return out.getvalue()


def _png_of(image: Any) -> bytes:
    width, height = image.size
    if width * height > _MAX_PIXELS:
        image = image.copy()
        image.thumbnail((4096, 4096))
    return png_bytes(image)


def _for_png(image: Any) -> Any:
    """Return an image in a mode that PNG has; numbers beyond bytes keep their meaning."""
    mode = image.mode
    if mode in _PNG_MODES:
        return image
    if mode in {"La", "PA"}:
        return image.convert("LA" if mode == "La" else "RGBA")
    if mode in {"I", "I;16B", "I;16L", "I;16N"}:
        most = image.getextrema()[1]
        return image.convert("L") if most <= 255 else image.convert("I").convert("I;16")
    if mode == "F":
        # Floats up to 1 are shares of white.
        is_share = image.getextrema()[1] <= 1.0
        return (image.point(lambda value: value * 255 + 0) if is_share else image).convert("L")
    return image.convert("RGBA" if mode == "RGBa" else "RGB")
