"""Judges in a browser, and the review of an evaluation by key."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import Page, expect

from pellucid.testing.live import LiveServer

SEED = """
import json, pellucid
pellucid.init(experiment="clear")
PROMPT = "Is it clear?\\n\\n<answer>{{ output }}</answer>"
def model(prompt):
    return json.dumps({"rationale": "because", "choice": "clear" if "3" not in prompt else "odd"})
def task(question): return "answer " + question
data = [{"inputs": {"question": str(n)}, "metadata": {"part": n % 2}} for n in range(6)]
for prompt in (PROMPT, PROMPT.replace("clear?", "clear, and short?")):
    judge = pellucid.make_judge("clarity", prompt, choices={"clear": 1, "odd": 0}, model=model)
    report = pellucid.evaluate(task, data, [judge, lambda output: len(output) / 10],
                               resume=False, progress=False)
    print(report.run.id)
pellucid.shutdown()
"""


class Seeded(NamedTuple):
    """A server with two evaluations, each by another version of one judge."""

    url: str
    first: str
    second: str

    def review(self, more: str = "") -> str:
        """Return where the later evaluation is reviewed."""
        return f"{self.url}/evaluations/{self.second}?score=clarity&review=1{more}"

    def judge(self, more: str = "") -> str:
        """Return the judge's page."""
        return f"{self.url}/experiments/clear/judge?name=clarity{more}"


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seeded]:
    folder = tmp_path_factory.mktemp("judges")
    server = LiveServer(folder).start()
    try:
        first, second = _run(folder, server).split()
        yield Seeded(server.url, first, second)
    finally:
        server.stop()


def _run(folder: Path, server: LiveServer) -> str:
    project = folder / "project"
    project.mkdir()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PELLUCID_")},
        "PELLUCID_URL": server.url,
        "PELLUCID_SPOOL_DIR": str(folder / "client"),
        "PELLUCID_PROJECT_DIR": str(project),
    }
    done = subprocess.run(
        [sys.executable, "-c", SEED],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_person_answers_by_key_and_the_judge_is_measured(page: Page, seeded: Seeded) -> None:
    page.goto(f"{seeded.url}/experiments/clear/judges")
    expect(page.locator("tbody tr")).to_contain_text("not checked")
    page.click("tbody a.row-link")
    expect(page.locator("h1")).to_have_text(re.compile("Nobody has checked version .* of clarity"))
    page.click("header.bar a:has-text('Review the newest')")

    bar = page.locator("pl-review")
    rows = page.locator("tr[data-example]")
    expect(rows).to_have_count(6)
    expect(bar).to_contain_text("0 of 6")
    bar.locator("[name=author]").fill("mira")
    page.keyboard.press("Escape")

    # The one that is low comes first; the judge called it odd, the person does not.
    page.keyboard.press("y")
    expect(bar).to_contain_text("1 of 6")
    odd = rows.nth(0).locator(".said")
    expect(odd).to_have_class(re.compile("odd"))
    expect(odd).to_have_text(re.compile("disagrees.*clear"))
    for number in range(2, 5):
        page.keyboard.press("1")
        expect(bar).to_contain_text(f"{number} of 6")
    expect(bar).to_contain_text("agrees in 75%")

    page.keyboard.press("w")
    page.keyboard.type("I had to look twice")
    page.keyboard.press("Enter")
    page.keyboard.press("n")
    expect(bar).to_contain_text("5 of 6")
    page.keyboard.press("u")
    expect(bar).to_contain_text("4 of 6")
    expect(rows.nth(4).locator(".said")).to_have_count(0)
    expect(rows.nth(4)).to_have_attribute("aria-selected", "true")
    page.keyboard.press("y")
    expect(bar).to_contain_text("5 of 6")

    page.click(".seg a:has-text('Disagreements')")
    expect(rows).to_have_count(1)
    expect(page.locator("#example")).to_contain_text("mira said clear")
    unreviewed = page.locator(".seg a:has-text('Unreviewed')")
    unreviewed.click()
    expect(unreviewed).to_have_attribute("aria-current", "true")
    expect(rows).to_have_count(1)
    page.keyboard.press("v")
    page.wait_for_url(lambda url: "review" not in url)
    expect(page.locator("pl-review")).to_have_count(0)
    expect(page.locator("th:has-text('Person')")).to_be_visible()

    page.goto(seeded.judge())
    expect(page.locator("h1")).to_contain_text("agrees with people in 4 of 5: 80%")
    expect(page.locator(".confusion .odd")).to_have_text("1")
    expect(page.locator(".dispute")).to_have_count(1)
    page.click(".dispute a:has-text('in its evaluation')")
    expect(page.locator("#example")).to_contain_text("mira said clear")


def test_two_versions_are_compared_word_by_word(page: Page, seeded: Seeded) -> None:
    page.goto(seeded.judge())
    versions = page.locator(".versions tbody tr")
    expect(versions).to_have_count(2)
    expect(page.locator(".template .var").first).to_have_text("{{ output }}")
    versions.nth(1).locator("a:has-text('changes since')").click()
    expect(page.locator(".diff.words ins")).to_have_text(", and short")
    page.click("a:has-text('hide changes')")
    versions.nth(1).locator("a.row-link").click()
    expect(page.locator(".template")).to_contain_text("Is it clear?")
    expect(page.locator(".trust-pane")).to_contain_text("Not checked by people")


def test_filters_are_completed_while_typing(page: Page, seeded: Seeded) -> None:
    page.goto(f"{seeded.url}/evaluations/{seeded.second}")
    page.keyboard.press("/")
    page.keyboard.type("metad")
    expect(page.locator("#proposals")).to_contain_text("metadata")
    page.keyboard.press("Tab")
    expect(page.locator("#proposals")).to_contain_text("part:")
    page.keyboard.press("Tab")
    page.keyboard.type("1")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("query=metadata.part"))
    expect(page.locator("tr[data-example]")).to_have_count(3)


@pytest.mark.parametrize("width", [390, 768, 1024, 1440, 2560])
def test_no_page_scrolls_sideways(page: Page, seeded: Seeded, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    for address in (
        f"{seeded.url}/experiments/clear/judges",
        seeded.judge(),
        seeded.review(),
    ):
        page.goto(address)
        wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        assert not page.evaluate(wide), (address, width)
