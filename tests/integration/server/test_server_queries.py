"""What the API and the page say about a query that is wrong, or that finds nothing."""

import html
import re
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest

import pellucid
from pellucid.testing.live import LiveServer


@pytest.fixture
def asked(live_server: LiveServer) -> Iterator[httpx.Client]:
    pellucid.init(experiment="asked", url=live_server.url)
    with pellucid.span("answer", kind="AGENT") as root:
        root.set_attribute("http.status_code", 500)
        root.set_attribute("tenant", 42)
        with pellucid.span("ask model", kind="LLM") as span:
            span.set_model("gpt-4o-mini")
    assert pellucid.flush(60)
    with live_server.client() as client:
        yield client


def test_a_wrong_query_is_answered_with_its_place_and_the_right_one(asked: httpx.Client) -> None:
    answer = asked.get("/api/v1/traces", params={"query": "duration:>2s"})
    assert answer.status_code == 400
    told = answer.json()
    assert (told["position"], told["length"], told["proposal"]) == (9, 3, "duration>2s")
    completion = asked.get("/api/v1/complete", params={"query": "level:ERROR"}).json()
    assert completion["fault"]["proposal"] == "status:error"
    page = asked.get("/experiments/asked/traces", params={"query": "duration:>2s"})
    assert page.status_code == 400
    assert f'href="?query={quote("duration>2s")}"' in page.text


HINTS = [
    ("attr.status_code:500", "Did you mean attr.http.status_code?"),
    ("foo.bar:1", "No trace has the attribute foo.bar."),
    ("model:gpt-4", "model:gpt-4* finds all that begin so"),
    ("model:gpt4o-mini", "Did you mean model:gpt-4o-mini?"),
    ("model=GPT-4o-mini", "model:GPT-4o-mini ignores case"),
    ('name:"ask model"', 'span(name:"ask model")'),
    ("user:null", "-has:user"),
    ('user:""', "-has:user"),
    ("answer and model", "write AND in upper case"),
    ("metadata.tenant:42", "There is attr.tenant."),
    ("http.status_code:5*", "http.status_code>=500 http.status_code<600"),
    ("name contains answer", "contains is looked for as a word"),
]


def test_what_finds_nothing_says_why(asked: httpx.Client) -> None:
    for query, says in HINTS:
        told = _ask_until(asked, query, says)
        assert told["traces"] == []
        assert says in " ".join(told["hints"]), query
        page = asked.get("/experiments/asked/traces", params={"query": query}).text
        assert "No traces match" in page
        assert told["hints"][0][:12] in page


def _ask_until(client: httpx.Client, query: str, says: str) -> Any:
    """Ask until the index behind the writes knows what it takes to say so."""
    for _ in range(1200):
        told = client.get("/api/v1/traces", params={"experiment": "asked", "query": query}).json()
        if says in " ".join(told.get("hints", [])):
            break
        time.sleep(0.05)
    return told


def test_what_finds_something_has_no_hints(asked: httpx.Client) -> None:
    told = asked.get("/api/v1/traces", params={"query": "@http.status_code:500"}).json()
    assert len(told["traces"]) == 1
    assert "hints" not in told


def test_a_long_conversation_is_read_page_by_page(live_server: LiveServer) -> None:
    pellucid.init(experiment="talks", url=live_server.url)
    with pellucid.session("long"):
        for number in range(1, 61):
            with pellucid.span("turn", kind="AGENT") as turn:
                turn.set_input(f"question-{number}.")
    assert pellucid.flush(60)
    with live_server.client() as client:
        page = client.get("/experiments/talks/session?id=long").text
        assert "Turns 11 to 60 of 60" in page
        assert "question-60." in page
        assert "question-10." not in page
        link = re.search(r'href="([^"]+)" rel="prev"', page)
        assert link is not None
        earlier = client.get(html.unescape(link[1])).text
        assert "Turns 1 to 10 of 60" in earlier
        assert "question-1." in earlier
        assert "Newest turns" in earlier
