"""What a door hands to the ingest service after decoding one request."""

from typing import NamedTuple

import msgspec

from pellucid.core.span import DecodedSpan, LogRecord

MAX_FAULTS_NAMED = 5


class Fault(msgspec.Struct, frozen=True):
    """Why one span or record was refused: which it is, and what is wrong with it."""

    subject: str
    reason: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.reason}"


class Part(NamedTuple):
    """A share of a request's traces; the shares of one number of them are the whole request."""

    number: int = 0
    of: int = 1

    def has(self, trace_id: bytes) -> bool:
        """Tell whether a trace is in this share."""
        return self.of == 1 or (trace_id[-1] if trace_id else 0) % self.of == self.number


WHOLE = Part()


class Batch(msgspec.Struct, kw_only=True):
    """One decoded request; spans that were refused are in `faults`."""

    spans: list[DecodedSpan] = []
    logs: list[LogRecord] = []
    faults: list[Fault] = []
    warnings: list[str] = []
    """What was left out although nothing was refused, such as an undecodable resource attribute."""
    left_out: int = 0
    """Log records that belong to no span; a warning tells of them."""


def describe(faults: list[Fault], warnings: list[str]) -> str:
    """Return one message that names the first faults, the number of the others and the warnings."""
    lines = [str(fault) for fault in faults[:MAX_FAULTS_NAMED]]
    if len(faults) > MAX_FAULTS_NAMED:
        lines.append(f"and {len(faults) - MAX_FAULTS_NAMED} more")
    lines.extend(warnings[:MAX_FAULTS_NAMED])
    return "; ".join(lines)
