"""Ended spans → OTLP requests, in one background thread; open spans are shown as running.

The caller's thread only appends to a queue. Encoding, redaction and compression happen behind it,
sending behind that (`client.delivery`), so a slow server never slows the program.
"""

import logging
import os
import sys
import threading
import time
import weakref
from collections import deque
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NoReturn

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace import Span as SdkSpan

from pellucid.client.delivery import Deliverer
from pellucid.client.notices import say_once
from pellucid.client.spool import SPAN_COUNT_HEADER, Delivery, compress
from pellucid.client.tracing.bell import Bell
from pellucid.client.tracing.context import untraced
from pellucid.client.tracing.fitting import encode_fitting
from pellucid.client.tracing.otlp import (
    Redact,
    ResourceGroup,
    encode_request,
    encode_resource,
    encode_scope,
)

_log = logging.getLogger("pellucid")

BATCH_SPANS = 512
BATCH_BYTES = 1024 * 1024
QUEUE_SPANS = 16_384
"""Beyond this many waiting spans a caller encodes a batch itself, rather than lose one."""
PENDING_AFTER_S = 1.0
PENDING_AGAIN_S = 30.0
WORKER_EXIT_S = 0.5
_LONGEST_ENCODE_S = 5.0
"""How long to wait for another thread's batch: a redaction hook may never come back."""
_LINGER_S = 0.02
_PAUSE_S = 0.2
_SCAN_S = 0.5
_IDLE_S = 3600.0

_pipelines: "weakref.WeakSet[Pipeline]" = weakref.WeakSet()


class Pipeline:
    """Takes spans as they start and end, and submits them to one deliverer."""

    _queue: deque[ReadableSpan]
    _open: dict[int, weakref.ref[SdkSpan]]
    _pending_sent: dict[int, float]
    _thread: threading.Thread | None
    _waiting: bool
    """Whether the thread sleeps until a span ends."""
    _idle: bool
    """Whether it sleeps until a span starts or ends."""
    _may_be_killed: bool
    """Whether this is a worker that is terminated, not ended: then each local root is spooled."""
    _envelopes: dict[Any, tuple[Any, bytes, bytes]]
    """By identity of the resource, which is held here so that the identity stays its own."""

    def __init__(self, deliverer: Deliverer, *, redact: Redact | None = None) -> None:
        self.deliverer = deliverer
        self.redact = _guarded(redact) if redact else None
        """The user's hook; a failure of it leaves a remark in the value's place."""
        self._inherited: set[int] = set()
        self._closed = False
        self._reset()
        _pipelines.add(self)

    def opened(self, span: SdkSpan, span_id: int) -> None:
        """Note a span that has started."""
        self._open[span_id] = weakref.ref(span)
        if self._idle:
            self._idle = False
            self._wake.ring()
        elif self._thread is None:
            self._start_thread()

    def ended(self, span: ReadableSpan, span_id: int) -> None:
        """Take a span that has ended."""
        if self._open.pop(span_id, None) is None and span_id in self._inherited:
            return  # It began before a fork: it is the parent's to send.
        if self._pending_sent:
            self._pending_sent.pop(span_id, None)
        queue = self._queue
        queue.append(span)
        if self._waiting:
            self._waiting = self._idle = False
            self._wake.ring()
        waiting = len(queue)
        if waiting >= BATCH_SPANS or self._thread is None:
            self._hurry(waiting)
        if self._may_be_killed and not (span.parent and span.parent.span_id in self._open):
            self._encode_all()

    def flush(self, timeout_s: float) -> bool:
        """Send what has ended; return whether the server has it all."""
        start = time.monotonic()
        self._encode_all(timeout_s)
        return self.deliverer.flush(max(0.0, timeout_s - (time.monotonic() - start)))

    def close(self, timeout_s: float) -> None:
        """Send what has ended, or write it to the spool; later spans go there at once."""
        self._encode_all()
        self._closed = True
        self._urgent.ring()
        self._wake.ring()
        self.deliverer.close(timeout_s)
        self._encode_all()

    def after_fork(self) -> None:
        """In a child: spans that are open or waiting are the parent's."""
        self._inherited |= set(self._open)
        self._reset()

    def _reset(self) -> None:
        self._queue = deque()
        self._open = {}
        self._pending_sent = {}
        self._thread = None
        self._start_lock = threading.Lock()  # guards the start of the thread
        self._encode_lock = threading.Lock()  # one encodes at a time, so batches stay whole
        self._encoder: int | None = None
        self._wake = Bell()
        self._urgent = Bell()
        self._waiting = self._idle = False
        self._may_be_killed = False
        self._last_work = 0.0
        self._envelopes = {}

    def _hurry(self, waiting: int) -> None:
        if self._thread is None:
            self._start_thread()
        if waiting >= BATCH_SPANS and not self._urgent.rings():
            self._urgent.ring()
        if waiting >= QUEUE_SPANS or self._closed:
            self._encode_batch()

    def _start_thread(self) -> None:
        # Who holds the lock is starting it, perhaps below a signal handler in this very thread.
        if self._closed or not self._start_lock.acquire(blocking=False):
            return
        try:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="pellucid-spans", daemon=True)
                try:
                    thread.start()
                except RuntimeError:
                    return  # The interpreter is ending: close() encodes what waits.
                self._thread = thread
                # Now: from Python 3.12 on, no thread can be started while the program exits.
                self.deliverer.start()
                self._watch_worker()
        finally:
            self._start_lock.release()

    def _watch_worker(self) -> None:
        """Hook into the end of a `multiprocessing` worker, where no atexit handler runs."""
        util = sys.modules.get("multiprocessing.util")
        process = sys.modules.get("multiprocessing.process")
        if util is not None and process is not None and process.parent_process() is not None:
            util.Finalize(None, self.close, args=(WORKER_EXIT_S,), exitpriority=10)
            self._may_be_killed = process.current_process().daemon

    def _run(self) -> None:
        while not self._closed:
            self._await_spans()
            try:
                self._encode_all()
                self._send_pending()
            except Exception:
                # The thread must live; each span's own failures are caught closer to it.
                _log.exception("Spans could not be encoded")

    def _await_spans(self) -> None:
        """Return when there is something to send, letting a batch gather first."""
        self._waiting = True
        if not self._queue:
            self._idle = not self._open
            self._wake.wait(_SCAN_S if self._open else _IDLE_S)
        self._waiting = self._idle = False
        self._wake.hush()
        if self._queue and not self._closed:
            since = time.monotonic() - self._last_work
            self._urgent.wait(max(_LINGER_S, _PAUSE_S - since))
        self._urgent.hush()
        self._last_work = time.monotonic()

    def _encode_all(self, timeout_s: float = _LONGEST_ENCODE_S) -> None:
        """Submit all that waits, and what another thread is encoding just now."""
        deadline = time.monotonic() + timeout_s
        while self._encode_batch(max(0.0, deadline - time.monotonic())):
            pass

    def _encode_batch(self, timeout_s: float = _LONGEST_ENCODE_S) -> bool:
        """Submit one batch, after the one in work; False if there is none, or no time for it."""
        if self._encoder == threading.get_ident():
            return (
                False  # A span of a redaction hook or signal handler: the batch in work is first.
            )
        if not self._encode_lock.acquire(timeout=timeout_s):
            return False
        self._encoder = threading.get_ident()
        try:
            spans: list[ReadableSpan] = []
            try:
                while len(spans) < BATCH_SPANS:
                    spans.append(self._queue.popleft())
            except IndexError:
                pass
            if spans:
                self._submit(spans)
            return bool(spans)
        finally:
            self._encoder = None
            self._encode_lock.release()

    def _submit(self, spans: list[ReadableSpan]) -> None:
        with self._unwatched():
            self._encode(spans)

    def _unwatched(self) -> AbstractContextManager[None]:
        """A block for what may call the user's hook."""
        return nullcontext() if self.redact is None else untraced()

    def _encode(self, spans: list[ReadableSpan]) -> None:
        batch = _Batch(self.deliverer, self._envelope, durable=self._may_be_killed)
        for span in spans:
            try:
                batch.add(span, encode_fitting(span, redact=self.redact))
            except Exception:
                # One span that cannot be read must not take its neighbours with it.
                _log.exception("Span %r could not be encoded", getattr(span, "name", None))
            if span.dropped_attributes:
                _tell_dropped(span)
        batch.submit()

    def _send_pending(self) -> None:
        now = time.monotonic()
        now_ns = time.time_ns()
        due: list[SdkSpan] = []
        first = False
        for span_id, reference in list(self._open.items()):
            span = reference()
            if span is None:  # dropped without an end
                self._open.pop(span_id, None)
                self._pending_sent.pop(span_id, None)
                continue
            if now_ns - (span.start_time or now_ns) < PENDING_AFTER_S * 1e9:
                continue
            sent = self._pending_sent.get(span_id)
            if sent is None or now - sent >= PENDING_AGAIN_S:
                first = first or sent is None
                self._pending_sent[span_id] = now
                due.append(span)
        if not due:
            return
        with self._encode_lock, self._unwatched():
            # What only repeats "still running" is not worth a place in the spool.
            batch = _Batch(self.deliverer, self._envelope, keep=first)
            for span in due:
                try:
                    # Attributes may be set meanwhile: take a copy of them.
                    held = dict((span.attributes or {}).copy())  # type: ignore[attr-defined]
                    batch.add(
                        span,
                        encode_fitting(
                            span, redact=self.redact, attributes=held, pending_at_ns=now_ns
                        ),
                    )
                except Exception:  # it changed under our eyes; its end will come
                    continue
            batch.submit()

    def _envelope(self, span: ReadableSpan) -> tuple[bytes, bytes]:
        """Return the encoded resource and scope of a span."""
        key = (id(span.resource), span.instrumentation_scope)
        found = self._envelopes.get(key)
        if found is None:
            if len(self._envelopes) > 256:
                self._envelopes.clear()
            resource = encode_resource(span, self.redact)
            found = span.resource, resource, encode_scope(span, self.redact)
            self._envelopes[key] = found
        return found[1], found[2]


class _Batch:
    def __init__(
        self, deliverer: Deliverer, envelope: Any, *, keep: bool = True, durable: bool = False
    ) -> None:
        self._deliverer = deliverer
        self._durable = durable
        self._envelope = envelope
        self._keep = keep
        self._groups: dict[bytes, ResourceGroup] = {}
        self._spans = 0
        self._bytes = 0

    def add(self, span: ReadableSpan, encoded: bytes) -> None:
        if self._bytes and self._bytes + len(encoded) > BATCH_BYTES:
            self.submit()
        resource, scope = self._envelope(span)
        group = self._groups.get(resource)
        if group is None:
            group = self._groups[resource] = ResourceGroup(resource)
        group.add(scope, encoded)
        self._spans += 1
        self._bytes += len(encoded)

    def submit(self) -> None:
        if not self._spans:
            return
        body = encode_request(list(self._groups.values()))
        headers = {
            "content-type": "application/x-protobuf",
            SPAN_COUNT_HEADER: str(self._spans),
        }
        if not self._deliverer.is_loopback:
            body = compress(body)
            headers["content-encoding"] = "gzip"
        self._groups, self._spans, self._bytes = {}, 0, 0
        delivery = Delivery("/v1/traces", headers, body, keep=self._keep)
        self._deliverer.submit(delivery, durable=self._durable)


def _guarded(redact: Redact) -> Redact:
    """A hook that fails must let nothing out, and stop nothing."""

    def safe(name: str, value: Any) -> Any:
        try:
            return redact(name, value)
        except Exception as error:
            say_once("redact", f"the redact hook raised {type(error).__name__} on {name!r}")
            return "[redaction failed]"

    return safe


def _tell_dropped(span: ReadableSpan) -> None:
    say_once(
        "dropped-attributes",
        f"span {span.name!r} lost {span.dropped_attributes} attributes to the TracerProvider's "
        "limit (the oldest go first). Raise it with OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT=10000.",
    )


def _after_fork_in_child() -> None:
    for pipeline in list(_pipelines):
        pipeline.after_fork()
    if _pipelines and os._exit is _exit_now:
        os._exit = _send_and_exit


_exit_now = os._exit


def _send_and_exit(status: int) -> NoReturn:
    """End a forked child as `os._exit` does, its usual end, where no atexit handler runs."""
    try:
        for pipeline in list(_pipelines):
            pipeline.close(WORKER_EXIT_S)
    finally:
        _exit_now(status)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
