"""However calls are nested through functions, tasks, threads and generators, parents are right."""

import asyncio
import concurrent.futures
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pellucid
from pellucid.testing.collector import Collector, collecting

Tree = tuple[str, list[Any]]

WAYS = ("span", "function", "generator", "thread", "executor", "coroutine", "stream")
trees: st.SearchStrategy[Tree] = st.recursive(
    st.tuples(st.sampled_from(WAYS), st.just([])),
    lambda inner: st.tuples(st.sampled_from(WAYS), st.lists(inner, max_size=3)),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def shared() -> Iterator[Collector]:
    with collecting() as running:
        yield running


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(tree=trees)
def test_parents_are_right(shared: Collector, tree: Tree) -> None:
    pellucid.init(url=shared.url)
    shared.requests.clear()
    expected: dict[str, str] = {}
    numbers = count()

    def visit(node: Tree, parent: str) -> None:
        way, children = node
        name = f"n{next(numbers)}"
        expected[name] = parent

        def below() -> None:
            for child in children:
                visit(child, name)

        _run(way, name, below)

    visit(tree, "")
    assert pellucid.flush(60)
    spans = {span.span_id: span for span in shared.spans()}
    names = {
        span.name: spans[span.parent_id].name if span.parent_id else "" for span in spans.values()
    }
    assert names == expected
    assert len({span.trace_id for span in spans.values()}) == 1


def _run(way: str, name: str, below: Callable[[], None]) -> None:
    if way == "span":
        with pellucid.span(name):
            below()
    elif way == "function":
        pellucid.trace(name=name)(below)()
    elif way == "generator":
        for _ in pellucid.trace(name=name)(_generator)(below):
            pass
    elif way == "thread":
        thread = threading.Thread(target=pellucid.trace(name=name)(below))
        thread.start()
        thread.join()
    elif way == "executor":
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            pool.submit(pellucid.trace(name=name)(below)).result()
    elif way == "coroutine":
        _in_loop(pellucid.trace(name=name)(_coroutine)(below))
    else:
        _in_loop(_exhaust(pellucid.trace(name=name)(_stream)(below)))


def _in_loop(work: Any) -> None:
    """Run a coroutine in a loop of its own: there may be one running in this thread already."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, work).result()


def _generator(below: Callable[[], None]) -> Iterator[int]:
    yield 1
    below()
    yield 2


async def _coroutine(below: Callable[[], None]) -> None:
    await asyncio.sleep(0)
    await asyncio.to_thread(below)


async def _stream(below: Callable[[], None]) -> AsyncIterator[int]:
    yield 1
    await asyncio.gather(asyncio.create_task(_coroutine(below)))
    yield 2


async def _exhaust(stream: AsyncIterator[int]) -> None:
    async for _ in stream:
        pass
