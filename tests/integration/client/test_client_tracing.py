import asyncio
import concurrent.futures
import datetime
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace as otel

import pellucid
from pellucid.core.errors import InvalidInput
from pellucid.testing.collector import Collector, Received


def sent(collector: Collector) -> dict[str, Received]:
    assert pellucid.flush(60)
    return {span.name: span for span in collector.spans()}


def test_async_functions_and_tasks_keep_their_parent(traced: Collector) -> None:
    @pellucid.trace
    async def child(n: int) -> int:
        await asyncio.sleep(0.01 * (3 - n))
        return n

    @pellucid.trace
    async def parent() -> list[int]:
        return list(await asyncio.gather(child(0), child(1), child(2)))

    assert asyncio.run(parent()) == [0, 1, 2]
    assert pellucid.flush(60)
    spans = traced.spans()
    root = next(span for span in spans if span.name == "parent")
    assert root.attributes["pellucid.output"] == "[0,1,2]"
    assert [span.parent_id for span in spans if span.name == "child"] == [root.span_id] * 3


def test_exceptions_are_on_the_failing_span_and_its_ancestors(traced: Collector) -> None:
    @pellucid.trace
    def fails() -> None:
        raise ValueError("no discs")

    @pellucid.trace
    def calm() -> None:
        pass

    def run() -> None:
        with pellucid.span("outer"):
            calm()
            fails()

    with pytest.raises(ValueError, match="no discs") as caught:
        run()
    frames = [entry.name for entry in caught.traceback]
    assert "wrapper" not in frames
    assert frames[-1] == "fails"
    spans = sent(traced)
    assert spans["calm"].status == 0
    for name in ("fails", "outer"):
        assert spans[name].status == 2
        assert spans[name].message == "ValueError: no discs"
        ((event, attributes),) = spans[name].events
        assert event == "exception"
        assert attributes["exception.type"] == "ValueError"
        assert "no discs" in attributes["exception.stacktrace"]


def test_a_recursion_without_end_costs_little_more_than_it_does_alone(
    traced: Collector,
) -> None:
    @pellucid.trace
    def deeper(n: int) -> int:
        return deeper(n + 1)

    start = time.thread_time()
    with pytest.raises(RecursionError):
        deeper(0)
    assert time.thread_time() - start < 3


def test_an_exception_with_hostile_text_is_recorded(traced: Collector) -> None:
    class Hostile(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    with pytest.raises(Hostile), pellucid.span("outer"):
        raise Hostile
    assert sent(traced)["outer"].status == 2


def test_a_handled_exception_does_not_fail_the_span(traced: Collector) -> None:
    with pellucid.span("outer") as span:
        span.record_exception(KeyError("gone"))
    found = sent(traced)["outer"]
    assert found.status == 0
    assert found.events[0][0] == "exception"


def test_threads_and_executors_keep_the_parent(traced: Collector) -> None:
    def work(name: str) -> None:
        with pellucid.span(name):
            pass

    class Worker(threading.Thread):
        def run(self) -> None:
            work("subclass")

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        with pellucid.session("s1"), pellucid.span("parent"):
            pool.submit(work, "task").result()
            list(pool.map(work, ["mapped"]))
            for thread in (threading.Thread(target=work, args=("thread",)), Worker()):
                thread.start()
                thread.join()
            timer = threading.Timer(0, work, ["timer"])
            timer.start()
            timer.join()
        # The worker was started inside the span above, and must have forgotten it.
        pool.submit(work, "outside").result()
    spans = sent(traced)
    for name in ("task", "mapped", "thread", "subclass", "timer"):
        assert spans[name].parent_id == spans["parent"].span_id, name
        assert spans[name].attributes["gen_ai.conversation.id"] == "s1"
    assert spans["outside"].parent_id == ""
    assert "gen_ai.conversation.id" not in spans["outside"].attributes


def test_shutdown_gives_the_threads_back(traced: Collector) -> None:
    patched = threading.Thread.start
    pellucid.shutdown()
    assert threading.Thread.start is not patched
    assert not hasattr(threading.Thread.start, "__wrapped__")


def test_a_parent_comes_over_http_headers(traced: Collector) -> None:
    with pellucid.span("client"):
        headers = pellucid.inject({"accept": "*/*"})
    assert set(headers) == {"accept", "traceparent"}
    arrived = {name.title(): value for name, value in headers.items()}
    with pellucid.span("server", parent=arrived):
        pass
    with pellucid.span("nobody", parent={}):
        pass
    spans = sent(traced)
    assert spans["server"].parent_id == spans["client"].span_id
    assert spans["server"].trace_id == spans["client"].trace_id
    assert spans["nobody"].parent_id == ""


def test_methods_static_and_class_methods(traced: Collector) -> None:
    class Agent:
        @pellucid.trace
        def plain(self, a: int) -> int:
            return a

        @pellucid.trace
        @classmethod
        def made(cls, b: int) -> str:
            return cls.__name__

        @staticmethod
        @pellucid.trace(name="renamed", kind="tool", attributes={"team": "x"})
        def still(c: int = 3) -> int:
            return c

    assert (Agent().plain(1), Agent.made(2), Agent.still()) == (1, "Agent", 3)
    spans = sent(traced)
    assert spans["plain"].attributes["pellucid.input"] == '{"a":1}'
    assert spans["made"].attributes["pellucid.input"] == '{"b":2}'
    renamed = spans["renamed"].attributes
    assert renamed["pellucid.input"] == '{"c":3}'
    assert renamed["pellucid.kind"] == "TOOL"
    assert renamed["gen_ai.operation.name"] == "execute_tool"
    assert renamed["team"] == "x"


def test_arguments_by_name_with_secrets_masked(traced: Collector) -> None:
    @pellucid.trace
    def call(a: int, /, b: int = 2, *rest: int, api_key: str, **more: Any) -> None:
        pass

    @pellucid.trace(capture_input=False, capture_output=False)
    def quiet(a: int) -> int:
        return a

    call(1, 5, 6, 7, api_key="sk-1", headers={"Authorization": "Bearer x", "accept": "json"})
    quiet(3)
    spans = sent(traced)
    assert json.loads(spans["call"].attributes["pellucid.input"]) == {
        "a": 1,
        "b": 5,
        "rest": [6, 7],
        "api_key": "***",
        "headers": {"Authorization": "***", "accept": "json"},
    }
    assert not {"pellucid.input", "pellucid.output"} & set(spans["quiet"].attributes)


def test_a_wrong_call_raises_as_it_would_without(traced: Collector) -> None:
    @pellucid.trace
    def two(a: int, b: int) -> None: ...

    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        two(1)  # type: ignore[call-arg]
    assert sent(traced)["two"].status == 2


def test_every_method_of_a_span(traced: Collector) -> None:
    with pellucid.span("llm", kind="LLM", attributes={"a.b": 1}) as span:
        span.set_input("question").set_output({"answer": 4})
        span.set_model(
            "m-1", provider="openai", temperature=0.5, stop_sequences=["x"], effort="low"
        )
        span.set_usage(input=10, output=5, cache_read=3, reasoning=2)
        span.set_messages(
            input=[{"role": "user", "content": "hi"}],
            output=[
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [
                        {"id": "c1", "function": {"name": "add", "arguments": '{"a": 1}'}}
                    ],
                }
            ],
        )
        span.set_tool_call("add", {"a": 1}, result=2, id="c1")
        span.set_documents([pellucid.Document(id="d"), {"id": "e", "text": "t"}, "text only"])
        span.add_attachment(b"\x89PNG\r\n\x1a\n0000", name="plot.png")
        span.set_attribute("list", [1, 2]).set_attribute("token", "abc")
        span.add_event("cached", {"hit": True, "password": "p"})
    found = sent(traced)["llm"]
    read = {
        name: json.loads(value) if isinstance(value, str) and value[:1] in "[{" else value
        for name, value in found.attributes.items()
    }
    assert read == {
        "pellucid.experiment": "test",
        "pellucid.kind": "LLM",
        "gen_ai.operation.name": "chat",
        "a.b": 1,
        "pellucid.input": "question",
        "pellucid.output": {"answer": 4},
        "gen_ai.request.model": "m-1",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.stop_sequences": ["x"],
        "pellucid.parameters": {"effort": "low"},
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 5,
        "gen_ai.usage.cache_read.input_tokens": 3,
        "gen_ai.usage.reasoning.output_tokens": 2,
        "gen_ai.input.messages": [{"role": "user", "parts": [{"type": "text", "content": "hi"}]}],
        "gen_ai.output.messages": [
            {
                "role": "assistant",
                "parts": [
                    {"type": "tool_call", "name": "add", "arguments": '{"a": 1}', "id": "c1"}
                ],
            }
        ],
        "gen_ai.tool.name": "add",
        "gen_ai.tool.call.arguments": {"a": 1},
        "gen_ai.tool.call.result": 2,
        "gen_ai.tool.call.id": "c1",
        "pellucid.documents": [{"id": "d"}, {"id": "e", "text": "t"}, {"text": "text only"}],
        "pellucid.attachments": [
            {
                "uri": "data:image/png;base64,iVBORw0KGgowMDAw",
                "media_type": "image/png",
                "name": "plot.png",
            }
        ],
        "list": [1, 2],
        "token": "***",
    }
    assert found.events == [("cached", {"hit": True, "password": "***"})]


def test_attachments_of_several_handles_add_up(traced: Collector, tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.4")

    @pellucid.trace
    def work() -> None:
        pellucid.current_span().add_attachment(tmp_path / "a.pdf")
        pellucid.current_span().add_attachment(b"GIF89a", name="b").add_attachment("/nowhere.png")

    work()
    span = sent(traced)["work"]
    found = json.loads(span.attributes["pellucid.attachments"])
    assert [(item["name"], item["media_type"]) for item in found] == [
        ("a.pdf", "application/pdf"),
        ("b", "image/gif"),
    ]
    ((event, told),) = span.events
    assert event == "pellucid.attachment_failed"
    assert "nowhere" in told["reason"]


def test_odd_arguments_raise_nothing(traced: Collector) -> None:
    def endless() -> Iterator[str]:
        while True:
            yield "document"

    def broken() -> Iterator[Any]:
        yield {"role": "user", "content": "x"}
        raise RuntimeError

    odd: Any = 5
    with pellucid.span(odd, attributes={odd: odd}, kind="of my own") as span:
        span.set_attribute(odd, object()).set_documents(endless()).set_messages(input=broken())
        span.set_model(odd, provider=odd, temperature=object(), stop_sequences=[odd])
        span.set_usage(input=odd, output=odd).add_event(odd, {odd: odd})
        span.set_tool_call(odd, object(), id=odd).add_attachment(odd).set_error(odd)
        span.set_messages(output=None).set_input(None).set_output(object)
    found = sent(traced)["5"]
    assert found.attributes["gen_ai.request.model"] == "5"
    assert len(json.loads(found.attributes["pellucid.documents"])) == 1_000


def test_what_is_no_function_is_not_decorated() -> None:
    with pytest.raises(InvalidInput, match="name"):
        pellucid.trace("plan")  # type: ignore[call-overload]


def test_a_span_that_stays_open_is_shown_as_running(traced: Collector) -> None:
    with pellucid.session("s"), pellucid.span("long", input="in") as span:
        assert traced.spans(pending=True) == []
        (pending,) = traced.wait(1, pending=True)
        span.set_output("out")
    assert pending.attributes["pellucid.input"] == "in"
    assert pending.attributes["gen_ai.conversation.id"] == "s"
    assert pending.duration_ns >= 1_000_000_000
    final = sent(traced)["long"]
    assert final.span_id == pending.span_id
    assert final.attributes["pellucid.output"] == "out"


def test_tags_and_metadata_of_any_type_are_shown(traced: Collector) -> None:
    tags: dict[Any, Any] = {"turn": 3, "day": datetime.date(2026, 1, 2), "thing": object(), 4: None}
    with pellucid.session(None, tags=tags, metadata={"thing": object()}), pellucid.span("turn"):
        pass
    attributes = sent(traced)["turn"].attributes
    assert json.loads(attributes["pellucid.tags"]) == {
        "turn": "3",
        "day": "2026-01-02",
        "thing": "<object>",
        "4": "null",
    }
    assert json.loads(attributes["pellucid.metadata"]) == {"thing": "<object>"}


def test_spans_of_other_instrumentations_get_experiment_and_session(traced: Collector) -> None:
    with pellucid.session("s", user="u", metadata={"build": 7}):
        with otel.get_tracer("other", "1.2").start_as_current_span("theirs"):
            assert pellucid.current_trace_id() is not None
            pellucid.current_span().set_output("seen")
    span = sent(traced)["theirs"]
    assert span.scope == "other"
    assert span.attributes == {
        "pellucid.experiment": "test",
        "gen_ai.conversation.id": "s",
        "user.id": "u",
        "pellucid.metadata": '{"build":7}',
        "pellucid.output": "seen",
    }


def test_ten_thousand_attributes_stay(traced: Collector) -> None:
    with pellucid.span("wide") as span:
        for n in range(5_000):
            span.set_attribute(f"a{n}", n)
    assert len(sent(traced)["wide"].attributes) == 5_002


def test_the_redaction_hook_sees_everything_that_leaves(collector: Collector) -> None:
    seen = set()

    def redact(name: str, value: Any) -> Any:
        seen.add(name)
        if name == "drop.me":
            return None
        if name == "raise.here":
            raise RuntimeError
        return value.replace("Ada", "***") if isinstance(value, str) else value

    pellucid.init(url=collector.url, redact=redact)

    def run() -> None:
        with pellucid.span("s", input={"name": "Ada"}) as span:
            span.set_output("Hello Ada").set_attribute("drop.me", 1)
            span.set_attribute("raise.here", "Ada").add_event("e", {"who": "Ada"})
            raise ValueError("Ada")

    with pytest.raises(ValueError, match="Ada"):
        run()
    found = sent(collector)["s"]
    body = collector.requests[0][2]
    assert b"Ada" not in body
    assert found.attributes["pellucid.input"] == '{"name":"***"}'
    assert found.attributes["raise.here"] == "[redaction failed]"
    assert "drop.me" not in found.attributes
    assert {"pellucid.input", "pellucid.output", "who", "exception.message"} <= seen


def test_a_share_of_traces_is_kept_whole(collector: Collector) -> None:
    pellucid.init(url=collector.url, sample_rate=0.3)
    for _ in range(300):
        with pellucid.span("root"), pellucid.span("child") as child:
            child.set_output("x")
    assert pellucid.flush(60)
    traces: dict[str, int] = {}
    for span in collector.spans():
        traces[span.trace_id] = traces.get(span.trace_id, 0) + 1
    assert 40 < len(traces) < 150
    assert set(traces.values()) == {2}
    pellucid.init(url=collector.url, sample_rate=0)
    with pellucid.span("none"):
        pass
    assert "none" not in sent(collector)
    pellucid.init(url=collector.url)
    with pellucid.span("all"):
        pass
    assert "all" in sent(collector)


def test_switched_off_everything_still_runs(
    monkeypatch: pytest.MonkeyPatch, collector: Collector
) -> None:
    monkeypatch.setenv("PELLUCID_ENABLED", "0")
    pellucid.init(url=collector.url)

    @pellucid.trace
    def double(n: int) -> int:
        return 2 * n

    with pellucid.session("s"), pellucid.span("x", input={"a": 1}) as span:
        span.set_output(double(2)).set_usage(input=1).add_attachment(b"x").add_event("e")
        span.set_messages(input=[{"role": "user", "content": "x"}]).set_documents(["d"])
        assert pellucid.current_trace_id() is None
        assert pellucid.trace_url() is None
    assert pellucid.inject() == {}
    assert pellucid.flush(1)
    pellucid.shutdown()
    assert collector.requests == []


def test_opentelemetry_switched_off_is_honoured(
    monkeypatch: pytest.MonkeyPatch, collector: Collector
) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    pellucid.init(url=collector.url)
    with pellucid.span("x"):
        assert pellucid.current_trace_id() is None
    assert pellucid.flush(1)
    assert collector.requests == []
