"""Names, roles and contrast of the pages of traces, in both themes."""

import pytest
from playwright.sync_api import Page, expect
from tests.browser.accessible import FIND_FAULTS, expect_accessible

from pellucid.testing.sample_site import Site

LIST = "/experiments/bluray-agent/traces"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_of_traces_have_names_roles_and_contrast(page: Page, site: Site, theme: str) -> None:
    page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    page.goto(site.server.url)
    expect_accessible(page)
    page.goto(site.server.url + LIST)
    expect(page.locator("#facets h2").first).to_be_visible()
    expect(page.locator("#histogram .plot")).to_be_visible()
    expect_accessible(page)
    page.goto(site.url(site.failed))
    expect(page.locator("[role=treeitem]").first).to_be_visible()
    expect(page.locator(".failure").first).to_be_visible()
    expect_accessible(page)
    page.goto(site.url(site.bluray, "?view=graph"))
    expect(page.locator(".gn").first).to_be_visible()
    expect_accessible(page)
    page.goto(f"{site.server.url}/experiments/bluray-agent/sessions")
    expect(page.locator("tbody tr").first).to_be_visible()
    expect_accessible(page)


def test_what_is_nameless_faint_or_of_the_wrong_role_is_found(page: Page) -> None:
    page.set_content(
        "<button></button><a href='/' aria-selected='true'>on</a><span role='slider'>k</span>"
        "<p style='background:#fff;color:#999'>faint</p><p style='background:#fff'>plain</p>"
    )
    faults = "\n".join(page.evaluate(FIND_FAULTS))
    assert "0 headings" in faults
    assert "no name: <button>" in faults
    assert "takes no aria-selected: <a" in faults
    assert "a slider without a value" in faults
    assert "contrast 2.85: <p" in faults
    assert "plain" not in faults
