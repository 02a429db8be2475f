"""One very long trace, for pages that must not freeze."""

import random

from pellucid.demo.seed.build import SeededTrace, TraceBuilder, fail
from pellucid.semconv import attributes as names

_ERROR = "ConnectionError: the page closed the connection"


def long_trace(spans: int, *, end_ns: int, seed: int = 7) -> SeededTrace:
    """Return a trace of exactly `spans` spans: a crawl of rounds, pages and calls, four deep.

    Its one failure lies deep inside, near two thirds of the way.
    """
    build = TraceBuilder(random.Random(seed), "site-crawler", end_ns)
    build.begin("crawl", "AGENT", input="Summarise the whole handbook", agent="crawler")
    room = spans - 1
    page = 0
    while room > 0:
        build.begin(f"round {page // 12 + 1}", "CHAIN")
        room -= 1
        for _ in range(12):
            if room < 5:
                break
            page += 1
            _read_page(build, page)
            room -= 5
        if room < 5:
            for number in range(room):
                build.leaf(f"tidy {number + 1}", "TASK", (1, 5))
            room = 0
        build.end()
    build.end(output=f"Read {page} pages.")
    tools = [span for span in build.trace.spans if span.name == "fetch"]
    if tools:
        failed = tools[len(tools) * 2 // 3]
        failed.attributes.pop(names.TOOL_CALL_RESULT)
        fail(failed, _ERROR)
    _move_before(build.trace, end_ns)
    return build.trace


def _read_page(build: TraceBuilder, number: int) -> None:
    """Add five spans."""
    path = f"/handbook/{number}"
    build.begin(f"page {number}", "CHAIN", input=path)
    build.tool("fetch", {"path": path}, f"<html>page {number}</html>", between_ms=(2, 60))
    build.leaf("parse", "PARSER", (1, 6), input=path)
    build.llm("summarise", "gpt-4o-mini", [("user", f"Summarise {path}")], f"Page {number}.")
    build.leaf("store", "MEMORY", (1, 4), input=path)
    build.end()


def _move_before(trace: SeededTrace, end_ns: int) -> None:
    """Shift all times so that the trace has just ended."""
    late_ns = max(span.end_ns for span in trace.spans) - end_ns
    for span in trace.spans:
        span.start_ns -= late_ns
        span.end_ns -= late_ns
        for event in span.events:
            event["timeUnixNano"] = str(span.end_ns)
