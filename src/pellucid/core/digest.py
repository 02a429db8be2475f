"""Content digests: BLAKE2b-256, written as 64 lowercase hex digits."""

import hashlib
import re

_DIGEST = re.compile(r"[0-9a-f]{64}")


class Hasher:
    """A digest of bytes that come in pieces; `size_bytes` counts them."""

    def __init__(self) -> None:
        self._hash = hashlib.blake2b(digest_size=32)
        self.size_bytes = 0

    def update(self, chunk: bytes) -> None:
        """Take the next piece."""
        self._hash.update(chunk)
        self.size_bytes += len(chunk)

    def hexdigest(self) -> str:
        """Return the digest of everything so far."""
        return self._hash.hexdigest()


def digest_bytes(data: bytes) -> str:
    """Return the digest of bytes."""
    return hashlib.blake2b(data, digest_size=32).hexdigest()


def is_digest(text: str) -> bool:
    """Tell whether `text` has the form of a digest, and so can name no path."""
    return _DIGEST.fullmatch(text) is not None
