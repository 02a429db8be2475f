"""Environments made again, without a network: by uv and by venv with pip."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from pellucid.client.snapshots import venv
from pellucid.client.snapshots.venv import EnvironmentFailed, make_environment

pytestmark = pytest.mark.slow


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with one package in two versions, the only place that installers ask."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    for version in ("1.0", "2.0"):
        info = f"tiny-{version}.dist-info"
        with zipfile.ZipFile(folder / f"tiny-{version}-py3-none-any.whl", "w") as wheel:
            wheel.writestr("tiny.py", f"VERSION = {version!r}\n")
            wheel.writestr(
                f"{info}/METADATA", f"Metadata-Version: 2.1\nName: tiny\nVersion: {version}\n"
            )
            wheel.writestr(
                f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            record = f"tiny.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n"
            wheel.writestr(f"{info}/RECORD", record)
    for name, value in {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(folder),
        "PIP_CONFIG_FILE": "/dev/null",
        "UV_NO_INDEX": "1",
        "UV_FIND_LINKS": str(folder),
        "UV_OFFLINE": "1",
        "UV_NO_CONFIG": "1",
        "UV_CACHE_DIR": str(tmp_path / "uv-cache"),
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("PIP_CONSTRAINT", raising=False)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    return folder


@pytest.fixture(params=["uv", "pip"])
def installer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    name: str = request.param
    if name == "uv" and shutil.which("uv") is None:
        pytest.skip("uv is not installed")
    if name == "pip":
        real = shutil.which
        monkeypatch.setattr(shutil, "which", lambda n: None if n == "uv" else real(n))
    return name


def told(python: Path, code: str) -> str:
    return subprocess.run(
        [str(python), "-c", code], capture_output=True, text=True, check=True, cwd=python.parent
    ).stdout.strip()


def test_the_exact_versions_are_installed(tmp_path: Path, wheels: Path, installer: str) -> None:
    python = make_environment(tmp_path / installer, {"tiny": "1.0", "pip": "9.9"})
    assert told(python, "import tiny; print(tiny.VERSION)") == "1.0"
    assert told(python, "import sys; print(sys.prefix)") == str(tmp_path / installer)
    with pytest.raises(EnvironmentFailed, match="could not be made") as failure:
        make_environment(tmp_path / "lost", {"tiny": "3.0"})
    assert "tiny" in failure.value.message


def test_another_python_is_taken_where_it_is_and_said_where_not(
    tmp_path: Path, wheels: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert venv._interpreter(f"{here}.99") == sys.executable
    assert venv._interpreter("") == sys.executable
    assert venv._interpreter("3.1.2") == sys.executable
    assert "The run had Python 3.1.2, which is not here" in capsys.readouterr().err
