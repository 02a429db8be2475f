"""Any image → the bytes of a file that browsers show."""

import io
import mimetypes
from pathlib import Path
from typing import Any

from pellucid.client.images import Image, is_pil_image, png_bytes, sniff
from pellucid.client.tracking.contents import Content
from pellucid.core.errors import InvalidInput

_CHANNELS = frozenset({1, 3, 4})
_NOISE = 2.0
"""Floats up to here are meant to be at most 1; beyond, they count to 255."""


def encode_image(image: Any) -> Content:
    """Return an image file's bytes: of a PIL image, an array, a path, a file or bytes.

    A file that browsers show stays as it is, other formats become PNG where PIL is installed.
    Raises InvalidInput for what is no image, OSError for an unreadable path.
    """
    if isinstance(image, Image):
        image = image.data
    if isinstance(image, str | Path):
        image = Path(image).read_bytes()
    elif callable(read := getattr(image, "read", None)):
        image = read()
    if isinstance(image, bytes | bytearray | memoryview):
        return _from_bytes(bytes(image))
    if is_pil_image(image):
        return _from_pil(image)
    if hasattr(image, "__array__"):
        return _from_pil(_from_array(image))
    raise InvalidInput(
        f"{type(image).__name__} is not an image. Give a PIL image, a numpy array, bytes or a path."
    )


def _from_bytes(data: bytes) -> Content:
    media_type = sniff(data[:16]) or ("image/svg+xml" if b"<svg" in data[:500] else None)
    if media_type is not None and media_type.startswith("image/"):
        return Content(data, media_type, mimetypes.guess_extension(media_type) or ".bin")
    try:
        from PIL import Image as PilImage

        return _from_pil(PilImage.open(io.BytesIO(data)))
    except Exception:  # whatever a decoder says of bytes that it cannot read
        raise InvalidInput(
            "These bytes are not an image file: PNG, JPEG, GIF, WebP, SVG, or what PIL reads."
        ) from None


def _from_pil(image: Any) -> Content:
    try:
        if getattr(image, "is_animated", False):
            out = io.BytesIO()
            kind = "GIF" if image.format == "GIF" else "PNG"
            image.save(out, format=kind, save_all=True)
            return Content(out.getvalue(), f"image/{kind.lower()}", f".{kind.lower()}")
        return Content(png_bytes(image), "image/png", ".png")
    except (OSError, ValueError, TypeError) as error:
        raise InvalidInput(
            f"An image of mode {image.mode} and size {image.size} cannot be written: {error}"
        ) from None


def _from_array(array: Any) -> Any:
    """Return a PIL image of height × width (× 1, 3 or 4), or with the channels first.

    Whole numbers up to 255 are bytes, beyond that 16 bits; floats run from 0 to 1, or to 255.
    """
    import numpy as np
    from PIL import Image as PilImage

    if callable(detach := getattr(array, "detach", None)):
        array = detach().cpu()
    values = np.asarray(array)
    shape = values.shape
    if values.ndim == 3 and shape[2] not in _CHANNELS and shape[0] in _CHANNELS:
        values = np.moveaxis(values, 0, 2)
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[:, :, 0]
    is_shape = values.ndim == 2 or (values.ndim == 3 and values.shape[2] in _CHANNELS)
    if not is_shape or not values.size or values.dtype.kind not in "biuf":
        raise InvalidInput(
            f"An array of {values.dtype} and shape {shape} is not an image: numbers, "
            "height × width, or × 1, 3 or 4."
        )
    if values.dtype == bool:
        values = values * 255
    elif values.dtype.kind == "f":
        values = np.nan_to_num(values.astype("float64"), posinf=np.inf, neginf=0)
        finite = values[np.isfinite(values)]
        scale = 1 if finite.size and finite.max() > _NOISE else 255
        values = values.clip(0, 255 / scale) * scale
    elif values.max() > 255:
        sixteen = values.clip(0, 65535).astype("uint16")
        if values.ndim == 2:
            return PilImage.fromarray(np.ascontiguousarray(sixteen))
        values = sixteen >> 8
    return PilImage.fromarray(np.ascontiguousarray(values.clip(0, 255).astype("uint8")))
