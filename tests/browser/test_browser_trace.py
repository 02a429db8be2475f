"""The trace page: story, waterfall, span panel, graph, keys."""

import re

import pytest
from playwright.sync_api import Page, expect
from tests.browser.focus import expect_active

from pellucid.testing.sample_site import Site


def _row(page: Page, name: str) -> str:
    return f'.wf-row:has(.nm:text-is("{name}"))'


def _open(page: Page, url: str) -> None:
    page.goto(url)
    page.wait_for_selector(".wf-row")


def _expect_selected(page: Page, name: str) -> None:
    expect(page.locator('.wf-row[aria-selected="true"] .nm')).to_have_text(name)


def test_the_page_tells_the_whole_story(page: Page, site: Site) -> None:
    _open(page, site.url(site.bluray))
    expect(page.locator("h1")).to_contain_text("How many Blu-ray discs")
    answer = page.locator(".answer")
    expect(answer).to_contain_text("8,568 dual-layer (50 GB) discs")
    expect(answer).to_contain_text("41.8 s")
    expect(answer).to_contain_text("1 span failed")
    expect(answer).to_contain_text("Answered by the scripted model")
    picture = page.locator(".trace-image img")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.complete && image.naturalWidth") == 512
    expect(page.locator("[role=treeitem]")).not_to_have_count(0)
    expect(page.locator(".foot")).to_contain_text("LLM 8")


def test_a_model_call_shows_messages_parameters_and_paired_tools(page: Page, site: Site) -> None:
    span = site.span_id(site.bluray, "answer with figures")
    _open(page, site.url(site.bluray, f"?span={span}"))
    panel = page.locator("#span")
    for text in ("gpt-4o", "temperature", "0.2", "1,874 → 148", "1,280 cached", "560 ms"):
        expect(panel).to_contain_text(text)
    expect(panel.locator(".msg")).to_have_count(5)
    expect(panel.locator('.call[data-call="call_8Kq"]')).to_have_count(2)
    expect(panel.locator(".msg[data-role=tool] .who")).to_contain_text("calculator")
    expect(panel.locator(".msg[data-out] strong").first).to_have_text(
        "8,568 dual-layer (50 GB) discs"
    )
    fold = panel.locator(".msg[data-role=system] [data-unclamp]")
    fold.click()
    expect(fold).to_have_attribute("aria-expanded", "true")


def test_documents_show_rank_score_and_where_they_were(page: Page, site: Site) -> None:
    span = site.span_id(site.bluray, "rerank")
    _open(page, site.url(site.bluray, f"?span={span}"))
    documents = page.locator("#span .doc")
    expect(documents).to_have_count(4)
    expect(documents.first).to_contain_text("wikipedia-size")
    expect(documents.first).to_contain_text("0.912")
    expect(documents.first).to_contain_text("was 6")


def test_a_tool_shows_its_arguments_and_its_failure(page: Page, site: Site) -> None:
    _open(page, site.url(site.bluray))
    page.keyboard.press("e")
    panel = page.locator("#span")
    expect(panel.locator(".call")).to_contain_text('wiki_lookup(title="Size of Wikipedia"')
    expect(panel.locator(".failure")).to_contain_text("httpx.HTTPStatusError 429 Too Many Requests")
    expect(panel.locator(".frames .frame")).to_contain_text("/srv/agent/tools/wiki.py")
    assert f"span={site.spans_with_error(site.bluray)[0]}" in page.url


def test_the_picture_of_an_image_span_is_shown(page: Page, site: Site) -> None:
    _open(page, site.url(site.bluray))
    page.click(".trace-image")
    picture = page.locator("#span .shot img")
    expect(picture).to_be_visible()
    expect(picture).to_have_js_property("naturalWidth", 512)


def test_a_failed_trace_opens_at_the_origin_of_its_failure(page: Page, site: Site) -> None:
    _open(page, site.url(site.failed))
    expect(page.locator(".answer .err").first).to_contain_text(
        "httpx.HTTPStatusError: 429 Too Many Requests (in wiki_lookup)"
    )
    _expect_selected(page, "wiki_lookup")


def test_arrows_walk_and_fold_and_the_address_follows(page: Page, site: Site) -> None:
    _open(page, site.url(site.bluray))
    page.keyboard.press("ArrowDown")
    _expect_selected(page, "input_guardrail")
    page.keyboard.press("ArrowRight")
    _expect_selected(page, "moderate")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    row = page.locator(_row(page, "input_guardrail"))
    expect(row).to_have_attribute("aria-expanded", "false")
    expect(page.locator(_row(page, "moderate"))).to_have_count(0)
    span = site.span_id(site.bluray, "input_guardrail")
    page.wait_for_url(re.compile(f"span={span}"))
    expect(page.locator("#span h2")).to_have_text("input_guardrail")
    expect_active(row)
    assert page.locator('[role=treeitem][tabindex="0"]').count() == 1
    page.keyboard.press("End")
    _expect_selected(page, "output_guardrail")
    page.keyboard.press("Home")
    _expect_selected(page, "bluray_agent")


def test_the_focus_outlives_its_row_where_keys_are_faster_than_frames(
    page: Page, site: Site
) -> None:
    _open(page, site.url(site.bluray))
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    _expect_selected(page, "moderate")
    expect_active(page.locator(_row(page, "moderate")))
    page.evaluate(
        """() => {
          const pressed = { key: "ArrowLeft", bubbles: true, cancelable: true };
          for (let time = 0; time < 2; time++)
            document.activeElement.dispatchEvent(new KeyboardEvent("keydown", pressed));
        }"""
    )
    row = page.locator(_row(page, "input_guardrail"))
    expect(row).to_have_attribute("aria-expanded", "false")
    expect_active(row)


def test_a_shared_address_opens_the_same_span_and_tab(page: Page, site: Site) -> None:
    span = site.span_id(site.bluray, "answer with figures")
    _open(page, site.url(site.bluray, f"?span={span}&tab=attributes"))
    expect(page.locator("#span")).to_contain_text("gen_ai.request.model")
    _expect_selected(page, "answer with figures")
    page.keyboard.press("1")
    expect(page.locator("#span .msg").first).to_be_visible()
    page.wait_for_url(re.compile("tab=messages"))


def test_find_goes_from_match_to_match(page: Page, site: Site) -> None:
    _open(page, site.url(site.bluray))
    page.keyboard.press("f")
    page.keyboard.type("calculator")
    expect(page.locator("[data-found]")).to_have_text("1 of 2")
    page.keyboard.press("Enter")
    expect(page.locator("[data-found]")).to_have_text("2 of 2")
    _expect_selected(page, "calculator")
    page.keyboard.press("Escape")
    expect(page.locator("[data-found]")).to_have_text("")


def test_zoom_changes_the_axis_and_fits_again(page: Page, site: Site) -> None:
    _open(page, site.url(site.bluray))
    ticks = page.locator("[data-ticks]")
    before = ticks.inner_text()
    page.keyboard.press("+")
    page.keyboard.press("+")
    expect(page.locator("[data-zoomed]")).to_have_count(1)
    expect(ticks).not_to_have_text(before, use_inner_text=True)
    page.keyboard.press("0")
    expect(page.locator("[data-zoomed]")).to_have_count(0)
    expect(ticks).to_have_text(before, use_inner_text=True)


def test_the_graph_merges_steps_and_opens_spans(page: Page, site: Site) -> None:
    _open(page, site.url(site.bluray))
    page.keyboard.press("v")
    node = page.locator('.gn[aria-label^="Tool calculator ×2"]')
    expect(node).to_be_visible()
    node.click()
    expect(page.locator("#span h2")).to_have_text("calculator")
    expect(node).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".gh")).not_to_have_count(0)
    assert "view=graph" in page.url
    page.keyboard.press("v")
    _expect_selected(page, "calculator")


@pytest.mark.slow
def test_five_thousand_spans_are_a_window_of_few_nodes(page: Page, site: Site) -> None:
    _open(page, site.url(site.large))
    _expect_selected(page, "lookup")
    expect(page.locator(".wf-axis")).to_contain_text("5,000 spans")
    assert page.evaluate("document.querySelectorAll('*').length") <= 1_500
    page.click("[data-fold-all]")
    scroller = page.locator("[data-tree]")
    height = scroller.evaluate("tree => tree.scrollHeight")
    assert height > 5_000 * 24
    for part in (0.25, 0.5, 1.0, 0.0):
        scroller.evaluate("(tree, part) => tree.scrollTo(0, tree.scrollHeight * part)", part)
        page.wait_for_timeout(100)
        assert page.evaluate("document.querySelectorAll('*').length") <= 1_500
        assert page.locator(".wf-row").count() > 20
    page.locator("[data-tree]").focus()
    page.keyboard.press("End")
    _expect_selected(page, "embedding 4999")
    page.keyboard.press("e")
    _expect_selected(page, "lookup")


def test_pages_know_their_neighbours_in_the_list(page: Page, site: Site) -> None:
    page.goto(f"{site.server.url}/experiments/bluray-agent/traces")
    names = page.locator("tbody tr[data-trace]")
    first, second = (names.nth(at).get_attribute("data-trace") for at in (0, 1))
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(f"/traces/{first}"))
    page.wait_for_selector(".wf-row")
    page.keyboard.press("j")
    page.wait_for_url(re.compile(f"/traces/{second}"))
    expect(page.locator("[data-neighbour='-1']")).to_be_visible()


def test_what_takes_minutes_or_days_has_the_ticks_of_clocks(page: Page, site: Site) -> None:
    _open(page, site.url(site.bluray))
    steps = page.evaluate(
        """async seconds => {
            const script = document.querySelector('script[src*="/components/"]');
            const { TimeAxis } = await import(new URL("time-axis.js", script.src).href);
            const { formatTick } = await import(new URL("format.js", script.src).href);
            return seconds.map(one => {
                const step = new TimeAxis(one * 1e9).stepNs;
                return formatTick(step, step);
            });
        }""",
        [0.004, 12, 200, 260, 900, 3_600, 40_000, 200_000, 9_000_000_000],
    )
    assert steps == ["1 ms", "5 s", "50 s", "1 min", "5 min", "20 min", "3 h", "12 h", "50000 d"]
