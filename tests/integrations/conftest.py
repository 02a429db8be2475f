"""Real frameworks against the scripted model, in the environments of requirements/integrations."""

import importlib.util
import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from pellucid.testing.captured import Ledger, seen_in
from pellucid.testing.conformance import Recording, record

_LEDGER = Ledger()
_FEATURES = pytest.StashKey[set[str]]()
_PASSED = pytest.StashKey[bool]()
_CAPTURED = os.environ.get("PELLUCID_TEST_CAPTURED", "")
"""Where to write what the tests showed, if anywhere."""


_LONGEST_S = 240
"""How long a test of these may take that says nothing else: frameworks may wait for ever."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        here = item.path.is_relative_to(Path(__file__).parent)
        if here and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(_LONGEST_S))


@pytest.fixture(autouse=True)
def _own_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PELLUCID_SPOOL_DIR", str(tmp_path / "spool"))
    monkeypatch.setenv("OPENAI_API_KEY", "scripted")
    for name in ("OPENAI_BASE_URL", "PELLUCID_URL", "PELLUCID_EXPERIMENT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def recording(request: pytest.FixtureRequest) -> Iterator[Recording]:
    with record() as recorded, _LEDGER.watching() as found:
        yield recorded
        request.node.stash[_FEATURES] = found | seen_in(recorded.spans)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    features = item.stash.get(_FEATURES, None)
    if report.when == "call":
        item.stash[_PASSED] = report.passed
    elif report.when == "teardown" and features is not None and item.stash.get(_PASSED, False):
        _LEDGER.passed(item.path.stem.removeprefix("test_"), item.name, features)
    return report


def pytest_sessionfinish() -> None:
    if _CAPTURED:
        _LEDGER.write(Path(_CAPTURED), WORLD)


def needs(*modules: str) -> pytest.MarkDecorator:
    """Skip where a framework is not installed; in its own environment that is a failure."""
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)} not installed here")


WORLD = os.environ.get("PELLUCID_TEST_WORLD", "")
