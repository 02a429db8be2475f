"""All that is done to a request before the store is asked: it depends on the request alone."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from pellucid.core.ports import Parcel
from pellucid.core.span import Arrival, DecodedSpan, LogRecord, Span
from pellucid.semconv.attachments import CutAttachment, cut, cut_log
from pellucid.semconv.digest import attribute_count, digest_of
from pellucid.server.services.batch import WHOLE, Batch, Part

Decode = Callable[..., Batch]
"""Decodes a request that it holds, or the `Part` of it that is given.

One that pickles may run in another process.
"""

Normalise = Callable[[DecodedSpan, Sequence[LogRecord]], Span]


class Prepared(NamedTuple):
    """A request on its way into the store."""

    batch: Batch
    """What is to be answered; its spans and logs stand below."""
    parcels: Sequence[Parcel]
    logs: list[LogRecord]
    attachments: list[CutAttachment]

    def join(self, other: "Prepared") -> "Prepared":
        """Return what two parts of one request are together."""
        batch = Batch(
            faults=self.batch.faults + other.batch.faults,
            warnings=self.batch.warnings + other.batch.warnings,
            left_out=self.batch.left_out + other.batch.left_out,
        )
        return Prepared(
            batch,
            [*self.parcels, *other.parcels],
            self.logs + other.logs,
            self.attachments + other.attachments,
        )


class Preparer:
    """Decodes, cuts, normalises and packs; the same in any thread and in any process."""

    def __init__(
        self,
        normalise: Normalise,
        version: int,
        pack: Callable[[Sequence[Arrival]], Sequence[Parcel]],
    ) -> None:
        self._normalise = normalise
        self._version = version
        self._pack = pack

    def __call__(self, decode: Decode, seen_ns: int, part: Part = WHOLE) -> Prepared:
        """Return the request, all of it in memory. Raises what `decode` raises."""
        batch = decode() if part == WHOLE else decode(part)
        attachments: list[CutAttachment] = []
        arrivals = [self._arrival(span, seen_ns, attachments) for span in batch.spans]
        logs: list[LogRecord] = []
        for record in batch.logs:
            cut_record = cut_log(record)
            attachments += cut_record.attachments
            logs.append(cut_record.record)
        batch.spans, batch.logs = [], []
        return Prepared(batch, self._pack(arrivals), logs, attachments)

    def _arrival(
        self, decoded: DecodedSpan, seen_ns: int, attachments: list[CutAttachment]
    ) -> Arrival:
        digest = digest_of(decoded)
        kept = cut(decoded)
        attachments += kept.attachments
        return Arrival(
            decoded=kept.decoded,
            span=self._normalise(kept.decoded, ()),
            digest=digest,
            attribute_count=attribute_count(decoded),
            seen_ns=seen_ns,
            normaliser=self._version,
        )
