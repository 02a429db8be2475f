"""Which element the keyboard would reach, also while the window itself is not the active one."""

from playwright.sync_api import Locator


def expect_active(locator: Locator) -> None:
    """Wait until the document's active element is this one."""
    locator.page.wait_for_function(
        "element => element === document.activeElement", arg=locator.element_handle()
    )
