"""What runs log → requests, in one background thread; the caller only appends to queues.

Encoding happens here, sending and spooling behind it (`client.delivery`). Writes carry the ids and
times that the client made, so any of them may be sent again.
"""

import logging
import os
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from pellucid.client.delivery import Deliverer
from pellucid.client.spool import Delivery, Spool
from pellucid.client.tracking.writable import writable
from pellucid.core.clock import now_ns
from pellucid.core.run import (
    ArtifactWrite,
    MeasureWrite,
    MetricWrite,
    ParamWrite,
    RunEnd,
    RunStart,
    RunWrite,
    Stamped,
    TagWrite,
)
from pellucid.core.run_paths import RUN_WRITES_PATH
from pellucid.core.run_views import RunWriteRequest
from pellucid.core.settings import ClientSettings

_log = logging.getLogger("pellucid")

BATCH_METRICS = 5_000
QUEUE_METRICS = 200_000
"""Beyond this many waiting points a caller sends them itself, rather than use more memory."""
HEARTBEAT_S = 10.0
DECLARED_S = 0.5
"""How long a run that was only declared may still turn out to be a decorator."""
_LINGER_S = 0.1
_MAX_BODY_BYTES = 32 << 20
"""A request of more is taken apart; servers take twice as much."""
_IDLE_S = 3600.0
_WORKER_EXIT_S = 2.0
"""How long a worker process waits at its end; the spool has the rest."""

_outboxes: "weakref.WeakSet[Outbox]" = weakref.WeakSet()
_encode = msgspec.json.Encoder().encode


class RunQueue:
    """What waits to be sent of one run. Appending is safe from any thread."""

    def __init__(self, run_id: str, experiment: str) -> None:
        self.run_id = run_id
        self.experiment = experiment
        self.metrics: deque[MetricWrite] = deque()
        self.pieces: deque[Any] = deque()
        """RunStart, ParamWrite, TagWrite, ArtifactWrite, RunEnd, or a (field, Stamped)."""
        self.declared_at: float | None = time.monotonic()
        """Set while nothing but its declaration is known of the run: then nothing is sent."""
        self.sent_at = 0.0
        self.ended = False


class Outbox:
    """Sends the queues of this process's runs to one server."""

    def __init__(self, deliverer: Deliverer) -> None:
        self.deliverer = deliverer
        self._closed = False
        self._ticks: list[Callable[[], None]] = []
        self._reset()
        _outboxes.add(self)

    def open(self, queue: RunQueue) -> None:
        """Take on a run."""
        self._queues[queue.run_id] = queue
        self.wake()

    def drop(self, queue: RunQueue) -> None:
        """Forget a run that was only declared."""
        self._queues.pop(queue.run_id, None)

    def wake(self) -> None:
        """Tell the thread that something waits."""
        if self._thread is None:
            self._start_thread()
        if self._sleeping:
            self._wake.set()

    def add_metric(self, queue: RunQueue, point: MetricWrite) -> None:
        """Queue one point; a microsecond or two."""
        metrics = queue.metrics
        metrics.append(point)
        queue.declared_at = None
        if self._sleeping or self._thread is None:
            self.wake()
        if len(metrics) > QUEUE_METRICS:
            self.send()

    def add(self, queue: RunQueue, piece: Any) -> None:
        """Queue anything else."""
        queue.pieces.append(piece)
        queue.declared_at = None
        self.wake()

    def submit(self, delivery: Delivery) -> None:
        """Send bytes that a later piece names, before it."""
        self.deliverer.submit(delivery)

    def on_tick(self, tick: Callable[[], None]) -> None:
        """Have something called in the thread after each round; it must not raise or take long."""
        self._ticks.append(tick)

    def send(self, *, declared_too: bool = False) -> None:
        """Encode what waits and hand it to the deliverer."""
        with self._sending:
            now = time.monotonic()
            for queue in list(self._queues.values()):
                since = queue.declared_at
                if since is not None and now - since < DECLARED_S and not declared_too:
                    continue
                while self._send_one(queue, now):
                    pass

    def flush(self, timeout_s: float) -> bool:
        """Return whether the server has everything; at once when it does not answer."""
        start = time.monotonic()
        self.send(declared_too=True)
        return self.deliverer.flush(max(0.0, timeout_s - (time.monotonic() - start)))

    def close(self, timeout_s: float) -> None:
        """Send what waits, or leave it in the spool."""
        self.send(declared_too=True)
        self._closed = True
        self._wake.set()
        self.deliverer.close(timeout_s)

    def after_fork(self) -> None:
        """In a child: what waits is the parent's to send; the child may log to the same runs."""
        self._reset(self._queues)

    def _reset(self, inherited: dict[str, RunQueue] | None = None) -> None:
        self._queues: dict[str, RunQueue] = inherited or {}
        for queue in self._queues.values():
            queue.metrics = deque()
            queue.pieces = deque()
        self._thread: threading.Thread | None = None
        self._start_lock = threading.Lock()  # guards the start of the thread
        self._sending = threading.Lock()  # one encodes at a time, so that order is kept
        self._wake = threading.Event()
        self._sleeping = False

    def _start_thread(self) -> None:
        if self._closed:
            return
        with self._start_lock:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="pellucid-runs", daemon=True)
                try:
                    thread.start()
                except RuntimeError:
                    return  # The interpreter is ending: close() sends what waits.
                self._thread = thread
                self._watch_worker()

    def _watch_worker(self) -> None:
        """Hook into the end of a `multiprocessing` worker, where no atexit handler runs."""
        util = sys.modules.get("multiprocessing.util")
        process = sys.modules.get("multiprocessing.process")
        if util is not None and process is not None and process.parent_process() is not None:
            util.Finalize(None, self.close, args=(_WORKER_EXIT_S,), exitpriority=10)

    def _run(self) -> None:
        while self._await_work():
            # Points gather meanwhile: few large requests cost less than many small ones.
            time.sleep(_LINGER_S)
            try:
                self.send()
                for tick in self._ticks:
                    tick()
            except Exception:
                # The thread must live; each write's own failures are caught closer to it.
                _log.exception("What runs logged could not be sent")

    def _await_work(self) -> bool:
        """Return when there is something to do; False when there will be nothing more."""
        self._sleeping = True
        queues = list(self._queues.values())
        if not any(q.metrics or (q.pieces and q.declared_at is None) for q in queues):
            declared = any(queue.declared_at is not None for queue in queues)
            self._wake.wait(DECLARED_S if declared else HEARTBEAT_S / 2 if queues else _IDLE_S)
        self._sleeping = False
        self._wake.clear()
        return not self._closed

    def _send_one(self, queue: RunQueue, now: float) -> bool:
        """Send one request of a run; whether there is more."""
        queue.declared_at = None
        ended = queue.ended
        write = _take(queue)
        beats = now - queue.sent_at >= HEARTBEAT_S and not ended
        if write is None and not beats:
            if ended:
                self._queues.pop(queue.run_id, None)
            return False
        empty = RunWrite(run_id=queue.run_id, experiment=queue.experiment, time_ns=now_ns())
        queue.sent_at = now
        # A sign of life is of no use later.
        for delivery in split_write(write or empty, keep=write is not None):
            self.deliverer.submit(delivery)
        return bool(queue.metrics or queue.pieces)


def split_write(write: RunWrite, *, keep: bool) -> Iterator[Delivery]:
    """Yield the requests that send a write: several where one would be too large to be taken."""
    whole = run_delivery(write, keep=keep)
    count = len(write.params) + len(write.tags) + len(write.artifacts)
    if len(whole.body) <= _MAX_BODY_BYTES or count < 2:
        yield whole
        return
    p, t, a = ((len(held) + 1) // 2 for held in (write.params, write.tags, write.artifacts))
    first = msgspec.structs.replace(
        write,
        params=write.params[:p],
        tags=write.tags[:t],
        artifacts=write.artifacts[:a],
        end=None,
    )
    second = RunWrite(
        run_id=write.run_id,
        experiment=write.experiment,
        time_ns=write.time_ns,
        params=write.params[p:],
        tags=write.tags[t:],
        artifacts=write.artifacts[a:],
        end=write.end,
    )
    yield from split_write(first, keep=keep)
    yield from split_write(second, keep=keep)


def run_delivery(write: RunWrite, *, keep: bool = True) -> Delivery:
    """Return the request that sends a write."""
    request = RunWriteRequest(writes=[write])
    try:
        body = _encode(request)
    except UnicodeEncodeError:
        # One text with half a character must not cost all that was logged beside it.
        body = _encode(writable(msgspec.to_builtins(request)))
    headers = {"content-type": "application/json"}
    return Delivery(path=RUN_WRITES_PATH, headers=headers, body=body, keep=keep)


def open_outbox(client: ClientSettings) -> Outbox:
    """Return an outbox to the server that the settings name."""
    spool = Spool.open(client.spool_dir, client.url)
    return Outbox(Deliverer(client.url, spool, api_key=client.api_key, ordered=True))


def _take(queue: RunQueue) -> RunWrite | None:
    """Return what waits of a run as one write, at most `BATCH_METRICS` points of it."""
    metrics: list[MetricWrite] = []
    try:
        while len(metrics) < BATCH_METRICS:
            metrics.append(queue.metrics.popleft())
    except IndexError:
        pass
    pieces: list[Any] = []
    # The end goes out last, when no points are left before it.
    while queue.pieces and not (isinstance(queue.pieces[0], RunEnd) and queue.metrics):
        pieces.append(queue.pieces.popleft())
    return as_write(queue, pieces, metrics) if metrics or pieces else None


def as_write(queue: RunQueue, pieces: list[Any], metrics: Sequence[MetricWrite] = ()) -> RunWrite:
    """Return pieces of a run as one write about it."""
    fields: dict[str, Any] = {}
    lists: dict[type, tuple[str, list[Any]]] = {
        ParamWrite: ("params", []),
        TagWrite: ("tags", []),
        ArtifactWrite: ("artifacts", []),
        MeasureWrite: ("measures", []),
    }
    for piece in pieces:
        if type(piece) in lists:
            lists[type(piece)][1].append(piece)
        elif isinstance(piece, RunStart):
            fields["start"] = piece
        elif isinstance(piece, RunEnd):
            fields["end"] = piece
        else:
            field, stamped = piece
            fields[field] = stamped
    fields.update({name: those for name, those in lists.values() if those})
    return RunWrite(
        run_id=queue.run_id,
        experiment=queue.experiment,
        time_ns=now_ns(),
        metrics=list(metrics),
        **fields,
    )


def stamp(field: str, value: str | None) -> tuple[str, Stamped]:
    """Return a piece that sets a run's field from now on."""
    return field, Stamped(value=value, time_ns=now_ns())


def _forget_parent() -> None:
    for outbox in list(_outboxes):
        outbox.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parent)
