"""The span store alone: write speed, size on disk and reads, on made-up spans of about 2 kB.

    python benchmarks/store.py [--traces 10000] [--batch 256]

Prints a table. Spans are prepared before the clock starts, so that only the engine is measured.
"""

import argparse
import random
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from pellucid.core.span import (
    Arrival,
    DecodedSpan,
    Document,
    Message,
    Part,
    Scope,
    Span,
    SpanKind,
    Status,
    Tokens,
    ToolCall,
)
from pellucid.storage.spans.sqlite.store import SqliteSpanStore
from pellucid.testing.spans import START, toy_digest, toy_normalise

WORDS = (
    "agent model layer disc capacity wikipedia image text search result answer question stack "
    "height article picture storage byte blu ray retrieval chunk vector index tool call number "
    "compute divide multiply plan step check source page english german total average"
).split()
MODELS = ("gpt-4o", "gpt-4o-mini", "claude-sonnet-4-5", "text-embedding-3-small")
RESOURCE = {
    "service.name": "bluray-agent",
    "telemetry.sdk.language": "python",
    "telemetry.sdk.name": "opentelemetry",
    "telemetry.sdk.version": "1.45.0",
    "host.name": "worker-17.cluster.local",
    "process.pid": 4242,
}
SHAPE = (
    (1, 0, SpanKind.AGENT, "answer question"),
    (2, 1, SpanKind.CHAIN, "plan"),
    (3, 2, SpanKind.LLM, "chat"),
    (4, 1, SpanKind.RETRIEVER, "search corpus"),
    (5, 4, SpanKind.EMBEDDING, "embed"),
    (6, 1, SpanKind.LLM, "chat"),
    (7, 6, SpanKind.TOOL, "divide"),
    (8, 6, SpanKind.TOOL, "multiply"),
    (9, 1, SpanKind.CHAIN, "compose"),
    (10, 9, SpanKind.LLM, "chat"),
)


QUERIES = (
    "status:error",
    "status:error duration>400ms",
    "kind:TOOL",
    "model:gpt-4o",
    "user:user-3 status:error attr.worker.queue:slow",
    "session:session-77",
    "tag.env:dev",
    "-tag.env:prod",
    "attr.tenant:42",
    "attr.tenant>990",
    "attr.order.id:order-4242",
    "attr.order.id:none",
    "span(kind:TOOL status:error)",
    "span(kind:LLM tokens>2400)",
    "span(kind:TOOL attr.tenant:42)",
    "cost>$0.03",
    "disc",
    "zyzzyva",
    "absentword",
    '"blu ray"',
    '"wikipedia wikipedia wikipedia"',
    '"zyzzyva disc absent"',
    "zyzz*",
    "disc status:error",
)


class Maker:
    """Makes traces of ten spans, the same for the same seed."""

    def __init__(self, seed: int = 7, experiments: int = 4, rare: str = "zyzzyva") -> None:
        self._random = random.Random(seed)
        self._experiments = [f"experiment-{number}" for number in range(experiments)]
        self._rare = rare

    def text(self, size: int) -> str:
        """Return about `size` characters of words."""
        return " ".join(self._random.choices(WORDS, k=size // 7))

    def trace(self, number: int) -> list[Arrival]:
        """Return one trace's spans."""
        rnd = self._random
        start = START + number * 1_000_000_000
        experiment = self._experiments[number % len(self._experiments)]
        fails = rnd.random() < 0.05
        arrivals = []
        for index, parent, kind, name in SHAPE:
            model = rnd.choice(MODELS) if kind in (SpanKind.LLM, SpanKind.EMBEDDING) else None
            arrivals.append(
                self._arrival(
                    Span(
                        trace_id=f"{number + 1:032x}",
                        span_id=f"{(number + 1) * 16 + index:016x}",
                        parent_id=f"{(number + 1) * 16 + parent:016x}" if parent else "",
                        name=name,
                        kind=kind,
                        status=Status.ERROR if fails and index in (1, 7) else Status.OK,
                        start_ns=start + index * 30_000_000,
                        duration_ns=int(rnd.lognormvariate(17, 1)),
                        experiment=experiment,
                        session_id=f"session-{number // 8}",
                        user_id=f"user-{number % 97}",
                        tags={"env": "prod" if number % 3 else "dev"},
                        model=model,
                        provider="openai" if model else None,
                        tokens=Tokens(input=rnd.randrange(2000), output=rnd.randrange(500))
                        if model
                        else Tokens(),
                        estimated_cost_usd=rnd.random() / 100 if model else None,
                        **self._payload(kind, number),
                    ),
                    number,
                )
            )
        return arrivals

    def _payload(self, kind: SpanKind, number: int) -> dict[str, Any]:
        if kind is SpanKind.LLM:
            return {
                "input_messages": [
                    Message(role="system", parts=[Part(type="text", content=self.text(300))]),
                    Message(role="user", parts=[Part(type="text", content=self.text(500))]),
                ],
                "output_messages": [
                    Message(role="assistant", parts=[Part(type="text", content=self.text(600))])
                ],
                "parameters": {"temperature": 0.2, "max_tokens": 512},
                "finish_reason": "stop",
            }
        if kind is SpanKind.RETRIEVER:
            return {
                "input": self.text(80),
                "documents": [
                    Document(id=f"doc-{n}", text=self.text(400), score=0.9 - n / 10)
                    for n in range(3)
                ],
            }
        if kind is SpanKind.TOOL:
            call = ToolCall(id="call_1", name="divide", arguments={"a": number, "b": 7}, result=3)
            return {"tool_call": call, "input": {"a": number, "b": 7}, "output": 3}
        rare = f" {self._rare}" if number % 5000 == 77 else ""
        return {"input": self.text(400) + rare, "output": self.text(400)}

    def _arrival(self, span: Span, number: int) -> Arrival:
        raw = {
            "gen_ai.request.model": span.model or "",
            "pellucid.kind": span.kind.value,
            "pellucid.experiment": span.experiment,
            "session.id": span.session_id,
            "user.id": span.user_id,
            "gen_ai.input.messages": msgspec.json.encode(span.input_messages).decode(),
            "gen_ai.output.messages": msgspec.json.encode(span.output_messages).decode(),
            "gen_ai.usage.input_tokens": span.tokens.input,
            "gen_ai.usage.output_tokens": span.tokens.output,
            "pellucid.input": msgspec.json.encode(span.input).decode(),
            "pellucid.output": msgspec.json.encode(span.output).decode(),
            "pellucid.documents": msgspec.json.encode(span.documents).decode(),
            "tenant": number % 1000,
            "release": f"2026.{number % 12}.{number % 31}",
            "order.id": f"order-{number}",
            "worker.region": "eu-central-1",
            "worker.queue": self._random.choice(("fast", "slow")),
        }
        kept = {k: raw[k] for k in ("tenant", "release", "order.id", "worker.region")}
        scope = Scope(name="pellucid.tracing", version="0.1.0")
        span = msgspec.structs.replace(span, attributes=kept, resource=RESOURCE, scope=scope)
        decoded = DecodedSpan(
            trace_id=span.trace_id,
            span_id=span.span_id,
            parent_id=span.parent_id,
            name=span.name,
            start_ns=span.start_ns,
            end_ns=span.start_ns + span.duration_ns,
            attributes=raw,
            resource=RESOURCE,
            scope=scope,
            experiment=span.experiment,
        )
        return Arrival(
            decoded=decoded,
            span=span,
            digest=toy_digest(decoded),
            attribute_count=len(raw),
            seen_ns=span.start_ns + 1_000_000_000,
            normaliser=1,
        )


def batches(maker: Maker, traces: int, size: int) -> Iterator[list[Arrival]]:
    """Yield batches of spans; the spans of neighbouring traces are mixed, as exporters mix them."""
    waiting: list[Arrival] = []
    for first in range(0, traces, 40):
        group = [a for n in range(first, min(first + 40, traces)) for a in maker.trace(n)]
        group.sort(key=lambda arrival: arrival.decoded.end_ns)
        waiting += group
        while len(waiting) >= size:
            yield waiting[:size]
            waiting = waiting[size:]
    if waiting:
        yield waiting


def measure(call: Callable[[], object], times: int = 20) -> str:
    """Return median and 95th percentile of a call in milliseconds."""
    call()
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        taken.append((time.perf_counter() - began) * 1000)
    taken.sort()
    return f"{statistics.median(taken):8.2f} {taken[int(len(taken) * 0.95)]:8.2f}"


def fill(store: SqliteSpanStore, traces: int, size: int) -> None:
    """Write all traces and print the speed."""
    maker = Maker()
    wall = cpu = prepare_cpu = 0.0
    spans = raw = 0
    waits = []
    for batch in batches(maker, traces, size):
        spans += len(batch)
        raw += sum(len(msgspec.msgpack.encode(a.decoded)) for a in batch[:4]) * len(batch) // 4
        began_cpu = time.thread_time()
        parcels = store.prepare(batch)
        prepare_cpu += time.thread_time() - began_cpu
        began, began_cpu = time.perf_counter(), time.thread_time()
        store.write_prepared(parcels)
        waits.append(time.perf_counter() - began)
        wall += waits[-1]
        cpu += time.thread_time() - began_cpu
    waits.sort()
    print(f"{spans} spans of {raw / spans:.0f} B in batches of {size}")
    print(f"prepare CPU        {prepare_cpu / spans * 1e6:10.1f} us a span")
    print(f"write              {spans / wall:10.0f} spans/s")
    print(f"write CPU          {cpu / spans * 1e6:10.1f} us a span")
    print(
        f"batch p50 p95 max  {statistics.median(waits) * 1e3:10.1f}"
        f" {waits[int(len(waits) * 0.95)] * 1e3:.1f} {waits[-1] * 1e3:.1f} ms"
    )


def one_large_trace(store: SqliteSpanStore, size: int, spans: int = 10_000) -> None:
    """Write one trace of many spans in batches and print the time."""
    maker = Maker(seed=3)
    sample = maker.trace(10_000_000)[2]
    arrivals = []
    for number in range(spans):
        span = msgspec.structs.replace(
            sample.span,
            span_id=f"{number + 1:016x}",
            parent_id=f"{number // 7 + 1:016x}" if number else "",
            start_ns=START + number,
        )
        decoded = msgspec.structs.replace(sample.decoded, span_id=span.span_id)
        arrivals.append(
            msgspec.structs.replace(sample, span=span, decoded=decoded, digest=number.to_bytes(16))
        )
    began = time.perf_counter()
    for first in range(0, spans, size):
        store.write(arrivals[first : first + size])
    print(f"10,000-span trace  {(time.perf_counter() - began) * 1000:10.0f} ms to write")
    trace_id = sample.span.trace_id
    print(f"  waterfall        {measure(lambda: store.get_waterfall(trace_id), 5)} ms")
    print(f"  all spans        {measure(lambda: list(store.iter_spans(trace_id)), 3)} ms")


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--traces", type=int, default=10_000)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--dir", type=Path, default=None)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.dir) as folder:
        path = Path(folder) / "spans.db"
        store = SqliteSpanStore(path, normalise=toy_normalise, index_in_background=False)
        fill(store, options.traces, options.batch)
        store.checkpoint()
        size = path.stat().st_size
        print(f"disk               {size / options.traces / 10:10.0f} B a span")
        began = time.perf_counter()
        store.index()
        took = time.perf_counter() - began
        print(f"index              {took / options.traces / 10 * 1e6:10.1f} us a span")
        store.checkpoint()
        size = path.stat().st_size
        print(f"disk with index    {size / options.traces / 10:10.0f} B a span")
        reads(store, options.traces)
        one_large_trace(store, options.batch)
        store.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"peak memory        {peak:10d} MB (spans in the making included)")


def reads(store: SqliteSpanStore, traces: int) -> None:
    """Print median and p95 of reads."""
    rnd = random.Random(1)

    def trace_id() -> str:
        return f"{rnd.randrange(traces) + 1:032x}"

    def whole() -> None:
        key = trace_id()
        store.get_trace(key)
        list(store.iter_spans(key))

    def newest(query: str = "", experiment: str | None = None) -> Callable[[], object]:
        return lambda: store.list_traces(experiment=experiment, query=query, limit=50, cursor=None)

    print("                                        p50 ms   p95 ms")
    for name, call, times in (
        ("trace with its spans", whole, 200),
        ("waterfall", lambda: store.get_waterfall(trace_id()), 200),
        ("newest 50", newest(), 20),
        ("newest 50 of an experiment", newest(experiment="experiment-1"), 20),
        ("experiments with totals", store.list_experiments, 5),
        *((f"  {query}", newest(query), 5) for query in QUERIES),
        ("facets", store.survey, 3),
        ("facets of status:error", lambda: store.survey(query="status:error"), 3),
        ("histogram", store.count_by_time, 3),
        ("histogram of an experiment", lambda: store.count_by_time(experiment="experiment-1"), 3),
        ("histogram of status:error", lambda: store.count_by_time(query="status:error"), 3),
        ("sessions", lambda: store.list_sessions(experiment="experiment-1"), 3),
        ("values of tag.env", lambda: store.list_values("tag.env"), 3),
        ("rollups of all hours", lambda: store.read_rollups(experiment="experiment-1"), 3),
    ):
        print(f"{name:36} {measure(call, times)}")


if __name__ == "__main__":
    main()
