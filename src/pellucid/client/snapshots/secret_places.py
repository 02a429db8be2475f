"""Secrets without a name of their own: found by the call, command or sentence they stand in."""

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from pellucid.client.snapshots.secret_kinds import Span
from pellucid.client.snapshots.secret_values import (
    is_nameless_password,
    is_password,
    is_placeholder,
    is_strong,
    is_token,
)

KIND = "value in the place of a secret"
Test = Callable[[bytes], bool]

_Q = rb"[bBrRuU]{0,2}[\"'][^\"'\r\n]{0,120}[\"']"
_VALUE = rb"[bBrRuU]{0,2}[\"'](?P<value>[^\"'\r\n]{4,128})[\"']"


class _Place(NamedTuple):
    hint: bytes
    """Looked for first, in lower case: the pattern alone would take a hundred times as long."""
    pattern: "re.Pattern[bytes]"
    test: Test


def _is_written_out(value: bytes) -> bool:
    return len(value) >= 4 and not is_placeholder(value)


def _is_long_token(value: bytes) -> bool:
    return len(value) >= 20 and is_token(value)


_PLACES = (
    # A literal anywhere.
    _Place(
        b"",
        re.compile(
            rb"(?<![\w\\])[bru]?([\"'])(?P<value>[A-Za-z0-9][^\s\"'\\(){}\[\]<>,;:/|=`]{7,39})\1"
        ),
        is_nameless_password,
    ),
    # requests.get(url, auth=("user", "…")), smtp.login("me", "…"), HTTPBasicAuth("user", "…")
    _Place(
        b"auth",
        re.compile(
            rb"\b(?:auth\s*=\s*\(|\w*(?:Basic|Digest)Auth\()\s*" + _Q + rb"\s*,\s*" + _VALUE
        ),
        is_password,
    ),
    _Place(b".login(", re.compile(rb"\.login\(\s*" + _Q + rb"\s*,\s*" + _VALUE), is_password),
    # pymysql.connect("host", "user", "…")
    _Place(
        b"connect(",
        re.compile(rb"\b[cC]onnect\(\s*" + _Q + rb"\s*,\s*" + _Q + rb"\s*,\s*" + _VALUE),
        is_strong,
    ),
    _Place(
        b"jwt.",
        re.compile(rb"\bjwt\.(?:en|de)code\(\s*[^,()\"'\n]{1,60},\s*" + _VALUE),
        _is_written_out,
    ),
    _Place(b"hmac.new(", re.compile(rb"\bhmac\.new\(\s*(?:key\s*=\s*)?" + _VALUE), is_token),
    # Authorization: token …
    _Place(
        b"authorization",
        re.compile(
            rb"(?i)authorization[\"']?\s*\]?\s*[:=,]\s*[\"']?(?:token|api-?key|key|bot)[ ]+"
            rb"(?P<value>[A-Za-z0-9._~+/=-]{16,512})"
        ),
        lambda value: not is_placeholder(value),
    ),
    # X-Auth-Token: … within quotes
    _Place(
        b"-h ",
        re.compile(
            rb"(?i)-H\s+[\"'][\w-]{0,40}(?:token|key|secret)[ ]*:[ ]*"
            rb"(?P<value>[^\s\"'$]{12,512})[\"']"
        ),
        lambda value: not is_placeholder(value),
    ),
    _Place(
        b"mysql",
        re.compile(
            rb"\bmysql(?:dump|admin)?\b[^\n|;\"']{0,200}?\s-p(?P<value>[^\s\"'$-][^\s\"']{3,})"
        ),
        is_password,
    ),
    _Place(
        b"pass",
        re.compile(
            rb"\b(?:sshpass\s+-p\s*|requirepass\s+|-passin\s+pass:|-passout\s+pass:|-pass\s+pass:)"
            rb"[\"']?(?P<value>[^\s\"'$,<{]{4,128})"
        ),
        is_password,
    ),
    _Place(
        b"openssl",
        re.compile(rb"\bopenssl\s+enc\b[^\n|;]{0,200}?\s-k\s+[\"']?(?P<value>[^\s\"'$]{4,128})"),
        is_password,
    ),
    # CREATE USER bob WITH PASSWORD '…', IDENTIFIED BY '…'
    _Place(
        b"password",
        re.compile(
            rb"(?i)\b(?:with|user|role)\b[^\n;\"']{0,80}\bpassword\s*=?\s+'(?P<value>[^'\n]{4,128})'"
        ),
        is_password,
    ),
    _Place(
        b"identified",
        re.compile(
            rb"(?i)\bidentified\s+by\s+(?:password\s+)?[\"'](?P<value>[^\"'\n]{4,128})[\"']"
        ),
        is_password,
    ),
    # host=db user=me password=…
    _Place(
        b"password=",
        re.compile(
            rb"(?i)\b(?:host|user|dbname|database|server|uid|port|sslmode)=[^\s,()\"']{1,80}[ ]+"
            rb"password=(?P<value>[^\s\"'{}$,()]{4,128})"
        ),
        is_password,
    ),
    # user/…@//host:1521/service
    _Place(
        b"@//",
        re.compile(rb"[\"']\w{1,60}/(?P<value>[^\s/@\"'{}]{4,128})@//[\w.-]+"),
        is_password,
    ),
    # The password is …
    _Place(
        b"passw",
        re.compile(rb"(?i)\bpassword(?:\s+is|:)?\s+[`\"']?(?P<value>[^\s`\"'<>(){}\[\],;=]{8,64})"),
        is_strong,
    ),
    _Place(
        b"key",
        re.compile(
            rb"(?i)\b(?:api|access|secret)[ _-]?key(?:\s+is|:)?\s+[`\"']?(?P<value>\w{20,128})\b"
        ),
        _is_long_token,
    ),
    _Place(
        b"token",
        re.compile(rb"(?i)\btoken(?:\s+is|:)?\s+[`\"']?(?P<value>\w{20,128})\b"),
        _is_long_token,
    ),
    # pass=… and "pass": "…" of configuration
    _Place(
        b"pass",
        re.compile(
            rb"(?:^|[\s{,\"'_.-])pass[\"']?[ \t]*[:=][ \t]*[\"']?"
            rb"(?P<value>[^\s\"'`,;(){}\[\]<>$|]{6,64})",
            re.MULTILINE,
        ),
        lambda value: is_password(value) and _has_digits_and_letters(value),
    ),
    _Place(
        b"pw",
        re.compile(
            rb"^[ \t]*(?:\w{1,20}[_.-])?pw[ \t]*[:=][ \t]*[\"']?"
            rb"(?P<value>[^\s\"'`,;(){}\[\]<>$|]{6,64})",
            re.MULTILINE,
        ),
        lambda value: is_password(value) and _has_digits_and_letters(value),
    ),
    _Place(
        b"mnemonic",
        re.compile(
            rb"(?i)\bmnemonic[\"']?\s*[:=]\s*[\"']?(?P<value>[a-z]{3,8}(?: [a-z]{3,8}){11,23})\b"
        ),
        _is_written_out,
    ),
    _Place(
        b"phrase",
        re.compile(
            rb"(?i)\b(?:seed|recovery)[_ -]phrase[\"']?\s*[:=]\s*[\"']?"
            rb"(?P<value>[a-z]{3,8}(?: [a-z]{3,8}){11,23})\b"
        ),
        _is_written_out,
    ),
    _Place(
        b"pgpassword",
        re.compile(rb"\bPGPASSWORD[\"']?\]?\s*[=:]\s*[\"']?(?P<value>[^\s\"'$]{4,128})"),
        is_password,
    ),
)


def find_placed(data: bytes) -> Iterator[Span]:
    """Yield the secrets that stand where secrets do, in no order."""
    lowered = data.lower()
    for place in _PLACES:
        if place.hint not in lowered:
            continue
        for match in place.pattern.finditer(data):
            if place.test(match["value"]):
                yield Span(*match.span("value"), KIND)


def _has_digits_and_letters(value: bytes) -> bool:
    return re.search(rb"[0-9]", value) is not None and re.search(rb"[A-Za-z]", value) is not None
