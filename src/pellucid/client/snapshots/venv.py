"""A virtual environment with a run's exact packages: by uv if it is there, else venv and pip."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pellucid.client.notices import say_once
from pellucid.client.snapshots.environment import requirement
from pellucid.core.errors import PellucidError

_TAIL_LINES = 12
_SELF = "pellucid"
_INSTALLERS = frozenset({"pip", "setuptools", "wheel", "uv"})


class EnvironmentFailed(PellucidError):
    """A package could not be installed; what was restored is kept."""


def make_environment(folder: Path, packages: Mapping[str, str], version: str = "") -> Path:
    """Make an environment and return its interpreter.

    `version` is the run's Python: one of the same minor version is taken where there is one, else
    this one, which is said. Raises EnvironmentFailed with the last lines of what the installer
    said.
    """
    own = _is_own(packages)
    lines = _requirements({k: v for k, v in packages.items() if not (own and k == _SELF)})
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    with tempfile.TemporaryDirectory() as temporary:
        listing = Path(temporary) / "requirements.txt"
        listing.write_text("\n".join(lines) + "\n", encoding="utf-8")
        uv = shutil.which("uv")
        if uv is not None:
            _run([uv, "venv", "--quiet", "--python", _interpreter(version, uv), str(folder)])
            install = [uv, "pip", "install", "--quiet", "--no-deps", "--python", str(python)]
        else:
            _run([_interpreter(version), "-m", "venv", str(folder)])
            install = [str(python), "-m", "pip", "install", "--quiet", "--no-deps"]
            install += ["--disable-pip-version-check"]
        if lines:
            _run([*install, "-r", str(listing)])
    if own:
        _copy_self(folder)
    return python


def _interpreter(version: str, uv: str | None = None) -> str:
    minor = ".".join(version.split(".")[:2])
    if not minor or minor == f"{sys.version_info[0]}.{sys.version_info[1]}":
        return sys.executable
    found = shutil.which(f"python{minor}")
    if found is None and uv is not None:
        told = subprocess.run(
            [uv, "python", "find", "--no-python-downloads", minor],
            capture_output=True,
            text=True,
            check=False,
        )
        found = told.stdout.strip() if told.returncode == 0 else None
    if found is None:
        say_once(
            f"python {minor}",
            f"The run had Python {version}, which is not here: the environment has "
            f"{sys.version_info[0]}.{sys.version_info[1]}.",
        )
    return found or sys.executable


def _is_own(packages: Mapping[str, str]) -> bool:
    """Tell whether the run had the Pellucid that runs here, which may be on no package index."""
    wanted = packages.get(_SELF, "")
    return wanted.startswith("file:") or wanted == getattr(
        sys.modules.get(_SELF), "__version__", None
    )


def _copy_self(folder: Path) -> None:
    pattern = "Lib/site-packages" if os.name == "nt" else "lib/python*/site-packages"
    for place in folder.glob(pattern):
        source = Path(__file__).parents[2]
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, place / _SELF, ignore=ignore, dirs_exist_ok=True)


def _requirements(packages: Mapping[str, str]) -> list[str]:
    lines = []
    for name, version in packages.items():
        if name in _INSTALLERS:
            continue
        if version.startswith("file:"):
            path = Path(unquote(urlsplit(version).path))
            if not path.exists():
                say_once(
                    f"requirement {version}",
                    f"{name} came from {path}, which is not there: it is not installed.",
                )
                continue
            lines.append(str(path))
        else:
            lines.append(requirement(name, version))
    return lines


def _run(command: list[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", None) or getattr(error, "stdout", None) or str(error)
        tail = "\n".join(said.strip().splitlines()[-_TAIL_LINES:])
        raise EnvironmentFailed(
            f"The environment could not be made: {' '.join(command[:4])} … said:\n{tail}"
        ) from None
