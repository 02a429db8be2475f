"""What the examples share: the question, three tools, and a model to ask.

With OPENAI_API_KEY or OPENAI_BASE_URL set, they ask a real model (OPENAI_MODEL, else gpt-4o-mini);
otherwise a scripted one that needs no key and no network.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import NamedTuple

import pellucid
from pellucid.demo import calculator, units
from pellucid.demo.agent import QUESTION as QUESTION
from pellucid.demo.corpus import load_corpus
from pellucid.demo.retrieval import Index
from pellucid.demo.scripted_agents import scripted_agent_server

INSTRUCTIONS = (
    "Answer from the encyclopedia and cite its paragraphs by number, like [7]. Search for every "
    "fact, and use the tools for every number: never calculate in your head."
)

_index = Index(load_corpus())
_numbers = {chunk.id: number for number, chunk in enumerate(load_corpus(), start=1)}


def search_encyclopedia(query: str) -> str:
    """Find paragraphs of the encyclopedia; each has a number to cite it by."""
    found = search(query)
    return "\n".join(f"[{_numbers[d.id or '']}] {d.metadata['title']}: {d.text}" for d in found)


@pellucid.trace(kind="RETRIEVER")
def search(query: str, k: int = 3) -> list[pellucid.Document]:
    """Return the best `k` paragraphs: a span of our own inside the framework's."""
    return [
        pellucid.Document(
            id=hit.chunk.id,
            text=hit.chunk.text,
            score=hit.score,
            metadata={"title": hit.chunk.title},
        )
        for hit in _index.search(query, k)
    ]


def calculate(expression: str) -> str:
    """Evaluate arithmetic with + - * / ** and ceil, floor, round: for instance ceil(9.5 / 2)."""
    return calculator.format_number(calculator.calculate(expression))


def convert_units(value: float, from_unit: str, to_unit: str) -> str:
    """Convert between units of data (kB, MB, GB, TB) or of length (mm, cm, m, km)."""
    return calculator.format_number(units.convert(Decimal(str(value)), from_unit, to_unit))


class ModelAccess(NamedTuple):
    """How a model is reached."""

    name: str
    base_url: str | None
    api_key: str


@contextmanager
def model() -> Iterator[ModelAccess]:
    """Yield the real model that the environment names, else the scripted one."""
    base_url, key = os.environ.get("OPENAI_BASE_URL"), os.environ.get("OPENAI_API_KEY")
    if base_url or key:
        yield ModelAccess(os.environ.get("OPENAI_MODEL", "gpt-4o-mini"), base_url, key or "none")
        return
    with scripted_agent_server() as server:
        # Frameworks look up what a model can do by its name; the scripted one can do the same.
        yield ModelAccess("gpt-4o-mini", server.base_url, "scripted")


def show(answer: str) -> None:
    """Print the answer, and send its trace before the program ends."""
    print(answer)
    pellucid.flush(timeout=5)
