"""A real `pellucid up` in a process of its own, for tests that want the real thing."""

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import httpx

# A machine may be slow, which no test is about.
START_TIMEOUT_S = 120.0
_READY = "Pellucid is at "


class LiveServer:
    """A server over a folder, on a free loopback port; `start` may be called again after a stop."""

    def __init__(
        self, folder: Path, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> None:
        self.data_dir = folder / "data"
        self.spool_dir = folder / "spool"
        self.arguments = arguments
        self.environment = dict(environment or {})
        self.url = ""
        self.lines: list[str] = []
        self.process: subprocess.Popen[str] | None = None
        self._stderr_path = folder / "server.log"

    @property
    def pid(self) -> int:
        """The process id of a started server."""
        assert self.process is not None
        return self.process.pid

    @property
    def log(self) -> str:
        """What the server wrote on stderr, over all of its starts."""
        return self._stderr_path.read_text() if self._stderr_path.exists() else ""

    def environ(self) -> dict[str, str]:
        """Return the environment of the server: nothing of the user's own settings."""
        kept = {name: value for name, value in os.environ.items() if not _is_setting(name)}
        folders = {"HOME": str(self.data_dir.parent), "PELLUCID_SPOOL_DIR": str(self.spool_dir)}
        return {**kept, **folders, **self.environment}

    def command(self, *arguments: str) -> list[str]:
        """Return the command line of `pellucid` with these arguments."""
        return [sys.executable, "-m", "pellucid", *arguments]

    def start(self) -> "LiveServer":
        """Start and wait until requests are accepted."""
        options = ["--port", "0", "--otlp-http-port", "0", "--data-dir", str(self.data_dir)]
        with self._stderr_path.open("a") as log:
            self.process = subprocess.Popen(
                self.command("up", *options, *self.arguments),
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=self.environ(),
            )
        self.lines = []
        lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._pump, args=(lines,), daemon=True).start()
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            try:
                line = lines.get(timeout=0.05)
            except queue.Empty:
                if self.process.poll() is not None:
                    break
                continue
            if line.startswith(_READY):
                self.url = line.removeprefix(_READY)
                return self
        self.kill()
        raise AssertionError(f"The server did not start: {self.lines}\n{self.log}")

    def wait_for_line(self, text: str, timeout_s: float = 120.0) -> str:
        """Return the first line of stdout that holds a text."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            for line in list(self.lines):
                if text in line:
                    return line
            time.sleep(0.02)
        raise AssertionError(f"No line with {text!r} in {self.lines}\n{self.log}")

    def stop(self, number: int = signal.SIGTERM, timeout_s: float = 90.0) -> int:
        """Send a signal, wait for the end and return the exit code; harmless when it has ended."""
        process = self.process
        if process is None:
            return 0
        if process.poll() is None:
            process.send_signal(number)
        try:
            code = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        if process.stdout is not None:
            process.stdout.close()
        self.process = None
        return code

    def kill(self) -> None:
        """Kill -9."""
        self.stop(signal.SIGKILL)

    def client(self, **headers: str) -> httpx.Client:
        """Return a client whose paths are relative to the server."""
        return httpx.Client(base_url=self.url, timeout=90.0, trust_env=False, headers=headers)

    def _pump(self, lines: "queue.Queue[str]") -> None:
        process = self.process
        assert process is not None
        assert process.stdout is not None
        try:
            for line in process.stdout:
                self.lines.append(line.rstrip("\n"))
                lines.put(line.rstrip("\n"))
        except ValueError:
            # Closed by `stop`.
            return


def _is_setting(name: str) -> bool:
    return name.startswith(("PELLUCID_", "OTEL_")) or name.lower().endswith("_proxy")
