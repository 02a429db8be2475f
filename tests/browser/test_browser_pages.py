"""Home, trace list, sign-in and errors; themes, keys and widths; hostile traces."""

import re
from collections.abc import Callable
from itertools import pairwise

import pytest
from playwright.sync_api import Page, expect
from tests.browser.focus import expect_active

from pellucid.testing.live import LiveServer
from pellucid.testing.sample_site import Site
from pellucid.testing.sample_traces import HOSTILE, bluray_trace

TABS = ("messages", "io", "documents", "attributes", "events", "scores")
ADDRESSES = "links => links.map((link) => link.getAttribute('href') || '')"
LIST = "/experiments/bluray-agent/traces"


def test_an_empty_server_tells_how_and_opens_the_first_trace(
    page: Page, live_server: LiveServer
) -> None:
    page.goto(live_server.url)
    expect(page.locator("h1")).to_have_text("Send your first trace")
    expect(page.locator("#way-python")).to_contain_text("pellucid.init(experiment=")
    page.click("#tab-otlp")
    expect(page.locator("#way-otlp")).to_contain_text(
        f"OTEL_EXPORTER_OTLP_ENDPOINT={live_server.url}"
    )
    expect(page.locator("#way-python")).to_be_hidden()
    sample = bluray_trace(age_s=5)
    Site(live_server).send(sample)
    page.wait_for_url(re.compile(f"/traces/{sample.trace_id}"))
    expect(page.locator("h1")).to_contain_text("Blu-ray")


def test_home_lists_experiments_and_newest_traces(page: Page, site: Site) -> None:
    page.goto(site.server.url)
    experiments = page.locator("section[aria-labelledby=experiments] tbody tr")
    row = experiments.filter(has_text="bluray-agent")
    expect(row).to_contain_text("3")
    expect(page.locator("section[aria-labelledby=newest] tbody tr")).to_have_count(4)
    row.click()
    page.wait_for_url(re.compile(LIST))


def test_rows_are_walked_by_keys(page: Page, site: Site) -> None:
    page.goto(site.server.url + LIST)
    rows = page.locator("tbody tr[data-trace]")
    expect(rows).to_have_count(3)
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(rows.nth(1)).to_have_attribute("aria-selected", "true")
    page.keyboard.press("k")
    expect(rows.nth(0)).to_have_attribute("aria-selected", "true")
    page.keyboard.press("/")
    expect_active(page.locator(".query input"))
    page.keyboard.type("jjk")
    expect(rows.nth(0)).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/traces/[0-9a-f]{32}"))


def test_live_rows_come_in_by_themselves(page: Page, live_server: LiveServer) -> None:
    site = Site(live_server)
    site.send(bluray_trace(age_s=90))
    page.goto(live_server.url + LIST)
    expect(page.locator("tbody tr[data-trace]")).to_have_count(1)
    page.keyboard.press("l")
    expect(page.locator("[data-live]")).to_have_attribute("aria-pressed", "true")
    newer = bluray_trace(age_s=3)
    site.send(newer)
    expect(page.locator("tbody tr[data-trace]")).to_have_count(2)
    expect(page.locator("tbody tr[data-trace]").first).to_have_attribute(
        "data-trace", newer.trace_id
    )
    page.keyboard.press("j")
    site.send(bluray_trace(age_s=1))
    page.click(".pill")
    expect(page.locator("tbody tr[data-trace]")).to_have_count(3)


def test_a_server_that_is_gone_is_said_where_one_waits_for_it(page: Page, site: Site) -> None:
    page.expected_complaints = ("ERR_FAILED", "htmx:")  # type: ignore[attr-defined]
    page.goto(site.server.url + LIST)
    live = page.locator("[data-live]")
    gone = re.compile(r"/traces/(rows|[0-9a-f]{32}/peek)")
    page.route(gone, lambda route: route.abort())
    page.keyboard.press("l")
    expect(live).to_contain_text("Reconnecting")
    page.keyboard.press("j")
    page.keyboard.press("Space")
    expect(page.locator("#peek")).to_contain_text("This trace could not be loaded")
    page.unroute(gone)
    expect(live).to_contain_text("Live")


def test_a_span_that_cannot_be_loaded_is_not_shown_as_the_one_before(
    page: Page, site: Site
) -> None:
    page.expected_complaints = ("ERR_FAILED", "htmx:")  # type: ignore[attr-defined]
    page.goto(f"{site.server.url}/traces/{site.bluray.trace_id}")
    rows = page.locator(".wf-row")
    expect(page.locator("#span .span-head")).to_be_visible()
    gone = re.compile("/spans/[0-9a-f]{16}")
    page.route(gone, lambda route: route.abort())
    rows.nth(1).click()
    expect(page.locator("#span")).to_contain_text("This span could not be loaded")
    expect(page.locator("#span .span-head")).to_have_count(0)
    page.unroute(gone)
    rows.nth(2).click()
    name = rows.nth(2).locator(".nm").text_content()
    assert name
    expect(page.locator("#span .span-head h2")).to_have_text(name)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_system_theme_is_followed_and_a_choice_is_kept(
    page: Page, site: Site, theme: str
) -> None:
    page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    page.goto(site.server.url)
    surface = "getComputedStyle(document.querySelector('main')).backgroundColor"
    system = page.evaluate(surface)
    other = "dark" if theme == "light" else "light"
    while page.locator("[data-theme-name]").inner_text() != other:
        page.click("[data-theme-toggle]")
    chosen = page.evaluate(surface)
    assert chosen != system
    page.goto(site.server.url + LIST)
    assert page.evaluate("document.documentElement.dataset.theme") == other
    assert page.evaluate(surface) == chosen


def test_the_palette_goes_to_an_experiment(page: Page, site: Site) -> None:
    page.goto(site.server.url)
    page.keyboard.press("Control+k")
    expect(page.locator("#palette")).to_be_visible()
    page.keyboard.type("bluray-ag")
    expect(page.locator("#palette [aria-selected=true]")).to_contain_text("bluray-agent")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(LIST))


def test_all_keys_are_listed_and_single_keys_can_be_turned_off(page: Page, site: Site) -> None:
    page.goto(site.server.url + LIST)
    page.keyboard.press("?")
    expect(page.locator("#keymap")).to_be_visible()
    page.uncheck("[data-single-keys]")
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    expect(page.locator("tbody tr[aria-selected=true]")).to_have_count(0)


def test_g_and_a_letter_go_to_a_page(page: Page, site: Site) -> None:
    page.goto(site.server.url + LIST)
    page.keyboard.press("g")
    page.keyboard.press("h")
    page.wait_for_url(site.server.url + "/")


def test_hostile_traces_stay_text_everywhere(page: Page, site: Site) -> None:
    page.goto(site.server.url)
    expect(page.locator("main")).to_contain_text("<img src=x onerror=")
    page.goto(site.url(site.hostile))
    page.wait_for_selector(".wf-row")
    for span in site.hostile.spans:
        for number, tab in enumerate(TABS, 1):
            page.keyboard.press(str(number))
            page.wait_for_url(re.compile(f"tab={tab}"))
            expect(page.locator(f"#span-body[data-span='{span['spanId']}']")).to_have_count(1)
            expect(page.locator(".htmx-request")).to_have_count(0)
            assert page.evaluate("window.pwned") is None
            assert page.locator("#span script, #span img, #span svg[onload]").count() == 0
            for address in page.locator("#span a").evaluate_all(ADDRESSES):
                assert re.match(r"(https?:|/|\?)", address)
        page.keyboard.press("ArrowDown")
    page.keyboard.press("v")
    expect(page.locator(".gn").first).to_be_visible()
    page.keyboard.press("Control+k")
    page.keyboard.type("img")
    expect(page.locator("#palette-list")).to_contain_text(HOSTILE[:20])
    assert page.evaluate("window.pwned") is None


def test_markdown_is_set_without_markup_from_the_trace(page: Page, site: Site) -> None:
    span = site.span_id(site.hostile, f"llm {HOSTILE}")
    page.goto(site.url(site.hostile, f"?span={span}&tab=messages"))
    out = page.locator("#span .msg[data-out] .txt")
    expect(out.locator("strong")).to_have_text("bold")
    expect(out.locator("td").first).to_have_text("<svg onload=window.pwned=1>")
    expect(out).to_contain_text("[click](javascript:window.pwned=1)")
    page.locator("#span .msg[data-out] .raw").click()
    expect(out).to_contain_text("**bold**")


@pytest.mark.parametrize("width", [768, 1024, 1440, 2560])
def test_no_page_scrolls_sideways(page: Page, site: Site, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    for address in (
        site.server.url,
        site.server.url + LIST,
        site.url(site.bluray),
        site.url(site.bluray, "?view=graph"),
        site.url(site.hostile),
        site.server.url + "/login",
    ):
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, address


def test_everything_that_can_be_pressed_has_a_name(page: Page, site: Site) -> None:
    for address in (site.server.url, site.server.url + LIST, site.url(site.bluray)):
        page.goto(address)
        page.wait_for_selector("main")
        nameless = page.evaluate(
            """() => [...document.querySelectorAll("button,a[href],input,img,[role=img]")]
              .filter((node) => !node.closest("[role=treeitem]") && node.type !== "hidden")
              .filter((node) => !(node.textContent.trim() || node.ariaLabel || node.alt ||
                node.title || node.labels?.length || node.placeholder))
              .map((node) => node.outerHTML.slice(0, 120))"""
        )
        assert nameless == [], address


def test_a_page_that_is_not_there_says_so_and_leads_on(page: Page, site: Site) -> None:
    page.expected_complaints = ("404",)  # type: ignore[attr-defined]
    for path in ("/nowhere", "/traces/" + "0" * 31 + "1", "/experiments/none/traces", "/traces/x"):
        answer = page.goto(site.server.url + path)
        assert answer is not None
        assert answer.status == 404
        expect(page.locator(".empty.big h1")).to_have_text("Nothing is here")
        expect(page.locator(".empty.big a")).to_have_attribute("href", "/")


def test_the_key_is_asked_for_once_and_leads_back(
    page: Page, start_server: Callable[..., LiveServer]
) -> None:
    server = start_server(environment={"PELLUCID_API_KEY": "open sesame"})
    page.goto(server.url + "/?from=mail")
    expect(page.locator("form")).to_contain_text("API key")
    page.fill("input[name=key]", "wrong")
    page.click("button[type=submit]")
    expect(page.locator(".hint")).to_have_text("That is not this server's key.")
    page.fill("input[name=key]", "open sesame")
    page.click("button[type=submit]")
    page.wait_for_url(server.url + "/?from=mail")
    expect(page.locator("h1")).to_have_text("Send your first trace")


def test_assets_are_kept_for_a_year_and_compressed(site: Site) -> None:
    with site.server.client() as client:
        home = client.get("/", headers={"Accept": "text/html"})
        address = re.search(r'href="(/static/[^"]+/app\.css)"', home.text)
        assert address is not None
        asset = client.get(address[1], headers={"Accept-Encoding": "gzip"})
        assert "immutable" in asset.headers["cache-control"]
        assert asset.headers["content-encoding"] == "gzip"
        old = client.get("/static/000000000000/app.css")
        assert old.headers["cache-control"] == "no-cache"
        assert client.get("/static/000000000000/../page.py").status_code == 404
        assert client.get("/static/000000000000/%2e%2e/page.py").status_code == 404


def test_pages_carry_the_policy_and_are_not_kept(site: Site) -> None:
    with site.server.client() as client:
        for path in ("/", LIST, f"/traces/{site.bluray.trace_id}", "/login", "/nowhere"):
            answer = client.get(path, headers={"Accept": "text/html"})
            policy = answer.headers.get_list("content-security-policy")
            assert len(policy) == 1
            assert "script-src 'self';" in policy[0]
            assert answer.headers["cache-control"] == "private, no-cache"


def test_a_value_comes_whole_and_as_plain_text(site: Site) -> None:
    span = site.hostile.spans[0]["spanId"]
    with site.server.client() as client:
        answer = client.get(f"/traces/{site.hostile.trace_id}/spans/{span}/values/input")
        assert answer.text == HOSTILE
        assert answer.headers["content-type"].startswith("text/plain")
        assert "sandbox" in answer.headers["content-security-policy"]
        missing = client.get(f"/traces/{site.hostile.trace_id}/spans/{span}/values/secrets")
        assert missing.status_code == 404


def test_on_a_phone_a_peek_takes_the_list_and_a_menu_stays_inside(page: Page, site: Site) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(site.server.url + LIST)
    page.keyboard.press("j")
    page.keyboard.press("Space")
    expect(page.locator(".peek .failure, .peek .value").first).to_be_visible()
    peek, pane = page.locator(".peek").bounding_box(), page.locator(".split").bounding_box()
    assert peek is not None
    assert pane is not None
    assert peek["width"] == pane["width"]
    page.goto(f"{site.server.url}/datasets")
    page.get_by_role("button", name="New dataset").click()
    expect(page.locator("#new-dataset input[name=name]")).to_be_focused()
    box = page.locator("#new-dataset").bounding_box()
    assert box is not None
    assert box["x"] >= 8
    assert box["x"] + box["width"] <= 390


def test_on_a_phone_a_row_shows_its_name_over_its_input(page: Page, site: Site) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    for address in ("/", LIST):
        page.goto(site.server.url + address)
        row = page.locator("tbody tr:has(.over)").first
        expect(row.locator(".over")).to_be_visible()
        expect(row.locator("td.name")).to_be_hidden()
        link = row.locator(".row-link").bounding_box()
        name = row.locator(".over").bounding_box()
        assert link is not None
        assert name is not None
        assert name["y"] + name["height"] <= link["y"] + 1
    page.goto(f"{site.server.url}/traces/{site.bluray.trace_id}")
    for selector in (".bar", ".tool"):
        fits = "bar => bar.scrollWidth <= bar.clientWidth"
        assert page.locator(selector).first.evaluate(fits), selector
    kinds = [box.bounding_box() for box in page.locator(".foot .kinds > *").all()]
    for left, right in pairwise(kinds):
        assert left is not None
        assert right is not None
        assert left["x"] + left["width"] <= right["x"]


@pytest.mark.parametrize("width", [390, 1440])
def test_a_graph_fits_into_view_and_back(page: Page, site: Site, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(f"{site.server.url}/traces/{site.large.trace_id}?view=graph")
    graph = page.locator("pl-graph")
    fit = graph.get_by_role("button", name="Fit to view")
    fit.press("Enter")
    expect(fit).to_have_attribute("aria-pressed", "true")
    outside = """graph => {
        const { right, bottom } = graph.getBoundingClientRect();
        return [...graph.querySelectorAll(".gn")]
          .map((node) => node.getBoundingClientRect())
          .filter((box) => box.right > right + 1 || box.bottom > bottom + 1).length;
    }"""
    assert graph.evaluate(outside) == 0
    fit.press("Enter")
    expect(fit).to_have_attribute("aria-pressed", "false")
    assert graph.evaluate(outside) > 0
