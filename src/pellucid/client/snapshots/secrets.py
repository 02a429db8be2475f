"""Secrets in files and texts: found by pattern and entropy, and masked before anything leaves.

A masked file is restored with the mask in the secret's place; a file that is nothing but a secret
(`.env`, private keys) is left out whole. Both are reported, with file and line.
"""

import fnmatch
import math
import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from pellucid.client.masking import is_secret_name

VERSION = 3
"""Counts the rules; verdicts kept from older ones are made anew."""
MASK = b"PELLUCID-SECRET-LEFT-OUT"

_SECRET_FILES = (
    ".env",
    ".env.*",
    "*.env",
    "*.pem",
    "*.key",
    "*.p12",
    "*.pfx",
    "*.jks",
    "*.keystore",
    "*.kdbx",
    "id_rsa*",
    "id_dsa*",
    "id_ecdsa*",
    "id_ed25519*",
    ".netrc",
    ".pgpass",
    ".pypirc",
    ".npmrc",
    ".htpasswd",
    ".git-credentials",
    "credentials",
    "credentials.json",
    "service-account*.json",
    "service_account*.json",
    "secrets.toml",
    "secrets.yaml",
    "secrets.yml",
    "secrets.json",
)
_HARMLESS_FILES = ("*.example", "*.sample", "*.template", "*.dist", "*.pub")
_KNOWN = re.compile(
    rb"(?<![A-Za-z0-9_-])(?:"
    rb"(?P<aws>(?:AKIA|ASIA)[0-9A-Z]{16})"
    rb"|(?P<github>gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{50,})"
    rb"|(?P<gitlab>glpat-[A-Za-z0-9_-]{20,})"
    rb"|(?P<openai>sk-(?:proj-|svcacct-|admin-|ant-|or-v1-|lf-)?[A-Za-z0-9_-]{20,})"
    rb"|(?P<stripe>[sr]k_(?:live|test)_[A-Za-z0-9]{16,})"
    rb"|(?P<slack>xox[abeoprs]-[A-Za-z0-9-]{10,})"
    rb"|(?P<google>AIza[0-9A-Za-z_-]{35})"
    rb"|(?P<huggingface>hf_[A-Za-z0-9]{30,})"
    rb"|(?P<groq>gsk_[A-Za-z0-9]{30,})"
    rb"|(?P<npm>npm_[A-Za-z0-9]{36})"
    rb"|(?P<pypi>pypi-[A-Za-z0-9_-]{50,})"
    rb"|(?P<sendgrid>SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,})"
    rb"|(?P<jwt>eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,})"
    rb")"
)
_PRIVATE_KEY = re.compile(
    rb"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z ]*-----|\Z)", re.DOTALL
)
_IN_URL = re.compile(rb"[a-z][a-z0-9+.-]{1,15}://[^\s:@/'\"{}<>$]{1,64}:([^\s@/'\"{}<>$]{3,128})@")
_ASSIGNED = re.compile(rb"(?:=>|[:=])\s{0,8}(?P<quote>[\"'])(?P<value>[^\"'\r\n]{8,512})(?P=quote)")
_NAME_BEFORE = re.compile(rb"([A-Za-z_][\w.-]*)[\"']?\s*(?::\s*\w+\s*)?\Z")
_NAME_BYTES = 100
_FAR_BYTES = 1400
_BARE = re.compile(
    rb"^[ \t]*(?:export[ \t]+)?(?P<name>[A-Z][A-Z0-9_]{2,80})[ \t]*=[ \t]*"
    rb"(?P<value>[A-Za-z0-9+/_=.~-]{12,512})[ \t]*\r?$",
    re.MULTILINE,
)
_BEARER = re.compile(rb"(?i)\bbearer[ ]+([A-Za-z0-9._~+/-]{20,512}=*)")
_QUOTED = re.compile(rb"(?<![:-])[\"']([A-Za-z0-9+/_-]{40,120}={0,2})[\"']")
_PLACEHOLDER = re.compile(
    rb"(?i)\*\*\*|\.\.\.|xxx|your|example|placeholder|change.?me|dummy|<[^>]*>|\{\s*\w|\{\{|%\(|"
    rb"os\.environ|getenv|^test|^none$|^null$|^todo"
)
_HASHES = re.compile(rb"(?i)sha(?:1|256|384|512)[-:=]?$|integrity[\"']?\s*[:=]\s*$")
_PREFIXES = (
    *(b"AKIA", b"ASIA", b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_", b"github_pat_", b"glpat-"),
    *(b"sk-", b"sk_", b"rk_", b"xox", b"AIza", b"hf_", b"gsk_", b"npm_", b"pypi-", b"SG.", b"eyJ"),
)
"""What every known kind begins with: looking for these first is a hundred times as fast."""
_HINTS = (
    *(b"key", b"secret", b"token", b"passw", b"passp", b"pwd", b"credential", b"cookie"),
    *(b"authorization", b"bearer"),
)
_MIN_NAMED_ENTROPY = 2.8
_MIN_FREE_ENTROPY = 4.6


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


def is_secret_file(path: str) -> bool:
    """Tell whether a file's name says that all of it is a secret."""
    name = path.rpartition("/")[2].lower()
    if any(fnmatch.fnmatchcase(name, pattern) for pattern in _HARMLESS_FILES):
        return False
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in _SECRET_FILES)


def mask(data: bytes) -> Masked:
    """Return bytes with every secret replaced by `MASK`."""
    findings = find(data)
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


def find(data: bytes) -> list[Finding]:
    """Return the secrets in order, none overlapping."""
    spans: list[tuple[int, int, str]] = []
    for prefix in _PREFIXES:
        for position in _positions(data, prefix):
            match = _KNOWN.match(data, position)
            if match is None or _PLACEHOLDER.search(match[0]):
                continue
            if _entropy(match[0]) >= _MIN_NAMED_ENTROPY:
                spans.append((*match.span(), f"{match.lastgroup} key"))
    if b"PRIVATE KEY" in data:
        spans += [(*match.span(), "private key") for match in _PRIVATE_KEY.finditer(data)]
    if b"://" in data:
        for match in _IN_URL.finditer(data):
            if not _PLACEHOLDER.search(match[1]):
                spans.append((*match.span(1), "password in a URL"))
    for start, end in _hinted(data):
        for match in _ASSIGNED.finditer(data, start, end):
            name = _NAME_BEFORE.search(data[max(0, match.start() - _NAME_BYTES) : match.start()])
            if name is not None and _is_named_secret(name[1], match["value"]):
                spans.append((*match.span("value"), "value of a secret name"))
        for match in _BARE.finditer(data, start, end):
            if _is_named_secret(match["name"], match["value"]):
                spans.append((*match.span("value"), "value of a secret name"))
    for match in _BEARER.finditer(data):
        if _looks_random(match[1], _MIN_NAMED_ENTROPY):
            spans.append((*match.span(1), "bearer token"))
    for match in _QUOTED.finditer(data):
        before = data[max(0, match.start() - 24) : match.start()]
        if not _HASHES.search(before) and _is_free_secret(match[1]):
            spans.append((*match.span(1), "random text"))
    return _located(data, spans)


def _hinted(data: bytes) -> list[tuple[int, int]]:
    """Return the places that may name a secret: each hint's line and the next, or what is near.

    None overlap, so that a long line of hints is looked at once.
    """
    lowered = data.lower()
    places: list[tuple[int, int]] = []
    for position in sorted({p for hint in _HINTS for p in _positions(lowered, hint)}):
        if places and position < places[-1][1] - _FAR_BYTES // 2:
            continue
        start = max(data.rfind(b"\n", 0, position) + 1, position - _NAME_BYTES)
        line_end = data.find(b"\n", position, position + _FAR_BYTES)
        next_end = data.find(b"\n", line_end + 1, position + _FAR_BYTES) if line_end >= 0 else -1
        end = min(len(data), position + _FAR_BYTES) if next_end < 0 else next_end
        if places and start <= places[-1][1]:
            start = places.pop()[0]
        places.append((start, end))
    return places


def _positions(data: bytes, wanted: bytes) -> Iterator[int]:
    position = data.find(wanted)
    while position >= 0:
        yield position
        position = data.find(wanted, position + 1)


def _located(data: bytes, spans: list[tuple[int, int, str]]) -> list[Finding]:
    findings: list[Finding] = []
    line, counted = 1, 0
    for start, end, kind in sorted(spans):
        if findings and start < findings[-1].end:
            continue
        line += data.count(b"\n", counted, start)
        counted = start
        findings.append(Finding(start, end, line, kind))
    return findings


def _is_named_secret(name: bytes, value: bytes) -> bool:
    words = name.decode("ascii", "replace").rpartition(".")[2]
    return is_secret_name(words) and _looks_random(value, _MIN_NAMED_ENTROPY)


def _looks_random(value: bytes, entropy: float) -> bool:
    if b" " in value or _PLACEHOLDER.search(value):
        return False
    # Words and dotted names are what a name for a secret looks like, not a secret.
    if re.fullmatch(rb"[A-Za-z]+(?:[._/-][A-Za-z]+)*", value):
        return _entropy(value) >= 4.0
    return _entropy(value) >= entropy


def _is_free_secret(value: bytes) -> bool:
    kinds = (rb"[a-z]", rb"[A-Z]", rb"[0-9]")
    mixed = all(re.search(kind, value) for kind in kinds)
    return mixed and b"/" not in value[:1] and _entropy(value) >= _MIN_FREE_ENTROPY


def _entropy(value: bytes) -> float:
    """Return the bits a byte that its own frequencies give (Shannon)."""
    size = len(value)
    return -sum(n / size * math.log2(n / size) for n in Counter(value).values())
