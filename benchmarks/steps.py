"""Where the time of a span goes: process CPU of each step of ingest, without HTTP.

    python -m benchmarks.steps [--spans 2560] [--a-trace 10] [--batch 256] [--rounds 8]

Prints microseconds a span, the least of several rounds, and bytes a span on disk. To compare two
versions run them by turns: on a busy machine only the least figures say something.
"""

import argparse
import pickle
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from benchmarks import ingest

from pellucid.core.span import Arrival, Span
from pellucid.semconv.attachments import Cut, cut
from pellucid.semconv.cost import PriceTable
from pellucid.semconv.digest import attribute_count, digest_of
from pellucid.server.ingest import protobuf
from pellucid.server.services.collector import spare_the_collector
from pellucid.server.services.normaliser import Normaliser
from pellucid.storage.spans.sqlite.store import SqliteSpanStore

GROUP = 2
"""Requests that share a commit."""
INDEXED = 4
"""Requests after which the index follows."""

T = TypeVar("T")


class Clock:
    """Adds up the process CPU of steps."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def time(self, step: str, call: Callable[[], T]) -> T:
        """Return what a call returns, its time added to a step's."""
        began = time.process_time()
        result = call()
        self.seconds[step] = self.seconds.get(step, 0.0) + time.process_time() - began
        return result


def take_in(store: SqliteSpanStore, bodies: list[bytes], normaliser: Normaliser) -> Clock:
    """Bring requests into a store, step by step."""
    clock = Clock()
    waiting = []
    for number, body in enumerate(bodies, 1):
        decoded = clock.time("decode", partial(protobuf.decode_traces, body, None)).spans
        digests: list[bytes] = clock.time("digest", partial(list, map(digest_of, decoded)))
        cuts: list[Cut] = clock.time("attachments", partial(list, map(cut, decoded)))
        kept = [one.decoded for one in cuts]
        spans: list[Span] = clock.time("normalise", partial(list, map(normaliser, kept)))
        arrivals = [
            Arrival(
                decoded=one,
                span=span,
                digest=digest,
                attribute_count=attribute_count(one),
                seen_ns=1,
                normaliser=normaliser.version,
            )
            for one, span, digest in zip(kept, spans, digests, strict=True)
        ]
        parcels = clock.time("pack", partial(store.prepare, arrivals))
        data = clock.time("hand over", partial(pickle.dumps, parcels, pickle.HIGHEST_PROTOCOL))
        waiting += clock.time("hand over", partial(pickle.loads, data))
        if number % GROUP == 0 or number == len(bodies):
            clock.time("write", partial(store.write_prepared, waiting))
            waiting = []
        if number % INDEXED == 0 or number == len(bodies):
            clock.time("index", store.index)
    return clock


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--spans", type=int, default=2560)
    parser.add_argument("--a-trace", type=int, default=10)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=8)
    given = parser.parse_args()
    ingest.SPANS_A_TRACE = given.a_trace
    bodies = ingest.make_bodies(given.spans, given.batch)
    normaliser = Normaliser(PriceTable.load())
    spare_the_collector()
    least: dict[str, float] = {}
    for _ in range(given.rounds):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "spans.db"
            store = SqliteSpanStore(path, normalise=normaliser, index_in_background=False)
            clock = take_in(store, bodies, normaliser)
            store.checkpoint()
            store.close()
            size = path.stat().st_size
        for step, seconds in clock.seconds.items():
            least[step] = min(least.get(step, seconds), seconds)
    for step, seconds in least.items():
        print(f"{step:12}{seconds / given.spans * 1e6:8.1f}")
    print(f"{'sum':12}{sum(least.values()) / given.spans * 1e6:8.1f} µs a span")
    print(f"{'disk':12}{size / given.spans:8.0f} bytes a span")


if __name__ == "__main__":
    main()
