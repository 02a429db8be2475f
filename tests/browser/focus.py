"""Which element the keyboard would reach, also while the window itself is not the active one."""

import time

from playwright.sync_api import Locator

PATIENCE_S = 30


def expect_active(locator: Locator) -> None:
    """Wait until the document's active element is this one, also when it is drawn anew."""
    deadline = time.monotonic() + PATIENCE_S
    while not locator.evaluate("element => element === document.activeElement"):
        active = "document.activeElement.outerHTML.slice(0, 120)"
        assert time.monotonic() < deadline, locator.page.evaluate(active)
        locator.page.wait_for_timeout(50)
