"""Scripts, styles, fonts and icons, served from the package under addresses that name their bytes.

One digest stands for the whole folder, so that modules and fonts find each other by relative
paths, and every file may be kept for a year.
"""

import gzip
import hashlib
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

from litestar import Request, Response, get
from litestar.datastructures import State

from pellucid.core.errors import NotFound

ROOT = Path(__file__).parent / "static"
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
}
_COMPRESSED = {".css", ".js", ".svg", ".txt"}
_TYPE = re.compile(rb"/\*\* @type \{[^\n]*?\*/ ?")
_YEAR = "public, max-age=31536000, immutable"


class Asset(NamedTuple):
    """One file as it is sent."""

    media_type: str
    plain: bytes
    gzipped: bytes | None


@cache
def load_assets() -> dict[str, Asset]:
    """Read every file of the folder once; the keys are paths with `/`."""
    assets = {}
    for path in sorted(ROOT.rglob("*")):
        media_type = TYPES.get(path.suffix)
        if media_type is None or not path.is_file():
            continue
        data = path.read_bytes()
        if path.suffix == ".js" and path.parent.name != "vendor":
            data = slim(data)
        gzipped = gzip.compress(data, 9, mtime=0) if path.suffix in _COMPRESSED else None
        assets[path.relative_to(ROOT).as_posix()] = Asset(media_type, data, gzipped)
    return assets


def slim(script: bytes) -> bytes:
    """Leave out indentation, types, empty lines, and comments that have lines of their own.

    A script with a string over several lines keeps its indentation, which may be part of it; no
    such string may have empty lines, or ones that look like comments.
    """
    lines = _TYPE.sub(b"", script).splitlines()
    is_plain = all(line.count(b"`") % 2 == 0 for line in lines)
    kept, inside = [], False
    for line in lines:
        text = line.strip()
        is_block = inside or text.startswith(b"/*")
        ends = is_block and b"*/" in text
        inside = is_block and not ends
        if text and not is_block and not text.startswith(b"//"):
            kept.append(text if is_plain else line)
    return b"\n".join(kept) + b"\n"


@cache
def assets_digest() -> str:
    """Return 12 hex digits that change when any file does."""
    digest = hashlib.blake2b(digest_size=6)
    for name, asset in load_assets().items():
        digest.update(f"{name}\0{len(asset.plain)}\0".encode())
        digest.update(asset.plain)
    return digest.hexdigest()


def asset_url(name: str) -> str:
    """Return the address of a file. Raises NotFound, so that a typo in a template is seen."""
    if name not in load_assets():
        raise NotFound(f"There is no asset {name!r} in {ROOT.name}/.")
    return f"/static/{assets_digest()}/{name}"


@get("/static/{digest:str}/{path:path}", include_in_schema=False)
async def serve_asset(
    request: Request[object, object, State], digest: str, path: Path
) -> Response[bytes]:
    """Serve one file; an address of other bytes gets today's, to be asked for again."""
    asset = load_assets().get(str(path).lstrip("/"))
    if asset is None:
        raise NotFound(f"There is no asset {str(path)!r}.")
    headers = {
        "Cache-Control": _YEAR if digest == assets_digest() else "no-cache",
        "Vary": "Accept-Encoding",
        "X-Content-Type-Options": "nosniff",
    }
    if asset.gzipped is not None and "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        return Response(asset.gzipped, media_type=asset.media_type, headers=headers)
    return Response(asset.plain, media_type=asset.media_type, headers=headers)
