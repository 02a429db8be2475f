import socket
from pathlib import Path

import pytest

from pellucid.testing.live import LiveServer
from pellucid.testing.project import Project


@pytest.fixture
def project(tmp_path: Path, live_server: LiveServer) -> Project:
    return Project(tmp_path / "project", live_server.url)


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
