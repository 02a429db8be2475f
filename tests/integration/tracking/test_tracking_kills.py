"""kill -9 of the server while a program logs: everything is there in the end, and once."""

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pellucid.testing.live import LiveServer
from pellucid.testing.project import Project


@pytest.mark.slow
def test_kills_of_the_server_lose_and_double_nothing(
    tmp_path: Path, start_server: Callable[..., LiveServer], free_port: int
) -> None:
    server = start_server("--port", str(free_port))
    project = Project(tmp_path / "project", server.url)
    project.write(
        "train.py",
        """
        import time, pellucid
        with pellucid.start_run("long", experiment="e", params={"k": 1}) as run:
            end = time.monotonic() + 6
            step = 0
            while time.monotonic() < end:
                for _ in range(50):
                    pellucid.log_metric("loss", step, step)
                    step += 1
                if step % 1000 == 0:
                    pellucid.log_text(f"note {step}", f"{step}.txt")
                time.sleep(0.005)
        while not pellucid.flush(5):
            time.sleep(0.2)
        print(run.id, step)
        """,
    )
    process = project.start("train.py")
    for _ in range(4):
        time.sleep(random.uniform(0.2, 0.9))
        server.kill()
        time.sleep(random.uniform(0.0, 0.3))
        server.start()
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    run_id, steps = out.split()
    with server.client() as http:
        run = http.get(f"/api/v1/runs/{run_id}").json()
        params = {"run": run_id, "limit": "100000"}
        (series,) = http.get("/api/v1/runs/series", params=params).json()["series"]
        artifacts = http.get(f"/api/v1/runs/{run_id}/artifacts").json()["artifacts"]
        for artifact in artifacts:
            text = http.get(f"/api/v1/artifacts/{artifact['digest']}").text
            assert text == f"note {artifact['path'].removesuffix('.txt')}"
        files = http.get(f"/api/v1/snapshots/{run['snapshot_id']}/files").json()["files"]
    assert series["steps"] == list(range(int(steps)))
    assert series["values"] == series["steps"]
    assert len(artifacts) == int(steps) // 1000
    assert (run["status"], run["number"], run["params"]) == ("finished", 1, {"k": 1})
    assert [file["path"] for file in files] == ["train.py"]
