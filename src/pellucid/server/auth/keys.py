"""The one key: a bearer token for programs, a cookie for browsers."""

import hashlib
import hmac

COOKIE = "pellucid_session"
_PURPOSE = b"pellucid browser session 1"


class KeyRing:
    """Checks what a request carries against the key; without a key everybody may enter."""

    def __init__(self, key: str | None) -> None:
        self._key = key.encode() if key else None
        # The cookie is derived, so that whoever reads it has not learnt the key.
        self.session = hmac.new(self._key or b"", _PURPOSE, hashlib.sha256).hexdigest()

    @property
    def is_open(self) -> bool:
        """Whether there is no key."""
        return self._key is None

    def accepts(self, key: str) -> bool:
        """Tell whether this is the key, in constant time."""
        return self._accepts(key.encode("utf-8", "replace"))

    def accepts_header(self, authorization: str) -> bool:
        """Tell whether an Authorization header carries the key."""
        scheme, _, key = authorization.partition(" ")
        # ASGI headers come as Latin-1; the key's bytes are what was sent.
        return scheme.lower() == "bearer" and self._accepts(key.strip().encode("latin-1"))

    def accepts_cookies(self, header: str) -> bool:
        """Tell whether a Cookie header carries the session of this key."""
        for part in header.split(";"):
            name, _, value = part.strip().partition("=")
            if name == COOKIE and hmac.compare_digest(
                value.encode("latin-1"), self.session.encode()
            ):
                return True
        return False

    def _accepts(self, key: bytes) -> bool:
        return self._key is None or hmac.compare_digest(key, self._key)
