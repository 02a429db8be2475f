"""The gate before every door: Host, Origin, key, and the headers that pages carry."""

from typing import Any
from urllib.parse import quote

import msgspec

from pellucid.core.errors import Forbidden, PellucidError, Unauthorized
from pellucid.server.auth.answers import (
    OTLP_PREFIX,
    PROTOBUF,
    Answer,
    Headers,
    answer_error,
    send_answer,
)
from pellucid.server.auth.hosts import AllowedHosts, is_own_origin
from pellucid.server.auth.keys import KeyRing

CONTENT_SECURITY_POLICY = (
    "script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; "
    "img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'"
)
_PAGE_HEADERS: Headers = [
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
_OPEN_PATHS = {"/health", "/version", "/login", "/favicon.ico"}
_OPEN_PREFIX = "/static/"
_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """Who may ask."""

    keys: KeyRing
    hosts: AllowedHosts
    public_url: str | None = None


class Gate:
    """Pure ASGI middleware; what it refuses never reaches the app behind it."""

    def __init__(self, app: Any, policy: Policy) -> None:
        self._app = app
        self._policy = policy

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer as an ASGI application."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        seen = _Seen(scope["headers"])
        refusal = self._refuse(scope, seen)
        if scope["method"] == "HEAD":
            # The server sends no body for it; behind the gate it is a GET.
            scope = {**scope, "method": "GET"}
        if refusal is not None:
            await send_answer(send, refusal)
        elif scope["path"].startswith(OTLP_PREFIX):
            await self._app(scope, receive, send)
        else:
            await self._app(scope, receive, _with_page_headers(send))

    def _refuse(self, scope: Any, seen: "_Seen") -> Answer | None:
        try:
            self._check_host(scope, seen)
            self._check_origin(scope, seen)
            self._check_key(scope, seen)
        except PellucidError as error:
            if isinstance(error, Unauthorized) and seen.wants_page(scope["method"]):
                return _to_login(scope)
            media_type = PROTOBUF if "protobuf" in seen.content_type else ""
            return answer_error(error, scope["path"], media_type)
        return None

    def _check_host(self, scope: Any, seen: "_Seen") -> None:
        server = scope.get("server")
        if self._policy.hosts.allows(seen.host, server[0] if server else None):
            return
        shown = seen.host[:100]
        raise Forbidden(
            f"This server does not answer to the host {shown!r}. If that is its name, start it "
            "with PELLUCID_ALLOWED_HOSTS set to it."
        )

    def _check_origin(self, scope: Any, seen: "_Seen") -> None:
        if scope["method"] in _SAFE_METHODS:
            return
        if seen.origin:
            if is_own_origin(seen.origin, seen.host, self._policy.public_url):
                return
            raise Forbidden(
                f"A page of {seen.origin[:100]!r} may not write here. If that is this server "
                "behind a proxy, set PELLUCID_PUBLIC_URL to it."
            )
        if seen.fetch_site and seen.fetch_site not in {"same-origin", "none"}:
            raise Forbidden("A page of another site may not write here.")

    def _check_key(self, scope: Any, seen: "_Seen") -> None:
        keys = self._policy.keys
        path: str = scope["path"]
        if keys.is_open or path in _OPEN_PATHS or path.startswith(_OPEN_PREFIX):
            return
        if seen.authorization and keys.accepts_header(seen.authorization):
            return
        if seen.cookie and keys.accepts_cookies(seen.cookie):
            # Browsers send the cookie by themselves; a write must then prove where it comes from.
            if scope["method"] in _SAFE_METHODS or seen.origin or seen.fetch_site:
                return
            raise Forbidden("A write with the browser's cookie needs an Origin header.")
        given = "The key is wrong" if seen.authorization else "This server asks for a key"
        raise Unauthorized(f"{given}. Send the header: Authorization: Bearer KEY")


class _Seen:
    """The request headers that decide; of a repeated one the last counts."""

    __slots__ = (
        "accept",
        "authorization",
        "content_type",
        "cookie",
        "fetch_site",
        "host",
        "origin",
    )

    def __init__(self, headers: Headers) -> None:
        self.host = self.origin = self.authorization = self.cookie = ""
        self.fetch_site = self.accept = self.content_type = ""
        for name, value in headers:
            slot = _SLOTS.get(name)
            if slot is not None:
                setattr(self, slot, value.decode("latin-1"))

    def wants_page(self, method: str) -> bool:
        """Tell whether a browser asks for a page."""
        return method == "GET" and "text/html" in self.accept


_SLOTS = {
    b"host": "host",
    b"origin": "origin",
    b"authorization": "authorization",
    b"cookie": "cookie",
    b"sec-fetch-site": "fetch_site",
    b"accept": "accept",
    b"content-type": "content_type",
}


def _to_login(scope: Any) -> Answer:
    query = scope.get("query_string", b"").decode("latin-1")
    target = scope["path"] + (f"?{query}" if query else "")
    location = f"/login?next={quote(target, safe='/')}".encode()
    return Answer(303, "text/plain", b"", [(b"location", location)])


def _with_page_headers(send: Any) -> Any:
    async def send_with_headers(message: Any) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", ()))
            given = {name.lower() for name, _ in headers}
            media_type = next((v for n, v in headers if n.lower() == b"content-type"), b"")
            if b"x-content-type-options" not in given:
                headers.append((b"x-content-type-options", b"nosniff"))
            if media_type.startswith(b"text/html"):
                headers += [entry for entry in _PAGE_HEADERS if entry[0] not in given]
            message = {**message, "headers": headers}
        await send(message)

    return send_with_headers
