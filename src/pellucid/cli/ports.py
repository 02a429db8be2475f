"""Who holds a port, and which one is free."""

import os
import socket
from contextlib import suppress
from pathlib import Path

_LISTENING = "0A"


def find_free_port(host: str) -> int:
    """Return a port that nobody held a moment ago."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def find_holder(port: int, proc: Path = Path("/proc")) -> str | None:
    """Return who listens on a port, such as `python (process 4242)`, where the system tells."""
    inodes = _listening_inodes(port, proc)
    if not inodes:
        return None
    for process in proc.iterdir():
        if process.name.isdigit() and _holds(process, inodes):
            return f"{_name(process)} (process {process.name})"
    return None


def _listening_inodes(port: int, proc: Path) -> set[str]:
    inodes = set()
    for table in ("net/tcp", "net/tcp6"):
        with suppress(OSError):
            for line in (proc / table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                    inodes.add(fields[9])
    return inodes


def _holds(process: Path, inodes: set[str]) -> bool:
    # Another user's process, or one that just ended.
    with suppress(OSError):
        for descriptor in (process / "fd").iterdir():
            with suppress(OSError):
                target = os.readlink(descriptor)
                if target.startswith("socket:[") and target[8:-1] in inodes:
                    return True
    return False


def _name(process: Path) -> str:
    with suppress(OSError):
        return (process / "comm").read_text().strip()
    return "another program"
