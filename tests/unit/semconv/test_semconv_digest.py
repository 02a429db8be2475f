from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings

from pellucid.core.span import DecodedSpan
from pellucid.semconv.digest import attribute_count, digest_of
from pellucid.testing.wild_spans import decoded_spans

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def _span(**attributes: Any) -> DecodedSpan:
    return DecodedSpan(
        trace_id="1" * 32, span_id="2" * 16, start_ns=1, end_ns=2, attributes=attributes
    )


def test_digest_is_of_known_length_and_value() -> None:
    assert digest_of(_span(a=1, b="x")).hex() == "6774485b4987af97b76a5231072be130"


def test_order_does_not_count() -> None:
    assert digest_of(_span(a=1, b={"c": 1, "d": 2})) == digest_of(_span(b={"d": 2, "c": 1}, a=1))


def test_types_count() -> None:
    digests = {digest_of(_span(a=value)) for value in (1, 1.0, "1", True, b"1", [1], None)}
    assert len(digests) == 7


@patient
@given(decoded_spans(), decoded_spans())
def test_digests_differ_exactly_where_spans_do(one: DecodedSpan, other: DecodedSpan) -> None:
    assert (digest_of(one) == digest_of(other)) == (
        msgspec.msgpack.encode(one, order="sorted") == msgspec.msgpack.encode(other, order="sorted")
    )


def test_what_no_encoder_takes_has_a_digest_too() -> None:
    nested: Any = []
    for _ in range(50_000):
        nested = [nested]
    wild: list[dict[Any, Any]] = [
        {"a": "\ud800"},
        {"a": 2**70},
        {"a": nested},
        {"a": {1: 2, "b": b"x"}},
        {"a": object},
    ]
    digests = {digest_of(_span(**attributes)) for attributes in wild}
    assert len(digests) == len(wild)
    assert digest_of(_span(a="\ud800", b=1)) == digest_of(_span(b=1, a="\ud800"))


def test_pending_is_not_counted() -> None:
    assert attribute_count(_span(a=1, **{"pellucid.pending": True})) == 1
    assert attribute_count(_span(a=1)) == 1
