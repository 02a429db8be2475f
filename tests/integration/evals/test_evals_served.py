"""An agent that is served over HTTP, evaluated by its URL."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

import pellucid
from pellucid import scorers
from pellucid.core.errors import InvalidInput


class Agent(BaseHTTPRequestHandler):
    paths: list[str] = []  # noqa: RUF012 (one list for the test)

    def log_message(self, *args: Any) -> None:
        return

    def do_POST(self) -> None:
        self.paths.append(self.path)
        inputs = json.loads(self.rfile.read(int(self.headers["content-length"])))["inputs"]
        failed = inputs["n"] == 2
        answer = {"detail": "no"} if failed else {"output": 2 * inputs["n"], "trace_id": None}
        body = json.dumps(answer).encode()
        self.send_response(500 if failed else 200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Agent)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_url_is_a_task(url: str) -> None:
    data = [{"inputs": {"n": n}, "expected": 2 * n} for n in range(4)]
    report = pellucid.evaluate(url, data, [scorers.exact_match()])
    assert [example.output for example in report.examples] == [0, 2, None, 6]
    assert "answered 500" in str(report.examples[2].error)
    assert set(Agent.paths) == {"/invocations"}
    with pytest.raises(InvalidInput, match="URL"):
        pellucid.evaluate("agent", data, [])
