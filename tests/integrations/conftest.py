"""Real frameworks against the scripted model, in the environments of requirements/integrations."""

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pellucid.testing.conformance import Recording, record


@pytest.fixture(autouse=True)
def _own_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PELLUCID_SPOOL_DIR", str(tmp_path / "spool"))
    monkeypatch.setenv("OPENAI_API_KEY", "scripted")
    for name in ("OPENAI_BASE_URL", "PELLUCID_URL", "PELLUCID_EXPERIMENT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def recording() -> Iterator[Recording]:
    with record() as recorded:
        yield recorded


def needs(*modules: str) -> pytest.MarkDecorator:
    """Skip where a framework is not installed; in its own environment that is a failure."""
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)} not installed here")


WORLD = os.environ.get("PELLUCID_TEST_WORLD", "")
