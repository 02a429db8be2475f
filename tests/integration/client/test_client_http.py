import json
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import pellucid
from pellucid.client.http import ApiClient, Connection
from pellucid.core.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    QuerySyntaxError,
    TooLarge,
    Unauthorized,
    Unavailable,
)


class Scripted:
    """Answers each request with what `answers` says, and remembers what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        self.status = 200
        self.body: bytes = b"{}"
        self.close_after_each = False
        scripted = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                scripted.asked.append((self.command, self.path, dict(self.headers), body))
                self.send_response(scripted.status)
                self.send_header("content-length", str(len(scripted.body)))
                self.end_headers()
                self.wfile.write(scripted.body)
                # Without a word: as a server does when a keep-alive connection times out.
                self.close_connection = scripted.close_after_each

            do_GET = do_POST = do_DELETE = answer

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        serve(self.server)


def serve(server: HTTPServer) -> None:
    threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
    ).start()


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    running = Scripted()
    yield running
    running.server.shutdown()
    running.server.server_close()


def test_requests_carry_the_key_and_only_given_parameters(scripted: Scripted) -> None:
    scripted.body = b'{"a":1}'
    with ApiClient(f"{scripted.url}/base/", api_key="k1") as client:
        assert client.get("/api/v1/x", {"a": "1 2", "b": None}) == b'{"a":1}'
        client.post("/api/v1/y", b"[]", {"x-more": "1"})
        client.delete("/api/v1/z")
    first, second, third = scripted.asked
    assert first[:2] == ("GET", "/base/api/v1/x?a=1+2")
    assert first[2]["Authorization"] == "Bearer k1"
    assert second[0] == "POST"
    assert second[2]["content-type"] == "application/json"
    assert second[2]["x-more"] == "1"
    assert third[:2] == ("DELETE", "/base/api/v1/z")


def test_a_connection_that_the_server_closed_is_opened_anew(scripted: Scripted) -> None:
    scripted.close_after_each = True
    connection = Connection(scripted.url)
    for _ in range(5):
        assert connection.request("GET", "/").status == 200
    connection.close()
    assert len(scripted.asked) == 5


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidInput),
        (401, Unauthorized),
        (403, Forbidden),
        (404, NotFound),
        (409, Conflict),
        (413, TooLarge),
        (418, InvalidInput),
        (500, Unavailable),
        (503, Unavailable),
    ],
)
def test_problems_are_raised_as_what_they_are(
    scripted: Scripted, status: int, kind: type[Exception]
) -> None:
    scripted.status = status
    scripted.body = json.dumps({"title": "T", "status": status, "detail": "It is so."}).encode()
    with ApiClient(scripted.url) as client, pytest.raises(kind, match=r"It is so\."):
        client.get("/api/v1/x")
    scripted.body = b"<html>"
    with ApiClient(scripted.url) as client, pytest.raises(kind, match=f"answered with {status}"):
        client.get("/api/v1/x")


def test_a_querys_fault_keeps_its_place(scripted: Scripted) -> None:
    scripted.status = 400
    scripted.body = b'{"detail": "no", "position": 3, "length": 2}'
    with ApiClient(scripted.url) as client, pytest.raises(QuerySyntaxError) as caught:
        client.get("/api/v1/traces", {"query": "a:b"})
    assert (caught.value.query, caught.value.position, caught.value.length) == ("a:b", 3, 2)


@pytest.mark.parametrize("url", ["", "localhost:4380", "ftp://x", "http://", "http://h:99999"])
def test_what_is_no_address_is_refused_at_once(url: str) -> None:
    with pytest.raises(InvalidInput, match="http"):
        Connection(url)
    if url:
        with pytest.raises(InvalidInput, match="http"):
            pellucid.init(url=url)


def test_proxies_serve_the_world_but_not_this_machine(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://ada:pw@127.0.0.1:{scripted.port}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    connection = Connection("http://pellucid.invalid:8080")
    assert connection.request("GET", "/health").status == 200
    connection.close()
    ((_, path, headers, _),) = scripted.asked
    assert path == "http://pellucid.invalid:8080/health"
    assert headers["Proxy-Authorization"] == "Basic YWRhOnB3"
    direct = Connection(scripted.url)
    direct.request("GET", "/health")
    direct.close()
    assert scripted.asked[1][1] == "/health"


def test_a_certificate_that_nobody_signed_is_refused(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = f"openssl req -x509 -newkey rsa:2048 -nodes -keyout {key} -out {certificate} -days 1"
    done = subprocess.run(
        [*command.split(), "-subj", "/CN=localhost"], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("openssl is not there")
    server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    serve(server)
    connection = Connection(f"https://127.0.0.1:{server.server_port}")
    with pytest.raises(ssl.SSLCertVerificationError):
        connection.request("GET", "/")
    connection.close()
    server.shutdown()
    server.server_close()
