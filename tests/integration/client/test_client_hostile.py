"""What users hand over may be anything: it is shown as far as it goes, and stops nobody."""

import asyncio
import functools
import sys
import threading
import time
from collections.abc import AsyncIterator
from types import FrameType
from typing import Any

import pytest
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

import pellucid
from pellucid.client.tracing import fitting
from pellucid.core.errors import InvalidInput
from pellucid.testing.collector import Collector, Received


def sent(collector: Collector) -> dict[str, Received]:
    assert pellucid.flush(60)
    return {span.name: span for span in collector.spans()}


class Hostile:
    """Every question is answered by an exception."""

    def __getattr__(self, name: str) -> Any:
        raise KeyError(name)

    def _raise(self, *_: object) -> Any:
        raise RuntimeError

    __repr__ = __str__ = __len__ = __iter__ = __bool__ = __eq__ = __hash__ = _raise


class HostileText(str):
    __slots__ = ()

    def _raise(self, *_: object) -> Any:
        raise RuntimeError

    __str__ = __len__ = __getitem__ = __iter__ = upper = _raise


NESTED: Any = []
for _ in range(10_000):
    NESTED = [NESTED]


@pytest.mark.parametrize(
    "value",
    [Hostile(), HostileText("x"), type(Hostile()), NESTED, 10**5_000, b"x", None, [1], {1: 2}],
    ids=["object", "text", "class", "nested", "long", "bytes", "none", "list", "dict"],
)
def test_every_word_takes_every_value(traced: Collector, value: Any) -> None:
    with pellucid.session(value, user=value, tags={"a": value}, metadata={"b": value}):
        with pellucid.span(value, kind=value, input=value, attributes=value, parent=value) as span:
            span.set_input(value).set_output(value).set_documents(value).set_tools(value)
            span.set_model(value, value, temperature=value, other=value).set_messages(value, value)
            span.set_usage(value, value, cost_usd=value).set_finish_reason(value)
            span.set_tool_call(value, value, value, value).add_attachment(value, value, value)
            span.set_attribute(value, value).add_event(value, value).set_error(value)
            span.record_exception(value)
        with pellucid.session(tags=value, metadata=value), pellucid.span("inner"):
            pass
    assert len(sent(traced)) == 2


def test_an_event_keeps_its_first_attributes(
    traced: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    with pellucid.span("many") as span:
        span.add_event("all", {f"a{number:06}": number for number in range(20_000)})
        span.add_event("none", 5)  # type: ignore[arg-type]
    everything, nothing = sent(traced)["many"].events
    assert list(everything[1])[:2] == ["a000000", "a000001"]
    assert nothing == ("none", {})
    assert caplog.messages == ["int is left out: AttributeError"]


def test_attributes_of_the_decorator_are_masked(traced: Collector) -> None:
    @pellucid.trace(attributes={"api_key": "sk-1", "tenant": 42})
    def work() -> None: ...

    work()
    found = sent(traced)["work"].attributes
    assert (found["api_key"], found["tenant"]) == ("***", 42)


def test_spans_that_end_within_spans_end_nobody(traced: Collector) -> None:
    """A signal handler, or a generator that is collected, may come between any two lines."""

    def interrupt(frame: FrameType, event: str, arg: object) -> Any:
        if frame.f_code.co_filename.endswith(("threading.py", "bell.py")):
            with pellucid.span("interrupt"):
                pass
        return interrupt

    def work() -> None:
        for _ in range(5):
            time.sleep(0.5)  # now the background thread sleeps too, and has to be woken
            sys.settrace(interrupt)
            with pellucid.span("work") as span:
                span.set_output("done")
            sys.settrace(None)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(300)
    assert not thread.is_alive(), "it waits for a lock that it holds itself"
    assert pellucid.flush(60)
    found = [span.name for span in traced.spans()]
    assert found.count("work") == 5
    assert found.count("interrupt") > 5


def test_what_a_redaction_hook_does_is_not_traced(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    def redact(name: str, value: Any) -> Any:
        with pellucid.span("redaction"):
            return value

    monkeypatch.setenv("PELLUCID_URL", collector.url)
    pellucid.init(redact=redact)
    for _ in range(3):
        with pellucid.span("work"):
            pass
    assert pellucid.flush(60)
    assert [span.name for span in collector.spans()] == ["work"] * 3


def test_an_ended_event_loop_closes_a_traced_generator_once(
    traced: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    @pellucid.trace
    async def stream() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            await asyncio.sleep(0)

    async def leave() -> None:
        left.append(stream())
        await anext(left[0])

    left: list[AsyncIterator[int]] = []
    asyncio.run(leave())
    assert pellucid.flush(60)
    assert caplog.messages == []
    (span,) = traced.spans()
    assert span.attributes["pellucid.output"] == "[1]"


def test_a_span_may_be_ended_by_hand(traced: Collector, caplog: pytest.LogCaptureFixture) -> None:
    with pellucid.span("short") as span:
        span.end()
    assert len(sent(traced)) == 1
    assert caplog.messages == []


def test_properties_are_traced_and_classes_refused(traced: Collector) -> None:
    class Agent:
        @pellucid.trace  # type: ignore[prop-decorator]
        @property
        def name(self) -> str:
            """What it is called."""
            return "a"

    assert Agent().name == "a"
    assert Agent.name.__doc__ == "What it is called."
    assert sent(traced)["name"].attributes["pellucid.output"] == "a"
    with pytest.raises(InvalidInput, match="methods"):
        pellucid.trace(Agent)


def test_options_that_cannot_be_are_refused() -> None:
    with pytest.raises(InvalidInput, match="redact=5"):
        pellucid.init(redact=5)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="address"):
        pellucid.init(url=5)  # type: ignore[arg-type]


def test_a_provider_that_gives_up_its_own_exporter_keeps_it(collector: Collector) -> None:
    class Jealous(TracerProvider):
        """As that of `phoenix.otel`."""

        def add_span_processor(
            self, span_processor: SpanProcessor, replace_default_processor: bool = True
        ) -> None:
            self.gave_up = replace_default_processor
            super().add_span_processor(span_processor)

    provider = Jealous(shutdown_on_exit=False)
    pellucid.init(url=collector.url, provider=provider)
    assert not provider.gave_up
    with pellucid.span("ours"):
        pass
    assert len(sent(collector)) == 1


def test_a_span_too_large_for_a_request_is_cut_to_fit(
    traced: Collector, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting, "MAX_SPAN_BYTES", 2 * 1024 * 1024)
    with pellucid.span("large", input="as it was") as span:
        for number in range(14):
            span.set_attribute(f"part {number}", "ü" * 200_000)
        span.add_event("small", {"kept": "too"})
    found = sent(traced)["large"]
    assert found.attributes["pellucid.input"] == "as it was"
    assert found.events == [("small", {"kept": "too"})]
    parts = [str(found.attributes[f"part {number}"]) for number in range(14)]
    assert all("more characters" in part and len(part) > 20_000 for part in parts)
    assert "span 'large' holds 5 MiB" in capsys.readouterr().err


def test_what_has_no_name_is_named_by_its_type(
    traced: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pellucid.client.agent._declared", [])
    assert pellucid.agent(functools.partial(divmod, 7))(2) == (3, 1)
    assert sent(traced)["partial"].attributes["pellucid.kind"] == "AGENT"
