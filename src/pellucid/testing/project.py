"""A user's project in a folder of its own, for tests that run it."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path


class Project:
    """A folder with scripts in it, run as its user would run them, against one server."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("PELLUCID_", "OTEL_"))},
            "PELLUCID_URL": url,
            "PELLUCID_SPOOL_DIR": str(folder.parent / "spool"),
            "XDG_CACHE_HOME": str(folder.parent / "cache"),
            "GIT_CONFIG_GLOBAL": "/dev/null",
        }
        self.stderr = ""
        folder.mkdir()

    def write(self, path: str, text: str) -> Path:
        """Write a file, the text without its indentation, and return where."""
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(textwrap.dedent(text))
        return target

    def git(self, *arguments: str) -> None:
        """Run git in the folder."""
        identity = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
        subprocess.run(
            ["git", *identity, *arguments], cwd=self.folder, check=True, capture_output=True
        )

    def commit(self) -> None:
        """Make the folder a repository with everything committed on `main`."""
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("add", "-A")
        self.git("commit", "--quiet", "-m", "all")

    def start(self, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
        """Start Python with arguments in the folder."""
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self.folder,
            env={**self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, **environment: str) -> str:
        """Run Python with arguments in the folder and return what it printed."""
        process = self.start(*arguments, **environment)
        out, err = process.communicate(timeout=400)
        assert process.returncode == 0, f"{out}\n{err}"
        self.stderr = err
        return out
