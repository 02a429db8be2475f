"""Attachments leave the span, each once, and leave their reference."""

import base64
import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.core.digest import digest_bytes
from pellucid.core.span import DecodedSpan, LogRecord, SpanEvent
from pellucid.semconv.attachments import cut, cut_log
from pellucid.semconv.normalise import normalise

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + random.Random(7).randbytes(300)
WAV = b"RIFF\x00\x00\x00\x00WAVE" + random.Random(7).randbytes(300)
TEXT = base64.b64encode(PNG).decode()
URL = f"data:image/png;base64,{TEXT}"
REFERENCE = f"pellucid-attachment:{digest_bytes(PNG)}"


def span(**attributes: Any) -> DecodedSpan:
    return DecodedSpan(
        trace_id="1" * 32, span_id="2" * 16, start_ns=1, end_ns=2, attributes=attributes
    )


@pytest.mark.parametrize(
    ("value", "left"),
    [
        (URL, REFERENCE),
        (f"see {URL} and {URL}.", f"see {REFERENCE} and {REFERENCE}."),
        (json.dumps({"b64_json": TEXT}), json.dumps({"b64_json": REFERENCE})),
        (json.dumps({"url": URL}).replace("/", "\\/"), json.dumps({"url": REFERENCE})),
        ([{"data": TEXT}], [{"data": REFERENCE}]),
        (PNG, REFERENCE),
        (URL.replace("image/png", "application/octet-stream"), REFERENCE),
    ],
)
def test_bytes_are_replaced_wherever_they_stand(value: Any, left: Any) -> None:
    done = cut(span(payload=value))
    assert done.decoded.attributes["payload"] == left
    assert [(a.media_type, a.data) for a in done.attachments] == [("image/png", PNG)]
    (attachment,) = normalise(done.decoded).attachments
    assert (attachment.digest, attachment.size_bytes) == (digest_bytes(PNG), len(PNG))


def test_events_and_logs_are_cut_too() -> None:
    event = SpanEvent(name="choice", time_ns=1, attributes={"image": URL})
    done = cut(
        DecodedSpan(trace_id="1" * 32, span_id="2" * 16, start_ns=1, end_ns=2, events=[event])
    )
    assert done.decoded.events[0].attributes == {"image": REFERENCE}
    log = LogRecord(
        trace_id="1" * 32, span_id="2" * 16, digest=b"d", time_ns=1, body={"audio": [WAV]}
    )
    assert cut_log(log).attachments[0].media_type == "audio/wav"


def test_what_a_span_listed_itself_keeps_its_name() -> None:
    listed = json.dumps([{"uri": URL, "media_type": "image/png", "name": "stack"}])
    done = cut(span(**{"pellucid.attachments": listed}))
    (attachment,) = normalise(done.decoded).attachments
    assert (attachment.name, attachment.media_type) == ("stack", "image/png")


@pytest.mark.parametrize("value", ["data:image/png;base64,iVBORw0KGgo=", "plain " * 100, TEXT[:50]])
def test_what_is_no_attachment_stays(value: str) -> None:
    decoded = span(payload=value)
    assert cut(decoded).decoded is decoded


_values = st.recursive(
    st.one_of(st.text(), st.sampled_from([URL, TEXT, WAV, PNG]), st.integers(), st.none()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.text(min_size=1), _values, max_size=4))
def test_cutting_twice_changes_nothing(attributes: dict[str, Any]) -> None:
    once = cut(span(**attributes))
    again = cut(once.decoded)
    assert again.decoded == once.decoded
    assert again.attachments == []


@pytest.mark.parametrize("held", ['[{"uri": "https://example.org/x.png"}]', "no list", 5, [1], "["])
def test_what_was_listed_already_is_kept(held: Any) -> None:
    done = cut(span(**{"pellucid.attachments": held, "image": URL})).decoded
    listed = json.loads(done.attributes["pellucid.attachments"])
    assert len(listed) == 2
    assert listed[1]["uri"] == REFERENCE
    assert [one.digest for one in normalise(done).attachments] == [digest_bytes(PNG)]
    assert cut(done).decoded == done
