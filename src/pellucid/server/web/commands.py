"""The commands that a page hands over, safe to paste into a shell."""

import shlex

from pellucid.core.run import Run


def restore_command(spec: str, run: Run) -> str:
    """Return the command that writes a run's snapshot into a new folder."""
    folder = f"run-{run.number}" if run.number is not None else f"run-{run.id[:8]}"
    return f"pellucid restore {shlex.quote(spec)} --to ./{folder}"


def serve_command(spec: str) -> str:
    """Return the command that serves a run's entry point."""
    return f"pellucid serve {shlex.quote(spec)} --port 8000"
