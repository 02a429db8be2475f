"""What holds of the normaliser for any input (contracts.md §1)."""

import random
from typing import Any

import msgspec
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pellucid.core.span import DecodedSpan, LogRecord, Span
from pellucid.semconv.attachments import cut
from pellucid.semconv.digest import digest_of
from pellucid.semconv.normalise import DIALECTS, is_known, normalise
from pellucid.semconv.otlp import to_otlp
from pellucid.semconv.values import UNREAD, json_safe, read_value, write_value
from pellucid.testing.wild_spans import decoded_spans, impossible_spans, log_records, values

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@patient
@given(decoded_spans(), log_records)
def test_normalise_is_stable(decoded: DecodedSpan, logs: list[LogRecord]) -> None:
    once = normalise(decoded, logs)
    assert normalise(to_otlp(once)) == once


@patient
@given(decoded_spans())
def test_every_attribute_that_is_not_understood_is_kept(decoded: DecodedSpan) -> None:
    span = normalise(decoded)
    for name, value in decoded.attributes.items():
        if name in span.attributes:
            assert span.attributes[name] == value
        elif not is_known(name):
            # LiteLLM's scope makes metadata of it.
            assert name.removeprefix("metadata.") in span.metadata


@patient
@given(decoded_spans(), st.randoms(use_true_random=False))
def test_the_order_of_attributes_says_nothing(decoded: DecodedSpan, dice: random.Random) -> None:
    items = list(decoded.attributes.items())
    dice.shuffle(items)
    shuffled = msgspec.structs.replace(decoded, attributes=dict(items))
    assert normalise(shuffled) == normalise(decoded)


@patient
@given(decoded_spans())
def test_a_canonical_span_is_json(decoded: DecodedSpan) -> None:
    span = msgspec.structs.replace(normalise(decoded), attributes={}, events=[], resource={})
    assert msgspec.json.decode(msgspec.json.encode(span), type=Span) == span


@patient
@given(impossible_spans())
def test_nothing_raises(decoded: DecodedSpan) -> None:
    digest_of(decoded)
    span = normalise(cut(decoded).decoded)
    assert normalise(to_otlp(span)).name == span.name


@patient
@given(values)
@example('"{}"')
@example('"\\"[1]\\""')
def test_a_value_survives_its_attribute(value: Any) -> None:
    safe = json_safe(value)
    assert safe is not UNREAD
    assert read_value(write_value(safe)) == safe


def test_no_two_dialects_claim_a_field_with_one_rank() -> None:
    ranks = [
        (rule.field, rule.rank)
        for dialect in DIALECTS
        for rule in dialect.rules.values()
        if not rule.path
    ]
    assert len(ranks) == len(set(ranks))


def test_hostile_depth_stays_text() -> None:
    deep = "[" * 100_000
    nested: Any = "x"
    for _ in range(5_000):
        nested = [nested]
    decoded = DecodedSpan(
        trace_id="1" * 32,
        span_id="2" * 16,
        start_ns=1,
        end_ns=2,
        attributes={
            "input.value": deep,
            "pellucid.output": nested,
            "gen_ai.input.messages": deep,
            "pellucid.documents": nested,
        },
    )
    span = normalise(decoded)
    assert span.input == deep
    assert span.output is None
    assert set(span.attributes) == {
        "pellucid.output",
        "gen_ai.input.messages",
        "pellucid.documents",
    }
