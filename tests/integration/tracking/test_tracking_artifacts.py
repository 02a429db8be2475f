"""Artifacts over HTTP: pieces that are repeated, damaged, hostile; downloads that are verified."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from pellucid.client.spool import drain
from pellucid.core.digest import digest_bytes
from pellucid.testing.live import LiveServer
from pellucid.testing.project import Project


@pytest.fixture(scope="module")
def live_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    server = LiveServer(tmp_path_factory.mktemp("artifacts")).start()
    yield server
    server.stop()


PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


def test_an_upload_goes_on_where_it_stopped_and_is_verified(live_server: LiveServer) -> None:
    data = bytes(range(256)) * 4000
    path = f"/api/v1/artifacts/{digest_bytes(data)}"
    size = {"size": str(len(data))}
    with live_server.client() as http:
        assert http.get(f"{path}/upload").json()["received"] == 0
        http.post(path, params=size, content=data[:1000]).raise_for_status()
        assert http.get(f"{path}/upload").json()["received"] == 1000
        assert http.get(path).status_code == 404
        gap = http.post(path, params={**size, "offset": "2000"}, content=data[2000:])
        assert gap.status_code == 409
        overlap = http.post(path, params={**size, "offset": "500"}, content=data[500:3000])
        assert overlap.json() == {"digest": path[-64:], "received": 3000, "complete": False}
        done = http.post(path, params={**size, "offset": "3000"}, content=data[3000:])
        assert done.json()["complete"]
        assert http.post(path, params=size, content=data).json()["complete"]
        assert http.get(path).content == data
        assert http.get(path, params={"offset": "10"}).content == data[10:]
        assert http.get(path, params={"offset": str(len(data) + 1)}).status_code == 400


def test_other_bytes_than_announced_do_not_stay(live_server: LiveServer) -> None:
    path = f"/api/v1/artifacts/{digest_bytes(b'good')}"
    with live_server.client() as http:
        assert http.post(path, params={"size": "4"}, content=b"evil").status_code == 400
        assert http.get(path).status_code == 404
        assert http.post(path, params={"size": "4"}, content=b"good").status_code == 200
        assert http.post(path, params={"size": "2"}, content=b"good!").json()["complete"]
        empty = f"/api/v1/artifacts/{digest_bytes(b'')}"
        assert http.post(empty, params={"size": "0"}, content=b"").json()["complete"]
        assert http.get(empty).content == b""


@pytest.mark.parametrize("name", ["..%2F..%2Fmeta.db", "A" * 64, "parts", "0" * 63])
def test_names_that_are_no_digests_are_refused(live_server: LiveServer, name: str) -> None:
    with live_server.client() as http:
        for path in (f"/api/v1/artifacts/{name}", f"/api/v1/artifacts/{name}/upload"):
            assert http.get(path).status_code in {400, 404}
        answer = http.post(f"/api/v1/artifacts/{name}", params={"size": "1"}, content=b"x")
        assert answer.status_code in {400, 404, 405}


def test_bytes_are_shown_only_if_they_are_harmless(live_server: LiveServer) -> None:
    html = b"<script>alert(1)</script>"
    with live_server.client() as http:
        for data, shown in ((PNG, "image/png"), (html, "application/octet-stream")):
            path = f"/api/v1/artifacts/{digest_bytes(data)}"
            http.post(path, params={"size": str(len(data))}, content=data).raise_for_status()
            answer = http.get(path)
            assert answer.headers["content-type"] == shown
            assert answer.headers["content-security-policy"].startswith("sandbox")
            is_inline = answer.headers["content-disposition"].startswith("inline")
            assert is_inline is (shown == "image/png")


@pytest.mark.parametrize(
    ("data", "is_shown"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", True),
        (b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- a > b --><!DOCTYPE svg>\n<svg width='9'>", True),
        (b"<html><svg></svg><script>alert(1)</script>", False),
        (b"<svgx/>", False),
        (b"<!--" * 1000, False),
    ],
)
def test_an_svg_is_one_for_images_of_pages_and_a_download_alone(
    live_server: LiveServer, data: bytes, is_shown: bool
) -> None:
    path = f"/api/v1/artifacts/{digest_bytes(data)}"
    with live_server.client() as http:
        http.post(path, params={"size": str(len(data))}, content=data).raise_for_status()
        answer = http.get(path)
    media_type = "image/svg+xml" if is_shown else "application/octet-stream"
    assert answer.headers["content-type"] == media_type
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_damaged_artifact_breaks_off(live_server: LiveServer) -> None:
    data = b"disc" * 1_000_000
    digest = digest_bytes(data)
    with live_server.client() as http:
        path = f"/api/v1/artifacts/{digest}"
        http.post(path, params={"size": str(len(data))}, content=data).raise_for_status()
        file = next(live_server.data_dir.rglob(digest))
        file.write_bytes(b"disk" + data[4:])
        with pytest.raises(httpx.RemoteProtocolError):
            http.get(path)


def test_a_large_file_is_sent_in_pieces_also_by_way_of_the_spool(
    tmp_path: Path, live_server: LiveServer
) -> None:
    large = tmp_path / "large.bin"
    large.write_bytes(bytes(range(256)) * 4096 * 36)
    spool = tmp_path / "spool"
    log = f"""
        import pellucid
        with pellucid.start_run(experiment="large", snapshot=False) as run:
            run.log_artifact({str(large)!r}, "models/large.bin")
        print(run.id)
        """
    ids = []
    for name, url in (("online", live_server.url), ("offline", "http://127.0.0.1:9")):
        project = Project(tmp_path / name, url)
        project.environment["PELLUCID_SPOOL_DIR"] = str(spool)
        project.write("log.py", log)
        ids.append(project.run("log.py").strip())
        large.write_bytes(large.read_bytes()[1:])
    posted = []
    with live_server.client() as http:

        def post(path: str, body: bytes, headers: dict[str, str]) -> int:
            posted.append(len(body))
            return http.post(path, content=body, headers=headers).status_code

        assert drain(spool, ["http://127.0.0.1:9"], post).failed == 0
        for run_id in ids:
            path = f"/api/v1/runs/{run_id}/artifacts"
            (artifact,) = http.get(path).json()["artifacts"]
            assert artifact["path"] == "models/large.bin"
            data = http.get(f"/api/v1/artifacts/{artifact['digest']}").content
            assert digest_bytes(data) == artifact["digest"]
    assert len(posted) > 9
