"""Servers away, killed processes, several processes, forks: nothing that was logged is lost."""

import json
import signal
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pellucid.client.spool import drain
from pellucid.testing.live import LiveServer
from pellucid.testing.project import Project


def find_runs(server: LiveServer, **params: str) -> list[dict[str, Any]]:
    with server.client() as http:
        runs: list[dict[str, Any]] = http.get("/api/v1/runs", params=params).json()["runs"]
        return runs


def wait_for(condition: Callable[[], Any], timeout: float = 90.0) -> Any:
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.1)
    raise AssertionError("it did not happen in time")


def test_a_server_that_was_away_for_the_whole_run_gets_all_of_it_later(
    tmp_path: Path, start_server: Callable[..., LiveServer], free_port: int
) -> None:
    port = free_port
    project = Project(tmp_path / "project", f"http://127.0.0.1:{port}")
    project.write(
        "train.py",
        """
        import pathlib, time, pellucid
        begin = time.monotonic()
        with pellucid.start_run("away", experiment="e", params={"k": 5}) as run:
            for step in range(1000):
                pellucid.log_metric("loss", 1 / (step + 1), step)
            pellucid.log_text("hello", "note.txt")
            assert run.number is None
        print(run.id, time.monotonic() - begin)
        """,
    )
    project.commit()
    run_id, seconds = project.run("train.py").split()
    assert float(seconds) < 60
    assert "pellucid up" in project.stderr

    spool = project.environment["PELLUCID_SPOOL_DIR"]
    server = start_server("--port", str(port), environment={"PELLUCID_SPOOL_DIR": spool})
    (run,) = wait_for(lambda: find_runs(server, query="status:finished has:snapshot.id"))
    assert (run["id"], run["number"], run["status"]) == (run_id, 1, "finished")
    assert (run["params"], run["metrics"]) == ({"k": 5}, {"loss": 1 / 1000})
    with server.client() as http:
        series = http.get("/api/v1/runs/series", params={"run": run_id}).json()["series"]
        (artifact,) = http.get(f"/api/v1/runs/{run_id}/artifacts").json()["artifacts"]
        assert http.get(f"/api/v1/artifacts/{artifact['digest']}").text == "hello"
    assert len(series[0]["steps"]) == 1000
    project.run("-m", "pellucid", "restore", "e@1", "--to", str(tmp_path / "back"))
    back = (tmp_path / "back" / "train.py").read_bytes()
    assert back == (project.folder / "train.py").read_bytes()


def test_a_killed_process_keeps_what_it_logged_and_has_crashed(
    project: Project, live_server: LiveServer
) -> None:
    project.write(
        "train.py",
        """
        import time, pellucid
        pellucid.start_run("doomed", experiment="e", params={"k": 5}, snapshot=False)
        for step in range(100):
            pellucid.log_metric("loss", step, step)
        time.sleep(600)
        """,
    )
    process = project.start("train.py")
    wait_for(lambda: find_runs(live_server, query="metric.loss:99"))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    (run,) = find_runs(live_server)
    assert run["status"] == "running"
    # Two minutes of silence later; a server's clock is not moved in a test, so its memory is.
    live_server.stop()
    with sqlite3.connect(live_server.data_dir / "meta.db") as database:
        database.execute("UPDATE runs SET heard_ns = heard_ns - 120000000000")
    database.close()
    live_server.start()
    assert find_runs(live_server, query="status:crashed")[0]["id"] == run["id"]


def test_an_error_fails_the_run_with_its_reason(project: Project, live_server: LiveServer) -> None:
    project.write(
        "train.py",
        """
        import pellucid
        try:
            with pellucid.start_run("one", experiment="e", snapshot=False):
                raise ValueError("no discs")
        except ValueError:
            pass
        pellucid.start_run("two", experiment="e", snapshot=False)
        raise RuntimeError("no shelf")
        """,
    )
    process = project.start("train.py")
    process.communicate()
    assert process.returncode == 1
    two, one = wait_for(lambda: find_runs(live_server, query="status:failed", order="number desc"))
    assert (one["name"], one["error"]) == ("one", "ValueError: no discs")
    assert (two["name"], two["error"]) == ("two", "RuntimeError: no shelf")


def test_two_processes_log_to_one_run(project: Project, live_server: LiveServer) -> None:
    project.write(
        "worker.py",
        """
        import pathlib, sys, time, pellucid
        who = int(sys.argv[2])
        run = pellucid.start_run(resume=sys.argv[1], experiment="e", snapshot=False)
        # Both go on before either has logged, so that the conflict is the server's to find.
        pathlib.Path(f"ready{who}").touch()
        while not pathlib.Path(f"ready{3 - who}").exists():
            time.sleep(0.01)
        run.log_param("shared", 1)
        run.log_param("seed", who)
        for step in range(500):
            run.log_metric(f"loss.{who}", step, step)
            run.log_metric("both", step, step)
        """,
    )
    run_id = "0190" + "a" * 28
    workers = [project.start("worker.py", run_id, str(number)) for number in (1, 2)]
    for worker in workers:
        _, err = worker.communicate(timeout=300)
        assert worker.returncode == 0, err
    (run,) = find_runs(live_server)
    assert run["metrics"] == {"both": 499, "loss.1": 499, "loss.2": 499}
    assert run["status"] == "finished"
    (conflict,) = run["conflicts"]
    assert (conflict["name"], {conflict["kept"], *conflict["others"]}) == ("seed", {1, 2})
    with live_server.client() as http:
        params = {"run": run_id, "name": "both", "limit": "5000"}
        (series,) = http.get("/api/v1/runs/series", params=params).json()["series"]
    assert len(series["steps"]) == 1000


def test_children_of_a_fork_log_to_the_parents_run(
    project: Project, live_server: LiveServer
) -> None:
    project.write(
        "fork.py",
        """
        import os, pellucid
        with pellucid.start_run(experiment="e", snapshot=False) as run:
            run.log_metric("parent", 1)
            children = []
            for number in range(3):
                pid = os.fork()
                if pid == 0:
                    pellucid.log_metric(f"child{number}", number)
                    raise SystemExit
                children.append(pid)
            assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0, 0]
            run.log_metric("after", 2)
        """,
    )
    project.run("-W", "ignore", "fork.py")
    (run,) = wait_for(lambda: find_runs(live_server, query="has:metric.child2"))
    assert run["metrics"] == {"parent": 1, "after": 2, "child0": 0, "child1": 1, "child2": 2}
    assert run["status"] == "finished"


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_of_a_pool_lose_nothing_that_they_flushed(
    project: Project, live_server: LiveServer, method: str
) -> None:
    project.write(
        "pool.py",
        """
        import multiprocessing, sys, pellucid

        def work(job):
            run_id, number = job
            if pellucid.current_run() is None:
                pellucid.start_run(resume=run_id, snapshot=False)
            pellucid.log_metric(f"m{number}", number)
            pellucid.flush(60)  # a pool ends its workers as soon as it has their results
            return number

        if __name__ == "__main__":
            with pellucid.start_run(experiment="e", snapshot=False) as run:
                with multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:
                    jobs = [(run.id, number) for number in range(8)]
                    assert pool.map(work, jobs) == list(range(8))
        """,
    )
    project.run("-W", "ignore", "pool.py", method)
    wanted = {f"m{number}": number for number in range(8)}
    assert wait_for(lambda: [r for r in find_runs(live_server) if r["metrics"] == wanted])


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_that_end_lose_nothing(
    project: Project, live_server: LiveServer, method: str
) -> None:
    project.write(
        "workers.py",
        """
        import multiprocessing, sys, pellucid

        def work(run_id, number):
            if pellucid.current_run() is None:
                pellucid.start_run(resume=run_id, snapshot=False)
            pellucid.log_metric(f"m{number}", number)

        def twice(job):
            work(*job)

        if __name__ == "__main__":
            context = multiprocessing.get_context(sys.argv[1])
            with pellucid.start_run(experiment="e", snapshot=False) as run:
                workers = [context.Process(target=work, args=(run.id, n)) for n in range(3)]
                for worker in workers:
                    worker.start()
                for worker in workers:
                    worker.join()
                pool = context.Pool(2)
                pool.map(twice, [(run.id, number) for number in range(3, 6)])
                pool.close()
                pool.join()
        """,
    )
    project.run("-W", "ignore", "workers.py", method)
    # On a slow machine a worker leaves it in the spool, for whoever comes next.
    spool = Path(project.environment["PELLUCID_SPOOL_DIR"])
    with live_server.client() as http:

        def post(path: str, body: bytes, headers: dict[str, str]) -> int:
            return http.post(path, content=body, headers=headers).status_code

        assert drain(spool, [project.environment["PELLUCID_URL"]], post).failed == 0
    wanted = {f"m{number}": number for number in range(6)}
    assert wait_for(lambda: [r for r in find_runs(live_server) if r["metrics"] == wanted])


def test_traces_tasks_threads_and_decorators_know_their_run(
    project: Project, live_server: LiveServer
) -> None:
    project.write(
        "many.py",
        """
        import asyncio, threading, pellucid
        pellucid.init(experiment="traced")

        @pellucid.trace
        def work(name):
            pellucid.log_param("who", name)

        @pellucid.start_run(experiment="many", snapshot=False)
        async def one(name):
            await asyncio.sleep(0.01)
            work(name)
            await asyncio.sleep(0.01)
            pellucid.set_tag("who", name)

        @pellucid.start_run("steps", experiment="many", snapshot=False)
        def steps():
            yield pellucid.current_run().id
            pellucid.set_tag("who", "generator")

        async def main():
            await asyncio.gather(*(one(f"task{n}") for n in range(5)))

        asyncio.run(main())
        assert len(list(steps())) == 1
        assert pellucid.current_run() is None
        with pellucid.start_run("outer", experiment="many", snapshot=False) as outer:
            thread = threading.Thread(target=work, args=("thread",))
            thread.start()
            thread.join()
            with pellucid.start_run("inner", experiment="many", snapshot=False) as inner:
                work("inner")
            assert pellucid.current_run() is outer
        print(outer.id)
        pellucid.flush()
        """,
    )
    outer_id = project.run("many.py").strip()
    runs = {run["tags"].get("who", run["name"]): run for run in find_runs(live_server)}
    assert {*runs} == {*(f"task{n}" for n in range(5)), "generator", "outer", "inner"}
    for number in range(5):
        run = runs[f"task{number}"]
        assert (run["name"], run["params"]) == ("one", {"who": f"task{number}"})
    assert runs["outer"]["params"] == {"who": "thread"}
    assert runs["inner"]["parent_id"] == outer_id
    with live_server.client() as http:
        traces = http.get("/api/v1/traces").json()["traces"]
        assert http.get(f"/api/v1/runs/{outer_id}/children").json() == [runs["inner"]["id"]]
    by_run = {trace["run_id"] for trace in traces}
    assert by_run == {runs[name]["id"] for name in runs if name != "generator"}


def test_a_param_is_written_once(project: Project, live_server: LiveServer) -> None:
    project.write(
        "params.py",
        """
        import json, pellucid
        from pellucid.core.errors import Conflict, InvalidInput
        with pellucid.start_run(experiment="e", params={"k": 5}, snapshot=False) as run:
            run.log_param("k", 5)
            try:
                pellucid.log_param("k", 7)
            except Conflict as error:
                print(json.dumps(error.message))
            for wrong in (lambda: run.log_metric("m", "x"), lambda: run.log_metric("", 1.0),
                          lambda: run.log_text("x", "../out"), lambda: run.log_text("x", "/etc/x")):
                try:
                    wrong()
                except InvalidInput:
                    continue
                raise AssertionError("it was taken")
            run.log_param("api_key", "sk-12345678")
            run.log_param("note", "use sk-proj-" + "8fQ2xLmN7vKtR4wZ9yBp")
        """,
    )
    message = json.loads(project.run("params.py"))
    assert "5" in message
    assert "7" in message
    (run,) = find_runs(live_server)
    note = "use PELLUCID-SECRET-LEFT-OUT"
    assert run["params"] == {"k": 5, "api_key": "***", "note": note}


def test_resuming_goes_on_in_the_same_run(project: Project, live_server: LiveServer) -> None:
    project.write(
        "resume.py",
        """
        import sys, pellucid
        resume = sys.argv[1] if len(sys.argv) > 1 else None
        with pellucid.start_run(resume=resume, experiment="e", snapshot=False) as run:
            pellucid.log_metric("loss", 0.5 if resume else 0.9)
            run.log_param("k", 5)
        print(run.id, run.number)
        """,
    )
    first = project.run("resume.py").split()
    assert project.run("resume.py", first[0][:20]).split() == first
    assert project.run("resume.py", "e@1").split() == first
    (run,) = find_runs(live_server)
    assert (run["metrics"], run["status"]) == ({"loss": 0.5}, "finished")


def test_turned_off_nothing_happens(project: Project, live_server: LiveServer) -> None:
    project.write(
        "off.py",
        """
        import pellucid
        with pellucid.start_run("off", params={"k": 5}) as run:
            pellucid.log_metric("m", 1)
            pellucid.log_text("x", "x.txt")
        pellucid.end_run()
        """,
    )
    project.run("off.py", PELLUCID_ENABLED="0")
    assert find_runs(live_server) == []


@pytest.mark.parametrize("name", ["table", "figure", "image"])
def test_everything_that_is_logged_comes_back(
    project: Project, live_server: LiveServer, name: str
) -> None:
    project.write(
        "things.py",
        """
        import sys, pellucid, numpy, pandas
        class Figure:
            def to_html(self): return "<b>chart</b>"
        with pellucid.start_run(experiment="e", snapshot=False) as run:
            if sys.argv[1] == "table":
                run.log_table(pandas.DataFrame({"a": [1, 2], "b": ["x", None]}), "frame")
                run.log_table([{"a": 1}, {"b": 2}], "rows")
                run.log_table({"a": [1.5, float("nan")]}, "columns.json")
            elif sys.argv[1] == "figure":
                run.log_figure(Figure(), "chart")
                run.log_dict({"password": "hunter22", "k": 1}, "settings")
            else:
                run.log_image(numpy.zeros((4, 6, 3)), "dark", prompt="night")
                run.log_image(numpy.ones((4, 6), dtype=bool), "dark", prompt="day")
        found = pellucid.get_run(run.id)
        for artifact in found.list_artifacts():
            print(artifact.path, artifact.kind, found.read_artifact(artifact.path)[:60])
        print(len(pellucid.search_runs().to_pandas()))
        """,
    )
    out = project.run("things.py", name)
    assert {
        "table": """columns.json table b'{"columns":["a"],"rows":[[1.5],[null]]}'
frame.json table b'{"columns":["a","b"],"rows":[[1,"x"],[2,null]]}'
rows.json table b'{"columns":["a","b"],"rows":[[1,null],[null,2]]}'
1
""",
        "figure": """chart.html html b'<b>chart</b>'
settings.json dict b'{\\n  "password": "***",\\n  "k": 1\\n}'
1
""",
    }.get(name, out) == out
    if name == "image":
        assert out.count("image b'\\x89PNG") == 2
        assert "images/dark/000001-" in out
