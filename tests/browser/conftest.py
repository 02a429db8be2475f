"""A real server with sample traces, and pages that fail a test when the browser complains."""

import os
import shutil
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    expect,
    sync_playwright,
)
from tests.browser.slow_line import SlowLine, slow_down

from pellucid.testing.live import LiveServer
from pellucid.testing.sample_site import Site

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
]
# A busy machine is slow, which is not what these tests are about.
expect.set_options(timeout=20_000)
# Looks for races: see CONTRIBUTING.md.
_SLOW = os.environ.get("PELLUCID_TEST_SLOW")

_CHROMIUM = next(
    (
        path
        for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
        if (path := shutil.which(name))
    ),
    None,
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/browser/" in item.path.as_posix():
            item.add_marker(pytest.mark.browser)
            if _CHROMIUM is None:
                reason = "no Chromium is installed; install it with: apt-get install chromium"
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Return a server with sample traces, which tests only read."""
    server = LiveServer(tmp_path_factory.mktemp("site")).start()
    try:
        filled = Site(server)
        filled.fill()
        yield filled
    finally:
        server.stop()


@pytest.fixture(scope="session")
def slow_line() -> Iterator[SlowLine | None]:
    """Return the slow line between browser and servers, if one was asked for."""
    if not _SLOW:
        yield None
        return
    line = SlowLine()
    line.start()
    yield line
    line.stop()


@pytest.fixture(scope="session")
def browser(slow_line: SlowLine | None) -> Iterator[Browser]:
    """Return one Chromium for all tests."""
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=_CHROMIUM, args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture
def context(
    browser: Browser, slow_line: SlowLine | None, request: pytest.FixtureRequest
) -> Iterator[BrowserContext]:
    """Return a fresh profile, light, 1440 wide."""
    if slow_line:
        slow_line.draw(f"{_SLOW} {request.node.nodeid}")
    fresh = browser.new_context(
        color_scheme="light",
        viewport={"width": 1440, "height": 900},
        reduced_motion="reduce",
        proxy={"server": slow_line.address} if slow_line else None,
    )
    fresh.set_default_timeout(30_000)
    yield fresh
    fresh.close()


def _once_listening(page: Page, act: Callable[..., Any]) -> Callable[..., Any]:
    """Press keys once the page listens: what it shows is there before its scripts have run."""

    @wraps(act)
    def patient(*arguments: Any, **options: Any) -> Any:
        page.wait_for_load_state()
        return act(*arguments, **options)

    return patient


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """Return a page; a console error, an exception or a policy violation fails the test."""
    complaints: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            complaints.append(f"{message.type}: {message.text} {message.location}")

    opened = context.new_page()
    if _SLOW:
        slow_down(opened)
    for name in ("press", "type"):
        setattr(opened.keyboard, name, _once_listening(opened, getattr(opened.keyboard, name)))
    opened.on("console", hear)
    opened.on("pageerror", lambda error: complaints.append(f"exception: {error}"))
    opened.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
    opened.add_init_script(
        "document.addEventListener('securitypolicyviolation', (event) => "
        "console.error('policy', event.violatedDirective, event.blockedURI))"
    )
    yield opened
    expected = getattr(opened, "expected_complaints", ())
    left = [one for one in complaints if not any(text in one for text in expected)]
    assert left == []
