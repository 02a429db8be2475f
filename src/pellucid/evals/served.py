"""An agent that is served somewhere, called over HTTP like a function."""

from typing import Any
from urllib.parse import urlsplit

from pellucid.client.tracing.propagation import inject
from pellucid.core.errors import InvalidInput, PellucidError
from pellucid.evals.models import http_client


class ServedAgent:
    """POSTs `{"inputs": …}` to a URL and returns the answer's `output`, or the whole answer.

    The URL of a server without a path is that of `pellucid serve`: `/invocations` is added. The
    current span goes with the request (W3C `traceparent`).
    """

    def __init__(self, url: str, *, headers: dict[str, str] | None = None) -> None:
        if not url.startswith(("http://", "https://")):
            raise InvalidInput(f"task={url!r} is not the http:// or https:// URL of an agent.")
        self.url = url.rstrip("/") + "/invocations" if urlsplit(url).path in ("", "/") else url
        self.headers = headers or {}

    async def __call__(self, inputs: dict[str, Any]) -> Any:
        """Ask the agent. Raises AgentFailed with what it answered."""
        headers = dict(inject(dict(self.headers)))
        async with http_client() as client:
            answer = await client.post(
                self.url, json={"inputs": inputs}, headers=headers, timeout=None
            )
        if answer.is_error:
            raise AgentFailed(f"{self.url} answered {answer.status_code}: {answer.text[:500]}")
        try:
            body = answer.json()
        except ValueError:
            return answer.text
        return body["output"] if isinstance(body, dict) and "output" in body else body


class AgentFailed(PellucidError):
    """A served agent answered with an error."""
