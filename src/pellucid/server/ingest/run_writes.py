"""Writes about runs as a bare ASGI application: most requests that a client sends are these.

It stands before the web framework, whose routing and injection would cost as much as the commit.
What it takes and answers is described with `api/runs.py`.
"""

import logging
from typing import Any

import msgspec

from pellucid.core.errors import PellucidError
from pellucid.core.ids import new_id
from pellucid.core.run_paths import RUN_WRITES_PATH, SENT_HEADER
from pellucid.server.auth.answers import JSON, Answer, problem_details, send_answer
from pellucid.server.ingest.body import Disconnected, check_encoding, read_body, unpack
from pellucid.server.services.run_bodies import take_writes
from pellucid.server.services.runs import RunService

_log = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode
_SENT = SENT_HEADER.encode()


class _Failed(PellucidError):
    status = 500


class RunWritesHttp:
    """The ASGI application behind `RUN_WRITES_PATH`, for POST."""

    def __init__(self, runs: RunService) -> None:
        self._runs = runs

    @staticmethod
    def takes(scope: Any) -> bool:
        """Tell whether a request is for this application."""
        return bool(scope.get("path") == RUN_WRITES_PATH and scope.get("method") == "POST")

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request; every error is problem details."""
        try:
            answer = await self._answer(scope, receive)
        except Disconnected:
            return
        except PellucidError as error:
            answer = problem_details(error)
        except Exception:
            reference = new_id()
            _log.exception("A write about runs failed (%s)", reference)
            fault = f"The server failed on this request; see its log: {reference}."
            answer = problem_details(_Failed(fault))
        await send_answer(send, answer)

    async def _answer(self, scope: Any, receive: Any) -> Answer:
        encoding, length, sent = "", None, ""
        for name, value in scope["headers"]:
            if name == b"content-encoding":
                encoding = value.decode("latin-1").strip().lower()
            elif name == b"content-length":
                length = int(value) if value.isdigit() else None
            elif name == _SENT:
                sent = value.decode("latin-1")
        check_encoding(encoding)
        body = unpack(await read_body(receive, length, _ignore), encoding)
        return Answer(200, JSON, _encode(await take_writes(self._runs, body, sent)))


def _ignore(_size: int) -> None:
    """The body's bound is enough."""
