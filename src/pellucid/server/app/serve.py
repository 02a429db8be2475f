"""Running the application: sockets, signals, and what happens once it takes requests."""

import contextlib
import errno
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import uvicorn

from pellucid.server.services.collector import spare_the_collector

GRACE_S = 8  # below the ten seconds after which `docker stop` kills
KEEP_ALIVE_S = 75
BACKLOG = 2048
_SWITCH_S = 0.001


class PortTaken(OSError):
    """Another program listens there."""


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; port 0 takes a free one. Raises PortTaken and OSError."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        if sys.platform != "win32":
            # A port whose last connections still wait to end may be taken; a served one may not.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(error.errno, f"{host}:{port} is taken") from error
        raise
    listener.setblocking(False)
    return listener


def url_of(listener: socket.socket, host: str) -> str:
    """Return a listening socket's URL under the host that was asked for."""
    port = listener.getsockname()[1]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(app: Any, listeners: Sequence[socket.socket], on_ready: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT, then finish what was accepted and return.

    `on_ready` is called on the event loop as soon as requests are accepted. A second signal stops
    at once.
    """
    config = uvicorn.Config(
        app,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
        backlog=BACKLOG,
    )
    server = _Server(config, on_ready)
    spare_the_collector()
    # The writer lets go of the interpreter at each step of SQLite; by default it might then wait
    # five milliseconds each time for a thread that computes.
    sys.setswitchinterval(_SWITCH_S)
    server.run(sockets=list(listeners))
    if not server.started:
        raise RuntimeError("The server did not start; its log says why.")


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # Uvicorn raises the signal again after its shutdown; then SIGTERM would be no clean exit.
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        handled = (signal.SIGINT, signal.SIGTERM)
        previous = {number: signal.signal(number, self.handle_exit) for number in handled}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
