"""Answers that come late: what was done meanwhile stays as it is."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import pytest
from playwright.sync_api import Page, Route, expect
from tests.browser.focus import expect_active

from pellucid.core.clock import now_ns
from pellucid.core.run import RunStart, RunWrite
from pellucid.core.run_paths import RUN_WRITES_PATH
from pellucid.core.run_views import RunWriteRequest
from pellucid.testing.live import LiveServer
from pellucid.testing.sample_site import Site
from pellucid.testing.sample_traces import bluray_trace


class Held:
    """Requests that wait until they are let go."""

    def __init__(self, page: Page, address: str) -> None:
        self._page, self._address = page, re.compile(address)
        self._routes: list[Route] = []
        self._is_held = True
        page.route(self._address, self._hold)

    def _hold(self, route: Route) -> None:
        if self._is_held:
            self._routes.append(route)
        else:
            route.continue_()

    @contextmanager
    def answered(self) -> Iterator[None]:
        """Do something while a request is held, then let it go and wait until it was drawn."""
        self.wait()
        yield
        with self._page.expect_event(
            "requestfinished", lambda request: bool(self._address.search(request.url))
        ):
            self._is_held = False
            for route in self._routes:
                route.continue_()
        self._page.evaluate("new Promise((done) => setTimeout(done, 50))")

    def wait(self) -> None:
        """Wait until a request is held."""
        while not self._routes:
            self._page.wait_for_timeout(20)


@pytest.fixture
def trace(page: Page, live_server: LiveServer) -> Site:
    """Return a server whose newest trace is shown, at its first span."""
    site = Site(live_server)
    site.send(site.bluray)
    page.goto(site.url(site.bluray))
    expect(page.locator(".wf-row[aria-selected=true] .nm")).to_have_text("bluray_agent")
    return site


def test_a_tab_of_one_span_is_not_drawn_over_the_next_span(page: Page, trace: Site) -> None:
    span = trace.span_id(trace.bluray, "bluray_agent")
    held = Held(page, f"/spans/{span}.tab=attributes")
    page.click("#tab-attributes")
    with held.answered():
        page.locator(".wf-row", has_text="input_guardrail").click()
        page.wait_for_timeout(500)  # time for the span's own answer, if it were asked for now
    expect(page.locator("#span h2")).to_have_text("input_guardrail")
    expect(page.locator("#span [role=tab][aria-selected=true]")).to_contain_text("Attributes")
    expect(page.locator("#span[aria-busy]")).to_have_count(0)


def test_a_stored_score_is_not_drawn_over_the_next_span(page: Page, trace: Site) -> None:
    page.keyboard.press("a")
    expect_active(page.locator(".annotate [name=note]"))
    held = Held(page, "/annotations$")
    page.click(".annotate [value=good]")
    with held.answered():
        page.locator(".wf-row", has_text="input_guardrail").click()
        expect(page.locator("#span h2")).to_have_text("input_guardrail")
    expect(page.locator("#span h2")).to_have_text("input_guardrail")
    page.keyboard.press("Home")
    expect(page.locator("#span .score-row")).to_have_count(1)


def test_what_is_sought_before_the_spans_come_is_found(page: Page, live_server: LiveServer) -> None:
    site = Site(live_server)
    site.send(site.bluray)
    held = Held(page, "/waterfall$")
    page.goto(site.url(site.bluray))
    with held.answered():
        page.keyboard.press("f")
        page.keyboard.type("calculator")
    expect(page.locator("[data-found]")).to_have_text("1 of 2")


def test_a_place_chosen_in_the_palette_stays_chosen(page: Page, trace: Site) -> None:
    held = Held(page, r"/api/v1/traces\?limit=100")
    page.keyboard.press("Control+k")
    chosen = page.locator("#palette [aria-selected=true] .trunc")
    with held.answered():
        page.keyboard.type("a")
        page.keyboard.press("ArrowDown")
        before = chosen.inner_text()
        assert before != page.locator("#palette [data-at='0'] .trunc").inner_text()
    expect(page.locator("#palette-list")).to_contain_text("bluray-agent")
    expect(chosen).to_have_text(before)


def test_a_picked_row_stays_picked_when_it_changes(page: Page, live_server: LiveServer) -> None:
    site = Site(live_server)
    sample = bluray_trace(age_s=40)
    whole = list(sample.spans)
    sample.spans[:] = whole[:6]
    site.send(sample)
    page.goto(f"{live_server.url}/experiments/bluray-agent/traces")
    row = page.locator(f"#t-{sample.trace_id}")
    expect(row).to_contain_text("1,263")
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.keyboard.press("l")
    sample.spans[:] = whole
    site.send(sample)
    expect(row).to_contain_text("13,520")
    expect(row).to_have_attribute("data-checked", "")
    expect(row).to_have_attribute("aria-selected", "true")
    expect_active(row)


def test_a_note_saved_late_leaves_the_next_field_alone(page: Page, live_server: LiveServer) -> None:
    at = now_ns()
    starts = [
        RunWrite(run_id=digit * 32, experiment="two", time_ns=at, start=RunStart(time_ns=at))
        for digit in "ab"
    ]
    with live_server.client() as client:
        body = msgspec.json.encode(RunWriteRequest(writes=starts))
        assert client.post(RUN_WRITES_PATH, content=body).status_code == 200
    page.goto(f"{live_server.url}/experiments/two/runs?order=number+asc")
    first, second = (page.locator(f"tr[data-run='{digit * 32}']") for digit in "ab")
    held = Held(page, "/edit$")
    first.locator("pl-edit[data-field=notes] button").click()
    page.keyboard.type("first")
    page.keyboard.press("Enter")
    with held.answered():
        second.locator("pl-edit[data-field=notes] button").click()
        page.keyboard.type("sec")
    expect(first.locator("pl-edit[data-field=notes] button")).to_have_text("first")
    page.keyboard.type("ond")
    page.keyboard.press("Enter")
    expect(second.locator("pl-edit[data-field=notes] button")).to_have_text("second")
