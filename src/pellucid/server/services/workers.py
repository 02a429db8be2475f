"""Processes that prepare requests while there is load, so that a second core is of use.

A worker holds nothing that would be lost with it: when it cannot be had, ends early or fails, the
request is prepared in this process. Workers start when preparing has kept this process busy for a
while, and end when they had nothing to do for a while.
"""

import contextlib
import logging
import math
import os
import pickle
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial, reduce
from typing import IO, Any, Final

from pellucid.server.services.batch import Part
from pellucid.server.services.collector import spare_the_collector
from pellucid.server.services.preparing import Decode, Prepared, Preparer

BUSY_S: Final = 0.25
"""Seconds of preparing, of about the last one, from which on workers are worth starting."""
IDLE_S: Final = 20.0
SMALL_BYTES: Final = 16 * 1024
"""A smaller request costs more to hand over than to prepare."""
DIVIDED_BYTES: Final = 128 * 1024
"""A larger request is divided between two workers, if two are idle."""

_MAX_WORKERS = 4
_MAX_FAILURES = 3
_END_S = 5.0
_PIPE_BYTES = 1024 * 1024
_SET_PIPE_SIZE = 1031  # F_SETPIPE_SZ, of Linux alone
_LENGTH = struct.Struct("<Q")
_log = logging.getLogger(__name__)


class Workers:
    """Prepares requests in workers under load, and otherwise in the thread that asks."""

    def __init__(self, preparer: Preparer, *, most: int | None = None) -> None:
        self._preparer = preparer
        self._most = _workers_of(os.cpu_count() or 1) if most is None else most
        self._changed = threading.Condition()
        # Guarded by `_changed`.
        self._idle: list[_Worker] = []
        self._count = 0
        self._keeper: threading.Thread | None = None
        self._failures = 0
        self._busy_s = 0.0
        self._busy_at = time.monotonic()
        self._closing = threading.Event()

    @property
    def count(self) -> int:
        """How many workers there are."""
        return self._count

    def prepare(self, decode: Decode, seen_ns: int, size_bytes: int) -> Prepared:
        """Return a request prepared; blocks. Raises what `decode` raises."""
        if self._count and size_bytes >= SMALL_BYTES:
            prepared = self._divide(
                pickle.dumps((decode, seen_ns), pickle.HIGHEST_PROTOCOL),
                2 if size_bytes >= DIVIDED_BYTES else 1,
            )
            if prepared is not None:
                return prepared
        began = time.perf_counter()
        prepared = self._preparer(decode, seen_ns)
        if size_bytes >= SMALL_BYTES:
            self._note(time.perf_counter() - began)
        return prepared

    def close(self) -> None:
        """End all workers; blocks until they are gone."""
        self._closing.set()
        with self._changed:
            self._changed.notify_all()
            keeper = self._keeper
        if keeper is not None:
            keeper.join()

    def _divide(self, request: bytes, most: int) -> Prepared | None:
        """Let up to `most` workers prepare a request together; None if that did not work."""
        workers = self._borrow(most)
        asked: list[_Worker] = []
        for number, worker in enumerate(workers):
            try:
                worker.ask(request, Part(number, len(workers)))
                asked.append(worker)
            except Exception as error:
                self._lost(worker, error)
        del request  # as large as the body
        answers: list[Prepared | None] = []
        for worker in asked:
            try:
                answers.append(worker.answer())
            except Exception as error:
                self._lost(worker, error)
            else:
                self._give_back(worker)
        parts = [answer for answer in answers if answer is not None]
        return reduce(Prepared.join, parts) if parts and len(parts) == len(workers) else None

    def _borrow(self, most: int) -> "list[_Worker]":
        """Wait for a worker, and take another one if it is idle; none if there are none."""
        with self._changed:
            while self._count and not self._idle and not self._closing.is_set():
                self._changed.wait()
            if self._closing.is_set():
                return []
            borrowed, self._idle = self._idle[:most], self._idle[most:]
            return borrowed

    def _give_back(self, worker: "_Worker") -> None:
        with self._changed:
            worker.idle_since = time.monotonic()
            self._idle.append(worker)
            self._changed.notify()

    def _lost(self, worker: "_Worker", error: Exception) -> None:
        _log.warning("A worker process ended early (%s); going on without it", error)
        worker.end()
        with self._changed:
            self._failures += 1
            self._count -= 1
            self._changed.notify_all()

    def _note(self, seconds: float) -> None:
        """Count time spent here on what a worker could do, and have some started if it is much."""
        with self._changed:
            now = time.monotonic()
            self._busy_s = self._busy_s * math.exp(self._busy_at - now) + seconds
            self._busy_at = now
            may_start = self._keeper is None and self._failures < _MAX_FAILURES
            if self._busy_s > BUSY_S and may_start and self._most and not self._closing.is_set():
                self._keeper = threading.Thread(target=self._keep, name="pellucid-workers")
                self._keeper.daemon = True
                self._keeper.start()

    def _keep(self) -> None:
        """Start workers and end them when they are not needed any more; then end as well."""
        # All at once: each imports for a while.
        for worker in [self._try(_Worker) for _ in range(self._most)]:
            if worker is not None and self._try(partial(worker.greet, self._preparer)) is not None:
                with self._changed:
                    self._count += 1
                self._give_back(worker)
        while self._retire():
            self._closing.wait(1.0)

    def _try(self, step: "Callable[[], _Worker]") -> "_Worker | None":
        """Take a step towards a worker; None if it failed."""
        try:
            return step()
        except Exception as error:
            _log.warning("No worker process can be started (%s); going on without", error)
            with self._changed:
                self._failures += 1
            return None

    def _retire(self) -> bool:
        """End the workers that were idle for long; tell whether there are others."""
        with self._changed:
            since = math.inf if self._closing.is_set() else time.monotonic() - IDLE_S
            retired = [worker for worker in self._idle if worker.idle_since < since]
            self._idle = [worker for worker in self._idle if worker.idle_since >= since]
            self._count -= len(retired)
            if retired:
                self._failures = 0
            others = self._count > 0
            if not others:
                self._keeper, self._busy_s = None, 0.0
        for worker in retired:
            worker.end()
        if others and self._closing.is_set():
            time.sleep(0.01)  # until the last one is given back
        return others


def _workers_of(cores: int) -> int:
    # With one core a worker would only take the time of this process.
    return min(cores, _MAX_WORKERS) if cores > 1 else 0


class _Worker:
    """One process; of one thread at a time."""

    def __init__(self) -> None:
        self.idle_since = time.monotonic()
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Modules of whatever folder the server was started in are none of ours.
            env={**os.environ, "PYTHONSAFEPATH": "1"},
            start_new_session=True,  # Ctrl-C is for the server alone
        )
        assert self._process.stdin is not None, "it is a pipe"
        assert self._process.stdout is not None, "it is a pipe"
        self._in, self._out = self._process.stdin, self._process.stdout

    def greet(self, preparer: Preparer) -> "_Worker":
        """Give it what it prepares with, and return it when it is ready."""
        try:
            for pipe in (self._in, self._out):
                _widen(pipe)
            send(self._in, preparer)
            if receive(self._out) != "ready":
                raise ChildProcessError("it is not ready")
        except Exception:
            self.end()
            raise
        return self

    def ask(self, request: bytes, part: Part) -> None:
        """Have it prepare a part of a request, which is pickled."""
        send(self._in, part)
        _write(self._in, request)

    def answer(self) -> Prepared | None:
        """Return what it was asked for; None if preparing raised."""
        prepared: Prepared | None = receive(self._out)
        return prepared

    def end(self) -> None:
        """Let it end, or make it end; blocks."""
        try:
            self._in.close()
            self._process.wait(_END_S)
        except (OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        self._out.close()


def send(pipe: IO[bytes], message: object) -> None:
    """Write one message. Raises OSError when nobody reads any more."""
    _write(pipe, pickle.dumps(message, pickle.HIGHEST_PROTOCOL))


def _write(pipe: IO[bytes], data: bytes) -> None:
    pipe.write(_LENGTH.pack(len(data)))
    pipe.write(data)
    pipe.flush()


def receive(pipe: IO[bytes]) -> Any:
    """Read one message. Raises EOFError when nobody writes any more."""
    head = pipe.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise EOFError("it is gone")
    (size,) = _LENGTH.unpack(head)
    data = pipe.read(size)
    if len(data) < size:
        raise EOFError("it is gone")
    # Only the two processes have the pipe, and one is the other's child.
    return pickle.loads(data)


def _widen(pipe: IO[bytes]) -> None:
    """Let a pipe hold a request, where that can be asked for; it works all the same if not."""
    try:
        import fcntl

        fcntl.fcntl(pipe.fileno(), _SET_PIPE_SIZE, _PIPE_BYTES)
    except (ImportError, OSError):
        pass


def main() -> None:
    """Be a worker: prepare what comes in until nothing comes any more."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    # Whatever is printed by accident must not get between the answers.
    sys.stdout = sys.stderr
    with contextlib.suppress(EOFError, BrokenPipeError):
        prepare: Preparer = receive(requests)
        spare_the_collector()
        send(answers, "ready")
        while True:
            part = receive(requests)
            decode, seen_ns = receive(requests)
            try:
                prepared = prepare(decode, seen_ns, part)
            except Exception:
                prepared = None  # the server finds out why, and says so
            send(answers, prepared)


if __name__ == "__main__":
    main()
