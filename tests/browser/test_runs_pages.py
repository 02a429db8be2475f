"""The pages of runs in a real browser: the best of sixty iterations, and what one does with it."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator

import httpx
import msgspec
import pytest
from playwright.sync_api import Page, expect
from tests.browser.accessible import expect_accessible

from pellucid.core.clock import now_ns
from pellucid.core.digest import digest_bytes
from pellucid.core.run import (
    ArtifactWrite,
    MetricWrite,
    ParamWrite,
    RunEnd,
    RunStart,
    RunStatus,
    RunWrite,
    Stamped,
    TagWrite,
)
from pellucid.core.run_paths import ARTIFACTS_PATH, RUN_WRITES_PATH
from pellucid.core.run_views import RunWriteRequest
from pellucid.testing.live import LiveServer

HOSTILE = "\"><img src=x onerror=alert(1)><script>alert(2)</script>'"
HOSTILE_HTML = (
    b"<h1>Report</h1><script>top.document.title='taken'</script>"
    b"<img src='http://127.0.0.1:9/leak.png'>"
)
RUNS = "/experiments/bluray-agent/runs"


@pytest.fixture(scope="module")
def runs_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """Return a server with sixty runs, and one of hostile names in an experiment of its own."""
    server = LiveServer(tmp_path_factory.mktemp("runs")).start()
    try:
        subprocess.run(
            [sys.executable, "-m", "pellucid.demo.seed_runs", "--url", server.url],
            check=True,
            env={**os.environ, "PELLUCID_SPOOL_DIR": str(server.spool_dir)},
            timeout=120,
            stdout=subprocess.DEVNULL,
        )
        with server.client() as client:
            _log_hostile(client)
        yield server
    finally:
        server.stop()


def _log_hostile(client: httpx.Client) -> None:
    at = now_ns()
    digest = digest_bytes(HOSTILE_HTML)
    client.post(f"{ARTIFACTS_PATH}/{digest}?size={len(HOSTILE_HTML)}", content=HOSTILE_HTML)
    write = RunWrite(
        run_id="ab" * 16,
        experiment=f"odd {HOSTILE}",
        time_ns=at,
        start=RunStart(time_ns=at),
        name=Stamped(value=HOSTILE, time_ns=at),
        params=[
            ParamWrite(name=HOSTILE, value=HOSTILE, time_ns=at),
            ParamWrite(name="k", value=1, time_ns=at),
            ParamWrite(name="k", value=2, time_ns=at + 1),
        ],
        metrics=[MetricWrite(HOSTILE, float(step), step, at + step) for step in (1, 2, 3)],
        tags=[TagWrite(name=HOSTILE, value=HOSTILE, time_ns=at)],
        notes=Stamped(value=HOSTILE, time_ns=at),
        artifacts=[
            ArtifactWrite(
                path=f"{HOSTILE}.html",
                digest=digest,
                size_bytes=len(HOSTILE_HTML),
                media_type="text/html",
                time_ns=at,
                kind="html",
            )
        ],
        end=RunEnd(time_ns=at + 9, status=RunStatus.FAILED, error=HOSTILE),
    )
    other = msgspec.structs.replace(write, run_id="cd" * 16, params=write.params[:1])
    body = msgspec.json.encode(RunWriteRequest(writes=[write, other]))
    answer = client.post(RUN_WRITES_PATH, content=body)
    assert answer.status_code == 200, answer.text


def _run_id(server: LiveServer, number: int) -> str:
    with server.client() as client:
        answer = client.get("/api/v1/runs/resolve", params={"run": f"bluray-agent@{number}"})
    return str(answer.json()["id"])


def test_the_best_of_sixty_is_three_clicks_from_home(page: Page, runs_site: LiveServer) -> None:
    page.goto(runs_site.url)
    page.click(f"a[href='{RUNS}']")
    page.click("text=Best: #12")
    expect(page.locator("h1")).to_contain_text("#12")
    expect(page.locator(".run-head")).to_contain_text("best accuracy of 60 runs")
    expect(page.locator(".run-head")).to_contain_text(
        "pellucid restore bluray-agent@12 --to ./run-12"
    )
    expect(page.locator(".run-head")).to_contain_text("pellucid serve bluray-agent@12 --port 8000")


def test_the_chart_climbs_to_the_best_run(page: Page, runs_site: LiveServer) -> None:
    page.goto(runs_site.url + RUNS)
    label = page.locator("#history .best-label")
    expect(label).to_have_text("0.912 #12")
    expect(page.locator("#history path.pt")).to_have_count(60)
    expect(page.locator("svg.spark").first).to_be_attached()


def test_headers_sort_and_the_query_narrows(page: Page, runs_site: LiveServer) -> None:
    page.goto(runs_site.url + RUNS)
    page.click("thead >> text=accuracy")
    page.wait_for_url(re.compile("order=metric.accuracy\\+desc"))
    expect(page.locator("tbody tr[data-run]").first).to_contain_text("#12")
    page.fill(".query input", "param.k:6 metric.accuracy>0.9")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("query=param.k"))
    assert "order=metric.accuracy" in page.url
    expect(page.locator("tbody tr[data-run]")).to_have_count(1)
    expect(page.locator(".foot")).to_contain_text("1 match of 60 runs")


def test_a_wrong_query_is_underlined_and_explained(page: Page, runs_site: LiveServer) -> None:
    page.expected_complaints = ["400 (Bad Request)"]  # type: ignore[attr-defined]
    page.goto(f"{runs_site.url}{RUNS}?query=duration>2s")
    expect(page.locator("#fault")).to_be_visible()
    expect(page.locator(".empty h3")).to_have_text("The query cannot be read")


def test_the_query_bar_knows_the_fields_of_runs(page: Page, runs_site: LiveServer) -> None:
    page.goto(runs_site.url + RUNS)
    page.click(".query input")
    page.keyboard.type("metric.acc")
    expect(page.locator(".proposals [role=option]").first).to_contain_text("accuracy")


def test_columns_are_chosen_and_stay_in_the_address(page: Page, runs_site: LiveServer) -> None:
    page.goto(runs_site.url + RUNS)
    page.click("button:has-text('Columns')")
    page.check("#column-menu input[value='metric.loss']")
    page.uncheck("#column-menu input[value='param.k']")
    page.click("#column-menu >> text=Show")
    page.wait_for_url(re.compile("col=metric.loss"))
    assert "col=param.k&" not in page.url + "&"
    expect(page.locator("thead")).to_contain_text("loss")


def test_a_pinned_baseline_stays_on_top_with_changes_against_it(
    page: Page, runs_site: LiveServer
) -> None:
    page.goto(f"{runs_site.url}{RUNS}?order=number+asc")
    page.keyboard.press("j")
    page.keyboard.press("b")
    page.wait_for_url(re.compile("baseline=1"))
    expect(page.locator("tr.pin")).to_contain_text("#1")
    expect(page.locator("thead")).to_contain_text("vs #1")
    best = page.locator("tbody tr[data-number='12']:not(.pin)")
    expect(best.locator(".better").first).to_contain_text("+")


def test_grouping_counts_each_value(page: Page, runs_site: LiveServer) -> None:
    page.goto(f"{runs_site.url}{RUNS}?group=param.embedder")
    groups = page.locator("tr.grp")
    expect(groups).to_have_count(2)
    expect(groups.first).to_contain_text("embedder: 3-small 29 runs")
    groups.first.locator("a").click()
    expect(page.locator("tbody tr[data-run]")).to_have_count(29)


def test_two_ticked_rows_are_compared(page: Page, runs_site: LiveServer) -> None:
    page.goto(f"{runs_site.url}{RUNS}?order=number+asc")
    page.locator("tr[data-number='12'] input").check()
    page.locator("tr[data-number='8'] input").check()
    expect(page.locator("[data-compare]")).to_contain_text("#12, #8")
    page.keyboard.press("c")
    page.wait_for_url(re.compile("/compare\\?runs="))
    expect(page.locator(".verdict h1")).to_contain_text("better in")
    expect(page.locator(".compare-side")).to_contain_text("agent.py")


def test_comparing_shows_words_of_prompts_and_lines_of_code(
    page: Page, runs_site: LiveServer
) -> None:
    ids = f"{_run_id(runs_site, 8)},{_run_id(runs_site, 12)}"
    page.goto(f"{runs_site.url}/compare?runs={ids}")
    expect(page.locator(".diff.words ins").first).to_contain_text("exact")
    expect(page.locator(".diff.words del").first).to_be_visible()
    expect(page.locator(".file-change .a").first).to_be_visible()
    expect(page.locator(".image-cells img").first).to_be_visible()
    expect(page.locator(".verdict p")).to_contain_text("may be chance")
    page.keyboard.press("s")
    page.wait_for_url(re.compile(f"runs={_run_id(runs_site, 12)},"))
    expect(page.locator(".compare-head").first).to_contain_text("#12")


def test_five_runs_fit_and_six_do_not(page: Page, runs_site: LiveServer) -> None:
    page.expected_complaints = ["400 (Bad Request)"]  # type: ignore[attr-defined]
    names = ",".join(f"bluray-agent@{number}" for number in (12, 20, 30, 40, 52))
    page.goto(f"{runs_site.url}/compare?runs={names}")
    expect(page.locator(".compare-head")).to_have_count(5)
    expect(page.locator(".verdict h1")).to_contain_text("#12 leads")
    page.locator(".compare-side .seg a", has_text="#30").click()
    expect(page.locator(".compare-side .seg a[aria-current=true]")).to_have_text("#30")
    answer = page.goto(f"{runs_site.url}/compare?runs={names},bluray-agent@3")
    assert answer is not None
    assert answer.status == 400


def test_notes_and_tags_are_edited_where_they_stand(page: Page, runs_site: LiveServer) -> None:
    page.goto(f"{runs_site.url}{RUNS}?order=number+asc")
    row = page.locator("tr[data-number='3']")
    row.locator("pl-edit[data-field=notes] button").click()
    page.keyboard.type("to be tried again")
    page.keyboard.press("Enter")
    expect(row).to_contain_text("to be tried again")
    row.locator("pl-edit[data-field='tag.idea'] button").click()
    page.keyboard.type("kept")
    page.keyboard.press("Enter")
    expect(row.locator("pl-edit[data-field='tag.idea']")).to_have_text("kept")
    page.reload()
    expect(page.locator("tr[data-number='3']")).to_contain_text("to be tried again")
    page.goto(f"{runs_site.url}/runs/{_run_id(runs_site, 3)}")
    page.click("text=Add a tag")
    page.keyboard.type("owner: mira")
    page.keyboard.press("Enter")
    expect(page.locator(".tag-list")).to_contain_text("mira")


def test_a_run_shows_its_charts_files_and_snapshot(page: Page, runs_site: LiveServer) -> None:
    base = f"{runs_site.url}/runs/{_run_id(runs_site, 12)}"
    page.goto(base)
    expect(page.locator("pl-plot path.line")).to_have_count(2)
    page.locator(".plot-area").first.hover()
    expect(page.locator(".plot-tip").first).to_contain_text("step")
    page.click("text=Strong")
    expect(page.locator("path.line.raw").first).to_be_attached()
    page.click("a.tab:has-text('Artifacts')")
    expect(page.locator(".tbl.free")).to_contain_text("How high?")
    page.click(".file-list >> text=report.html")
    frame = page.frame_locator("iframe.sandbox")
    expect(frame.locator("h1")).to_have_text("Run 12")
    page.click("a.tab:has-text('Snapshot')")
    expect(page.locator(".file-text")).to_contain_text("def answer")
    page.click(".file-list >> text=prompt.txt")
    expect(page.locator(".file-text")).to_contain_text("exact figures")
    page.click("a.tab:has-text('Traces')")
    expect(page.locator("tr[data-trace]")).to_have_count(1)


def test_the_gallery_finds_by_prompt_and_steps_through_a_run(
    page: Page, runs_site: LiveServer
) -> None:
    page.goto(f"{runs_site.url}/experiments/bluray-agent/images")
    page.fill("input[name=text]", "8,568 daylight")
    page.fill("input[name=run]", "12")
    page.keyboard.press("Enter")
    expect(page.locator("a.im")).to_have_count(3)
    page.locator("a.im").first.click()
    expect(page.locator(".image-pane")).to_contain_text("#12")
    before = page.locator(".image-full").get_attribute("src")
    page.locator(".step-slider input").focus()
    page.keyboard.press("Home")
    expect(page.locator(".step-slider output")).to_have_text("1")
    assert page.locator(".image-full").get_attribute("src") != before
    page.click("text=Put side by side")
    page.locator("a.im").nth(1).click()
    page.click("text=Put side by side")
    expect(page.locator(".beside figure")).to_have_count(2)


def test_hostile_names_do_nothing(page: Page, runs_site: LiveServer) -> None:
    # The frame asks for nothing and runs nothing; the browser says so.
    page.expected_complaints = [  # type: ignore[attr-defined]
        "Blocked script execution",
        "leak.png",
        "/html?path=",
    ]
    with runs_site.client() as client:
        listed = client.get("/api/v1/experiments").json()["experiments"]
    slug = next(one["slug"] for one in listed if one["name"].startswith("odd"))
    run = "ab" * 16
    addresses = [
        f"/experiments/{slug}/runs?group=tag.{HOSTILE}",
        f"/experiments/{slug}/images?text={HOSTILE}",
        *(f"/runs/{run}?tab={tab}" for tab in ("overview", "metrics", "traces", "snapshot")),
        f"/compare?runs={run},{'cd' * 16}",
        f"/runs/{run}?tab=files",
    ]
    for address in addresses:
        page.goto(runs_site.url + address)
        assert page.locator("img[src=x]").count() == 0
    expect(page.locator("iframe.sandbox")).to_be_visible()
    page.goto(f"{runs_site.url}/experiments/{slug}/runs")
    page.click("button:has-text('Columns')")
    expect(page.locator("#column-menu label").first).to_be_visible()
    assert page.title() != "taken"
    page.goto(f"{runs_site.url}/runs/{run}")
    expect(page.locator(".strip.warn")).to_contain_text("was logged with several values")
    expect(page.locator(".run-error")).to_contain_text("onerror")


def test_an_experiment_without_runs_says_how_to_log_one(page: Page, site: object) -> None:
    url = site.server.url  # type: ignore[attr-defined]
    page.goto(f"{url}{RUNS}")
    expect(page.locator(".empty h1")).to_have_text("No runs yet")
    expect(page.locator("#first-run")).to_contain_text("pellucid.start_run")
    page.goto(f"{url}/experiments/bluray-agent/images")
    expect(page.locator(".empty h1")).to_have_text("No images yet")
    page.goto(f"{url}/compare")
    expect(page.locator(".empty h1")).to_have_text("Choose two runs")


def test_one_click_says_which_way_a_metric_is_better(page: Page, runs_site: LiveServer) -> None:
    ids = [_run_id(runs_site, number) for number in (3, 12)]
    page.goto(f"{runs_site.url}/compare?runs={','.join(ids)}")
    row = page.locator("pl-goal").filter(has_text="guessed").first
    name = row.get_attribute("data-name")
    expect(row).to_be_visible()
    row.locator("button[aria-pressed=true]").click()
    declared = page.locator(f"pl-goal[data-name='{name}']")
    expect(declared).not_to_contain_text("guessed")
    with runs_site.client() as client:
        told = client.get("/api/v1/measures", params={"experiment": "bluray-agent"}).json()
    assert name in told["measures"]
    bad = {"experiment": "none", "name": "x", "direction": "minimize"}
    with runs_site.client() as client:
        assert client.post("/api/v1/measures", json=bad).status_code == 404
        assert client.post("/api/v1/measures", json={**bad, "direction": "up"}).status_code == 400


def test_a_brush_on_a_param_narrows_the_table(page: Page, runs_site: LiveServer) -> None:
    page.goto(runs_site.url + RUNS)
    page.get_by_role("link", name="By params").click()
    axes = page.locator("pl-parallel .par-axis")
    expect(axes.last).to_have_text(re.compile("accuracy"))
    names = axes.locator(".par-name").all_text_contents()
    axis = axes.nth(names.index("k"))
    box = axis.bounding_box()
    assert box is not None
    middle = box["x"] + box["width"] / 2
    page.mouse.move(middle, box["y"] + box["height"] * 0.45)
    page.mouse.down()
    page.mouse.move(middle, box["y"], steps=5)
    page.mouse.up()
    expect(page).to_have_url(re.compile(r"chart=params"))
    query = page.get_by_role("searchbox").or_(page.locator("input[name=query]")).first
    expect(query).to_have_value(re.compile(r"^param\.k>=\d"))
    with runs_site.client() as client:
        asked = {"experiment": "bluray-agent", "query": query.input_value()}
        count = client.get("/api/v1/runs/count", params=asked).json()["count"]
    assert 0 < count < 60
    expect(page.locator("table[data-rows=runs] tbody tr[data-run]")).to_have_count(count)
    # The stretch is drawn again from what the address asks for.
    expect(axis.locator(".par-brush")).to_be_visible()
    expect(axis).to_have_attribute("aria-valuetext", re.compile(r"^\d.* to 12$"))

    # The same by keys: a category, then all of it again.
    categories = page.locator("pl-parallel .par-axis", has_text="model")
    categories.focus()
    categories.press("Enter")
    expect(query).to_have_value(re.compile(r'param\.model="'))
    page.locator("pl-parallel .par-axis", has_text="model").press("Escape")
    expect(query).to_have_value(re.compile(r"^param\.k>=\S+$"))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_have_names_roles_and_contrast(page: Page, runs_site: LiveServer, theme: str) -> None:
    page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    first, best = _run_id(runs_site, 1), _run_id(runs_site, 12)
    page.goto(f"{runs_site.url}{RUNS}?chart=params")
    expect(page.locator(".par-axis").first).to_be_visible()
    expect_accessible(page)
    page.goto(f"{runs_site.url}/runs/{best}")
    expect_accessible(page)
    page.goto(f"{runs_site.url}/compare?runs={first},{best}")
    expect_accessible(page)
    page.goto(f"{runs_site.url}/experiments/bluray-agent/images")
    expect_accessible(page)


def test_a_run_is_deleted_after_its_bytes_were_told(page: Page, runs_site: LiveServer) -> None:
    # The last of this module: the others count sixty runs.
    run_id = _run_id(runs_site, 60)
    page.goto(f"{runs_site.url}/runs/{run_id}")
    page.get_by_role("button", name="Delete run").click()
    dialog = page.locator("form.ask")
    expect(dialog).to_contain_text(re.compile(r"frees [\d.,]+ .?B within minutes: \d+ files?"))
    dialog.get_by_role("button", name="Keep").click()
    expect(page.locator("form.ask")).not_to_be_visible()
    page.get_by_role("button", name="Delete run").click()
    page.locator("form.ask").get_by_role("button", name="Delete run #60").click()
    expect(page).to_have_url(re.compile(r"/experiments/bluray-agent/runs"))
    with runs_site.client() as client:
        assert client.get(f"/api/v1/runs/{run_id}").status_code == 404
        assert client.get("/api/v1/garbage").json()["footprint"]["artifact_count"] >= 1
