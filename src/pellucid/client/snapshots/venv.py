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
_INSTALLERS = frozenset({"pip", "setuptools", "wheel", "uv"})


class EnvironmentFailed(PellucidError):
    """A package could not be installed; what was restored is kept."""


def make_environment(folder: Path, packages: Mapping[str, str]) -> Path:
    """Make an environment and return its interpreter.

    Raises EnvironmentFailed with the last lines of what the installer said.
    """
    lines = list(_requirements(packages))
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    with tempfile.TemporaryDirectory() as temporary:
        listing = Path(temporary) / "requirements.txt"
        listing.write_text("\n".join(lines) + "\n", encoding="utf-8")
        uv = shutil.which("uv")
        if uv is not None:
            _run([uv, "venv", "--quiet", "--python", sys.executable, str(folder)])
            install = [uv, "pip", "install", "--quiet", "--python", str(python)]
        else:
            _run([sys.executable, "-m", "venv", str(folder)])
            install = [str(python), "-m", "pip", "install", "--quiet", "--no-deps"]
            install += ["--disable-pip-version-check"]
        if lines:
            _run([*install, "-r", str(listing)])
    return python


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
