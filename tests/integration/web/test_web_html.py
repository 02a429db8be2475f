"""Pages as programs read them: well formed, escaped, and working without scripts."""

from collections.abc import Iterator
from html.parser import HTMLParser

import httpx
import pytest

from pellucid.testing.live import LiveServer
from pellucid.testing.sample_site import Site
from pellucid.testing.sample_traces import HOSTILE, bluray_trace, hostile_trace

VOID = {"meta", "link", "input", "img", "br", "hr", "col", "rect", "path", "use", "source", "wbr"}
TABS = ("messages", "io", "documents", "attributes", "events", "scores")


class Reader(HTMLParser):
    """Collects elements, links and text, and what is not closed as it was opened."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.crossed: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.crossed += self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        if self._open and self._open[-1] == tag:
            self._open.pop()
        else:
            self.crossed.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data

    def hrefs(self) -> list[str]:
        names = ("href", "src", "action", "hx-get", "hx-post")
        return [at[name] for _, at in self.elements for name in names if name in at]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    server = LiveServer(tmp_path_factory.mktemp("site")).start()
    try:
        filled = Site(server)
        for sample in (filled.failed, filled.hostile, filled.bluray):
            filled.send(sample)
        yield filled
    finally:
        server.stop()


@pytest.fixture(scope="module")
def client(site: Site) -> Iterator[httpx.Client]:
    with site.server.client(Accept="text/html") as client:
        yield client


def _pages(site: Site) -> list[str]:
    spans = [
        f"/traces/{sample.trace_id}?span={span['spanId']}&tab={tab}"
        for sample in (site.hostile, site.bluray)
        for span in sample.spans[-4:]
        for tab in TABS
    ]
    lists = [f"/experiments/bluray-agent{rest}" for rest in ("", "/traces", "/sessions")]
    return [
        "/",
        "/login",
        "/nowhere",
        *lists,
        "/experiments/bluray-agent/session?id=chat-7",
        *spans,
    ]


def test_pages_are_well_formed_and_carry_no_foreign_markup(
    site: Site, client: httpx.Client
) -> None:
    for address in _pages(site):
        answer = client.get(address)
        assert answer.status_code == (404 if address == "/nowhere" else 200), address
        page = Reader(answer.text)
        assert page.crossed == [], address
        for tag, attributes in page.elements:
            assert not any(name.startswith("on") for name in attributes), (address, tag)
            assert tag != "script" or attributes["src"].startswith("/static/"), address
            assert tag != "style", address
            assert tag != "svg" or "onload" not in attributes, address
        for link in page.hrefs():
            assert link.startswith(("/", "?", "#", "http://", "https://", "data:image/png")), link


def test_hostile_texts_are_shown_as_they_came(site: Site, client: httpx.Client) -> None:
    page = Reader(client.get(f"/traces/{site.hostile.trace_id}?tab=io").text)
    assert HOSTILE in page.text
    listed = Reader(client.get("/").text)
    assert f"root {HOSTILE}" in listed.text


def test_a_trace_reads_without_scripts(site: Site, client: httpx.Client) -> None:
    html = client.get(f"/traces/{site.bluray.trace_id}").text
    page = Reader(html)
    assert "8,568 dual-layer" in page.text
    span = site.span_id(site.bluray, "answer with figures")
    assert any(link == f"?span={span}" for link in page.hrefs())
    one = Reader(client.get(f"/traces/{site.bluray.trace_id}?span={span}").text)
    assert "calculator" in one.text
    assert any("tab=attributes" in link for link in one.hrefs())


def test_a_query_works_as_a_plain_form(site: Site, client: httpx.Client) -> None:
    answer = client.get("/experiments/bluray-agent/traces", params={"query": "status:error"})
    page = Reader(answer.text)
    rows = [at for tag, at in page.elements if tag == "tr" and "data-trace" in at]
    assert [row["data-trace"] for row in rows] == [site.failed.trace_id]
    bad = client.get("/experiments/bluray-agent/traces", params={"query": "duration>>2s"})
    assert bad.status_code == 400
    assert "duration>2s" in Reader(bad.text).text


def test_older_traces_are_pages_away(live_server: LiveServer) -> None:
    site = Site(live_server)
    for number in range(60):
        sample = hostile_trace() if number % 2 else bluray_trace(fails=True)
        sample.start_ns -= number * 10**9
        sample.spans[:] = sample.spans[:1]
        site.send(sample)
    seen: list[str] = []
    with live_server.client(Accept="text/html") as client:
        for experiment in client.get("/api/v1/experiments").json()["experiments"]:
            address = f"/experiments/{experiment['slug']}/traces"
            while address:
                page = Reader(client.get(address).text)
                seen += [at["data-trace"] for tag, at in page.elements if "data-trace" in at]
                older = [at["href"] for _, at in page.elements if at.get("rel") == "next"]
                address = older[0] if older else ""
    assert len(seen) == len(set(seen)) == 60


def test_a_fragment_asked_for_by_a_browser_is_a_page(site: Site, client: httpx.Client) -> None:
    span = site.span_id(site.bluray, "rerank")
    answer = client.get(f"/traces/{site.bluray.trace_id}/spans/{span}?tab=documents")
    assert answer.status_code == 302
    assert answer.headers["location"].endswith(f"?span={span}&tab=documents")


def test_writes_from_another_site_are_refused(site: Site) -> None:
    with site.server.client(Origin="https://evil.example") as client:
        for path in (
            "/traces/delete",
            "/experiments/bluray-agent/delete",
            f"/traces/{site.bluray.trace_id}/spans/{site.bluray.spans[0]['spanId']}/annotations",
        ):
            answer = client.post(path, data={"ids": site.bluray.trace_id, "verdict": "bad"})
            assert answer.status_code == 403, path
    with site.server.client() as client:
        assert client.get(f"/traces/{site.bluray.trace_id}").status_code == 200


def test_nonsense_addresses_are_refused_with_words(site: Site, client: httpx.Client) -> None:
    trace = f"/traces/{site.bluray.trace_id}"
    for path in (
        "/traces/zz",
        "/traces/" + "f" * 32,
        f"{trace}/spans/0000000000000bad",
        f"{trace}/spans/0000000000000bad/values/input",
        "/experiments/none/session?id=x",
        "/experiments/bluray-agent/session?id=none",
    ):
        answer = client.get(path, headers={"HX-Request": "true"})
        assert answer.status_code == 404, path
    assert client.get("/traces/delete?ids=").status_code == 400
    missing = Reader(client.get(f"{trace}?span=0000000000000bad").text)
    assert "has no span 0000000000000bad" in missing.text
