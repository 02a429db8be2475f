"""Where a command gets its data: PELLUCID_URL, else the data folder's owner, else the folder."""

import asyncio
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlencode

import click
import msgspec

from pellucid.client.http import Connection
from pellucid.core.errors import PellucidError
from pellucid.core.settings import ServerSettings, read_client_settings, read_server_settings
from pellucid.core.views import Problem
from pellucid.server.services.data_folder import FolderInUse, find_owner, own_folder

_TIMEOUT_S = 120.0


class Answer(NamedTuple):
    """What a request came back with."""

    status: int
    body: bytes


class Server(ABC):
    """`/api/v1`, wherever it is answered. What is not a success is raised as PellucidError."""

    @abstractmethod
    def request(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        """Send one request; `path` may carry a query."""

    def get(self, path: str, params: Mapping[str, Any] = {}) -> bytes:
        """Return the body of an answer; parameters that are None are left out."""
        return self._ask("GET", path, params)

    def post(self, path: str, body: bytes, headers: Mapping[str, str] = {}) -> bytes:
        """Post JSON and return the answer's body."""
        return self._ask("POST", path, {}, body, {"content-type": "application/json", **headers})

    def delete(self, path: str, params: Mapping[str, Any] = {}) -> bytes:
        """Delete what a path names and return the answer's body."""
        return self._ask("DELETE", path, params)

    def _ask(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any],
        body: bytes | None = None,
        headers: Mapping[str, str] = {},
    ) -> bytes:
        given = {name: value for name, value in params.items() if value is not None}
        answer = self.request(
            method, f"{path}?{urlencode(given)}" if given else path, body, headers
        )
        if answer.status < 300:
            return answer.body
        try:
            detail = msgspec.json.decode(answer.body, type=Problem).detail
        except msgspec.DecodeError:
            detail = f"{method} {path} was answered with {answer.status}."
        raise PellucidError(detail)


def data_dir_option(command: Callable[..., None]) -> Callable[..., None]:
    """Add `--data-dir` to a command that reads."""
    return click.option(
        "--data-dir",
        type=click.Path(file_okay=False, path_type=Path),
        help="Read this folder.  [default: the server at PELLUCID_URL, else PELLUCID_DATA_DIR]",
    )(command)


@contextmanager
def connect(data_dir: Path | None = None) -> Iterator[Server]:
    """Connect to the server at PELLUCID_URL or to the folder's owner, else open the folder.

    Raises PellucidError when the folder is held by a process that does not serve it.
    """
    client, settings = read_client_settings(), read_server_settings()
    if data_dir is None and os.environ.get("PELLUCID_URL", "").strip():
        with _Remote(client.url, client.api_key) as server:
            yield server
        return
    folder = (settings.data_dir if data_dir is None else data_dir).absolute()
    owner = find_owner(folder)
    if owner is not None:
        if owner.url is None:
            raise FolderInUse(folder, owner)
        with _Remote(owner.url, client.api_key) as server:
            yield server
        return
    if not folder.is_dir():
        raise PellucidError(
            f"There is no server and no data folder {folder}. Start a server with: pellucid up"
        )
    # The folder's files are the user's own: no key is asked for.
    private = msgspec.structs.replace(settings, data_dir=folder, api_key=None)
    with own_folder(folder), _Folder(private) as server:
        yield server


class _Remote(Server):
    """A server behind a URL."""

    def __init__(self, url: str, api_key: str | None) -> None:
        self._url = url
        self._connection = Connection(url, api_key=api_key, answer_timeout_s=_TIMEOUT_S)

    def __enter__(self) -> "_Remote":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def request(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        try:
            response = self._connection.request(method, path, body, headers)
        except OSError as error:
            raise PellucidError(
                f"No server answers at {self._url} ({error}). Start one with: pellucid up"
            ) from None
        return Answer(response.status, response.body)


class _Folder(Server):
    """The server's own application, called in this process without a socket."""

    def __init__(self, settings: ServerSettings) -> None:
        from pellucid.server.app.asgi import create_app

        self._app = create_app(settings)
        self._runner = asyncio.Runner()
        self._lifespan: asyncio.Task[None] | None = None
        self._events: asyncio.Queue[str] = asyncio.Queue()

    def __enter__(self) -> "_Folder":
        self._runner.run(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._stop())
        self._runner.close()

    def request(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        target, _, query = path.partition("?")
        content = body or b""
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(target),
            "raw_path": target.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [
                (b"host", b"localhost"),
                (b"content-length", str(len(content)).encode()),
                *((name.encode(), value.encode()) for name, value in headers.items()),
            ],
            "server": ("localhost", 0),
            "client": ("localhost", 0),
        }
        return self._runner.run(self._call(scope, content))

    async def _call(self, scope: dict[str, Any], body: bytes) -> Answer:
        status, pieces = 500, []

        request = [{"type": "http.request", "body": body, "more_body": False}]
        ended = asyncio.Event()

        async def receive() -> dict[str, Any]:
            if request:
                return request.pop()
            # A stream is sent while its sender listens for the end of the connection.
            await ended.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            else:
                pieces.append(message.get("body", b""))
                if not message.get("more_body", False):
                    ended.set()

        await self._app(scope, receive, send)
        return Answer(status, b"".join(pieces))

    async def _start(self) -> None:
        started = asyncio.get_running_loop().create_future()

        async def receive() -> dict[str, Any]:
            return {"type": await self._events.get()}

        async def send(message: dict[str, Any]) -> None:
            if message["type"].startswith("lifespan.startup"):
                started.set_result(message["type"])

        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
        self._lifespan = asyncio.ensure_future(self._app(scope, receive, send))
        await self._events.put("lifespan.startup")
        if await started != "lifespan.startup.complete":
            raise PellucidError("The data folder cannot be opened; the log says why.")

    async def _stop(self) -> None:
        await self._events.put("lifespan.shutdown")
        if self._lifespan is not None:
            await self._lifespan
