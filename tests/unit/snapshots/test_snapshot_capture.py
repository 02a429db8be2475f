import argparse
import dataclasses
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydantic
import pytest

from pellucid.client.snapshots import capture as capturing
from pellucid.client.snapshots import loose
from pellucid.client.snapshots.cache import cache_path, load_cache
from pellucid.client.snapshots.capture import Captured, Extras, capture, read_blob
from pellucid.client.snapshots.config import resolve_config
from pellucid.client.snapshots.environment import read_command, read_environment
from pellucid.core.snapshot import EntryKind, decode_tree, iter_files, read_parts

SECRET = "sk-proj-" + "8fQ2xLmN7vKtR4wZ" + "9yBpD1sHcJ6g"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


def git(root: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
    command = ["git", *identity, *arguments]
    done = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(root: Path) -> str:
    git(root, "init", "--quiet", "--initial-branch=main")
    git(root, "add", "-A")
    git(root, "commit", "--quiet", "-m", "all")
    return git(root, "rev-parse", "HEAD")


def take(root: Path, **extras: Any) -> Captured:
    captured = capture(root, Extras(**extras))
    assert captured is not None
    return captured


def files_of(captured: Captured, tree: str | None = None) -> dict[str, tuple[EntryKind, bytes]]:
    def get(digest: str) -> bytes:
        data = read_blob(captured, digest)
        assert data is not None
        return data

    found = iter_files(tree or captured.manifest.tree, get)
    return {file.path: (file.kind, get(file.digest)) for file in found}


def left_out(captured: Captured) -> list[tuple[str, int | None, str]]:
    return [(item.path, item.line, item.reason) for item in captured.manifest.left_out]


def test_git_says_what_belongs_to_a_project(root: Path) -> None:
    (root / "agent.py").write_text("one\n")
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "run.sh").chmod(0o755)
    (root / ".gitignore").write_text("*.log\n")
    (root / "a").mkdir()
    (root / "a" / "odd \n name é.py").write_bytes(b"\xff\x00")
    (root / "link").symlink_to("a/../agent.py")
    head = commit(root)
    (root / "new.py").write_text("new\n")
    (root / "noise.log").write_text("noise\n")
    captured = take(root / "a")
    assert files_of(captured) == {
        ".gitignore": (EntryKind.FILE, b"*.log\n"),
        "a/odd \n name é.py": (EntryKind.FILE, b"\xff\x00"),
        "agent.py": (EntryKind.FILE, b"one\n"),
        "link": (EntryKind.LINK, b"a/../agent.py"),
        "new.py": (EntryKind.FILE, b"new\n"),
        "run.sh": (EntryKind.EXECUTABLE, b"#!/bin/sh\n"),
    }
    git_state = captured.manifest.git
    assert git_state is not None
    assert (git_state.commit, git_state.branch, git_state.dirty) == (head, "main", True)
    assert captured.manifest.file_count == 6


def test_what_differs_from_the_commit_can_be_told(root: Path) -> None:
    (root / "agent.py").write_text("one\n")
    (root / "gone.py").write_text("gone\n")
    commit(root)
    clean = take(root).manifest.git
    assert clean is not None
    assert (clean.dirty, clean.head_tree) == (False, None)
    (root / "agent.py").write_text("two\n")
    (root / "gone.py").unlink()
    (root / "new.py").write_text("new\n")
    captured = take(root)
    assert captured.manifest.git is not None
    head = files_of(captured, captured.manifest.git.head_tree)
    assert {path: data for path, (_, data) in head.items()} == {
        "agent.py": b"one\n",
        "gone.py": b"gone\n",
    }
    assert set(files_of(captured)) == {"agent.py", "new.py"}


def test_secrets_are_left_out_and_reported(root: Path) -> None:
    (root / "agent.py").write_text(f'import os\nKEY = "{SECRET}"\n')
    (root / ".env").write_text(f"OPENAI_API_KEY={SECRET}\n")
    (root / "data.bin").write_bytes(b"\0\1" + SECRET.encode() + b"\0")
    (root / "wide.txt").write_bytes(f"key {SECRET}".encode("utf-16"))
    commit(root)
    (root / "agent.py").write_text(f'import os\n\nKEY = "{SECRET}"\n')
    config = {"api_key": SECRET, "note": f"call {SECRET}", "k": 5}
    captured = take(root, config=resolve_config(config), cells=[f"key = '{SECRET}'"])
    assert left_out(captured) == [
        (".env", None, "a file of secrets"),
        ("agent.py", 3, "openai key"),
        ("data.bin", None, "a binary or UTF-16 file with a secret in it"),
        ("wide.txt", None, "a binary or UTF-16 file with a secret in it"),
    ]
    everything = [
        *captured.trees.values(),
        *captured.parts.values(),
        *captured.head_blobs.values(),
        captured.manifest_bytes,
        *(data for _, data in files_of(captured).values()),
    ]
    assert not any(SECRET.encode() in data for data in everything)
    assert files_of(captured)["agent.py"][1].startswith(b"import os\n\nKEY = ")


def test_an_unchanged_project_is_not_read_again(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        (root / f"{number}.py").write_text(str(number))
    commit(root)
    time.sleep(0.06)
    first = take(root)
    read: list[str] = []
    real = capturing._read

    def spy(place: Path, path: str) -> Any:
        read.append(place.name)
        return real(place, path)

    monkeypatch.setattr(capturing, "_read", spy)
    assert take(root).snapshot_id == first.snapshot_id
    assert read == []
    (root / "7.py").write_text("x")
    assert take(root).snapshot_id != first.snapshot_id
    assert read == ["7.py"]
    cache_path(root).write_bytes(b"damaged")
    assert load_cache(root).files == {}
    (root / "7.py").write_text("7")
    assert take(root).manifest.tree == first.manifest.tree


def test_a_change_within_the_clocks_tick_is_noticed(root: Path) -> None:
    path = root / "agent.py"
    path.write_text("a")
    commit(root)
    for number in range(30):
        path.write_text(str(number % 10))
        assert files_of(take(root))["agent.py"][1] == str(number % 10).encode()


def test_a_file_that_changes_meanwhile_is_read_again(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.py", "b.py"):
        (root / name).write_text("old")
    commit(root)
    real = capturing._read
    changes: Iterator[Path] = iter([root / "a.py", root / "b.py"])

    def meddle(place: Path, path: str) -> Any:
        found = real(place, path)
        change = next(changes, None)
        if change is not None:
            change.write_text("new " + change.name)
        return found

    monkeypatch.setattr(capturing, "_read", meddle)
    captured = take(root)
    monkeypatch.undo()
    assert {path: data for path, (_, data) in files_of(captured).items()} == {
        "a.py": b"new a.py",
        "b.py": b"new b.py",
    }


def test_links_and_sizes_have_limits(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capturing, "MAX_FILE_BYTES", 1000)
    (root / "out").symlink_to("../secret")
    (root / "absolute").symlink_to("/etc/passwd")
    (root / "large.txt").write_text("x" * 1001)
    (root / "fine.txt").write_text("x")
    os.mkfifo(root / "pipe")
    commit(root)
    captured = take(root)
    assert set(files_of(captured)) == {"fine.txt"}
    assert [path for path, _, _ in left_out(captured)] == ["absolute", "large.txt", "out"]


def test_modes_are_recorded_and_the_usual_ones_cost_nothing(root: Path) -> None:
    for path, mode in (("a", 0o644), ("b", 0o755), ("c", 0o600), ("d", 0o4755), ("in/e", 0o444)):
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_text("x")
        (root / path).chmod(mode)
    (root / "in").chmod(0o700)
    commit(root)
    captured = take(root)
    modes = {
        entry.name: entry.mode for data in captured.trees.values() for entry in decode_tree(data)
    }
    assert modes == {"a": None, "b": None, "c": 0o600, "d": None, "e": 0o444, "in": 0o700}
    (root / "c").chmod(0o640)
    assert take(root).snapshot_id != captured.snapshot_id


def test_outside_git_the_imported_modules_and_the_texts_are_the_project(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "lone_main.py").write_text("import lone_package.inner\n")
    (root / "lone_package").mkdir()
    (root / "lone_package" / "__init__.py").write_text("")
    (root / "lone_package" / "inner.py").write_text("def later():\n    from . import lazy\n")
    (root / "lone_package" / "lazy.py").write_text("x = 1\n")
    (root / "unused.py").write_text("x = 1\n")
    (root / "prompts").mkdir()
    (root / "prompts" / "answer.txt").write_text("Answer {question}\n")
    (root / "prompts" / "latest").symlink_to("answer.txt")
    (root / "data.csv").write_text("1\n")
    (root / "weights.bin").write_bytes(b"1")
    (root / "long.csv").write_bytes(b"1" * ((1 << 20) + 1))
    (root / ".env").write_text("A=b\n")
    (root / ".gitignore").write_text("# made\nout/\n*.log.txt\n/data/raw.txt\n")
    for path in ("out/a.txt", "b.log.txt", "data/raw.txt", "venv/a.txt", "mine/a.txt", ".x/a.txt"):
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_text("x")
    (root / "mine" / "pyvenv.cfg").write_text("")
    monkeypatch.syspath_prepend(str(root))
    __import__("lone_main")
    captured = take(root)
    assert set(files_of(captured)) == {
        "lone_main.py",
        "lone_package/__init__.py",
        "lone_package/inner.py",
        "lone_package/lazy.py",
        "prompts/answer.txt",
        "prompts/latest",
        "data.csv",
        ".gitignore",
    }
    assert captured.manifest.git is None
    assert [(item.path, item.reason) for item in captured.manifest.left_out] == [
        (".env", "a file of secrets")
    ]
    for name in ("lone_main", "lone_package", "lone_package.inner"):
        del sys.modules[name]


def test_a_folder_of_very_many_files_is_no_project(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loose, "MAX_LOOSE_FILES", 3)
    for number in range(4):
        (root / f"letter-{number}.txt").write_text("x")
    captured = take(root)
    assert files_of(captured) == {}
    assert "use git" in captured.manifest.left_out[0].reason


def test_a_home_is_no_project(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "letter.txt").write_text("x")
    monkeypatch.setenv("HOME", str(root))
    assert files_of(take(root)) == {}


def test_the_environment_has_names_and_never_values() -> None:
    environment = read_environment({"OPENAI_API_KEY": SECRET, "HOME": "/x", "PELLUCID_URL": "u"})
    assert environment["variables"] == ["OPENAI_API_KEY", "PELLUCID_URL"]
    assert SECRET not in str(environment)


def test_the_command_has_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = [
        "/usr/bin/python",
        "a.py",
        "--api-key",
        "hunter22",
        f"--token={SECRET}",
        "--k",
        "5",
    ]
    monkeypatch.setattr(sys, "orig_argv", arguments)
    assert read_command() == ["python", "a.py", "--api-key", "***", "--token=***", "--k", "5"]


def test_every_kind_of_configuration_is_resolved(root: Path) -> None:
    @dataclasses.dataclass
    class Inner:
        k: int = 5

    @dataclasses.dataclass
    class Outer:
        inner: Inner
        password: str = "hunter22"

    class Model(pydantic.BaseModel):
        rate: float = 0.1

    assert resolve_config(Outer(Inner())) == {"inner": {"k": 5}, "password": "***"}
    assert resolve_config({"model": Model()}) == {"model": {"rate": 0.1}}
    assert resolve_config(argparse.Namespace(k=5)) == {"k": 5}
    assert resolve_config(None) is None
    commit_needed = take(root, config=resolve_config({"a": {"b": 1}}))
    parts = read_parts(commit_needed.manifest, commit_needed.parts.__getitem__)
    assert parts.config == {"a": {"b": 1}}
    assert parts.packages["pydantic"] == pydantic.VERSION
