"""What one does with traces on the pages: narrow, peek, score, delete, follow a session."""

import re

import pytest
from playwright.sync_api import Page, expect
from tests.browser.focus import expect_active

from pellucid.testing.live import LiveServer
from pellucid.testing.sample_site import Site
from pellucid.testing.sample_traces import bluray_trace

LIST = "/experiments/bluray-agent/traces"


@pytest.fixture
def own_site(live_server: LiveServer) -> Site:
    """Return a server of this test's own, with two traces of one session."""
    site = Site(live_server)
    site.send(site.failed)
    site.send(site.bluray)
    return site


def test_facets_count_and_write_into_the_query(page: Page, site: Site) -> None:
    page.goto(site.server.url + LIST)
    facets = page.locator("#facets")
    expect(facets.locator("h2")).to_contain_text(["Status", "Name", "Kind", "Model", "Tag"])
    expect(facets.get_by_text("gpt-image-1").locator("..")).to_contain_text("1")
    expect(facets.locator(".facet", has_text="error inside")).to_have_attribute(
        "href", re.compile("errors%3E0\\+status%3Aok")
    )
    excluded = facets.locator(".facet", has_text="gpt-4o-mini").get_attribute("data-exclude")
    assert excluded is not None
    assert "query=-model%3Dgpt-4o-mini" in excluded


def test_the_histogram_shows_traces_and_errors(page: Page, site: Site) -> None:
    page.goto(site.server.url + LIST)
    chart = page.locator("#histogram")
    expect(chart.locator("figcaption")).to_contain_text("3 traces")
    expect(chart.locator("figcaption")).to_contain_text("1 error")
    expect(chart.locator("rect.be")).to_have_count(1)
    bar = chart.locator("a").first.get_attribute("href")
    assert bar is not None
    assert "since%3A" in bar
    assert "until%3A" in bar


def test_the_time_menu_writes_into_the_query(page: Page, site: Site) -> None:
    page.goto(f"{site.server.url}{LIST}?query=status:ok")
    page.keyboard.press("t")
    expect_active(page.locator("#time-menu a").first)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("query=status%3Aok\\+since%3A1h"))
    expect(page.locator("[popovertarget=time-menu]")).to_contain_text("Last hour")
    expect(page.locator("tbody tr[data-trace]")).to_have_count(2)


def test_a_facet_narrows_the_list_and_a_second_click_widens_it(page: Page, site: Site) -> None:
    page.goto(site.server.url + LIST)
    page.click("#facets .facet[title^='Image:']")
    page.wait_for_url(re.compile("kind%3AIMAGE"))
    expect(page.locator("tbody tr[data-trace]")).to_have_count(1)
    facet = page.locator("#facets .facet[title^='Image:']")
    expect(facet).to_have_attribute("aria-current", "true")
    facet.click()
    expect(page.locator("tbody tr[data-trace]")).to_have_count(3)
    page.click("#facets .facet[title^='Image:']", modifiers=["Alt"])
    expect(page.locator("tbody tr[data-trace]")).to_have_count(2)


def test_what_was_searched_for_is_marked_in_the_span_that_holds_it(page: Page, site: Site) -> None:
    marked = "[...(CSS.highlights.get('match') ?? [])].map((range) => range.toString())"
    page.goto(f"{site.server.url}{LIST}?query=%22weak+points%22")
    expect(page.locator("tbody tr[data-trace]")).to_have_count(1)
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_selector(".wf-row")
    expect(page.locator("#span h2")).to_have_text("find weak points")
    expect(page.locator("[data-found]")).to_have_text("1 of 1")
    page.goto(f"{site.server.url}{LIST}?query=dual-layer")
    assert "dual-layer" in page.evaluate(marked)
    page.locator("tbody tr[data-trace]").first.click()
    page.wait_for_selector(".wf-row")
    assert "dual-layer" in page.evaluate(marked)
    assert page.evaluate("document.querySelectorAll('mark').length") == 0


def test_the_overview_adds_up_models_and_kinds(page: Page, site: Site) -> None:
    page.goto(site.server.url + "/experiments/bluray-agent")
    expect(page.locator(".tiles")).to_contain_text("3 traces in all")
    rows = page.locator("section[aria-labelledby=by-model] tbody tr")
    row = rows.filter(has_text="gpt-image-1")
    expect(row).to_contain_text("$0.042")
    tools = page.locator("section[aria-labelledby=by-kind] tr", has_text="Tool")
    tools.click()
    page.wait_for_url(re.compile("query=span%28kind%3ATOOL%29"))


def test_the_query_is_tinted_and_completed(page: Page, site: Site) -> None:
    page.goto(site.server.url + LIST)
    page.keyboard.press("/")
    page.keyboard.type("-stat")
    expect(page.locator("#proposals [role=option]").first).to_contain_text("status:")
    page.keyboard.press("Tab")
    expect(page.locator(".query input")).to_have_value("-status:")
    page.keyboard.type("er")
    expect(page.locator("#proposals [role=option]")).to_have_count(1)
    page.keyboard.press("ArrowDown")
    expect(page.locator("#proposals [aria-selected=true]")).to_have_text("error")
    page.keyboard.press("Enter")
    expect(page.locator(".query input")).to_have_value("-status:error ")
    expect(page.locator(".mirror .tint[data-neg]")).to_have_text("-status:error")
    page.keyboard.type("model:gpt-4o")
    expect(page.locator("#proposals")).to_contain_text("gpt-4o-mini")
    expect(page.locator(".mirror .tint")).to_have_count(2)
    page.keyboard.press("Escape")
    expect(page.locator("#proposals")).to_be_hidden()


def test_a_choice_among_proposals_outlives_slow_answers(page: Page, site: Site) -> None:
    page.add_init_script(
        """const plain = window.fetch;
        window.fetch = async (...asked) => {
          const answer = await plain(...asked);
          if (!String(asked[0]).includes("/complete")) return answer;
          await new Promise((done) => setTimeout(done, 300));
          document.documentElement.dataset.answered = "yes";
          return answer;
        };"""
    )
    page.goto(site.server.url + LIST)
    page.keyboard.press("/")
    page.keyboard.type("status:e", delay=30)
    expect(page.locator("html")).to_have_attribute("data-answered", "yes")
    page.keyboard.type("r")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#proposals [aria-selected=true]")).to_have_text("error")
    page.wait_for_timeout(700)
    expect(page.locator("#proposals [aria-selected=true]")).to_have_text("error")
    page.keyboard.press("Enter")
    expect(page.locator(".query input")).to_have_value("status:error ")


def test_a_wrong_query_is_underlined_and_explained(page: Page, site: Site) -> None:
    page.expected_complaints = ("400",)  # type: ignore[attr-defined]
    answer = page.goto(f"{site.server.url}{LIST}?query=duration%3E%3E2s+foo")
    assert answer is not None
    assert answer.status == 400
    expect(page.locator("#fault u")).to_have_text(">2s")
    expect(page.locator("#fault")).to_contain_text("duration>2s")
    expect(page.locator(".mirror [aria-invalid=true]")).to_have_text("duration>>2s")
    expect(page.locator("#facets .facet").first).to_be_visible()


def test_space_peeks_at_a_trace_beside_the_list(page: Page, site: Site) -> None:
    page.goto(site.server.url + LIST)
    page.keyboard.press("j")
    page.keyboard.press("Space")
    peek = page.locator("#peek")
    expect(peek).to_contain_text("batch_agent")
    page.keyboard.press("j")
    expect(peek).to_contain_text("8,568 dual-layer")
    page.keyboard.press("Escape")
    expect(peek).to_be_hidden()


def test_a_person_scores_a_span_and_the_trace(page: Page, own_site: Site) -> None:
    span = own_site.span_id(own_site.bluray, "answer with figures")
    page.goto(own_site.url(own_site.bluray, f"?span={span}"))
    page.wait_for_selector(".wf-row")
    page.keyboard.press("a")
    expect_active(page.locator(".annotate [name=note]"))
    page.keyboard.type("Right rounding.")
    page.fill(".annotate [name=author]", "mira")
    page.click(".annotate [value=good]")
    scores = page.locator("#span .score-row")
    expect(scores).to_have_count(1)
    expect(scores).to_contain_text("Right rounding.")
    expect(scores).to_contain_text("person · mira")
    page.fill(".annotate [name=name]", "concise")
    page.fill(".annotate [name=value]", "0.3")
    page.check(".annotate [name=whole]")
    page.click(".annotate [type=submit]:has-text('Save value')")
    expect(scores).to_have_count(2)
    chips = page.locator(".trace-scores .score")
    expect(chips).to_have_count(2)
    expect(chips.filter(has_text="concise")).to_have_attribute("data-low", "")
    chips.filter(has_text="quality").click()
    expect(page.locator("#score-pop")).to_contain_text("Right rounding.")
    page.goto(own_site.server.url + LIST)
    row = page.locator(f"#t-{own_site.bluray.trace_id}")
    expect(row).to_contain_text("0.30")
    expect(page.locator("thead")).to_contain_text("concise")


def test_traces_are_deleted_after_saying_what_goes(page: Page, own_site: Site) -> None:
    page.goto(own_site.server.url + LIST)
    expect(page.locator("tbody tr[data-trace]")).to_have_count(2)
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.locator(".selection")).to_contain_text("1 trace selected")
    page.click(".selection button:has-text('Delete')")
    expect(page.locator("#ask")).to_contain_text("1 trace with 30 spans")
    expect(page.locator("#ask")).to_contain_text("1 attachment")
    page.click("#ask [data-close]")
    expect(page.locator("tbody tr[data-trace]")).to_have_count(2)
    page.click(".selection button:has-text('Delete')")
    page.click("#ask [type=submit]")
    expect(page.locator("tbody tr[data-trace]")).to_have_count(1)
    own_site.send(own_site.bluray)
    page.reload()
    expect(page.locator("tbody tr[data-trace]")).to_have_count(1)


def test_an_experiment_is_emptied_from_its_menu(page: Page, own_site: Site) -> None:
    page.goto(own_site.server.url + LIST)
    page.click("[aria-label='More actions']")
    page.click("#more-menu .err")
    expect(page.locator("#ask")).to_contain_text("2 traces with 47 spans")
    page.click("#ask [type=submit]")
    page.wait_for_url(own_site.server.url + "/")
    expect(page.locator("h1")).to_have_text("Send your first trace")


def test_orphans_and_instant_spans_are_drawn(page: Page, live_server: LiveServer) -> None:
    site = Site(live_server)
    sample = bluray_trace(age_s=5)
    sample.spans[:] = sample.spans[5:9]
    for span in sample.spans:
        span["endTimeUnixNano"] = span["startTimeUnixNano"]
    site.send(sample)
    page.goto(site.url(sample))
    expect(page.locator(".wf-row")).to_have_count(4)
    expect(page.locator(".wf-row .wf-bar").first).to_be_visible()
    page.keyboard.press("v")
    expect(page.locator(".gn").first).to_be_visible()


def test_a_session_is_a_conversation(page: Page, own_site: Site) -> None:
    page.goto(own_site.server.url + LIST)
    page.keyboard.press("g")
    page.keyboard.press("s")
    row = page.locator("tbody tr")
    expect(row).to_contain_text("chat-7")
    expect(row).to_contain_text("1 failed")
    row.click()
    turns = page.locator(".turn")
    expect(turns).to_have_count(2)
    expect(turns.nth(0)).to_contain_text("429 Too Many Requests")
    expect(turns.nth(1).locator("strong").first).to_have_text("8,568 dual-layer (50 GB) discs")
    turns.nth(1).locator(".margin a").click()
    page.wait_for_url(re.compile(own_site.bluray.trace_id))


def test_a_running_span_is_shown_and_then_finishes(page: Page, live_server: LiveServer) -> None:
    site = Site(live_server)
    sample = bluray_trace(age_s=40)
    whole = list(sample.spans)
    root = whole[0]
    finished = dict(root)
    root["attributes"] = [
        *root["attributes"],
        {"key": "pellucid.pending", "value": {"boolValue": True}},
    ]
    sample.spans[:] = whole[:6]
    site.send(sample)
    page.goto(site.url(sample))
    expect(page.locator(".status-fact")).to_contain_text("Running")
    expect(page.locator("#span .strip")).to_contain_text("Still running")
    expect(page.locator(".wf-row[data-running]")).to_have_count(1)
    sample.spans[:] = [finished, *whole[1:]]
    site.send(sample)
    expect(page.locator(".wf-axis")).to_contain_text("30 spans")
    expect(page.locator(".wf-row[data-running]")).to_have_count(0)
    expect(page.locator(".status-fact")).to_contain_text("OK")


def test_dropped_attributes_are_said_plainly(page: Page, live_server: LiveServer) -> None:
    site = Site(live_server)
    sample = bluray_trace(age_s=10)
    sample.spans[0]["droppedAttributesCount"] = 7
    site.send(sample)
    page.goto(site.url(sample))
    expect(page.locator(".note.warn")).to_contain_text("7 attributes dropped in 1 span")
    expect(page.locator("#span .strip.warn")).to_contain_text("7 attributes")
