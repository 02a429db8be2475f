"""Rollups in the file: changes gathered over a batch, added to their cells in its transaction."""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import apsw
import msgspec

from pellucid.core.rollup import ATTO, Figures, Rollup, attodollars, latency_bucket
from pellucid.core.span import Tokens
from pellucid.storage.spans.sqlite.codes import (
    COST_COUNTED,
    ERROR,
    KINDS,
    PENDING,
    TOKENS_COUNTED,
)
from pellucid.storage.spans.sqlite.connection import rows
from pellucid.storage.spans.sqlite.nodes import Node
from pellucid.storage.spans.sqlite.state import counted_cost
from pellucid.storage.spans.sqlite.statements import statements

STEPS: Final = (1, 60, 0)
"""Minutes that a cell spans; 0 is all time."""

_MINUTE_NS = 60 * 1_000_000_000
_CACHED_CELLS = 5000
_SQL = statements("rollups")


class Cell(NamedTuple):
    """The key of a cell."""

    experiment: int
    step: int
    minute: int
    kind: int
    model: str


class Sums(msgspec.Struct, array_like=True):
    """What a cell holds; only ever added to and taken from."""

    count: int = 0
    errors: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cache_read: int = 0
    cache_write: int = 0
    reasoning: int = 0
    image: int = 0
    dollars: int = 0
    """Whole dollars of the cost; `attodollars` are the rest, so that sums are exact."""
    attodollars: int = 0
    priced: int = 0
    """Spans that have a counted cost."""
    latency: dict[int, int] = msgspec.field(default_factory=dict)

    def add_span(self, node: Node, bits: int, sign: int) -> None:
        """Add or take away a final span whose `counted` bits are `bits`."""
        self.count += sign
        if node.status == ERROR:
            self.errors += sign
        bucket = latency_bucket(node.duration_ns)
        self.latency[bucket] = self.latency.get(bucket, 0) + sign
        self.add_counted(node, bits, sign)

    def add_counted(self, node: Node, bits: int, sign: int) -> None:
        """Add or take away the tokens and cost of a span that count."""
        if bits & TOKENS_COUNTED:
            tokens = node.tokens
            self.tokens_in += sign * tokens.input
            self.tokens_out += sign * tokens.output
            self.cache_read += sign * tokens.cache_read
            self.cache_write += sign * tokens.cache_write
            self.reasoning += sign * tokens.reasoning
            self.image += sign * tokens.image
        if bits & COST_COUNTED:
            self._add_cost(sign * attodollars(counted_cost(node)))
            self.priced += sign

    def _add_cost(self, cost: int) -> None:
        self.dollars, self.attodollars = divmod(self.dollars * ATTO + self.attodollars + cost, ATTO)

    def add(self, other: "Sums") -> None:
        """Add another cell's sums."""
        self.count += other.count
        self.errors += other.errors
        self.tokens_in += other.tokens_in
        self.tokens_out += other.tokens_out
        self.cache_read += other.cache_read
        self.cache_write += other.cache_write
        self.reasoning += other.reasoning
        self.image += other.image
        self._add_cost(other.dollars * ATTO + other.attodollars)
        self.priced += other.priced
        for bucket, count in other.latency.items():
            total = self.latency.get(bucket, 0) + count
            if total:
                self.latency[bucket] = total
            else:
                self.latency.pop(bucket, None)


decode_sums = msgspec.msgpack.Decoder(Sums).decode
_encode = msgspec.msgpack.Encoder().encode


class RollupWriter:
    """Gathers changes; `flush` puts them into the file within the caller's transaction."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._db = connection
        self._changes: dict[tuple[int, int, int, str], Sums] = {}
        self._cells: OrderedDict[Cell, Sums] = OrderedDict()

    def forget(self) -> None:
        """Drop what is in memory, as after a transaction that was rolled back."""
        self._changes.clear()
        self._cells.clear()

    def add(self, experiment: int, node: Node, bits: int, sign: int) -> None:
        """Count a span in (1) or out (-1); pending ones are in no cell."""
        if node.status != PENDING:
            self._of(experiment, node).add_span(node, bits, sign)

    def flip(self, experiment: int, node: Node, before: int) -> None:
        """Count a span's tokens and cost by its new `counted` bits instead of those before."""
        if node.status != PENDING:
            sums = self._of(experiment, node)
            sums.add_counted(node, before, -1)
            sums.add_counted(node, node.counted, 1)

    def _of(self, experiment: int, node: Node) -> Sums:
        key = (experiment, node.key[0] // _MINUTE_NS, node.kind, node.model or "")
        sums = self._changes.get(key)
        if sums is None:
            sums = self._changes[key] = Sums()
        return sums

    def flush(self) -> None:
        """Add all changes to their cells."""
        changed: dict[Cell, Sums] = {}
        for (experiment, minute, kind, model), change in self._changes.items():
            for step in STEPS:
                start = minute - minute % step if step else 0
                cell = Cell(experiment, step, start, kind, model)
                sums = changed.get(cell)
                if sums is None:
                    sums = changed[cell] = self._load(cell)
                sums.add(change)
        self._changes.clear()
        full: list[tuple[Any, ...]] = []
        empty: list[Cell] = []
        for cell, sums in changed.items():
            if sums.count:
                full.append((*cell, _encode(sums)))
            else:
                empty.append(cell)
                self._cells.pop(cell, None)
        self._db.executemany(_SQL["put_cell"], full)
        self._db.executemany(_SQL["delete_cell"], empty)
        while len(self._cells) > _CACHED_CELLS:
            self._cells.popitem(last=False)

    def _load(self, cell: Cell) -> Sums:
        sums = self._cells.get(cell)
        if sums is not None:
            self._cells.move_to_end(cell)
            return sums
        content = self._db.execute(_SQL["load_cell"], cell).get
        sums = decode_sums(content) if content is not None else Sums()
        self._cells[cell] = sums
        return sums


def read_cells(
    db: apsw.Connection,
    number: int,
    experiment: str,
    since_ns: int,
    until_ns: int,
    step: int,
) -> Iterator[Rollup]:
    """Yield an experiment's cells whose step starts within [since, until), by time."""
    first = -(-max(since_ns, 0) // _MINUTE_NS)
    last = -(-max(until_ns, 0) // _MINUTE_NS)
    if step == 0:
        first, last = 0, 1
    for minute, kind, model, content in rows(db, _SQL["cells"], (number, step, first, last)):
        yield Rollup(
            experiment=experiment,
            time_ns=minute * _MINUTE_NS,
            kind=KINDS[kind],
            model=model or None,
            figures=figures_of(decode_sums(content)),
        )


def total_of(db: apsw.Connection, number: int) -> Figures:
    """Return the sums over all of an experiment."""
    total = Sums()
    for *_, content in rows(db, _SQL["cells"], (number, 0, 0, 1)):
        total.add(decode_sums(content))
    return figures_of(total)


def figures_of(sums: Sums) -> Figures:
    """Return sums as readers want them."""
    return Figures(
        count=sums.count,
        error_count=sums.errors,
        tokens=Tokens(
            input=sums.tokens_in,
            output=sums.tokens_out,
            cache_read=sums.cache_read,
            cache_write=sums.cache_write,
            reasoning=sums.reasoning,
            image=sums.image,
        ),
        cost_usd=(sums.dollars * ATTO + sums.attodollars) / ATTO if sums.priced else None,
        latency=sums.latency,
    )
