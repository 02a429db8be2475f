"""The commands about runs, with a server and over a folder without one."""

import json
import time
from pathlib import Path

from pellucid.core.ids import new_id
from pellucid.testing.live import LiveServer
from pellucid.testing.project import Project


def fill(server: LiveServer) -> list[str]:
    now, ids = time.time_ns(), [new_id() for _ in range(3)]
    writes = [
        {
            "run_id": run_id,
            "experiment": "an@experiment",
            "time_ns": now + number,
            "start": {"time_ns": now + number},
            "name": {"value": f"run \u001b[31m{number}", "time_ns": now},
            "params": [{"name": "k", "value": number, "time_ns": now}],
            "metrics": [["accuracy", number / 10, 0, now]],
        }
        for number, run_id in enumerate(ids)
    ]
    with server.client() as http:
        http.post("/api/v1/runs/writes", json={"writes": writes}).raise_for_status()
    return ids


def test_runs_are_listed_shown_and_deleted(project: Project, live_server: LiveServer) -> None:
    ids = fill(live_server)

    def runs(*arguments: str) -> str:
        return project.run("-m", "pellucid", "runs", *arguments)

    table = runs("list", "--query", "metric.accuracy>0", "--order", "metric.accuracy desc")
    lines = table.splitlines()
    assert lines[0].split() == ["RUN", "STATUS", "STARTED", "DURATION", "ACCURACY", "NAME"]
    assert [line.split()[0] for line in lines[1:]] == ["an@experiment@3", "an@experiment@2"]
    assert "\x1b" not in table
    page = json.loads(runs("list", "--limit", "2", "--json"))
    assert [run["id"] for run in page["runs"]] == ids[:0:-1]
    rest = json.loads(runs("list", "--limit", "2", "--cursor", page["next"], "--json"))
    assert [run["id"] for run in rest["runs"]] == ids[:1]
    shown = runs("show", "an@experiment@2")
    assert ids[1] in shown
    assert "accuracy = 0.1" in shown
    assert json.loads(runs("show", ids[1], "--json"))["params"] == {"k": 1}
    runs("delete", "an@experiment@2")
    for wrong in ("an@experiment@2", "an@experiment@9", "zzz"):
        failed = project.start("-m", "pellucid", "runs", "show", wrong)
        out, err = failed.communicate()
        assert (failed.returncode, out) == (1, "")
        assert err.startswith("Error: ")
        assert err.count("\n") == 1
    failed = project.start("-m", "pellucid", "runs", "list", "--query", "nonsense:1")
    assert "nonsense" in failed.communicate()[1]
    assert failed.returncode == 1


def test_without_a_server_the_folder_is_read(
    project: Project, live_server: LiveServer, tmp_path: Path
) -> None:
    project.write(
        "agent.py",
        """
        import pellucid
        with pellucid.start_run(experiment="e", params={"k": 1}):
            pass
        """,
    )
    project.run("agent.py")
    project.write(
        "agent.py", "import pellucid\nwith pellucid.start_run(experiment='e'):\n    pass\n"
    )
    project.run("agent.py")
    live_server.stop()
    del project.environment["PELLUCID_URL"]
    folder = ("--data-dir", str(live_server.data_dir))
    listed = project.run("-m", "pellucid", "runs", "list", *folder)
    assert [line.split()[0] for line in listed.splitlines()[1:]] == ["e@2", "e@1"]
    target = tmp_path / "back"
    out = project.run("-m", "pellucid", "restore", "e@1", "--to", str(target), "--json", *folder)
    assert json.loads(out)["files"] == 1
    assert 'params={"k": 1}' in (target / "agent.py").read_text()
    diff = project.run("-m", "pellucid", "diff", "e@1", "e@2", "--json", *folder)
    assert [file["path"] for file in json.loads(diff)["code"]] == ["agent.py"]
    again = project.start("-m", "pellucid", "restore", "e@1", "--to", str(target), *folder)
    _, err = again.communicate()
    assert again.returncode == 1
    assert "is not empty" in err
