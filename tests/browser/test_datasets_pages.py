"""Datasets in a browser: the editor by keyboard, paste, undo, versions, files, traces."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from pellucid.testing.live import LiveServer
from pellucid.testing.sample_site import Site

HOSTILE = '<img src=x onerror="window.pwned=1"><script>window.pwned=1</script>\' " {{ 7*7 }}'
ROWS: list[dict[str, Any]] = [
    {
        "id": f"e{n}",
        "inputs": {"question": f"Question {n}?", "k": n},
        "expected": f"Answer {n}",
        "gold_documents": ["d1", "d2"],
        "metadata": {"topic": "discs" if n % 2 else "tapes"},
        "split": "test" if n % 3 == 0 else "train",
    }
    for n in range(1, 13)
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    started = LiveServer(tmp_path_factory.mktemp("datasets")).start()
    yield started
    started.stop()


@pytest.fixture
def http(server: LiveServer) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


@pytest.fixture
def name(request: pytest.FixtureRequest, http: httpx.Client) -> str:
    """Return a dataset of its own for each test."""
    made = str(request.node.name)[5:60].strip("_")
    answer = http.post(
        f"/api/v1/datasets/{made}/versions", json={"examples": ROWS, "message": "First"}
    )
    answer.raise_for_status()
    return made


def newest(http: httpx.Client, name: str) -> list[dict[str, Any]]:
    """Return the examples of the newest version."""
    page = http.get(f"/api/v1/datasets/{name}/versions/latest/examples", params={"limit": 1000})
    return [one["example"] for one in page.json()["examples"]]


def cell(page: Page, row: int, column: int) -> Any:
    """Return a cell by row and column, from 0; a row's place is no column."""
    return page.locator("table.dataset tbody tr").nth(row).locator("td[role=gridcell]").nth(column)


def save(page: Page, message: str = "") -> None:
    page.keyboard.press("Control+s")
    page.locator("#save-form [name=message]").fill(message)
    page.locator("#save-form [name=author]").fill("ada")
    page.locator("#save-form button[type=submit]").click()
    expect(page.locator("[data-save]")).to_be_disabled()


def test_cells_are_edited_by_keyboard_and_saved(
    page: Page, server: LiveServer, http: httpx.Client, name: str
) -> None:
    page.goto(f"{server.url}/datasets/{name}")
    expect(page.locator("[data-save]")).to_be_disabled()
    cell(page, 0, 0).click()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    expect(cell(page, 1, 1)).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.type("7")
    page.keyboard.press("Tab")  # a number stays one where numbers stand
    page.keyboard.type("typed over")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("second line")
    page.keyboard.press("Enter")
    expect(cell(page, 2, 2)).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.type("not kept")
    page.keyboard.press("Escape")
    expect(cell(page, 2, 2)).to_have_text("Answer 3")
    expect(cell(page, 2, 2)).to_be_focused()
    page.keyboard.type("i")  # what opens a menu elsewhere begins an edit here
    expect(page.locator("#import-form")).to_be_hidden()
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Delete")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.keyboard.press("Control+a")
    page.keyboard.type("d3, d4")
    page.keyboard.press("Enter")
    expect(page.locator("#edits")).to_have_text("3 changed, not saved")
    save(page, "By keyboard")
    expect(page.locator(".history-list li").first).to_contain_text("By keyboard")
    expect(page.locator(".history-list li").first).to_contain_text("ada, 12 examples")
    found = newest(http, name)
    assert found[1]["inputs"] == {"question": "Question 2?", "k": 7}
    assert found[1]["expected"] == "typed over\nsecond line"
    assert "gold_documents" not in found[2]
    assert found[3]["gold_documents"] == ["d3", "d4"]
    assert [one["id"] for one in found] == [one["id"] for one in ROWS]


def test_rows_come_and_go_and_every_step_is_undone(
    page: Page, server: LiveServer, http: httpx.Client, name: str
) -> None:
    page.goto(f"{server.url}/datasets/{name}")
    cell(page, 1, 0).click()
    page.keyboard.press("Control+Backspace")
    expect(page.locator("tr[data-removed]")).to_have_count(1)
    page.keyboard.press("Control+Enter")
    page.keyboard.type("A new question?")
    page.keyboard.press("Tab")
    page.keyboard.type("5")
    page.keyboard.press("Enter")
    expect(page.locator("#edits")).to_have_text("1 new, 1 removed, not saved")
    for _ in range(4):
        page.keyboard.press("Control+z")
    expect(page.locator("#edits")).to_have_text("")
    expect(page.locator("tr[data-removed]")).to_have_count(0)
    expect(page.locator("[data-save]")).to_be_disabled()
    cell(page, 0, 0).click()
    for _ in range(4):
        page.keyboard.press("Control+Shift+z")
    expect(page.locator("#edits")).to_have_text("1 new, 1 removed, not saved")
    page.locator("tr[data-removed] [data-drop]").click()  # and it stays after all
    page.locator("tr").nth(3).hover()
    page.locator("tr").nth(3).locator("[data-drop]").click()
    save(page)
    found = newest(http, name)
    assert [one["id"] for one in found[:3]] == ["e1", "e2", "e4"]
    assert found[-1]["inputs"] == {"question": "A new question?", "k": 5}
    assert re.fullmatch("[0-9a-f]{16}", found[-1]["id"])


def test_rows_of_a_spreadsheet_are_pasted(
    page: Page, server: LiveServer, http: httpx.Client, name: str
) -> None:
    page.goto(f"{server.url}/datasets/{name}")
    cell(page, 11, 0).click()
    text = 'Pasted 1\t3\t"quoted ""answer""\nin two lines"\nPasted 2\t4\tplain\nPasted 3\t\t\n'
    page.evaluate(
        """text => {
            const data = new DataTransfer();
            data.setData("text/plain", text);
            document.activeElement.dispatchEvent(
                new ClipboardEvent("paste", { clipboardData: data, bubbles: true }));
        }""",
        text,
    )
    expect(page.locator("#edits")).to_have_text("1 changed, 2 new, not saved")
    page.keyboard.press("Control+z")
    expect(page.locator("#edits")).to_have_text("")
    page.keyboard.press("Control+y")
    save(page)
    found = newest(http, name)
    assert found[11]["id"] == "e12"
    assert found[11]["inputs"] == {"question": "Pasted 1", "k": 3}
    assert found[11]["expected"] == 'quoted "answer"\nin two lines'
    assert found[12]["inputs"] == {"question": "Pasted 2", "k": 4}
    assert found[13] == {"id": found[13]["id"], "inputs": {"question": "Pasted 3"}}


def test_what_cannot_be_read_stays_in_its_field(
    page: Page, server: LiveServer, http: httpx.Client, name: str
) -> None:
    page.goto(f"{server.url}/datasets/{name}")
    metadata = cell(page, 0, 4)
    metadata.dblclick()
    page.keyboard.press("Control+a")
    page.keyboard.type("not JSON")
    page.keyboard.press("Enter")
    expect(page.locator(".toast")).to_contain_text("This must be JSON")
    expect(page.locator(".cell-edit")).to_have_attribute("aria-invalid", "true")
    page.keyboard.press("Control+a")
    page.keyboard.type('{"topic": "cards", "hard": true}')
    page.keyboard.press("Enter")
    expect(metadata).to_have_text("topic: cards, hard: true")
    page.locator("[popovertarget=column-form]").click()
    page.locator("#column-form [name=field]").fill("language")
    page.keyboard.press("Enter")
    expect(page.locator("th.input")).to_have_text(["question", "k", "language"])
    page.keyboard.type("de")
    page.keyboard.press("Enter")
    save(page)
    found = newest(http, name)[0]
    assert found["metadata"] == {"topic": "cards", "hard": True}
    assert found["inputs"]["language"] == "de"


def test_a_newer_version_is_not_overwritten(
    page: Page, server: LiveServer, http: httpx.Client, name: str
) -> None:
    page.expected_complaints = ("409",)  # type: ignore[attr-defined]
    page.goto(f"{server.url}/datasets/{name}")
    put = {"put": [{"id": "e1", "inputs": {"question": "theirs"}}], "author": "bob"}
    http.post(f"/api/v1/datasets/{name}/versions", json=put).raise_for_status()
    cell(page, 1, 0).click()
    page.keyboard.type("mine")
    page.keyboard.press("Enter")
    page.keyboard.press("Control+s")
    page.locator("#save-form button[type=submit]").click()
    expect(page.locator(".toast")).to_contain_text("2 was made by bob while you changed 1")
    expect(page.locator("#edits")).to_have_text("1 changed, not saved")
    page.on("dialog", lambda dialog: dialog.accept())
    page.expected_complaints = ("409", "dialog")  # type: ignore[attr-defined]
    page.goto(f"{server.url}/datasets")


def test_versions_are_compared_and_gone_back_to(
    page: Page, server: LiveServer, http: httpx.Client, name: str
) -> None:
    changes = {
        "put": [{**ROWS[0], "expected": "Answer one"}, {"inputs": {"question": "Added?"}}],
        "remove": ["e5"],
        "message": "Three things",
    }
    http.post(f"/api/v1/datasets/{name}/versions", json=changes).raise_for_status()
    page.goto(f"{server.url}/datasets/{name}")
    page.locator(".history-list a", has_text="Diff").click()
    expect(page.locator("h1")).to_have_text("1 example added, 1 removed, 1 changed")
    expect(page.locator(".change")).to_have_count(3)
    expect(page.locator(".change.changed del")).to_have_text("1")
    expect(page.locator(".change.changed ins")).to_have_text("one")
    page.locator(".verdict-line a", has_text="@1").click()
    expect(page.locator(".strip")).to_contain_text("earlier version; the newest is 2")
    expect(page.locator("[data-save], [data-add], [data-drop]")).to_have_count(0)
    cell(page, 0, 0).click()
    page.keyboard.type("x")
    expect(page.locator(".cell-edit")).to_have_count(0)
    page.locator("button", has_text="Go back to it").click()
    expect(page.locator(".history-list li").first).to_contain_text("Go back to version 1")
    assert newest(http, name) == ROWS


def test_the_filter_and_splits(page: Page, server: LiveServer, name: str) -> None:
    page.expected_complaints = ("400",)  # type: ignore[attr-defined]
    page.goto(f"{server.url}/datasets/{name}")
    rows = page.locator("table.dataset tbody tr")
    expect(rows).to_have_count(12)
    page.locator(".seg a", has_text="test").click()
    expect(rows).to_have_count(4)
    _ask(page, 'metadata.topic:tapes "question 4"')
    expect(rows).to_have_count(1)
    expect(rows.locator("th")).to_have_text("4")
    _ask(page, "split:(")
    expect(page.locator("#fault")).to_be_visible()


def _ask(page: Page, query: str) -> None:
    """Type a query once the page listens: its rows are there before its scripts."""
    page.wait_for_load_state()
    page.keyboard.press("/")
    expect(page.locator("input[name=query]")).to_be_focused()
    page.keyboard.press("Control+a")
    page.keyboard.type(query)
    page.keyboard.press("Enter")


def test_a_file_makes_a_dataset_and_a_version(
    page: Page, server: LiveServer, http: httpx.Client, tmp_path: Path
) -> None:
    page.expected_complaints = ("400",)  # type: ignore[attr-defined]
    (tmp_path / "one.csv").write_text("question,expected\nWho?,me\n")
    (tmp_path / "bad.jsonl").write_text('{"inputs": {}}\nnonsense\n')
    page.goto(f"{server.url}/datasets")
    page.keyboard.press("n")
    page.locator("#new-dataset [name=name]").fill("from a file")
    page.locator("#new-dataset [name=file]").set_input_files(tmp_path / "one.csv")
    page.locator("#new-dataset button[type=submit]").click()
    expect(page.locator("table.dataset tbody tr")).to_have_count(1)
    expect(page).to_have_url(re.compile("/datasets/from%20a%20file$"))
    page.keyboard.press("i")
    page.locator("#import-form [name=file]").set_input_files(tmp_path / "bad.jsonl")
    page.locator("#import-form button[type=submit]").click()
    expect(page.locator(".toast")).to_contain_text("bad.jsonl, line 2: not JSON")
    (tmp_path / "two.jsonl").write_text('{"inputs": {"question": "What?"}, "expected": "it"}\n')
    page.locator("#import-form [name=file]").set_input_files(tmp_path / "two.jsonl")
    page.locator("#import-form button[type=submit]").click()
    expect(page.locator("table.dataset tbody tr")).to_have_count(2)
    page.keyboard.press("e")
    with page.expect_download() as download:
        page.locator("#export-menu a", has_text="JSON lines").click()
    assert download.value.suggested_filename == "from a file-2.jsonl"
    page.locator("[popovertarget=more-menu]").click()
    page.locator("button", has_text="Delete the dataset").click()
    page.locator("#ask button[type=submit]").click()
    expect(page).to_have_url(f"{server.url}/datasets")
    assert http.get("/api/v1/datasets/from a file").status_code == 404


def test_an_empty_dataset_is_filled_by_hand(
    page: Page, server: LiveServer, http: httpx.Client
) -> None:
    page.goto(f"{server.url}/datasets")
    page.keyboard.press("n")
    page.locator("#new-dataset [name=name]").fill("by hand")
    page.locator("#new-dataset button[type=submit]").click()
    page.locator("[data-add]").click()
    page.keyboard.type("First?")
    page.keyboard.press("Tab")
    page.keyboard.type("yes")
    page.keyboard.press("Enter")
    save(page)
    assert [one["inputs"] for one in newest(http, "by hand")] == [{"question": "First?"}]
    page.goto(f"{server.url}/datasets")
    expect(page.locator("tr", has_text="by hand")).to_be_visible()


def test_what_strangers_wrote_stays_text(
    page: Page, server: LiveServer, http: httpx.Client
) -> None:
    rows = [
        {
            "id": HOSTILE[:90],
            "inputs": {HOSTILE: HOSTILE, "q": {"a": HOSTILE}},
            "expected": HOSTILE,
            "metadata": {HOSTILE: HOSTILE},
            "gold_documents": [HOSTILE],
            "split": HOSTILE[:90],
        }
    ]
    for number in (1, 2):
        body = {"examples": [{**rows[0], "expected": [number, HOSTILE]}], "message": HOSTILE}
        http.post("/api/v1/datasets/hostile/versions", json=body).raise_for_status()
    for path in ("", "/hostile", "/hostile?version=1", "/hostile/diff?from=1&to=2"):
        page.goto(f"{server.url}/datasets{path}")
        expect(page.locator("main")).to_contain_text("<img")
    page.goto(f"{server.url}/datasets/hostile")
    cell(page, 0, 0).dblclick()
    page.keyboard.press("Tab")
    cell(page, 0, 2).click()
    page.keyboard.press("Control+Backspace")
    page.keyboard.press("Control+z")
    assert page.evaluate("window.pwned") is None


def test_traces_are_added_from_their_page_and_their_list(page: Page, site: Site) -> None:
    page.goto(site.url(site.bluray))
    page.keyboard.press("g")
    page.keyboard.press("t")
    page.wait_for_url("**/experiments/*/traces*")
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.keyboard.press("d")
    dialog = page.locator("#ask")
    expect(dialog.locator("h2")).to_have_text("Add 2 traces to a dataset")
    dialog.locator("[name=name]").fill("from traces")
    dialog.locator("[name=split]").fill("seen")
    dialog.locator("[name=expected]").select_option("none")
    expect(dialog.locator("#add-preview")).to_contain_text("without an expected answer")
    dialog.locator("button[type=submit]").click()
    expect(dialog.locator("h2")).to_contain_text("Added")
    dialog.locator("a", has_text="Open from traces").click()
    expect(page.locator(".history-list li")).to_have_count(1)
    page.locator("a[aria-label='Source trace']").first.click()
    page.wait_for_url("**/traces/*")
    page.keyboard.press("d")
    expect(dialog.locator("[name=name]")).to_have_value("from traces")
    dialog.locator("button[type=submit]").click()
    expect(dialog.locator("h2")).to_have_text("Nothing to add")
    expect(dialog).to_contain_text("was there already and stays as it is")
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("t")
    page.wait_for_url("**/experiments/*/traces*")
    page.locator("[popovertarget=more-menu]").click()
    page.locator("button", has_text="to a dataset").click()
    expect(dialog.locator("h2")).to_have_text(re.compile(r"Add \d+ traces to a dataset"))
    page.keyboard.press("Escape")
