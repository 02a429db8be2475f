import asyncio
import gc
import json
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import pellucid
from pellucid.testing.collector import Collector, Received


def sent(collector: Collector) -> dict[str, Received]:
    assert pellucid.flush(60)
    return {span.name: span for span in collector.spans()}


def test_generators_are_covered_from_first_to_last_item(traced: Collector) -> None:
    @pellucid.trace
    def inside() -> None:
        pass

    @pellucid.trace
    def words(text: str) -> Iterator[str]:
        inside()
        yield from text.split()

    with pellucid.span("consumer"):
        stream = words("a bc d")
        assert next(stream) == "a"
        with pellucid.span("between"):
            time.sleep(0.02)
        assert list(stream) == ["bc", "d"]
    spans = sent(traced)
    assert spans["words"].attributes["pellucid.output"] == "abcd"
    assert spans["words"].parent_id == spans["consumer"].span_id
    assert spans["inside"].parent_id == spans["words"].span_id
    assert spans["between"].parent_id == spans["consumer"].span_id
    assert spans["words"].duration_ns > spans["between"].duration_ns


def test_a_models_stream_tells_the_time_to_its_first_token(traced: Collector) -> None:
    @pellucid.trace(kind="LLM")
    def tokens() -> Iterator[str]:
        time.sleep(0.02)
        yield "a"
        time.sleep(0.02)
        yield "b"

    assert list(tokens()) == ["a", "b"]
    waited = sent(traced)["tokens"].attributes["pellucid.ttft_ns"]
    assert 15_000_000 <= waited < sent(traced)["tokens"].duration_ns


def test_an_abandoned_generator_ends_with_what_it_gave(traced: Collector) -> None:
    closed = []

    @pellucid.trace
    def numbers() -> Iterator[int]:
        try:
            yield from range(100)
        finally:
            closed.append(True)

    stream = numbers()
    assert [next(stream), next(stream)] == [0, 1]
    del stream
    gc.collect()
    assert closed == [True]
    span = sent(traced)["numbers"]
    assert json.loads(span.attributes["pellucid.output"]) == [0, 1]
    assert span.status == 0
    assert span.events == []


def test_generators_pass_on_what_is_sent_thrown_and_returned(traced: Collector) -> None:
    @pellucid.trace
    def echo() -> Any:
        got: Any = None
        while True:
            try:
                got = yield got
            except KeyError:
                got = "caught"
            if got == "stop":
                return "done"

    stream = echo()
    assert next(stream) is None
    assert stream.send("x") == "x"
    assert stream.throw(KeyError()) == "caught"
    with pytest.raises(StopIteration) as end:
        stream.send("stop")
    assert end.value.value == "done"
    assert "echo" in sent(traced)


async def test_async_generators(traced: Collector) -> None:
    @pellucid.trace
    async def tokens(n: int) -> AsyncIterator[str]:
        for i in range(n):
            with pellucid.span("step"):
                await asyncio.sleep(0)
            yield str(i)

    with pellucid.span("consumer"):
        found = [token async for token in tokens(3)]
    assert found == ["0", "1", "2"]
    spans = sent(traced)
    assert spans["tokens"].attributes["pellucid.output"] == "012"
    assert spans["tokens"].parent_id == spans["consumer"].span_id
    assert spans["step"].parent_id == spans["tokens"].span_id


async def test_an_abandoned_async_generator_ends(traced: Collector) -> None:
    @pellucid.trace
    async def forever() -> AsyncIterator[int]:
        while True:
            yield 1

    async for _ in forever():
        break
    gc.collect()
    await asyncio.sleep(0.05)
    assert (await asyncio.to_thread(sent, traced))["forever"].status == 0
