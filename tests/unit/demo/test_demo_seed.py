from collections import Counter
from itertools import pairwise

import pytest

from pellucid.demo.seed import SeededTrace, long_trace, seed_traces
from pellucid.semconv import attributes as names

END_NS = 1_780_000_000_000_000_000


def check_tree(trace: SeededTrace) -> None:
    by_id = {span.span_id: span for span in trace.spans}
    assert len(by_id) == len(trace.spans)
    assert [span.parent_id for span in trace.spans].count("") == 1
    seen: set[str] = set()
    for span in trace.spans:
        assert span.start_ns <= span.end_ns
        if span.parent_id:
            assert span.parent_id in seen
            parent = by_id[span.parent_id]
            assert parent.start_ns <= span.start_ns
            assert span.end_ns <= parent.end_ns
        seen.add(span.span_id)


def test_traces_are_whole_and_in_order() -> None:
    traces = list(seed_traces(120, end_ns=END_NS))
    assert len({trace.trace_id for trace in traces}) == 120
    for trace in traces:
        check_tree(trace)
    starts = [trace.spans[0].start_ns for trace in traces]
    assert all(a < b for a, b in pairwise(starts))
    assert END_NS - 7 * 24 * 3_600_000_000_000 <= starts[0] < starts[-1] < END_NS


def test_traces_have_what_pages_are_tried_with() -> None:
    traces = list(seed_traces(200, end_ns=END_NS))
    roots = [trace.spans[0] for trace in traces]
    assert len({trace.experiment for trace in traces}) == 3
    failed_inside = [t for t in traces if not t.spans[0].error and any(s.error for s in t.spans)]
    assert failed_inside
    assert any(root.error for root in roots)
    sessions = Counter(root.attributes.get(names.CONVERSATION_ID) for root in roots)
    del sessions[None]
    assert max(sessions.values()) > 1
    kinds = {span.attributes[names.KIND] for trace in traces for span in trace.spans}
    assert kinds >= {"AGENT", "LLM", "TOOL", "RETRIEVER", "EMBEDDING", "CHAIN", "IMAGE"}


def test_one_seed_gives_one_set_of_traces() -> None:
    def ids(seed: int) -> list[str]:
        return [trace.trace_id for trace in seed_traces(5, end_ns=END_NS, seed=seed)]

    assert ids(1) == ids(1) != ids(2)


@pytest.mark.parametrize("spans", [1, 2, 6, 63, 500, 5000])
def test_the_long_trace_has_exactly_so_many_spans(spans: int) -> None:
    trace = long_trace(spans, end_ns=END_NS)
    assert len(trace.spans) == spans
    check_tree(trace)
    assert max(span.end_ns for span in trace.spans) == END_NS
    assert sum(1 for span in trace.spans if span.error) == (1 if spans >= 7 else 0)
