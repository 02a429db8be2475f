import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import pellucid
from pellucid.client import notices
from pellucid.testing.collector import Collector, collecting


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    for name in list(os.environ):
        if name.startswith(("PELLUCID_", "OTEL_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PELLUCID_SPOOL_DIR", str(tmp_path / "spool"))
    notices.forget()
    yield
    pellucid.shutdown(0.2)


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as running:
        yield running


@pytest.fixture
def traced(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> Collector:
    """A collector that `pellucid` is already set up to send to."""
    monkeypatch.setenv("PELLUCID_URL", collector.url)
    pellucid.init(experiment="test")
    return collector
