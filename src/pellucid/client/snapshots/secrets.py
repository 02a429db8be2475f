"""Secrets in files and texts: found by kind, name and entropy, and masked before anything leaves.

A masked file is restored with the mask in the secret's place; a file that is nothing but a secret
(`.env`, private keys) is left out whole. Both are reported, with file and line.
"""

from collections.abc import Iterable
from typing import NamedTuple

from pellucid.client.snapshots.secret_kinds import Span, find_kinds, is_secret_file
from pellucid.client.snapshots.secret_names import find_named
from pellucid.client.snapshots.secret_places import find_placed
from pellucid.client.snapshots.secret_tables import find_in_tables

__all__ = ["MASK", "VERSION", "Finding", "Masked", "find", "is_secret_file", "mask", "mask_text"]

VERSION = 5
"""Counts the rules; verdicts kept from older ones are made anew."""
MASK = b"PELLUCID-SECRET-LEFT-OUT"


class Finding(NamedTuple):
    """One secret: where it stands, which line (from 1), and what it looks like."""

    start: int
    end: int
    line: int
    kind: str


class Masked(NamedTuple):
    """Bytes without their secrets."""

    data: bytes
    findings: list[Finding]


def mask(data: bytes, path: str = "") -> Masked:
    """Return bytes with every secret replaced by `MASK`; `path` says what kind of file it is."""
    findings = find(data, path)
    if not findings:
        return Masked(data, [])
    pieces: list[bytes] = []
    position = 0
    for finding in findings:
        pieces += [data[position : finding.start], MASK]
        position = finding.end
    pieces.append(data[position:])
    return Masked(b"".join(pieces), findings)


def mask_text(text: str) -> str:
    """Return a text with every secret replaced."""
    return mask(text.encode("utf-8", "surrogatepass")).data.decode("utf-8", "surrogatepass")


def find(data: bytes, path: str = "") -> list[Finding]:
    """Return the secrets in order, none overlapping."""
    spans = [*find_kinds(data), *find_named(data, path), *find_placed(data)]
    spans += find_in_tables(data, path)
    if b'\\"' in data or b"\\n" in data:
        # Text within text, as notebooks and JSON hold code: read it as it is meant, in place.
        inner = data.replace(b'\\"', b' "').replace(b"\\n", b" \n")
        spans += [*find_kinds(inner), *find_named(inner, path), *find_placed(inner)]
    return _located(data, spans)


def _located(data: bytes, spans: Iterable[Span]) -> list[Finding]:
    findings: list[Finding] = []
    line, counted = 1, 0
    for start, end, kind in sorted(spans):
        if findings and start < findings[-1].end:
            if end > findings[-1].end:
                findings[-1] = findings[-1]._replace(end=end)
            continue
        line += data.count(b"\n", counted, start)
        counted = start
        findings.append(Finding(start, end, line, kind))
    return findings
