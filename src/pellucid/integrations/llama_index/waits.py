"""A step that waits for an event, as for a person's answer, and goes on from its start with it."""

import functools
from collections.abc import Callable
from typing import Any

from opentelemetry import trace as otel

from pellucid.client.instrument import Integration, drop_frame
from pellucid.client.patching import Wrap
from pellucid.client.stages import captures
from pellucid.client.tracing.span import Span
from pellucid.integrations.llama_index.reading import fields_of
from pellucid.integrations.llama_index.records import current_record

TARGET = "workflows.context.internal_context:InternalContext.wait_for_event"


def waiting(integration: Integration) -> Wrap:
    """Return the wrapper that shows what a step, and its workflow, wait for and get."""

    def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        async def wait_for_event(self: Any, event_type: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                event = await original(self, event_type, *args, **kwargs)
            except BaseException as error:
                asked = getattr(error, "add", None)
                if asked is not None and integration.active:
                    _show(integration, "interrupt", event_type, asked.waiter_event)
                drop_frame(error)
                raise
            if integration.active:
                _show(integration, "resume", event_type, event)
            return event

        return wait_for_event

    return wrap


def _show(integration: Integration, name: str, event_type: Any, event: Any) -> None:
    shown: dict[str, Any] = {"llama_index.waits_for": getattr(event_type, "__name__", None)}
    if event is not None and captures(integration):
        shown["llama_index.event"] = fields_of(event)
    spans = [Span(otel.get_current_span())]
    run = current_record()
    if run is not None and not run.ended:
        spans.append(run.span)
    for span in spans:
        span.add_event(name, shown)
