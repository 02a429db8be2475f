"""What a run's traces show of its agent: models with parameters, prompts, tools, retrievers."""

import threading
from collections.abc import Mapping
from typing import Any, cast

from opentelemetry import trace as otel
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

from pellucid.client.encoding import simplify
from pellucid.client.snapshots.config import mask_values
from pellucid.client.snapshots.secrets import mask_text
from pellucid.core.digest import digest_bytes
from pellucid.core.span import DecodedSpan, Span, SpanKind
from pellucid.semconv import attributes as names

MAX_SPANS = 2000
_MAX_ATTRIBUTE = 8192
_MAX_DISTINCT = 100

_observers: dict[str, "Observer"] = {}


class Observer:
    """Collects one run's spans; `result` reads them."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._lock = threading.Lock()  # guards the spans
        self._spans: list[DecodedSpan] = []
        self._prompts: dict[str, dict[str, Any]] = {}

    def take(self, span: ReadableSpan, attributes: Mapping[str, Any]) -> None:
        """Note a span that has ended."""
        with self._lock:
            if len(self._spans) >= MAX_SPANS:
                return
            kept = {
                name: value
                for name, value in attributes.items()
                if not isinstance(value, str) or len(value) <= _MAX_ATTRIBUTE
            }
            self._spans.append(
                DecodedSpan(
                    trace_id="0" * 31 + "1",
                    span_id="0" * 15 + "1",
                    name=span.name,
                    start_ns=0,
                    end_ns=0,
                    attributes=kept,
                )
            )

    def note_prompt(self, name: str, template: str, version: str | None) -> None:
        """Note a prompt that the program names itself."""
        self._prompts[name] = _prompt(template, version)

    def stop(self) -> None:
        """Take no more spans."""
        _observers.pop(self._run_id, None)

    def result(self) -> dict[str, Any]:
        """Return what was seen; empty if nothing was."""
        from pellucid.semconv.normalise import normalise

        found = _Found(dict(self._prompts))
        with self._lock:
            spans, self._spans = self._spans, []
        for decoded in spans:
            found.add(normalise(decoded))
        return cast(dict[str, Any], mask_values(found.as_dict()))


class _Found:
    def __init__(self, prompts: dict[str, dict[str, Any]]) -> None:
        self.models: dict[str, dict[str, Any]] = {}
        self.prompts = prompts
        self.tools: dict[str, Any] = {}
        self.retrievers: dict[str, Any] = {}

    def add(self, span: Span) -> None:
        """Add what one span shows."""
        if span.model and len(self.models) < _MAX_DISTINCT:
            model = self.models.setdefault(
                span.model, {"provider": span.provider, "parameters": []}
            )
            shown = simplify(span.parameters)
            if shown not in model["parameters"] and len(model["parameters"]) < _MAX_DISTINCT:
                model["parameters"].append(shown)
        for tool in span.tools[:_MAX_DISTINCT]:
            self.tools[tool.name] = {
                "description": tool.description,
                "parameters": simplify(tool.parameters),
            }
        if span.kind is SpanKind.TOOL and span.tool_call and span.tool_call.name:
            self.tools.setdefault(span.tool_call.name, {})
        if span.kind is SpanKind.RETRIEVER and len(self.retrievers) < _MAX_DISTINCT:
            self.retrievers.setdefault(span.name, simplify(span.parameters or span.metadata))
        if span.prompt is not None and span.prompt.template:
            name = span.prompt.name or span.name
            self.prompts.setdefault(name, _prompt(span.prompt.template, span.prompt.version))

    def as_dict(self) -> dict[str, Any]:
        """Return the families that hold something, in order of their names."""
        families = {
            "models": self.models,
            "prompts": self.prompts,
            "retrievers": self.retrievers,
            "tools": self.tools,
        }
        return {name: dict(sorted(held.items())) for name, held in families.items() if held}


def _prompt(template: str, version: str | None) -> dict[str, Any]:
    masked = mask_text(template)
    return {
        "digest": digest_bytes(masked.encode("utf-8", "replace")),
        "template": masked,
        "version": version,
    }


class _Processor(SpanProcessor):
    """Hands ended spans to their run's observer; costs one look-up where there is none."""

    def on_end(self, span: ReadableSpan) -> None:
        """Note the span if its run is observed."""
        if not _observers:
            return
        attributes = span.attributes or {}
        observer = _observers.get(str(attributes.get(names.RUN_ID)))
        if observer is not None:
            observer.take(span, attributes)


_processor = _Processor()
_added_to: list[Any] = []


def observe(run_id: str) -> Observer:
    """Begin to collect the spans of a run."""
    observer = _observers[run_id] = Observer(run_id)
    provider = otel.get_tracer_provider()
    if hasattr(provider, "add_span_processor") and provider not in _added_to:
        _added_to.append(provider)
        provider.add_span_processor(_processor)
    return observer
