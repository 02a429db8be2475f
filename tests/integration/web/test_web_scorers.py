"""The trace list of an experiment that was evaluated: agents first, scorers on request."""

from collections.abc import Iterator

import httpx
import pytest

import pellucid
from pellucid.testing.live import LiveServer

LIST = "/experiments/scored/traces"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    server = LiveServer(tmp_path_factory.mktemp("scored")).start()
    pellucid.init(experiment="scored", url=server.url, spool_dir=tmp_path_factory.mktemp("spool"))
    try:
        with pellucid.span("answer questions", kind="AGENT"):
            with pellucid.span("check own answer", kind="EVALUATOR"):
                pass
        for _ in range(3):
            with pellucid.span("exact_match", kind="EVALUATOR"):
                pass
        pellucid.flush(timeout=10)
        with server.client(Accept="text/html") as client:
            yield client
    finally:
        pellucid.shutdown()
        server.stop()


def _rows(page: str) -> str:
    return page.partition("<tbody")[2].partition("</tbody>")[0]


def test_scorers_traces_are_left_out_until_asked_for(client: httpx.Client) -> None:
    page = client.get(LIST).text
    assert 'value="-root:EVALUATOR"' in page
    assert "answer questions" in _rows(page)
    assert "exact_match" not in _rows(page)
    everything = _rows(client.get(f"{LIST}?query=").text)
    assert everything.count("exact_match") >= 3
    assert "exact_match" not in client.get("/").text


def test_a_query_by_root_finds_what_began_a_trace(client: httpx.Client) -> None:
    def names(query: str) -> list[str]:
        found = client.get("/api/v1/traces", params={"query": query}).json()["traces"]
        return [trace["name"] for trace in found]

    assert names("root:evaluator") == ["exact_match"] * 3
    assert names("root_kind:AGENT kind:EVALUATOR") == ["answer questions"]


def test_links_that_leave_no_term_ask_for_everything(client: httpx.Client) -> None:
    overview = client.get(f"{LIST}/overview", params={"query": "kind:AGENT"}).text
    assert f'href="{LIST}?query="' in overview
    assert f'href="{LIST}"' not in overview


def test_a_query_that_finds_nothing_still_offers_the_facets(client: httpx.Client) -> None:
    nothing = {"query": "name=nobody since:24h kind:AGENT"}
    overview = client.get(f"{LIST}/overview", params=nothing).text
    assert "Nothing to narrow by" not in overview
    assert overview.count('class="facet"') == overview.count('<span class="n">0</span>') > 0
    assert 'aria-current="true"' in overview  # what the query asks for can be taken away
    before = client.get(f"{LIST}/overview", params={"query": "until:2001-01-01"}).text
    assert "Nothing to narrow by" in before
