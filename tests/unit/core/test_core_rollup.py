from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from pellucid.core.rollup import attodollars, bucket_bounds, latency_bucket, percentile_ns

durations = st.integers(0, 2**63 - 1)


@given(durations)
def test_a_duration_lies_within_its_bucket(duration: int) -> None:
    low, high = bucket_bounds(latency_bucket(duration))
    assert low <= duration < high
    assert high - low <= max(1, low // 16)


@given(durations, durations)
def test_buckets_keep_the_order(first: int, second: int) -> None:
    if first <= second:
        assert latency_bucket(first) <= latency_bucket(second)


@given(st.lists(durations, min_size=1, max_size=50), st.floats(0, 1))
def test_a_percentile_lies_in_the_bucket_of_the_true_one(found: list[int], share: float) -> None:
    value = percentile_ns(Counter(map(latency_bucket, found)), share)
    assert value is not None
    ordered = sorted(found)
    # A rank that falls on a boundary may be answered by either side of it.
    place = share * len(found)
    around = {max(0, min(len(found) - 1, int(place) + step)) for step in (-1, 0)}
    assert latency_bucket(value) in {latency_bucket(ordered[at]) for at in around}


def test_nothing_has_no_percentile() -> None:
    assert percentile_ns({}, 0.5) is None


@given(st.lists(st.floats(0, 1000), max_size=20), st.permutations(range(20)))
def test_sums_of_costs_do_not_depend_on_order(costs: list[float], order: list[int]) -> None:
    total = sum(map(attodollars, costs))
    costs = [costs[at] for at in order if at < len(costs)]
    assert sum(map(attodollars, costs)) == total
    assert attodollars(0.1) + attodollars(0.2) == attodollars(0.3)
