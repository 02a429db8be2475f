"""The demo's own server: `pellucid up` as a child process, over a folder of its own."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pellucid.core.errors import PellucidError

HOST = "127.0.0.1"
_READY = "Pellucid is at "
_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 40.0


class ServerProcess:
    """A running server; `url` is where it is."""

    def __init__(self, process: "subprocess.Popen[str]", url: str) -> None:
        self._process = process
        self.url = url

    def wait(self) -> int:
        """Return the exit code once the server has ended."""
        return self._process.wait()


def port_is_free(port: int) -> bool:
    """Tell whether the demo can listen on a port; 0, which takes any, is always free."""
    with socket.socket() as probe:
        if sys.platform != "win32":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


@contextmanager
def own_server(data_dir: Path, port: int) -> Iterator[ServerProcess]:
    """Yield a server over `data_dir`, with its spool inside, and stop it afterwards.

    The user's own settings do not reach it, so that the demo never meets the user's data. Raises
    PellucidError if it does not start; why is then on stderr. The server never outlives this
    process: it stops when its input closes.
    """
    arguments = ["up", "--host", HOST, "--port", str(port), "--data-dir", str(data_dir)]
    arguments += ["--otlp-http-port", "0", "--stop-with-stdin"]
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "pellucid", *arguments],
        env=_environment(data_dir),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # Ctrl-C is for the demo alone, which then stops its server in order.
        start_new_session=True,
    )
    try:
        yield ServerProcess(process, _wait_until_ready(process))
    finally:
        _stop(process)


def _environment(data_dir: Path) -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("PELLUCID_")}
    return inherited | {"PELLUCID_SPOOL_DIR": str(data_dir / "spool"), "PYTHONUNBUFFERED": "1"}


def _wait_until_ready(process: "subprocess.Popen[str]") -> str:
    """Return the URL that the server prints; its further lines are read and dropped."""
    found: list[str] = []
    ready = threading.Event()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith(_READY):
                found.append(line.removeprefix(_READY).strip())
                ready.set()
        ready.set()  # the server has ended

    threading.Thread(target=read, name="demo-server-output", daemon=True).start()
    if not ready.wait(_START_TIMEOUT_S) or not found:
        raise PellucidError("The demo's server did not start.")
    return found[0]


def _stop(process: "subprocess.Popen[str]") -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()
