from pathlib import Path

import pytest

from pellucid.testing import ports
from pellucid.testing.live import LiveServer
from pellucid.testing.project import Project


@pytest.fixture
def project(tmp_path: Path, live_server: LiveServer) -> Project:
    return Project(tmp_path / "project", live_server.url)


@pytest.fixture
def free_port() -> int:
    return ports.free_port()
