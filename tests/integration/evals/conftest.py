from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Journals and caches of a test go to its own folder."""
    monkeypatch.setenv("PELLUCID_ENABLED", "0")
    monkeypatch.setenv("PELLUCID_SPOOL_DIR", str(tmp_path / "pellucid" / "spool"))
    return tmp_path / "pellucid"
