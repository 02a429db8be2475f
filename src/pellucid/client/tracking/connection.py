"""Requests of this client that are answered in the call."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from pellucid.client.tracing.setup import client_settings

if TYPE_CHECKING:
    from pellucid.client.delivery import Deliverer
    from pellucid.client.http import ApiClient


TIMEOUT_S = 10.0


class Server(Protocol):
    """`/api/v1`, wherever it is answered; errors are those of `pellucid.core.errors`."""

    def get(self, path: str, params: Mapping[str, Any] = {}) -> bytes:
        """Return the body of an answer; parameters that are None are left out."""
        ...

    def post(self, path: str, body: bytes, headers: Mapping[str, str] = {}) -> bytes:
        """Post a body and return the answer's."""
        ...


def api_client(
    deliverer: "Deliverer | None" = None, *, timeout_s: float = TIMEOUT_S
) -> "ApiClient":
    """Return a connection to a deliverer's server, else to the one of the settings."""
    from pellucid.client.http import ApiClient

    client = client_settings()
    url = client.url if deliverer is None else deliverer.url
    return ApiClient(url, api_key=client.api_key, timeout_s=timeout_s)
