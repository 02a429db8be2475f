"""One HTTP connection to a server, on the standard library alone.

It loads in a few milliseconds (and only in the thread that sends), is not seen by
instrumentations and mocks of the user's own HTTP client, and never follows a redirect with a key
in its hand.
"""

import base64
import contextlib
import http.client
import json
import ssl
import threading
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlencode, urlsplit

from pellucid.client.spool import is_loopback
from pellucid.core.clock import now_ns
from pellucid.core.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    PellucidError,
    QuerySyntaxError,
    TooLarge,
    Unauthorized,
    Unavailable,
    UnsupportedMediaType,
)
from pellucid.core.run_paths import RUN_WRITES_PATH, SENT_HEADER

CONNECT_TIMEOUT_S = 2.0
ANSWER_TIMEOUT_S = 10.0
_MAX_ERROR_BYTES = 64 * 1024
_ERRORS: dict[int, type[PellucidError]] = {
    kind.status: kind
    for kind in (
        InvalidInput,
        Unauthorized,
        Forbidden,
        NotFound,
        Conflict,
        TooLarge,
        UnsupportedMediaType,
        Unavailable,
    )
}


@dataclass(frozen=True)
class Response:
    """An answer; header names are lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class Connection:
    """A keep-alive connection for one thread. Every failure is an OSError."""

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        answer_timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> None:
        self._is_loopback = is_loopback(url)
        parts = urlsplit(url)
        self._scheme = parts.scheme
        self._host = parts.hostname or ""
        self._port = parts.port
        self._base = parts.path.rstrip("/")
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._connect_timeout_s = connect_timeout_s
        self._answer_timeout_s = answer_timeout_s
        self._absolute = ""
        self._http: http.client.HTTPConnection | None = None

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] = {}
    ) -> Response:
        """Send one request and read its answer.

        A kept-alive connection that the server has closed meanwhile is opened anew, once.
        """
        reused = self._http is not None
        try:
            return self._exchange(method, path, body, headers)
        except TimeoutError:
            self.close()
            raise
        except (OSError, http.client.HTTPException) as error:
            self.close()
            if not reused:
                raise _as_os_error(error) from error
        try:
            return self._exchange(method, path, body, headers)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise _as_os_error(error) from error

    def close(self) -> None:
        """Close the socket; the next request opens another."""
        connection, self._http = self._http, None
        if connection is not None:
            connection.close()

    def forget(self) -> None:
        """Drop a connection inherited by a fork: the parent goes on using it."""
        self._http = None

    def _exchange(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Response:
        connection = self._http or self._connect()
        target = f"{self._absolute}{self._base}{path}"
        own = dict(self._headers)
        if path.startswith(RUN_WRITES_PATH):
            # By this clock the server tells how old a write is, whatever its own clock says.
            own[SENT_HEADER] = str(now_ns())
        connection.request(method, target, body=body, headers={**own, **headers})
        answer = connection.getresponse()
        content = answer.read()
        if answer.will_close:
            self.close()
        return Response(
            status=answer.status,
            headers={name.lower(): value for name, value in answer.getheaders()},
            body=content,
        )

    def _connect(self) -> http.client.HTTPConnection:
        connection = self._through_proxy() or self._direct(self._host, self._port)
        connection.connect()
        if connection.sock is not None:
            connection.sock.settimeout(self._answer_timeout_s)
        self._http = connection
        return connection

    def _direct(self, host: str, port: int | None) -> http.client.HTTPConnection:
        if self._scheme == "https":
            return http.client.HTTPSConnection(
                host, port, timeout=self._connect_timeout_s, context=ssl.create_default_context()
            )
        return http.client.HTTPConnection(host, port, timeout=self._connect_timeout_s)

    def _through_proxy(self) -> http.client.HTTPConnection | None:
        """Follow the proxy variables, but never for this machine."""
        if self._is_loopback or urllib.request.proxy_bypass(self._host):
            return None
        proxy = urlsplit(urllib.request.getproxies().get(self._scheme, ""))
        if not proxy.hostname:
            return None
        credentials = f"{unquote(proxy.username or '')}:{unquote(proxy.password or '')}"
        authorization = f"Basic {base64.b64encode(credentials.encode()).decode()}"
        extra = {"Proxy-Authorization": authorization} if proxy.username else {}
        if self._scheme == "https":
            connection = self._direct(proxy.hostname, proxy.port)
            connection.set_tunnel(self._host, self._port or 443, headers=extra)
            return connection
        self._absolute = f"http://{self._host}:{self._port or 80}"
        self._headers.update(extra)
        return http.client.HTTPConnection(
            proxy.hostname, proxy.port, timeout=self._connect_timeout_s
        )


class ApiClient:
    """JSON requests to `/api/v1`, answered or raised in the caller's thread; thread-safe.

    Raises the error of `pellucid.core.errors` that the answer's status stands for, and
    Unavailable where no server answers.
    """

    def __init__(
        self, url: str, *, api_key: str | None = None, timeout_s: float = ANSWER_TIMEOUT_S
    ) -> None:
        self._url = url
        self._connection = Connection(url, api_key=api_key, answer_timeout_s=timeout_s)
        self._lock = threading.Lock()  # guards the connection

    def get(self, path: str, params: Mapping[str, Any] = {}) -> bytes:
        """Return the body of an answer; parameters that are None are left out."""
        given = {name: value for name, value in params.items() if value is not None}
        asked = f"{path}?{urlencode(given)}" if given else path
        return self._ask("GET", asked, query=given.get("query"))

    def post(self, path: str, body: bytes, headers: Mapping[str, str] = {}) -> bytes:
        """Post JSON and return the answer's body."""
        return self._ask("POST", path, body, {"content-type": "application/json", **headers})

    def delete(self, path: str) -> None:
        """Delete what a path names."""
        self._ask("DELETE", path)

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._connection.close()

    def __enter__(self) -> "ApiClient":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] = {},
        query: str | None = None,
    ) -> bytes:
        try:
            with self._lock:
                answer = self._connection.request(method, path, body, headers)
        except OSError as error:
            raise Unavailable(
                f"No server answers at {self._url} ({error}). Start one with: pellucid up"
            ) from error
        if answer.status >= 300:
            raise _error_of(answer, f"{method} {path}", query)
        return answer.body


def path_segment(text: str) -> str:
    """Return a text as one segment of a path."""
    return quote(text, safe="")


def _error_of(answer: Response, asked: str, query: str | None) -> PellucidError:
    problem: Any = {}
    with contextlib.suppress(ValueError):
        problem = json.loads(answer.body[:_MAX_ERROR_BYTES])
    told = problem if type(problem) is dict else {}
    detail = str(
        told.get("detail") or told.get("title") or f"{asked} was answered with {answer.status}"
    )
    position, length = told.get("position"), told.get("length")
    if query is not None and answer.status == 400 and type(position) is int:
        size = length if type(length) is int else 1
        proposal = told.get("proposal")
        return QuerySyntaxError(
            detail,
            query=query,
            position=position,
            length=size,
            proposal=proposal if type(proposal) is str else None,
        )
    kind = _ERRORS.get(answer.status)
    if kind is not None:
        return kind(detail)
    return InvalidInput(detail) if answer.status < 500 else Unavailable(detail)


def _as_os_error(error: Exception) -> OSError:
    return (
        error if isinstance(error, OSError) else ConnectionError(f"{type(error).__name__}: {error}")
    )
