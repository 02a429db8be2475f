"""What the index is to have of spans: the texts that words are found in, and facts."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from pellucid.core.query.words import words_of
from pellucid.core.span import Attributes, Span
from pellucid.core.texts import texts_of
from pellucid.storage.spans.sqlite import bodies
from pellucid.storage.spans.sqlite.facts import Fact, decode_fact, facts_of_all


class Contents(NamedTuple):
    """What the index is to have of one span, or of several of one trace."""

    pieces: list[str]
    """Texts, each once, as the `ascii` tokenizer is to see them."""
    facts: list[bytes]
    """Encoded as `facts.decode_fact` reads them: most come again and again."""


def contents_of(spans: Sequence[tuple[Attributes, Span]]) -> Contents:
    """Read it from the raw attributes and the canonical form of each span."""
    pieces: dict[str, None] = {}
    for _, span in spans:
        pieces.update(dict.fromkeys(texts_of(span)))
    return Contents(list(map(indexed_text, pieces)), list(facts_of_all(spans)))


def contents_of_bodies(packed: Iterable[bytes | msgspec.Raw]) -> Contents:
    """Read it from packed bodies of one trace."""
    opened = map(bodies.unpack, packed)
    return contents_of([(body.decoded.attributes, body.span) for body in opened])


def facts_of_bodies(packed: Iterable[bytes | msgspec.Raw]) -> set[Fact]:
    """Return the fields and values that the index may have of packed bodies of one trace."""
    opened = map(bodies.unpack, packed)
    found = facts_of_all((body.decoded.attributes, body.span) for body in opened)
    return {(fact.field, fact.value) for fact in map(decode_fact, found)}


def indexed_text(piece: str) -> str:
    """Return the words of a piece, as the `ascii` tokenizer separates them."""
    # It cuts and folds what is ASCII just as `words_of` does, and leaves all else alone.
    return piece if piece.isascii() else " ".join(words_of(piece))


encode_contents = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Contents).decode


def decode_contents(data: bytes) -> Contents:
    """Read what `encode_contents` wrote."""
    return _decode(data)
