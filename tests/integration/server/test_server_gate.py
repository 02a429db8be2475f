"""Nobody gets in: hosts, origins, the key, and paths that lead out."""

import socket
from collections.abc import Callable, Iterator

import httpx
import pytest

from pellucid.testing.live import LiveServer

JSON = {"content-type": "application/json"}
SCORE = b'{"id": "gate", "name": "x", "value": 1, "trace_id": "0af7651916cd43dd8448eb211c80319c"}'
KEY = "correct horse battery staple"


@pytest.fixture
def client(shared_server: LiveServer) -> Iterator[httpx.Client]:
    with shared_server.client() as client:
        yield client


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    environment = {"PELLUCID_API_KEY": KEY, "PELLUCID_ALLOWED_HOSTS": "traces.example, other"}
    server = LiveServer(tmp_path_factory.mktemp("guarded"), environment=environment).start()
    yield server
    server.stop()


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:1", "127.0.0.1", "127.0.0.1:4380", "127.9.9.9", "[::1]:80"]
)
def test_loopback_names_are_answered(client: httpx.Client, host: str) -> None:
    assert client.get("/api/v1/experiments", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:4380", "localhost.evil.example", "127.0.0.1.evil.example",
     "10.0.0.1", "[::2]", "", "localhost@evil.example", "traces.example"],
)  # fmt: skip
def test_foreign_hosts_are_refused_everywhere(client: httpx.Client, host: str) -> None:
    for method, path in (("GET", "/"), ("GET", "/api/v1/traces"), ("POST", "/v1/traces")):
        response = client.request(method, path, headers={"host": host} | JSON)
        assert response.status_code == 403
        assert "PELLUCID_ALLOWED_HOSTS" in response.text


def test_hosts_of_the_setting_are_answered(guarded: LiveServer) -> None:
    with guarded.client() as client:
        for host in ("traces.example", "Other:99", "localhost"):
            assert client.get("/health", headers={"host": host}).status_code == 200
        assert client.get("/health", headers={"host": "third"}).status_code == 403


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "http://localhost:1", "https://127.0.0.1.evil.example",
     "http://user@evil.example", "file://", "x"],
)  # fmt: skip
def test_writes_from_other_origins_are_refused(client: httpx.Client, origin: str) -> None:
    for path in ("/api/v1/scores", "/v1/traces", "/login"):
        response = client.post(path, content=SCORE, headers=JSON | {"origin": origin})
        assert response.status_code == 403
    response = client.delete("/api/v1/traces/0af7651916cd43dd8448eb211c80319c",
                             headers={"origin": origin})  # fmt: skip
    assert response.status_code == 403
    assert client.get("/api/v1/traces", headers={"origin": origin}).status_code == 200


def test_writes_of_our_own_pages_and_of_programs_are_taken(shared_server: LiveServer) -> None:
    with shared_server.client() as client:
        for extra in ({"origin": shared_server.url}, {}, {"sec-fetch-site": "same-origin"}):
            response = client.post("/api/v1/scores", content=SCORE, headers=JSON | extra)
            assert response.status_code in {200, 409}
        headers = JSON | {"sec-fetch-site": "cross-site"}
        assert client.post("/api/v1/scores", content=SCORE, headers=headers).status_code == 403


def test_pages_carry_the_security_headers(client: httpx.Client) -> None:
    headers = client.get("/", headers={"accept": "text/html"}).headers
    policy = headers["content-security-policy"]
    for directive in (
        "script-src 'self'", "style-src 'self'", "style-src-attr 'unsafe-inline'",
        "img-src 'self' data:", "base-uri 'none'", "frame-ancestors 'none'",
    ):  # fmt: skip
        assert directive in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in headers


def test_the_key_is_asked_for_except_at_health_and_version(guarded: LiveServer) -> None:
    with guarded.client() as client:
        assert client.get("/health").status_code == 200
        assert client.get("/version").status_code == 200
        for path in ("/api/v1/traces", "/api/v1/openapi.json", "/nowhere"):
            response = client.get(path)
            assert response.status_code == 401
            assert response.headers["www-authenticate"].startswith("Bearer")
            assert response.json()["title"] == "Unauthorized"
        assert client.post("/v1/traces", headers=JSON).status_code == 401
        for header in ("Bearer wrong", f"Basic {KEY}", KEY, "Bearer", ""):
            response = client.get("/api/v1/traces", headers={"authorization": header})
            assert response.status_code == 401
        headers = {"authorization": f"bearer {KEY}"}
        assert client.get("/api/v1/traces", headers=headers).status_code == 200
        assert client.post("/v1/traces", headers=headers | JSON).status_code == 200


def test_a_browser_is_sent_to_log_in_and_back(guarded: LiveServer) -> None:
    html = {"accept": "text/html,*/*"}
    with guarded.client() as client:
        response = client.get("/traces/abc?span=1", headers=html)
        assert response.status_code == 303
        assert response.headers["location"] == "/login?next=/traces/abc%3Fspan%3D1"
        assert client.get("/login", headers=html).status_code == 200

        wrong = client.post("/login", data={"key": "wrong", "next": "/x"})
        assert wrong.status_code == 303
        assert "set-cookie" not in wrong.headers
        assert wrong.headers["location"].startswith("/login?error=1")

        right = client.post("/login", data={"key": KEY, "next": "/api/v1/traces?limit=1"})
        assert right.headers["location"] == "/api/v1/traces?limit=1"
        cookie = right.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert KEY not in right.headers["set-cookie"]

        assert client.get("/api/v1/traces").status_code == 200
        # The browser sends the cookie by itself: a write needs to come from our own page.
        assert client.post("/api/v1/scores", content=SCORE, headers=JSON).status_code == 403
        headers = JSON | {"origin": guarded.url}
        assert client.post("/api/v1/scores", content=SCORE, headers=headers).status_code == 200
        assert client.post("/logout", headers={"origin": guarded.url}).status_code == 303
        assert client.get("/api/v1/traces").status_code == 401


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil", "/a\nb"])
def test_the_login_leads_nowhere_else(guarded: LiveServer, target: str) -> None:
    with guarded.client() as client:
        response = client.post("/login", data={"key": KEY, "next": target})
        assert response.headers["location"] == "/"


@pytest.mark.parametrize(
    "path",
    ["/static/../../../../etc/passwd", "/static/%2e%2e/%2e%2e/etc/passwd",
     "/static/..%2f..%2f..%2fetc%2fpasswd", "/static//etc/passwd", "/../../etc/passwd",
     "/api/v1/attachments/../../spans.db", "/api/v1/attachments/%2e%2e%2fspans.db",
     "/api/v1/attachments/..", "/static/%00", "/static/%c0%ae%c0%ae/etc/passwd"],
)  # fmt: skip
def test_no_path_leads_out(shared_server: LiveServer, path: str) -> None:
    # By hand, because clients tidy paths up.
    host, _, port = shared_server.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(
            f"GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".encode()
        )
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    assert answer.split(b" ")[1] in {b"404", b"400"}
    assert b"root:" not in answer
    assert b"Traceback" not in answer


def test_hosts_beyond_loopback_need_a_key(start_server: Callable[..., LiveServer]) -> None:
    with pytest.raises(AssertionError, match="PELLUCID_API_KEY"):
        start_server("--host", "0.0.0.0")
    server = start_server("--host", "0.0.0.0", environment={"PELLUCID_API_KEY": KEY})
    assert server.url.startswith("http://0.0.0.0:")
    port = server.url.rpartition(":")[2]
    with httpx.Client(trust_env=False, headers={"authorization": f"Bearer {KEY}"}) as client:
        for host, status in (("localhost", 200), ("evil.example", 403), ("10.11.12.13", 403)):
            response = client.get(f"http://127.0.0.1:{port}/api/v1/traces", headers={"host": host})
            assert response.status_code == status
