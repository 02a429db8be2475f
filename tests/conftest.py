"""Fixtures for all tests."""

import faulthandler
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from pellucid.testing.live import LiveServer

# The environments of frameworks and evaluators have no hypothesis.
with suppress(ImportError):
    from hypothesis import HealthCheck, settings

    # A slow machine is no fault, and every run asks the same. `make test-quick` asks for fewer
    # examples, and `--hypothesis-profile search` for ones that were never tried before.
    patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.register_profile("house", patient, derandomize=True)
    settings.register_profile("quick", patient, max_examples=25)
    settings.register_profile("search", patient, max_examples=1_000)
    settings.load_profile("house")


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Callable[..., LiveServer]]:
    """Start real servers: `start_server(*arguments, environment={}, folder=None)`."""
    servers: list[LiveServer] = []

    def start(
        *arguments: str, environment: dict[str, str] | None = None, folder: Path | None = None
    ) -> LiveServer:
        server = LiveServer(folder or tmp_path, *arguments, environment=environment)
        servers.append(server)
        return server.start()

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def live_server(start_server: Callable[..., LiveServer]) -> LiveServer:
    """Return a real `pellucid up --port 0` over an empty folder."""
    return start_server()


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """Return one real server for all tests that do not mind each other's traces."""
    server = LiveServer(tmp_path_factory.mktemp("shared")).start()
    yield server
    server.stop()


_EXIT_CODE = pytest.StashKey[int]()
_PATIENCE_S = 60.0
"""How long threads may go on after the last test."""


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    session.config.stash[_EXIT_CODE] = int(exitstatus)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave in time: the thread of a framework that waits for ever would hold the whole run."""
    if hasattr(config, "workerinput"):
        return  # one of several processes: the first one ends it, once the others are done too
    code = config.stash.get(_EXIT_CODE, int(pytest.ExitCode.INTERNAL_ERROR))
    threading.Thread(target=_leave, args=(code,), daemon=True).start()


def _leave(code: int) -> None:
    time.sleep(_PATIENCE_S)
    faulthandler.dump_traceback(sys.stderr)
    print("Threads still went on after the last test; they are left.", file=sys.stderr)
    sys.stderr.flush()
    os._exit(code)


_TEARDOWN_S = 180.0
"""How long what a test leaves may take to end; a loop that closes joins its threads."""
_AGAIN_S = 60.0
"""How long whoever was ended for its time may take to clean up, before that is ended too."""


@pytest.hookimpl(wrapper=True, optionalhook=True)
def pytest_timeout_set_timer(settings: Any) -> Generator[None, object, object]:
    """Let the time limit of a test strike again: cleaning up may wait for ever as well."""
    result = yield
    if settings.method == "signal" and threading.current_thread() is threading.main_thread():
        signal.setitimer(signal.ITIMER_REAL, settings.timeout, _AGAIN_S)
    return result


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown() -> Generator[None, object, object]:
    """Limit the teardown too: pytest-timeout counts no more once a test has failed."""
    if threading.current_thread() is not threading.main_thread():
        return (yield)

    def end(number: int, frame: object) -> None:
        faulthandler.dump_traceback(2)
        pytest.fail(f"What the test left did not end within {_TEARDOWN_S:.0f} s.")

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, _TEARDOWN_S, _AGAIN_S)
    try:
        return (yield)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
