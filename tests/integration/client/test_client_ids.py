import random

import pellucid
from pellucid.client.tracing.ids import OwnIds
from pellucid.testing.collector import Collector


def test_a_program_that_seeds_gets_its_numbers_and_ids_that_differ(traced: Collector) -> None:
    random.seed(42)
    expected = [random.random() for _ in range(4)]
    seen = []
    traces = []
    for _ in range(2):
        random.seed(42)
        numbers = []
        for _ in range(4):
            with pellucid.span("a step"):
                traces.append(pellucid.current_trace_id())
                numbers.append(random.random())
        seen.append(numbers)
    assert seen == [expected, expected]
    assert len(set(traces)) == 8


def test_ids_are_never_zero() -> None:
    ids = OwnIds()
    assert all(ids.generate_span_id() and ids.generate_trace_id() for _ in range(100))
