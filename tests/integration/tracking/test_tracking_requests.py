"""Writes about runs as any sender may post them."""

import gzip
import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from pellucid.core.ids import new_id
from pellucid.core.run_paths import RUN_WRITES_PATH
from pellucid.testing.live import LiveServer


def body(run_id: str, step: int = 0, **fields: object) -> bytes:
    write = {
        "run_id": run_id,
        "experiment": "posted",
        "time_ns": 1_000 + step,
        "metrics": [["loss", 0.5 + step, step, 1_000 + step]],
        **fields,
    }
    return json.dumps({"writes": [write]}).encode()


def test_a_write_is_answered_with_its_receipt_plain_or_packed(live_server: LiveServer) -> None:
    run_id = new_id()
    with live_server.client() as http:
        plain = http.post(RUN_WRITES_PATH, content=body(run_id))
        packed = http.post(
            RUN_WRITES_PATH,
            content=gzip.compress(body(run_id, 1)),
            headers={"content-encoding": "gzip"},
        )
        run = http.get(f"/api/v1/runs/{run_id}").json()
    assert plain.headers["content-type"] == "application/json"
    (receipt,) = plain.json()["runs"]
    assert (receipt["run_id"], receipt["conflicts"], receipt["deleted"]) == (run_id, [], False)
    assert packed.json() == plain.json()
    assert (run["number"], run["metrics"]) == (receipt["number"], {"loss": 1.5})


@pytest.mark.parametrize(
    ("content", "encoding", "status"),
    [
        (b"", "", 400),
        (b"[" * 100_000, "", 400),
        (b'{"writes": [{"run_id": "x"}]}', "", 400),
        (b'{"writes": "\xff"}', "", 400),
        (body("no id"), "", 400),
        (body("a" * 32, metrics=[["../x\n", 1, 0, 1]]), "", 400),
        (b"no gzip", "gzip", 400),
        (b"{}", "br", 415),
        (gzip.compress(b" " * (65 << 20)), "gzip", 413),
    ],
    ids=["empty", "deep", "fields", "text", "id", "name", "gzip", "encoding", "bomb"],
)
def test_what_cannot_be_taken_is_told_as_problem_details(
    live_server: LiveServer, content: bytes, encoding: str, status: int
) -> None:
    headers = {"content-encoding": encoding} if encoding else {}
    with live_server.client() as http:
        answer = http.post(RUN_WRITES_PATH, content=content, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (
        status,
        "application/problem+json",
    )
    assert answer.json()["status"] == status


def test_a_bad_write_costs_its_neighbours_nothing(live_server: LiveServer) -> None:
    ids = [new_id() for _ in range(20)]

    def post(number: int) -> int:
        content = body(ids[number]) if number % 4 else body("no id")
        with live_server.client() as http:
            return http.post(RUN_WRITES_PATH, content=content).status_code

    with ThreadPoolExecutor(10) as pool:
        statuses = list(pool.map(post, range(20)))
    assert statuses == [200 if number % 4 else 400 for number in range(20)]
    with live_server.client() as http:
        runs = http.get("/api/v1/runs", params={"experiment": "posted", "limit": 100}).json()
    assert len(runs["runs"]) == 15
    assert sorted(run["number"] for run in runs["runs"]) == list(range(1, 16))
