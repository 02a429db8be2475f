"""`init`, `flush` and `shutdown`: one set-up a process, on the user's TracerProvider or our own."""

import atexit
import inspect
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

from opentelemetry import trace as otel
from opentelemetry.sdk.trace import SpanLimits, TracerProvider

import pellucid.core.settings as settings
from pellucid.client.delivery import Deliverer
from pellucid.client.notices import say_once
from pellucid.client.patching import Undo
from pellucid.client.spool import DEFAULT_LIMIT_BYTES, Spool
from pellucid.client.tracing import context
from pellucid.client.tracing.ids import OwnIds
from pellucid.client.tracing.notebook import cell_links
from pellucid.client.tracing.otlp import Redact
from pellucid.client.tracing.pipeline import Pipeline
from pellucid.client.tracing.processor import PellucidSpanProcessor
from pellucid.client.tracing.sampling import RateSampler
from pellucid.client.tracing.span import current_trace_id
from pellucid.client.tracing.state import state
from pellucid.client.tracing.threads import keep_parents
from pellucid.core.errors import InvalidInput

_MAX_ATTRIBUTES = 10_000
_MAX_EVENTS = 10_000
_EXIT_TIMEOUT_S = 0.5
_SCOPE = "pellucid"
_KEEP_DEFAULT = "replace_default_processor"


class _Setup:
    """What one `init` made."""

    def __init__(
        self,
        client: settings.ClientSettings,
        processor: PellucidSpanProcessor,
        pipeline: Pipeline,
        undo: Undo,
    ) -> None:
        self.client = client
        self.processor = processor
        self.pipeline = pipeline
        self.undo = undo


_lock = threading.RLock()  # guards the set-up
_current: _Setup | None = None
_processors: "weakref.WeakKeyDictionary[Any, PellucidSpanProcessor]" = weakref.WeakKeyDictionary()
_own_provider: TracerProvider | None = None
_lone_deliverer: Deliverer | None = None
"""For what is sent without `init`: scores, runs."""
_sampler = RateSampler()
_at_exit_registered = False
_also_flushed: list[Callable[[float], bool]] = []


def init(
    *,
    experiment: str | None = None,
    url: str | None = None,
    api_key: str | None = None,
    provider: Any = None,
    redact: Redact | None = None,
    sample_rate: float | None = None,
    spool_dir: str | Path | None = None,
    spool_limit_bytes: int = DEFAULT_LIMIT_BYTES,
) -> None:
    """Start tracing to a Pellucid server; calling it again replaces what was set.

    `url` defaults to `PELLUCID_URL`, else http://127.0.0.1:4380; nothing is sent or awaited here,
    and a server that is away is no error. `provider` is an OpenTelemetry SDK TracerProvider;
    without one the global one gets a processor added, or is set where there is none yet.
    `redact(name, value)` sees every attribute of every span before it leaves the process and
    returns what may leave; None drops it. `sample_rate` is the share of traces kept, 0 to 1.

    Does nothing where `PELLUCID_ENABLED=0` or `OTEL_SDK_DISABLED=true`.
    Raises InvalidInput for a URL or rate that cannot be.
    """
    global _current
    client = settings.read_client_settings()
    disabled = os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    if not client.enabled or disabled:
        return
    if sample_rate is not None and not 0 <= sample_rate <= 1:
        raise InvalidInput(f"sample_rate={sample_rate} is not a share. Give 0 to 1.")
    if redact is not None and not callable(redact):
        raise InvalidInput(f"redact={redact!r} is no function. Give one of (name, value).")
    client = settings.ClientSettings(
        url=str(url or client.url).rstrip("/"),
        experiment=experiment or client.experiment,
        api_key=api_key or client.api_key,
        spool_dir=Path(spool_dir).expanduser() if spool_dir else client.spool_dir,
        public_url=client.public_url if url is None else None,
    )
    spool = Spool.open(client.spool_dir, client.url, limit_bytes=spool_limit_bytes)
    deliverer = Deliverer(client.url, spool, api_key=client.api_key)
    with _lock:
        shutdown()
        chosen = _choose_provider(provider, sample_rate)
        processor = _processor_of(chosen)
        processor.pipeline = Pipeline(deliverer, redact=redact)
        foreign = chosen is not _own_provider
        processor.sample_below = (
            int(sample_rate * 2**64) if foreign and sample_rate is not None else None
        )
        context.set_default(experiment=client.experiment)
        undo = Undo(keep_parents(), _follow_cells(client, processor))
        _current = _Setup(client, processor, processor.pipeline, undo)
        state.tracer = chosen.get_tracer(_SCOPE, _version())
        state.active = True
        _register_at_exit()


def flush(timeout: float = 5.0) -> bool:
    """Wait at most `timeout` seconds until all that was traced and logged so far is sent.

    Return whether the server has it; what it has not is in the spool and sent later.
    """
    setup, lone = _current, _lone_deliverer
    start = time.monotonic()
    done = setup is None or setup.pipeline.flush(timeout)
    if lone is not None:
        done = lone.flush(max(0.0, timeout - (time.monotonic() - start))) and done
    for other in _also_flushed:
        done = other(max(0.0, timeout - (time.monotonic() - start))) and done
    return done


def also_flush(other: Callable[[float], bool]) -> None:
    """Have `flush` wait for something else too: it is given seconds and returns whether done."""
    _also_flushed.append(other)


def shutdown(timeout: float = 1.0) -> None:
    """Send what has ended and stop tracing; what no server takes in time goes to the spool."""
    global _current, _lone_deliverer
    with _lock:
        setup, _current = _current, None
        lone, _lone_deliverer = _lone_deliverer, None
        state.active = False
        state.tracer = otel.NoOpTracer()
        if lone is not None:
            lone.close(timeout)
        if setup is None:
            return
        setup.undo()
        setup.processor.pipeline = None
        setup.pipeline.close(timeout)
        context.set_default(experiment=None)


def trace_url(trace_id: str | None = None) -> str | None:
    """Return the address of a trace's page, by default the current trace's; None without one."""
    trace_id = trace_id or current_trace_id()
    if trace_id is None:
        return None
    return _url_of(client_settings(), trace_id)


def client_settings() -> settings.ClientSettings:
    """Return the settings in force: what `init` was given, else the environment's."""
    setup = _current
    return setup.client if setup else settings.read_client_settings()


def is_enabled() -> bool:
    """Return whether `init` has been called and tracing is on."""
    return state.active


def is_switched_off() -> bool:
    """Return whether `PELLUCID_ENABLED=0` says that nothing is to be sent at all."""
    return not settings.read_client_settings().enabled


def redact_hook() -> Redact | None:
    """Return the hook that `init` was given, made safe to call; None where there is none."""
    setup = _current
    return setup.pipeline.redact if setup else None


def deliverer() -> Deliverer:
    """Return the way to the server: the one that `init` made, else one by the environment."""
    global _lone_deliverer
    with _lock:
        if _current is not None:
            return _current.pipeline.deliverer
        if _lone_deliverer is None:
            client = settings.read_client_settings()
            spool = Spool.open(client.spool_dir, client.url)
            _lone_deliverer = Deliverer(client.url, spool, api_key=client.api_key)
            _register_at_exit()
        return _lone_deliverer


def _url_of(client: settings.ClientSettings, trace_id: str) -> str:
    return f"{(client.public_url or client.url).rstrip('/')}/traces/{trace_id}"


def _follow_cells(client: settings.ClientSettings, processor: PellucidSpanProcessor) -> Undo:
    """In a notebook, show a link below each cell that made a trace."""
    links = cell_links(lambda trace_id: _url_of(client, trace_id))
    processor.on_trace = links.note if links else None
    return Undo(links.start()) if links else Undo()


def _choose_provider(given: Any, sample_rate: float | None) -> Any:
    """Return the given provider, the global SDK one, or a new one made global."""
    global _own_provider
    if given is not None:
        if not hasattr(given, "add_span_processor"):
            raise InvalidInput(
                f"provider is a {type(given).__name__}, which takes no span processors. "
                "Give a TracerProvider of opentelemetry.sdk.trace."
            )
        return given
    existing = otel.get_tracer_provider()
    if hasattr(existing, "add_span_processor") and existing is not _own_provider:
        return existing
    _sampler.set_rate(sample_rate)
    if _own_provider is None:
        _own_provider = TracerProvider(
            sampler=_sampler,
            span_limits=_limits(),
            shutdown_on_exit=False,
            id_generator=OwnIds(),
        )
    if isinstance(existing, otel.ProxyTracerProvider):
        otel.set_tracer_provider(_own_provider)
    elif existing is not _own_provider:
        say_once(
            "foreign-provider",
            f"the global TracerProvider ({type(existing).__name__}) takes no span processors: "
            "only spans made with pellucid are traced.",
        )
    return _own_provider


def _processor_of(provider: Any) -> PellucidSpanProcessor:
    processor = _processors.get(provider)
    if processor is None:
        processor = PellucidSpanProcessor()
        add = provider.add_span_processor
        # The provider of `phoenix.otel` gives up its own exporter for the first one added.
        is_jealous = _KEEP_DEFAULT in inspect.signature(add).parameters
        add(processor, **({_KEEP_DEFAULT: False} if is_jealous else {}))
        _processors[provider] = processor
    return processor


def _limits() -> SpanLimits:
    """OTel's default of 128 attributes evicts the oldest: kind, model and input go first."""
    env = os.environ
    chosen = {"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT"} & env.keys()
    return SpanLimits(
        max_span_attributes=None if chosen else _MAX_ATTRIBUTES,
        max_events=None if "OTEL_SPAN_EVENT_COUNT_LIMIT" in env else _MAX_EVENTS,
    )


def _version() -> str:
    package = sys.modules.get("pellucid")
    return str(getattr(package, "__version__", ""))


def _register_at_exit() -> None:
    global _at_exit_registered
    if not _at_exit_registered:
        atexit.register(_at_exit)
        _at_exit_registered = True


def _after_fork() -> None:
    global _lock
    _lock = threading.RLock()  # another thread of the parent may have held it


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _at_exit() -> None:
    shutdown(_EXIT_TIMEOUT_S)
