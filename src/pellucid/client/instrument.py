"""What every integration is made of: a switch with its version check, spans, and model calls.

An integration is one file that declares an `Integration` and patches its framework with
`client.patching`. Its wrappers look at `Integration.active`, so that one which somebody else has
wrapped in the meantime passes through after an undo.
"""

import logging
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata, util
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry import trace as otel
from opentelemetry.context import Context

from pellucid.client.patching import Undo, when_imported
from pellucid.client.tracing import setup
from pellucid.client.tracing.exceptions import drop_frame as drop_frame
from pellucid.client.tracing.span import Span, kind_attributes, start
from pellucid.core import settings
from pellucid.core.span import SpanKind
from pellucid.semconv import attributes as names

_log = logging.getLogger("pellucid")
_MODEL_CALL = otel_context.create_key("pellucid-model-call")
_VERSION = re.compile(r"\d+")
_active: set[str] = set()
"""Modules whose integrations are on."""


class Integration:
    """One framework's tracing, on or off.

    `supported` is `distribution>=LOW,<HIGH`; `module` is what the framework is imported as;
    `install` patches it, and is called when the module has been imported.
    """

    def __init__(
        self, name: str, *, supported: str, module: str, install: Callable[[], Undo]
    ) -> None:
        self.name = name
        self.supported = supported
        self.module = module
        self.active = False
        self.options: dict[str, Any] = {}
        self._install = install
        self._undo: Undo | None = None
        self._lock = threading.RLock()  # guards _undo and active
        self._warned = False

    @property
    def distribution(self) -> str:
        """The name that the framework is installed under."""
        return re.split(r"[<>=!~]", self.supported, maxsplit=1)[0].strip()

    def find_version(self) -> str | None:
        """Return the installed version, or None where the framework is not installed."""
        try:
            if util.find_spec(self.module.partition(".")[0]) is None:
                return None
            return metadata.version(self.distribution)
        except (metadata.PackageNotFoundError, ImportError, ValueError):
            return None

    def switch(self, *, disable: bool = False, **options: Any) -> bool:
        """Turn tracing on, or off; return whether it is on. Either may be repeated."""
        with self._lock:
            if disable:
                self.active = False
                _active.discard(self.module)
                undo, self._undo = self._undo, None
                if undo is not None:
                    undo()
                return False
            self.options = options
            version = self.find_version()
            if version is None or not _enabled():
                return False
            self._check(version)
            if _below(version, self.supported):
                return False
            if not setup.is_enabled():
                setup.init()
            self.active = True
            _active.add(self.module)
            if self._undo is None:
                self._undo = Undo()
                self._undo.add(when_imported(self.module, self._installed))
            return self.active

    def _installed(self) -> None:
        try:
            undo = self._install()
        except Exception as error:
            # A framework that changed must not stop the program that uses it.
            self.active = False
            _active.discard(self.module)
            _log.warning(
                "Pellucid cannot trace %s %s (%s: %s). It was tested with %s; the program goes on.",
                self.name,
                self.find_version(),
                type(error).__name__,
                error,
                self.supported,
            )
            return
        if self._undo is not None:
            self._undo.add(undo)

    def _check(self, version: str) -> None:
        if self._warned:
            return
        if _below(version, self.supported):
            self._warned = True
            _log.warning(
                "Pellucid traces %s; version %s is older, so it is not traced.",
                self.supported,
                version,
            )
        elif _beyond(version, self.supported):
            self._warned = True
            _log.warning(
                "Pellucid was tested with %s; version %s is newer, so its traces may miss parts.",
                self.supported,
                version,
            )


def is_active(module: str) -> bool:
    """Tell whether the integration that watches a module is on."""
    return module in _active


def _enabled() -> bool:
    return settings.read_client_settings().enabled


def _below(version: str, supported: str) -> bool:
    bound = re.search(r">=\s*([\w.]+)", supported)
    return bound is not None and _numbers(version) < _numbers(bound.group(1))


def _beyond(version: str, supported: str) -> bool:
    bound = re.search(r"<\s*([\w.]+)", supported)
    return bound is not None and _numbers(version) >= _numbers(bound.group(1))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in _VERSION.findall(version)[:4])


def open_span(
    name: str,
    kind: SpanKind,
    *,
    parent: Context | None = None,
    attributes: Mapping[str, Any] | None = None,
    start_ns: int | None = None,
) -> Span:
    """Start a span that the caller ends; it becomes current only inside `current(span)`.

    `parent` is an OpenTelemetry context; by default the current one.
    """
    known = {**kind_attributes(kind), **(attributes or {})}
    return Span(start(name, known, kind, parent, start_ns))


def context_of(span: Span, parent: Context | None = None) -> Context:
    """Return a context in which `span` is current, made from `parent` or the current one."""
    return otel.set_span_in_context(span.otel_span, parent)


@contextmanager
def current(span: Span) -> Iterator[Span]:
    """Make a span current inside a `with` block, without ending it there."""
    token = otel_context.attach(context_of(span))
    try:
        yield span
    finally:
        otel_context.detach(token)


def show_kept_answer(span: Span) -> None:
    """Have an LLM span say that its answer was kept from an earlier one: no model was asked."""
    span.set_attribute(names.KIND, str(SpanKind.MEMORY))
    span.set_attribute(names.OPERATION, "cached")
    title = str(getattr(span.otel_span, "name", "chat"))
    span.otel_span.update_name(f"cached {title}")


class ModelCall:
    """A framework's span for one call of a model.

    The integration of the SDK that the framework calls through makes no span of its own below it,
    but adds what only the wire knows: parameters, usage, finish reason, first token.
    """

    __slots__ = ("_claimed", "_lock", "seen", "span")

    def __init__(self, span: Span) -> None:
        self.span = span
        self.seen = 0
        """How many requests it has turned out to be."""
        self._claimed = False
        self._lock = threading.Lock()  # guards seen and _claimed

    def claim(self) -> Context | None:
        """Take the span for one request; where another has it, return where to open one beside.

        A framework may ask for several answers by several requests; each is a call of its own,
        unless the span is a root, which has no beside.
        """
        beside = self.beside()
        with self._lock:
            self.seen += 1
            if beside is None or not self._claimed:
                self._claimed = True
                return None
        return beside

    def beside(self) -> Context | None:
        """Return the context in which a span is this one's sibling; None if this is a root."""
        above = getattr(self.span.otel_span, "parent", None)
        return None if above is None else otel.set_span_in_context(otel.NonRecordingSpan(above))

    def release(self) -> None:
        """Give the span back after a request that failed: the next is another try."""
        with self._lock:
            self._claimed = False


@contextmanager
def model_call(span: Span) -> Iterator[ModelCall]:
    """Make an LLM span current, and the one that model SDKs below it add to."""
    call = ModelCall(span)
    token = otel_context.attach(otel_context.set_value(_MODEL_CALL, call, context_of(span)))
    try:
        yield call
    finally:
        otel_context.detach(token)


def model_call_context(span: Span, parent: Context | None = None) -> Context:
    """Return the context of `model_call`, for frameworks that attach it themselves."""
    return otel_context.set_value(_MODEL_CALL, ModelCall(span), context_of(span, parent))


def current_model_call() -> ModelCall | None:
    """Return the framework's model call that this code runs below, if its span is the current one.

    A span in between (a tool, a retriever) means that this is another call.
    """
    found = otel_context.get_value(_MODEL_CALL)
    if type(found) is ModelCall and found.span.otel_span is otel.get_current_span():
        return found
    return None
