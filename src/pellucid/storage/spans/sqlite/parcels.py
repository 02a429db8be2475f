"""Parcels: spans made ready for the file, with nothing known of what it holds.

All that is costly about a span and depends on it alone is done here: packing, compressing, the
columns of its row and what the index is to have of it. It may happen in any thread or process.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec
from msgspec.structs import replace

from pellucid.core.preview import detail_of, input_preview, output_preview
from pellucid.core.span import Arrival, DecodedSpan, Span
from pellucid.storage.spans.sqlite import bodies
from pellucid.storage.spans.sqlite.codes import INT64_MAX, PENDING
from pellucid.storage.spans.sqlite.entries import contents_of, encode_contents
from pellucid.storage.spans.sqlite.nodes import Node, Rank, node_of, rank_of, within

Previews = tuple[str | None, str | None]
"""Of a span's input and output."""


_FEW_SPANS: Final = 3
_FEW_BYTES: Final = 16 * 1024
"""Of a trace whose spans share a block with other traces'."""


class Item(msgspec.Struct, array_like=True, kw_only=True, eq=False):
    """One span of a parcel. Only `node` changes once the span is in a trace."""

    node: Node
    detail: str
    provider: str | None
    agent: str | None
    ttft_ns: int | None
    normaliser: int
    attachments: list[bytes]
    """Digests of those that it names."""
    block: int = 0
    """The number of its body's block in the parcel, and its place there."""
    slot: int = 0
    previews: Previews | None = None
    """None for a span that is hardly its trace's root."""


class Parcel(msgspec.Struct, array_like=True, kw_only=True, eq=False):
    """Spans of one trace, each once, that arrived together."""

    trace_id: bytes
    items: list[Item]
    blocks: list[bytes]
    contents: bytes = b""
    """What the index is to have of all of them (`entries.decode_contents`); may be missing."""

    def __len__(self) -> int:
        return len(self.items)

    def __reduce__(self) -> Any:
        # A block that parcels share is one object, and pickled once.
        return _restored, (self.trace_id, _encode(self.items), self.blocks, self.contents)

    @property
    def span_ids(self) -> list[str]:
        """The spans' ids in hex."""
        return [item.node.key[1].hex() for item in self.items]

    def split(self) -> list["Parcel"]:
        """Return a parcel for each of the spans."""
        return [self.reduced_to([item]) for item in self.items]

    def reduced_to(self, items: Sequence[Item]) -> "Parcel":
        """Return a parcel of some of the items; their nodes are the same."""
        opened: dict[int, list[msgspec.Raw]] = {}
        packed = []
        for item in items:
            if item.block not in opened:
                opened[item.block] = bodies.open_block(self.blocks[item.block])
            packed.append(bytes(opened[item.block][item.slot]))
        blocks, places = _blocks_of(packed)
        return Parcel(
            trace_id=self.trace_id,
            items=[
                replace(item, block=block, slot=slot)
                for item, (block, slot) in zip(items, places, strict=True)
            ],
            blocks=blocks,
        )


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Item]).decode


def _restored(trace_id: bytes, items: bytes, blocks: list[bytes], contents: bytes) -> Parcel:
    """Return a parcel that was pickled."""
    return Parcel(trace_id=trace_id, items=_decode(items), blocks=blocks, contents=contents)


class _Version(NamedTuple):
    rank: Rank
    arrival: Arrival


class _Packed(NamedTuple):
    arrival: Arrival
    body: bytes
    node: Node


def prepare(arrivals: Sequence[Arrival]) -> list[Parcel]:
    """Make arrivals ready, a parcel for each trace; of versions of one span the best is left."""
    by_trace: dict[str, dict[str, _Version]] = {}
    for arrival in arrivals:
        version = _Version(rank_of(arrival), arrival)
        versions = by_trace.setdefault(arrival.span.trace_id, {})
        span_id = arrival.span.span_id
        if span_id in versions:
            version = _better(versions[span_id], version)
        versions[span_id] = version
    parcels: list[Parcel] = []
    small: list[tuple[Parcel, list[_Packed]]] = []
    for trace_id, found in by_trace.items():
        packed = [_pack(version) for version in found.values()]
        parcel = _parcel(trace_id, packed)
        parcels.append(parcel)
        if _may_share(packed):
            small.append((parcel, packed))
        else:
            _put_into_blocks(parcel, [one.body for one in packed])
    _share_blocks(small)
    return parcels


def _may_share(packed: Sequence[_Packed]) -> bool:
    """Tell whether a trace's spans are few, small, and not soon replaced."""
    return (
        len(packed) <= _FEW_SPANS
        and sum(len(one.body) for one in packed) <= _FEW_BYTES
        and all(one.node.status != PENDING for one in packed)
    )


def _put_into_blocks(parcel: Parcel, packed: Sequence[bytes]) -> None:
    """Give a parcel blocks of its own."""
    parcel.blocks, places = _blocks_of(packed)
    for item, (block, slot) in zip(parcel.items, places, strict=True):
        item.block, item.slot = block, slot


def _share_blocks(small: Sequence[tuple[Parcel, list[_Packed]]]) -> None:
    """Give small parcels blocks that several of them share."""
    start = 0
    while start < len(small):
        together: list[bytes] = []
        size, end = 0, start
        while end < len(small):
            more = [one.body for one in small[end][1]]
            size += sum(map(len, more))
            if together and (
                len(together) + len(more) > bodies.SHARED_SPANS or size > bodies.SHARED_BYTES
            ):
                break
            together += more
            end += 1
        if end == start + 1:
            _put_into_blocks(small[start][0], together)
        else:
            block = bodies.packer().block(together, shared=True)
            slot = 0
            for parcel, _ in small[start:end]:
                parcel.blocks = [block]
                for item in parcel.items:
                    item.slot = slot
                    slot += 1
        start = end


def _better(first: _Version, second: _Version) -> _Version:
    best = second if second.rank > first.rank else first
    seen_ns = max(first.arrival.seen_ns, second.arrival.seen_ns)
    if best.arrival.seen_ns == seen_ns:
        return best
    return best._replace(arrival=replace(best.arrival, seen_ns=seen_ns))


def _parcel(trace_id: str, packed: Sequence[_Packed]) -> Parcel:
    """Return a trace's parcel; its blocks are still to be made."""
    # One of these is the trace's root, or it is not in this parcel.
    least = min(one.node.key for one in packed)
    items = [_item(one, one.node.parent_id is None or one.node.key == least) for one in packed]
    contents = b""
    if all(one.node.status != PENDING for one in packed):
        contents = encode_contents(
            contents_of([(one.arrival.decoded.attributes, one.arrival.span) for one in packed])
        )
    return Parcel(trace_id=bytes.fromhex(trace_id), items=items, blocks=[], contents=contents)


def _pack(version: _Version) -> _Packed:
    """Pack a body; what has no encoding is replaced first, in its row too."""
    rank, arrival = version
    try:
        body = bodies.pack(arrival.decoded, arrival.span)
    except (UnicodeEncodeError, OverflowError, RecursionError):
        decoded: DecodedSpan = bodies.plain(arrival.decoded)
        span: Span = bodies.plain(arrival.span)
        arrival = replace(arrival, decoded=decoded, span=span)
        body = bodies.pack(decoded, span)
    return _Packed(arrival, body, node_of(arrival, rank, bytes.fromhex(arrival.span.span_id)))


def _item(packed: _Packed, may_be_root: bool) -> Item:
    span = packed.arrival.span
    return Item(
        node=packed.node,
        detail=detail_of(span),
        provider=span.provider,
        agent=span.agent,
        ttft_ns=None if span.ttft_ns is None else within(span.ttft_ns, INT64_MAX),
        normaliser=packed.arrival.normaliser,
        attachments=bodies.attachment_digests(packed.body, span),
        previews=previews_of(span) if may_be_root else None,
    )


def previews_of(span: Span) -> Previews:
    """Return what lists show of a root."""
    return input_preview(span), output_preview(span)


def row_of(item: Item, trace: int, labels: int) -> tuple[Any, ...]:
    """Return the values of the statement `insert_span`."""
    node = item.node
    start, span_id = node.key
    _, end, attribute_count, digest = node.rank
    return (
        node.id,
        trace,
        span_id,
        node.parent_id,
        start,
        node.duration_ns,
        node.kind,
        node.status,
        node.counted,
        node.name,
        item.detail,
        node.model,
        item.provider,
        item.agent,
        *node.tokens,
        node.cost,
        node.estimate,
        item.ttft_ns,
        node.seen_ns,
        labels,
        node.block,
        node.slot,
        end,
        attribute_count,
        digest,
        item.normaliser,
    )


def _blocks_of(packed: Sequence[bytes]) -> tuple[list[bytes], list[tuple[int, int]]]:
    """Return the blocks of bodies, and each one's place: its block's number, its own in that."""
    packer = bodies.packer()
    blocks: list[bytes] = []
    places: list[tuple[int, int]] = []
    start = size = 0
    for number, body in enumerate(packed):
        if number > start and (
            number - start >= bodies.BLOCK_SPANS or size + len(body) > bodies.BLOCK_BYTES
        ):
            blocks.append(packer.block(packed[start:number]))
            start, size = number, 0
        size += len(body)
        places.append((len(blocks), number - start))
    blocks.append(packer.block(packed[start:]))
    return blocks, places
