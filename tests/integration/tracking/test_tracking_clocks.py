"""Machines whose clocks are wrong: a run is as alive as its writes, and the later word holds."""

import time
from typing import Any

import pytest

from pellucid.core.ids import new_id
from pellucid.testing.live import LiveServer
from pellucid.testing.project import Project

HOUR_NS = 3600 * 1_000_000_000
SHIFTED = """
    import os, time
    real = time.time_ns
    time.time_ns = lambda: real() + int(os.environ["SHIFT_NS"])
    import pellucid
"""


def get_run(server: LiveServer, run_id: str) -> Any:
    with server.client() as http:
        return http.get(f"/api/v1/runs/{run_id}").raise_for_status().json()


def write(server: LiveServer, *, written_ns: int, sent_ns: int | None) -> Any:
    run_id = new_id()
    body = {"writes": [{"run_id": run_id, "experiment": "e", "time_ns": written_ns}]}
    headers = {} if sent_ns is None else {"x-pellucid-sent": str(sent_ns)}
    with server.client(**headers) as http:
        http.post("/api/v1/runs/writes", json=body).raise_for_status()
    return get_run(server, run_id)


@pytest.mark.parametrize("shift_ns", [-HOUR_NS, HOUR_NS])
def test_a_run_on_a_wrong_clock_is_alive(live_server: LiveServer, shift_ns: int) -> None:
    client_ns = time.time_ns() + shift_ns
    run = write(live_server, written_ns=client_ns, sent_ns=client_ns + 1000)
    assert run["status"] == "running"
    assert abs(run["heard_ns"] - time.time_ns()) < 30 * 1_000_000_000
    assert write(live_server, written_ns=client_ns, sent_ns=None)["status"] == "running"


@pytest.mark.parametrize("shift_ns", [-HOUR_NS, 0, HOUR_NS])
def test_what_a_spool_kept_is_no_sign_of_life(live_server: LiveServer, shift_ns: int) -> None:
    client_ns = time.time_ns() + shift_ns
    run = write(live_server, written_ns=client_ns - 120 * 10**9, sent_ns=client_ns)
    assert run["status"] == "crashed"
    assert abs(time.time_ns() - 120 * 10**9 - run["heard_ns"]) < 30 * 1_000_000_000


@pytest.mark.parametrize("nonsense", ["", "x", "-5", "9" * 40, "٣"])
def test_a_header_that_is_no_time_does_nothing(live_server: LiveServer, nonsense: str) -> None:
    run_id = new_id()
    body = {"writes": [{"run_id": run_id, "experiment": "e", "time_ns": time.time_ns()}]}
    with live_server.client() as http:
        headers = {b"x-pellucid-sent": nonsense.encode()}
        answer = http.post("/api/v1/runs/writes", json=body, headers=headers)
    assert answer.status_code == 200
    assert get_run(live_server, run_id)["status"] == "running"


def test_a_run_goes_on_and_is_edited_though_its_first_machine_was_ahead(
    project: Project, live_server: LiveServer
) -> None:
    project.write(
        "first.py",
        SHIFTED
        + """
    run = pellucid.start_run("ahead", experiment="e", tags={"idea": "a"}, snapshot=False)
    run.set_notes("from the run")
    assert run.wait()
    print(run.id)
    os._exit(0)
    """,
    )
    project.write(
        "second.py",
        SHIFTED
        + """
    import sys
    with pellucid.start_run(resume=sys.argv[1], snapshot=False) as run:
        run.log_metric("accuracy", 1.0)
    """,
    )
    run_id = project.run("first.py", SHIFT_NS=str(HOUR_NS)).strip()
    assert get_run(live_server, run_id)["status"] == "running"
    project.run("second.py", run_id, SHIFT_NS="0")
    run = get_run(live_server, run_id)
    assert (run["status"], run["metrics"]) == ("finished", {"accuracy": 1.0})
    assert run["end_ns"] > run["start_ns"]
    with live_server.client() as http:
        edit = {"notes": "from the page", "tags": {"idea": "b"}}
        edited = http.post(f"/api/v1/runs/{run_id}/edit", json=edit).json()
    assert (edited["notes"], edited["tags"]) == ("from the page", {"idea": "b"})


def test_a_clock_set_back_during_a_run_ends_it_all_the_same(
    project: Project, live_server: LiveServer
) -> None:
    project.write(
        "back.py",
        SHIFTED
        + """
    with pellucid.start_run(experiment="e", snapshot=False) as run:
        os.environ["SHIFT_NS"] = str(-3600 * 10**9)
    print(run.id)
    """,
    )
    run_id = project.run("back.py", SHIFT_NS="0").strip()
    assert get_run(live_server, run_id)["status"] == "finished"
