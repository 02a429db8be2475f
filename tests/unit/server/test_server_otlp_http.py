"""The OTLP application alone, over an ingest service that fails: what senders are told."""

from collections.abc import Callable
from typing import Any

import pytest

from pellucid.core.errors import StorageUnavailable, Unavailable
from pellucid.server.ingest.otlp_http import OtlpHttp
from pellucid.server.services.batch import Batch

PROTOBUF = "application/x-protobuf"


class Failing:
    """Stands where the ingest service does."""

    def __init__(self, error: Exception, *, at_reserve: bool = False) -> None:
        self._error = error
        self._at_reserve = at_reserve
        self.reserved = 0

    def reserve(self, size_bytes: int) -> None:
        if self._at_reserve:
            raise self._error
        self.reserved += size_bytes

    def release(self, size_bytes: int) -> None:
        self.reserved -= size_bytes

    async def ingest(self, decode: Callable[[], Batch], size_bytes: int) -> Batch:
        raise self._error


async def post(ingest: Failing, media_type: str) -> tuple[int, dict[str, str], bytes]:
    messages: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        messages.append(message)

    headers = [(b"content-type", media_type.encode())]
    scope = {"type": "http", "method": "POST", "path": "/v1/traces", "headers": headers}
    await OtlpHttp(ingest)(scope, receive, send)  # type: ignore[arg-type]  # a stand-in
    start, body = messages
    found = {name.decode(): value.decode() for name, value in start["headers"]}
    return start["status"], found, body["body"]


@pytest.mark.parametrize("media_type", [PROTOBUF, "application/json"])
@pytest.mark.parametrize("at_reserve", [False, True])
async def test_what_is_full_asks_to_come_again(media_type: str, at_reserve: bool) -> None:
    ingest = Failing(StorageUnavailable("The disk is full.", retry_after_s=4.2),
                     at_reserve=at_reserve)  # fmt: skip
    status, headers, body = await post(ingest, media_type)
    assert status == 503
    assert headers["retry-after"] == "5"
    assert headers["content-type"] == media_type
    assert b"The disk is full." in body
    assert ingest.reserved == 0


async def test_a_fault_of_ours_is_logged_and_shows_no_internals(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ingest = Failing(RuntimeError("secret"))
    status, headers, body = await post(ingest, PROTOBUF)
    assert status == 503
    assert "retry-after" in headers
    assert b"secret" not in body
    (record,) = caplog.records
    assert record.exc_info is not None
    reference = record.getMessage().partition("(")[2].rstrip(")")
    assert reference.encode() in body
    assert ingest.reserved == 0


async def test_a_sender_that_goes_away_is_answered_nothing() -> None:
    ingest = Failing(Unavailable("never reached"))
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/traces",
        "headers": [(b"content-type", b"application/json")],
    }
    await OtlpHttp(ingest)(scope, receive, send)  # type: ignore[arg-type]  # a stand-in
    assert sent == []
