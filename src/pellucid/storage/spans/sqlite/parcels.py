"""Parcels: spans made ready for the file, with nothing known of what it holds.

All that is costly about a span and depends on it alone is done here: packing, compressing, the
columns of its row and what the index is to have of it. It may happen in any thread or process.
"""

import threading
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

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
    block: int
    """The number of its body's block in the parcel, and its place there."""
    slot: int
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
        return decode_parcel, (_encode(self),)

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
_decode = msgspec.msgpack.Decoder(Parcel).decode


def decode_parcel(data: bytes) -> Parcel:
    """Return a parcel that was pickled."""
    return _decode(data)


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
    return [_parcel(trace_id, versions.values()) for trace_id, versions in by_trace.items()]


def _better(first: _Version, second: _Version) -> _Version:
    best = second if second.rank > first.rank else first
    seen_ns = max(first.arrival.seen_ns, second.arrival.seen_ns)
    if best.arrival.seen_ns == seen_ns:
        return best
    return best._replace(arrival=replace(best.arrival, seen_ns=seen_ns))


def _parcel(trace_id: str, versions: Collection[_Version]) -> Parcel:
    packed = [_pack(version) for version in versions]
    blocks, places = _blocks_of([one.body for one in packed])
    # One of these is the trace's root, or it is not in this parcel.
    least = min(one.node.key for one in packed)
    items = [
        _item(one, block, slot, one.node.parent_id is None or one.node.key == least)
        for one, (block, slot) in zip(packed, places, strict=True)
    ]
    contents = b""
    if all(one.node.status != PENDING for one in packed):
        contents = encode_contents(
            contents_of([(one.arrival.decoded.attributes, one.arrival.span) for one in packed])
        )
    return Parcel(trace_id=bytes.fromhex(trace_id), items=items, blocks=blocks, contents=contents)


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


def _item(packed: _Packed, block: int, slot: int, may_be_root: bool) -> Item:
    span = packed.arrival.span
    return Item(
        node=packed.node,
        detail=detail_of(span),
        provider=span.provider,
        agent=span.agent,
        ttft_ns=None if span.ttft_ns is None else within(span.ttft_ns, INT64_MAX),
        normaliser=packed.arrival.normaliser,
        attachments=sorted(bodies.attachment_digests(packed.body, span)),
        block=block,
        slot=slot,
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


_local = threading.local()  # a packer serves one thread at a time


def _blocks_of(packed: Sequence[bytes]) -> tuple[list[bytes], list[tuple[int, int]]]:
    """Return the blocks of bodies, and each one's place: its block's number, its own in that."""
    packer: bodies.Packer | None = _local.__dict__.get("packer")
    if packer is None:
        packer = _local.packer = bodies.Packer()
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
