"""`pellucid datasets` against a server and over a folder without one."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from pellucid.cli.datasets import datasets as commands
from pellucid.core.errors import PellucidError
from pellucid.testing.live import LiveServer

CSV = """question,expected,gold_documents,split
How tall?,1 m,"d1, d2",test
How wide?,2 m,,
"""


@pytest.fixture
def datasets(
    live_server: LiveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., str]:
    """Run the command here, as a process of its own would with these settings."""
    monkeypatch.delenv("PELLUCID_URL", raising=False)
    monkeypatch.setenv("PELLUCID_DATA_DIR", str(live_server.data_dir))
    monkeypatch.setenv("PELLUCID_SPOOL_DIR", str(live_server.spool_dir))
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, fails: bool = False) -> str:
        with warnings.catch_warnings():
            # Over a folder the server's own framework is loaded here, and says what is deprecated.
            warnings.simplefilter("ignore", DeprecationWarning)
            done = CliRunner().invoke(commands, arguments)
        if fails:
            assert isinstance(done.exception, PellucidError), done.output
            assert "\n" not in done.exception.message
            return done.exception.message
        assert done.exit_code == 0, (done.output, done.exception)
        return done.output

    return run


def test_a_file_becomes_versions_and_files_again(
    datasets: Callable[..., str], live_server: LiveServer, tmp_path: Path
) -> None:
    assert "No datasets" in datasets("list")
    (tmp_path / "rows.csv").write_text(CSV)
    assert "trip@1  2 examples  +2 -0 ~0" in datasets("import", "trip", "rows.csv", "-m", "First")
    assert "trip@1 " in datasets("import", "trip", "rows.csv")
    exported = [json.loads(line) for line in datasets("export", "trip").splitlines()]
    assert exported[0]["gold_documents"] == ["d1", "d2"]
    changed = exported[0] | {"expected": "3 m\u001b[31m"}
    (tmp_path / "more.jsonl").write_text(
        f"{json.dumps(changed)}\n{json.dumps({'inputs': {'question': 'How old?'}})}\n"
    )
    told = json.loads(datasets("import", "trip", "more.jsonl", "--append", "--json"))
    assert (told["number"], told["added"], told["changed"]) == (2, 1, 1)
    live_server.stop()  # from here on the commands open the folder themselves
    table = datasets("list")
    assert table.splitlines()[0].split()[:3] == ["DATASET", "VERSION", "EXAMPLES"]
    assert table.splitlines()[1].split()[:3] == ["trip", "2", "3"]
    shown = datasets("show", "trip", "--examples", "1")
    assert "split      test: 1" in shown
    assert "How tall?" in shown
    assert json.loads(datasets("show", "trip@1", "--json"))["version"]["number"] == 1
    change = datasets("diff", "trip")
    assert '"1 m" → "3 m' in change
    assert "1 → 2: 1 added, 0 removed, 1 changed, 1 unchanged" in change
    assert "\x1b" not in change
    assert json.loads(datasets("diff", "trip", "1", "--json"))["added"] == 1
    datasets("export", "trip@1", "-o", "out.csv")
    assert datasets("import", "copy", "out.csv").startswith("copy@1 ")
    assert json.loads(datasets("delete", "copy", "--dry-run", "--json"))["version_count"] == 1
    assert "Deleted copy" in datasets("delete", "copy")
    assert "no dataset 'copy'" in datasets("show", "copy", fails=True)
    assert "no version 7" in datasets("export", "trip@7", fails=True)
    assert "first version" in datasets("diff", "trip@1", fails=True)


def test_faults_name_their_lines(datasets: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("question,n:json\na,1\nb,{\nc,2,3\n")
    told = datasets("import", "bad", "bad.csv", fails=True)
    assert "bad.csv, line 3, n:json: not JSON" in told
    assert "bad.csv, line 4: a row has more cells" in told
    (tmp_path / "empty.jsonl").write_text("\n")
    assert "no rows" in datasets("import", "bad", "empty.jsonl", fails=True)
    (tmp_path / "good.jsonl").write_text('{"inputs": {}}\n')
    assert "cannot name" in datasets("import", "a/b", "good.jsonl", fails=True)
