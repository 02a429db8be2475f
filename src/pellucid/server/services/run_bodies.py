"""A request's body → writes about runs, and the answer to it."""

import asyncio

import msgspec

from pellucid.core.errors import InvalidInput
from pellucid.core.run_views import RunReceiptList, RunWriteRequest
from pellucid.server.services.runs import RunService

_SMALL_BODY = 64 << 10
_decoder = msgspec.json.Decoder(RunWriteRequest)


async def take_writes(runs: RunService, body: bytes, sent: str) -> RunReceiptList:
    """Merge a RunWriteRequest in JSON; `sent` is the sender's clock, "" where it is not told.

    Raises InvalidInput.
    """
    if len(body) <= _SMALL_BODY:
        writes = _decode(body).writes
    else:
        writes = (await asyncio.to_thread(_decode, body)).writes
    sent_ns = int(sent) if sent.isdecimal() and len(sent) < 20 else None
    return RunReceiptList(runs=await runs.write(writes, sent_ns=sent_ns))


def _decode(body: bytes) -> RunWriteRequest:
    # PostgreSQL holds no NUL; a mark in its place is better than losing the write.
    body = body.replace(b"\\u0000", b"\\ufffd")
    try:
        return _decoder.decode(body)
    except RecursionError:
        raise InvalidInput("The JSON body is nested too deeply.") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidInput(f"The body is not a list of writes about runs: {error}") from None
