"""Requests sent in the background, and kept on disk while the server is away.

    submit → memory ── server answers ──────────────▶ delivered
               │  ▲         └ refuses it for good ──▶ spool's `rejected`
               │  └ too much waiting ─┐
               └ server away ─────────┴─▶ spool ──▶ tried again: 0.5 s, 1 s, 2 s … 5 s

Nothing here waits for the network in the caller's thread, and nothing raises into it.
"""

import json
import logging
import os
import random
import threading
import time
import weakref
from collections import deque
from typing import TYPE_CHECKING

from pellucid.client import notices
from pellucid.client.spool import Delivery, Spool, is_loopback, is_refused_for_good

if TYPE_CHECKING:
    from pellucid.client.http import Connection, Response

_log = logging.getLogger("pellucid")

MEMORY_LIMIT_BYTES = 16 * 1024 * 1024
_FIRST_RETRY_S, _LONGEST_RETRY_S = 0.5, 5.0
_LONGEST_RETRY_AFTER_S = 60.0
_IDLE_CHECK_S = 60.0
_DRAIN_STEP_FILES = 8
_BUSY_FOLDER_S = 0.2
_SERVER_ERRORS_IN_A_ROW = 5
_SLOW_S = 2.0
_NO_SUCH_DOOR = frozenset({404, 405, 501})
_PROGRESS_S = 0.2
_LEAST_CLOSE_S = 0.1
_LONGEST_CLOSE_S = 5.0
_LONGEST_IMPORT_S = 5.0

_deliverers: "weakref.WeakSet[Deliverer]" = weakref.WeakSet()
_loading = threading.Lock()
"""Held while the thread imports: a fork in the middle of it would leave the child a half module."""


class Deliverer:
    """Sends requests to one destination, from one daemon thread that starts with the first.

    With `ordered`, what this process submits arrives in the order of submission.
    """

    _waiting: deque[Delivery]
    _in_flight: Delivery | None
    _thread: threading.Thread | None
    _retry_at: float | None
    """When to try again (monotonic clock), while the server is away."""
    _backlog: bool
    """Whether the spool may hold something to deliver."""
    _own_backlog: bool
    """Whether this process put something there that is not known to be delivered."""
    _closed: bool

    def __init__(
        self,
        url: str,
        spool: Spool,
        *,
        api_key: str | None = None,
        ordered: bool = False,
        memory_limit_bytes: int = MEMORY_LIMIT_BYTES,
    ) -> None:
        self.url = url
        self.spool = spool
        self._ordered = ordered
        self._memory_limit_bytes = memory_limit_bytes
        self.is_loopback = is_loopback(url)
        self._api_key = api_key
        self._connection: Connection | None = None
        self._reset()
        _deliverers.add(self)

    @property
    def is_away(self) -> bool:
        """Whether the server did not answer the last time it was asked."""
        return self._retry_at is not None

    def start(self) -> None:
        """Start the thread now rather than with the first request."""
        with self._changed:
            if not self._closed:
                self._start_thread()

    def submit(self, delivery: Delivery, *, durable: bool = False) -> None:
        """Take one request; it is sent soon, or written to the spool by the thread behind this.

        With `durable` it is on disk when this returns, and sent from there.
        """
        with self._changed:
            fits = self._waiting_bytes + len(delivery.body) <= self._memory_limit_bytes
            if fits and not (durable or self._closed or self._is_slow()):
                self._waiting.append(delivery)
                self._waiting_bytes += len(delivery.body)
            else:
                if self._ordered:
                    self._keep_older()
                if not self._keep(delivery):
                    self._wait_in_memory(delivery)
            if not self._closed:
                self._start_thread()
            self._changed.notify_all()

    def flush(self, timeout_s: float) -> bool:
        """Wait until all that was submitted is delivered or in the spool.

        Return whether it is delivered. A server that was away is tried again now.
        """
        deadline = time.monotonic() + timeout_s
        with self._changed:
            if self._retry_at is not None:
                self._retry_at = time.monotonic()
            self._backlog = self._backlog or self._own_backlog
            tries = self._tries
            self._changed.notify_all()
            while not self._is_settled(tries):
                left = deadline - time.monotonic()
                if left <= 0 or self._thread is None:
                    return False
                self._changed.wait(left)
            return self._retry_at is None and not self._waiting and not self._own_backlog

    def close(self, timeout_s: float = 0.5) -> None:
        """Stop the thread; what is not delivered within `timeout_s` is written to the spool.

        A server that keeps answering at once is given longer, up to five seconds.
        """
        start = time.monotonic()
        deadline = start + timeout_s
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            if self._in_flight is not None:
                # The time that an answer has been awaited already counts.
                deadline = min(deadline, max(start + _LEAST_CLOSE_S, self._sent_at + timeout_s))
            done = self._done_count
            # A server that answers may as well have what workers left in the spool.
            self._backlog = done > 0 or self._own_backlog
            while self._has_work() and self._retry_at is None and not self._spilling:
                left = deadline - time.monotonic()
                if left <= 0 or self._thread is None:
                    break
                self._changed.wait(left)
                if self._done_count != done and self._waiting:
                    done = self._done_count
                    longest = start + max(timeout_s, _LONGEST_CLOSE_S)
                    deadline = min(max(deadline, time.monotonic() + _PROGRESS_S), longest)
            while self._spilling and time.monotonic() < start + _LONGEST_CLOSE_S:
                self._changed.wait(_LEAST_CLOSE_S)
            self._closed = True
            if (self._in_flight or self._waiting) and self._retry_at is None:
                notices.tell_late(self.url, self.spool.folder)
            self._keep_older()
            self._changed.notify_all()

    def after_fork(self) -> None:
        """In a child process: what waits is the parent's to send."""
        if self._connection is not None:
            self._connection.forget()
            self._connection = None
        self._reset()

    def _reset(self) -> None:
        self._changed = threading.Condition()
        # The condition guards all that follows.
        self._waiting = deque()
        self._waiting_bytes = 0
        self._in_flight = None
        self._in_flight_kept = False
        self._spilling = False
        self._disk_fails = False
        self._thread = None
        self._retry_at = None
        self._retry_s = _FIRST_RETRY_S
        self._backlog = True
        self._own_backlog = False
        self._draining = False
        self._kept_count = 0
        self._sent_at = 0.0
        self._tries = 0
        self._done_count = 0
        self._server_errors = 0
        self._closing = False
        self._closed = False

    def _is_settled(self, tries: int) -> bool:
        if self._in_flight or self._draining:
            return False
        if self._retry_at is not None:
            return self._tries > tries and (self._disk_fails or not self._waiting)
        return not self._waiting and not self._own_backlog

    def _is_slow(self) -> bool:
        """Whether an answer is overdue: then a disk is a safer place to wait than memory."""
        return self._in_flight is not None and time.monotonic() - self._sent_at > _SLOW_S

    def _has_work(self) -> bool:
        return bool(self._waiting or self._in_flight or self._draining or self._backlog)

    def _start_thread(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="pellucid-delivery", daemon=True)
            try:
                self._thread.start()
            except RuntimeError:
                self._thread = None  # The interpreter is ending: close() spools what waits.

    def _run(self) -> None:
        thread = self._thread
        while thread is self._thread and self._step():
            pass
        if self._connection is not None:
            self._connection.close()

    def _step(self) -> bool:
        """Do the next thing there is to do; False when the thread should end."""
        with self._changed:
            work = self._await_work()
            if work is None:
                return False
            self._draining = work == "drain"
            self._spilling = work == "spill"
            if not self._draining:
                self._in_flight = self._waiting.popleft()
                self._in_flight_kept = False
                self._sent_at = time.monotonic()
                self._waiting_bytes -= len(self._in_flight.body)
            delivery = self._in_flight
        try:
            if delivery is None:
                self._drain()
            elif work == "spill":
                self._keep_in_flight(delivery)
            else:
                self._send(delivery)
        except Exception:
            # The thread must live, and what it held must not be lost.
            _log.exception("Delivery to %s failed", self.url)
            self._note_away(None)
            if delivery is not None:
                self._keep_in_flight(delivery)
        with self._changed:
            self._in_flight = None
            self._draining = self._spilling = False
            self._done_count += 1
            self._changed.notify_all()
        return True

    def _await_work(self) -> str | None:
        """Wait for something to do: "send", "spill", "drain", or None to end."""
        while True:
            if self._closed or (self._closing and not self._has_work()):
                return None
            now = time.monotonic()
            if self._retry_at is not None:
                if self._closing:
                    return None
                if now >= self._retry_at:
                    self._disk_fails = False
                    return "drain"
                if self._waiting and not self._disk_fails:
                    return "spill"
                self._changed.wait(self._retry_at - now)
            elif self._ordered and self._own_backlog:
                return "drain"
            elif self._waiting:
                return "send"
            elif self._backlog and (self._done_count or self._own_backlog):
                return "drain"
            elif not self._changed.wait(_IDLE_CHECK_S):
                self._backlog = True  # Another process may have left something.

    def _send(self, delivery: Delivery) -> None:
        status = self._try(delivery.path, delivery.body, delivery.headers)
        if status is not None and 200 <= status < 300:
            return
        if status is not None and is_refused_for_good(status):
            self._set_aside(delivery, status)
        else:
            self._keep_in_flight(delivery)

    def _keep_in_flight(self, delivery: Delivery) -> None:
        with self._changed:
            if self._in_flight_kept:
                return  # close() or a later request's caller has already written it.
            self._spilling = True
        kept = self._keep(delivery)
        with self._changed:
            self._in_flight_kept = True
            if not kept:
                self._waiting.appendleft(delivery)
                self._waiting_bytes += len(delivery.body)

    def _drain(self) -> None:
        """Deliver some of the spool, letting what is fresh go first unless order matters."""
        delivered = 0

        def post(path: str, body: bytes, headers: dict[str, str]) -> int:
            nonlocal delivered
            status = self._try(path, body, headers)
            if status is None:
                raise ConnectionError
            delivered += 1
            return status

        def stop() -> bool:
            fresh = bool(self._waiting) and not self._ordered
            return self._closed or (fresh and delivered >= _DRAIN_STEP_FILES)

        kept_count = self._kept_count
        report = self.spool.drain(post, stop=stop)
        with self._changed:
            self._tries += 1
            if report.failed:
                notices.tell_rejected(self.url, self.spool.rejected_folder)
            if report.busy and self._retry_at is not None:
                self._come_back_later(0.0)
            elif report.busy and self._closing:
                self._backlog = False
            elif report.busy:
                self._changed.wait(_BUSY_FOLDER_S)
            elif not report.kept and kept_count == self._kept_count:
                self._retry_at = None
                self._backlog = self._own_backlog = False

    def _try(self, path: str, body: bytes, headers: dict[str, str]) -> int | None:
        """Post once and note what the answer says of the server; None if there was none."""
        try:
            answer = self._connect().request("POST", path, body, headers)
        except OSError as error:
            self._note_away(None, error=error)
            return None
        status = answer.status
        if 200 <= status < 300 and _is_no_answer_of_ours(answer):
            self._note_away(status)
            return None
        if status == 200 and answer.body and path.startswith("/v1/"):
            notices.tell_partial(self.url, answer.body)
        if status >= 400 and self._is_hopeless(status):
            status = 400
        if 200 <= status < 300 or is_refused_for_good(status):
            with self._changed:
                self._retry_at = None
                self._retry_s = _FIRST_RETRY_S
            self._server_errors = 0
        else:
            pause = _seconds(answer.headers.get("retry-after"))
            self._note_away(status, retry_after_s=pause)
        return status

    def _is_hopeless(self, status: int) -> bool:
        """Whether a request that is not refused in so many words would hold up all the others.

        That is one which a server fails on again and again, or for which a Pellucid server has no
        door; any other program on the port may make room for a Pellucid server yet.
        """
        if status == 500:
            self._server_errors += 1
            return self._server_errors >= _SERVER_ERRORS_IN_A_ROW
        if status not in _NO_SUCH_DOOR:
            return False
        try:
            answer = self._connect().request("GET", "/version")
            told = json.loads(answer.body)
            return type(told) is dict and told.get("name") == "pellucid"
        except (OSError, ValueError):
            return False

    def _connect(self) -> "Connection":
        if self._connection is None:
            with _loading:
                # What is only needed to send is loaded where it is sent, not by `import pellucid`.
                import encodings.idna  # noqa: F401 - the first look-up of a host imports it

                from pellucid.client.http import Connection
            self._connection = Connection(self.url, api_key=self._api_key)
        return self._connection

    def _note_away(
        self, status: int | None, *, error: OSError | None = None, retry_after_s: float = 0.0
    ) -> None:
        with self._changed:
            self._tries += 1
            self._come_back_later(retry_after_s)
        _log.debug("%s: %s", self.url, error or status)
        if status != 503:
            notices.tell_away(self.url, self.spool.folder, status, error)

    def _come_back_later(self, retry_after_s: float) -> None:
        pause = max(self._retry_s, min(retry_after_s, _LONGEST_RETRY_AFTER_S))
        self._retry_at = time.monotonic() + pause * random.Random().uniform(0.8, 1.2)
        self._retry_s = min(self._retry_s * 2, _LONGEST_RETRY_S)

    def _keep(self, delivery: Delivery) -> bool:
        """Write to the spool; False where the disk does not take it."""
        if not delivery.keep:
            return True
        try:
            self.spool.write(delivery)
        except OSError as error:
            notices.tell_no_disk(self.url, self.spool.folder, error)
            self._disk_fails = True
            return False
        with self._changed:
            self._backlog = self._own_backlog = True
            self._kept_count += 1
        if self.spool.dropped_files:
            notices.tell_full(self.spool.folder, self.spool.limit_bytes)
        return True

    def _keep_older(self) -> None:
        """Write what was submitted before to the spool: what is in flight too, for it may fail."""
        if self._in_flight is not None and not self._in_flight_kept:
            self._in_flight_kept = self._keep(self._in_flight)
        while self._waiting and self._keep(self._waiting[0]):
            self._waiting_bytes -= len(self._waiting.popleft().body)

    def _wait_in_memory(self, delivery: Delivery) -> None:
        """Without a disk the memory is the spool: bounded too, the oldest goes first."""
        self._waiting.append(delivery)
        self._waiting_bytes += len(delivery.body)
        while self._waiting_bytes > self._memory_limit_bytes:
            self._waiting_bytes -= len(self._waiting.popleft().body)
            notices.tell_memory_full()

    def _set_aside(self, delivery: Delivery, status: int) -> None:
        try:
            self.spool.reject(delivery)
        except OSError as error:
            _log.warning("A refused request could not be kept: %s", error)
        notices.tell_rejected(self.url, self.spool.rejected_folder, status)


def _is_no_answer_of_ours(answer: "Response") -> bool:
    """Tell whether some other program, such as a login portal, says 200 with a page of its own."""
    kind = answer.headers.get("content-type", "")
    return bool(answer.body) and "protobuf" not in kind and "json" not in kind


def _seconds(text: str | None) -> float:
    """Read a Retry-After; a date or nonsense counts as none."""
    try:
        return max(0.0, float(text or 0))
    except ValueError:
        return 0.0


_fork_waited = False


def _before_fork() -> None:
    global _fork_waited
    _fork_waited = _loading.acquire(timeout=_LONGEST_IMPORT_S)


def _after_fork_in_parent() -> None:
    if _fork_waited:
        _loading.release()


def _after_fork_in_child() -> None:
    global _loading
    _loading = threading.Lock()
    for deliverer in list(_deliverers):
        deliverer.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )
