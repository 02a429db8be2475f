"""Which names the server answers to, and which pages may write: DNS rebinding and CSRF."""

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

_WILDCARDS = {"0.0.0.0", "::", ""}


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address can only mean this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def split_host(header: str) -> str:
    """Return a Host header's name in lower case, without port, brackets and final dot."""
    text = header.strip().lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0].rstrip(".")


class AllowedHosts:
    """Loopback, the bound address and the names that the operator added; ports do not matter.

    A server that is bound to every address also answers to the one that a connection came in on.
    """

    def __init__(self, bound: str, extra: Iterable[str] = ()) -> None:
        self._names = {split_host(name) if name != "*" else "*" for name in extra}
        self._is_wildcard = bound in _WILDCARDS
        if not self._is_wildcard:
            self._names.add(split_host(f"[{bound}]" if ":" in bound else bound))

    def allows(self, header: str, local_address: str | None) -> bool:
        """Tell whether a Host header names this server."""
        host = split_host(header)
        if is_loopback(host) or host in self._names or "*" in self._names:
            return bool(host)
        return self._is_wildcard and host == local_address


def is_own_origin(origin: str, host: str, public_url: str | None) -> bool:
    """Tell whether an Origin header is the page's own: where the request went, or the public URL.

    The scheme is not compared with the connection's, which a proxy may have changed.
    """
    try:
        parts = urlsplit(origin.lower())
    except ValueError:  # a bracket that is not closed
        return False
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        return False
    if parts.netloc == host.strip().lower():
        return True
    if public_url is None:
        return False
    public = urlsplit(public_url.lower())
    return (parts.scheme, parts.netloc) == (public.scheme, public.netloc)
