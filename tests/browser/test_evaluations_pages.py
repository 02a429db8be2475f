"""Evaluations in a browser: the list, one against another, its examples, filters, a sweep."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from tests.browser.accessible import expect_accessible

from pellucid.testing.live import LiveServer

HOSTILE = '<img src=x onerror="window.pwned=1"><script>window.pwned=1</script>\' " {{ 7*7 }}'
HOSTILE_EVALUATIONS = f"""
import pellucid
HOSTILE = {HOSTILE!r}
def ok(output): return pellucid.Score(0.2 if "3" in output else 0.9, HOSTILE)
def label(output): return HOSTILE
def breaks(output): raise ValueError(HOSTILE)
def task(question):
    if "4" in question: raise ValueError(HOSTILE)
    return question + HOSTILE
data = [{{"inputs": {{"question": f"{{n}} {{HOSTILE}}"}}, "expected": HOSTILE,
         "metadata": {{HOSTILE: f"{{n % 2}} {{HOSTILE}}", "javascript:alert(1)": "javascript:1"}}}}
        for n in range(6)]
pellucid.init(experiment="hostile")
for name in (HOSTILE, "second " + HOSTILE):
    report = pellucid.evaluate(task, data=data, scorers=[ok, label, breaks], name=name,
                               resume=False, progress=False)
print(report.run.id)
pellucid.shutdown()
"""


@dataclass
class Seeded:
    """A server with the seeded evaluations and a hostile one."""

    url: str
    first: str
    second: str
    sweep: str
    hostile: str

    def page(self, suffix: str = "") -> str:
        """Return the address of the second evaluation."""
        return f"{self.url}/evaluations/{self.second}{suffix}"


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seeded]:
    folder = tmp_path_factory.mktemp("evaluations")
    server = LiveServer(folder).start()
    try:
        seed = _run(folder, server, "-m", "pellucid.demo.seed_evaluations", "--url", server.url)
        first, second, sweep = [line.rpartition("/")[2] for line in seed.split()]
        hostile = _run(folder, server, "-c", HOSTILE_EVALUATIONS).strip()
        yield Seeded(url=server.url, first=first, second=second, sweep=sweep, hostile=hostile)
    finally:
        server.stop()


def _run(folder: Path, server: LiveServer, *arguments: str) -> str:
    project = folder / "project"
    project.mkdir(exist_ok=True)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PELLUCID_")},
        "PELLUCID_URL": server.url,
        "PELLUCID_SPOOL_DIR": str(folder / "client"),
        "PELLUCID_PROJECT_DIR": str(project),
    }
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_picked_evaluations_are_compared_side_by_side(page: Page, seeded: Seeded) -> None:
    page.goto(f"{seeded.url}/experiments/media-qa/evaluations")
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(3)
    expect(rows.nth(0)).to_contain_text("sweep")
    expect(rows.nth(1)).to_contain_text("round up, k 5")
    expect(rows.nth(1).locator(".mean").first).to_have_attribute("title", re.compile("95 %"))
    expect(page.locator("button[data-compare]")).to_be_disabled()
    page.keyboard.press("j")
    for _ in range(2):
        page.keyboard.press("j")
        page.keyboard.press("x")
    expect(page.locator("#picked")).to_have_text("2 picked")
    page.keyboard.press("c")
    page.wait_for_url(re.compile(f"/evaluations/compare\\?runs={seeded.first},{seeded.second}"))
    expect(page.locator("h1")).to_have_text(re.compile(r"#2 is better (in part )?"))
    expect(page.locator("tbody[data-group]").first).to_contain_text("2 failed in one at least")
    expect(page.locator("#example")).to_be_hidden()
    page.keyboard.press("r")
    pane = page.locator("#example")
    expect(pane.locator("article")).to_have_count(2)
    expect(pane.locator("ins").first).to_be_visible()
    page.keyboard.press("Escape")
    expect(pane).to_be_hidden()
    page.click(".seg a:has-text('Regressions')")
    expect(page.locator("tr[data-example]")).to_have_count(3)
    page.click(".sides-scores th a:has-text('concise')")
    page.wait_for_url(re.compile("score=concise"))
    expect(page.locator("tr[data-chosen] th")).to_contain_text("concise")
    page.keyboard.press("s")
    page.wait_for_url(re.compile(f"runs={seeded.second},{seeded.first}"))


def test_the_verdict_comes_first(page: Page, seeded: Seeded) -> None:
    page.goto(seeded.page())
    # What the machine does to latency_s may go either way, and the verdict says so.
    expect(page.locator("h1")).to_have_text(
        re.compile(r"#2 is better (than #1|at correctness, .*, worse at latency_s)")
    )
    verdict = page.locator(".verdict")
    expect(verdict).to_contain_text(re.compile(r"correctness rose from .* to .*, p <0\.001"))
    expect(verdict).to_contain_text("2 of 40 examples failed.")
    card = page.locator(".scard").filter(has_text="exact_count")
    expect(card.locator(".badge")).to_have_text("↑ better")
    expect(page.locator("tbody[data-group]")).to_have_count(4)
    groups = page.locator("tbody[data-group]")
    names = groups.evaluate_all("all => all.map((one) => one.dataset.group)")
    assert names == ["error", "worse", "unscored", "ok"]
    expect(page.locator("#example-body")).to_contain_text("TimeoutError")


def test_the_first_evaluation_has_nothing_to_be_compared_with(page: Page, seeded: Seeded) -> None:
    page.goto(f"{seeded.url}/evaluations/{seeded.first}")
    expect(page.locator("h1")).to_have_text("#1 stands alone")
    page.click("button[popovertarget=baseline-menu]")
    page.click("#baseline-menu a:has-text('#2')")
    expect(page.locator("h1")).to_have_text(
        re.compile("#1 is (worse than #2|better at latency_s, worse at correctness)")
    )


def test_r_goes_to_the_next_regression_and_the_pane_follows(page: Page, seeded: Seeded) -> None:
    page.goto(seeded.page())
    for number in ("34", "19"):
        page.keyboard.press("r")
        expect(page.locator("tr[data-example][aria-selected=true]")).to_contain_text(number)
        expect(page.locator("#example")).to_contain_text(f"Example {number}")
    body = page.locator("#example")
    expect(body).to_contain_text("↓ regression")
    expect(body).to_contain_text("801 is 1 more than the 800 needed")
    expect(body.locator(".before")).to_contain_text("#1 said")
    chosen = page.evaluate("new URL(location.href).searchParams.get('example')")
    page.reload()
    expect(page.locator("tr[data-example][aria-selected=true]")).to_have_attribute(
        "data-example", chosen
    )
    page.keyboard.press("j")
    expect(page.locator("#example")).to_contain_text("Example 29")
    page.keyboard.press("Escape")
    expect(page.locator("#example")).to_be_hidden()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/traces/[0-9a-f]{32}"))


def test_a_click_opens_an_example_without_leaving(page: Page, seeded: Seeded) -> None:
    page.goto(seeded.page())
    page.locator("tbody[data-group=ok] tr[data-example]").first.locator("a.row-link").click()
    expect(page.locator("#example")).to_contain_text("Example 1")
    expect(page).to_have_url(re.compile("/evaluations/"))
    page.click("#example .score-row a[title*=judge]")
    page.wait_for_url(re.compile("/traces/[0-9a-f]{32}"))
    expect(page.locator("h1")).to_be_visible()


def test_an_example_that_cannot_be_loaded_is_not_shown_as_the_one_before(
    page: Page, seeded: Seeded
) -> None:
    page.expected_complaints = ("ERR_FAILED", "htmx:")  # type: ignore[attr-defined]
    page.goto(seeded.page())
    page.keyboard.press("j")
    head = page.locator("#example .ex-head")
    expect(head).to_contain_text(re.compile(r"Example \d+"))
    gone = re.compile(r"/example\?id=")
    page.route(gone, lambda route: route.abort())
    page.keyboard.press("j")
    expect(page.locator("#example")).to_contain_text("This example could not be loaded")
    asked = page.locator("tr[data-example][aria-selected=true] .row-link").text_content()
    assert asked
    expect(head.locator("b")).to_have_text(asked)
    expect(head).not_to_contain_text("Example")
    page.unroute(gone)
    page.keyboard.press("k")
    expect(head).to_contain_text(re.compile(r"Example \d+"))


def test_filters_slices_and_scores_are_in_the_address(page: Page, seeded: Seeded) -> None:
    page.goto(seeded.page())
    page.keyboard.press("/")
    page.keyboard.type("score.exact_count:false metadata.medium:micro*")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("query=score"))
    expect(page.locator("tr[data-example]")).to_have_count(1)
    expect(page.locator(".foot")).to_contain_text("1 of 40")
    page.click("a[aria-label='Clear filter']")
    expect(page.locator("tr[data-example]")).to_have_count(40)
    page.keyboard.press("s")
    page.click("#slice-menu a:has-text('medium')")
    slices = page.locator(".slices tbody tr")
    expect(slices).to_have_count(8)
    slices.filter(has_text="microSD").locator("a").click()
    expect(page.locator("tr[data-example]")).to_have_count(5)
    page.click(".scard h2 a:has-text('concise')")
    page.wait_for_url(re.compile("score=concise"))
    expect(page.locator(".scard[data-chosen] h2")).to_have_text("concise")


def test_a_wrong_filter_is_underlined(page: Page, seeded: Seeded) -> None:
    page.expected_complaints = ("400",)  # type: ignore[attr-defined]
    page.goto(seeded.page("?query=kind:LLM"))
    expect(page.locator("#fault")).to_be_visible()
    page.click(".empty a:has-text('Clear filter')")
    expect(page.locator("tr[data-example]")).to_have_count(40)


def test_the_judges_prompt_can_be_read(page: Page, seeded: Seeded) -> None:
    page.goto(seeded.page())
    page.click(".scard button:has-text('judge')")
    pane = page.locator("#example")
    expect(pane).to_contain_text("version 1")
    expect(pane).to_contain_text("openai:gpt-4o-mini")
    expect(pane.locator(".prompt .code")).to_contain_text("{{ expected }}")


def test_a_sweep_shows_front_heat_and_what_mattered(page: Page, seeded: Seeded) -> None:
    page.goto(f"{seeded.url}/sweeps/{seeded.sweep}")
    expect(page.locator("h1")).to_have_text(re.compile(r"rounding up, k \d: best exact_count"))
    expect(page.locator(".pareto a")).to_have_count(8)
    expect(page.locator(".heatmap td")).to_have_count(8)
    expect(page.locator(".shares > div").first).to_contain_text("rounding")
    expect(page.locator("table[data-rows] tbody tr")).to_have_count(8)
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/evaluations/[0-9a-f]{32}"))


def test_a_brush_on_an_axis_keeps_the_rows_that_cross_there(page: Page, seeded: Seeded) -> None:
    page.goto(f"{seeded.url}/sweeps/{seeded.sweep}")
    plot = page.locator("pl-parallel")
    note = page.locator(".par-note")
    expect(note).to_contain_text("8 rows")
    names = plot.locator(".par-name").all_text_contents()
    assert names[:3] == ["rounding", "k", "exact_count"]
    page.evaluate("document.fonts.ready")  # until then the page may still move
    axis = plot.locator(".par-axis").nth(1)
    axis.scroll_into_view_if_needed()
    box = axis.bounding_box()
    assert box is not None
    x = box["x"] + box["width"] / 2
    page.mouse.move(x, box["y"] + 1)
    page.mouse.down()
    page.mouse.move(x, box["y"] + box["height"] * 0.6, steps=4)
    page.mouse.up()
    rows = page.locator("#configurations tbody tr:visible")
    expect(rows).to_have_count(4)  # k is 4 or 8
    expect(note).to_contain_text("4 of 8 rows")
    expect(page).to_have_url(re.compile("brush=k"))
    page.reload()
    expect(rows).to_have_count(4)
    expect(axis.locator(".par-brush")).to_be_visible()
    axis.focus()
    page.set_viewport_size({"width": 1300, "height": 800})  # drawn anew, it keeps the focus
    expect(axis).to_be_focused()
    page.keyboard.press("Escape")
    expect(rows).to_have_count(8)
    for _ in range(3):
        page.keyboard.press("ArrowUp")
    expect(rows).to_have_count(4)  # the least k is out of the brush, and the next one
    expect(page).not_to_have_url(re.compile("brush=k:0.000"))


def test_a_run_that_is_no_evaluation_says_so(page: Page, seeded: Seeded) -> None:
    page.expected_complaints = ("404",)  # type: ignore[attr-defined]
    page.goto(f"{seeded.url}/evaluations/{seeded.sweep}")
    expect(page.locator("main")).to_contain_text("is no evaluation")


def test_hostile_evaluations_stay_text(page: Page, seeded: Seeded) -> None:
    page.goto(f"{seeded.url}/experiments/hostile/evaluations")
    expect(page.locator("main")).to_contain_text("<img src=x onerror=")
    page.goto(f"{seeded.url}/evaluations/{seeded.hostile}")
    expect(page.locator("tr[data-example]")).to_have_count(6)
    for _ in range(6):
        page.keyboard.press("j")
        expect(page.locator("#example[aria-busy]")).to_have_count(0)
    page.keyboard.press("s")
    page.locator("#slice-menu a").nth(1).click()
    expect(page.locator(".slices tbody tr")).to_have_count(2)
    page.locator(".slices tbody a").first.click()
    expect(page.locator("tr[data-example]")).to_have_count(3)
    assert page.evaluate("window.pwned") is None
    assert page.locator("main script, main img").count() == 0
    links = page.locator("main a").evaluate_all("all => all.map((one) => one.getAttribute('href'))")
    assert all(link.startswith(("/", "?")) for link in links)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_have_names_roles_and_contrast(page: Page, seeded: Seeded, theme: str) -> None:
    page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    page.goto(f"{seeded.url}/experiments/media-qa/evaluations")
    expect_accessible(page)
    page.goto(seeded.page())
    expect_accessible(page)
    page.goto(f"{seeded.url}/sweeps/{seeded.sweep}")
    expect(page.locator(".par-axis").first).to_be_visible()
    expect_accessible(page)
    page.goto(f"{seeded.url}/evaluations/compare?runs={seeded.first},{seeded.second}")
    expect_accessible(page)


@pytest.mark.parametrize("width", [768, 1024, 1440, 2560])
def test_no_page_scrolls_sideways(page: Page, seeded: Seeded, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    for address in (
        f"{seeded.url}/experiments/media-qa/evaluations",
        seeded.page("?by=medium"),
        f"{seeded.url}/sweeps/{seeded.sweep}",
        f"{seeded.url}/evaluations/compare?runs={seeded.first},{seeded.second}",
    ):
        page.goto(address)
        wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        assert not page.evaluate(wide), (address, width)
