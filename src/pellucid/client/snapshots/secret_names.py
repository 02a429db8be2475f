"""Values that stand under the name of a secret: in code, configuration, commands and markup."""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache

from pellucid.client.masking import is_secret_name
from pellucid.client.snapshots.secret_kinds import Span, positions
from pellucid.client.snapshots.secret_values import is_password, is_random, is_token

KIND = "value of a secret name"
Test = Callable[[bytes], bool]
_HINTS = (
    *(b"key", b"secret", b"token", b"passw", b"passp", b"pwd", b"credential", b"cookie"),
    *(b"authorization", b"apikey"),
)
_NAME_BYTES = 80
_FAR_BYTES = 700
_LINE_BYTES = 200
_NAME = re.compile(rb"[A-Za-z0-9_.-]*")
_CODE = frozenset(
    "py pyi pyx js jsx mjs cjs ts tsx java kt go rs c h cc cpp hpp cs rb php swift scala lua r jl "
    "vue svelte html css sql proto".split()
)
"""Where a bare word is a variable and no value."""
_MORE_NAMES = re.compile(
    r"(?i)(?:account|shared|shared_?access|client|subscription|master)[_-]?key(?:[_-]?data)?$"
)
_PASSWORDS = frozenset({"password", "passwd", "pwd", "passphrase", "pass"})
_ABOUT = frozenset(
    "file files path paths dir folder env name names var vars variable url uri field type length "
    "len policy count limit ttl expiry expires header headers prefix suffix hint label help id "
    "ids regex pattern format param params arg args col column list version mode".split()
)
"""Last words of names of what is said about a secret."""

_BLANK = rb"[ \t]*"
_QUOTES = rb"[\"']"
_LITERAL = rb"[bBfFrRuU]{0,2}[\"'](?P<value>[^\"'\r\n]{4,512})[\"']"
_TYPE = rb"[\w.]{1,40}(?:\[[^\]\n]{0,60}\])?"
_CALL = (
    rb"(?:\w{1,20}\.)?(?:Secret\w{0,10}|Field|field|str|bytes|get|getenv|Option|Argument|Parameter)"
)
_QUOTED_VALUE = re.compile(
    rb"[\"'`]?[ \t]*\]?[ \t]*"
    # An annotation, then a sign, then perhaps a call or a bracket around the value.
    rb"(?::[ \t]*" + _TYPE + rb"(?:[ \t]*\|[ \t]*" + _TYPE + rb"){0,4}[ \t]*(?==))?"
    rb"(?:=>|:=|[:=])[ \t]*"
    rb"(?:" + _CALL + rb"\(\s{0,20}(?:\w{1,20}[ \t]*=[ \t]*)?|\(\s{0,20}(?![\"'][.]))?"
    rb"(?:[bBfFrRuU]{0,2}[\"'][^\"'\n]{0,7}[\"'][ \t]+)?"
    rb"[bBfFrRuU]{0,2}(?P<quote>\"\"\"|" + b"\x27\x27\x27" + rb"|[\"'`])"
    rb"(?P<value>(?:(?!(?P=quote))[^\r\n]){1,512})(?P=quote)"
)
_IN_BRACKETS = re.compile(
    rb"[\"'`]?[ \t]*[:=][ \t]*[\[{(]\s{0,20}"
    rb"(?:[\"'](?:value|default|plain|data)[\"'][ \t]*:[ \t]*)?" + _LITERAL
)
_AFTER_COMMA = re.compile(rb"[\"'][ \t]*,[ \t]*(?:\w{1,20}[ \t]*=[ \t]*)?" + _LITERAL)
_LOOKED_UP = re.compile(rb"(?:getenv|get|setdefault|setenv|set|pop|env|config)\(\s*[\"'][\w.-]*$")
_OPTION_DEFAULT = re.compile(rb"[\"'][^()]{0,300}?\bdefault[ \t]*=[ \t]*" + _LITERAL)
_NAMED_PAIR = re.compile(
    rb"[\"']?,?\s{1,40}[\"']?value[\"']?[ \t]*[:=][ \t]*"
    rb"(?P<quote>[\"']?)(?P<value>[^\s\"'<>#,]{4,512})(?P=quote)"
)
_ELEMENT = re.compile(rb"[^<>\n]{0,80}>(?P<value>[^<>\s]{4,512})</")
_CELL = re.compile(
    rb"[*_`]{0,3}[ \t]*(?:\||:)[ \t]*`?(?P<value>[^\s|`]{4,512})`?[ \t]*(?:\||\r?$)", re.MULTILINE
)
_BARE = re.compile(
    # In YAML a value may begin on the next line.
    rb"[\"']?[ \t]*[:=][ \t]*(?:[|>][+-]?[ \t]*\r?\n[ \t]+)?"
    rb"(?P<value>[^\s\"'`\[\](){}<>$&*!%@,;#][^\r\n\"']{2,511}?)"
    rb"(?:[ \t]+#[^\n]*)?[ \t]*(?=[\r\n\"']|\\n|\Z)"
)
_INLINE = re.compile(rb"=(?P<value>[^\s;&\"'`,(){}\[\]<>$|]{4,512})(?=[\s;&\"'`,]|\\n|\Z)")
_SPACED = re.compile(rb"[ \t]+(?P<value>[^\s\"'`$(){}\[\]<>|;&=-][^\s\"'`(){}\[\]<>|;&]{3,511})")
_BEFORE_ASSIGNED = re.compile(rb"[ \t\"']*(?:(?:export|set|ENV|ARG|-|\+|#|//)[ \t]+)?[ \t\"']*")
_BEFORE_SPACED = re.compile(rb"(?:^|\s)(?:ENV|ARG|login\s+\S+|user\s+\S+)\s+$")
_REGEX = re.compile(rb"[\[(][^\])]*[\])][+*?]|\\[swd]")
_CODE_LIKE = re.compile(rb"\w\(|\)\s*$|^\w+(?:\.\w+)+$|\bself\.|=>|::")


def find_named(data: bytes, path: str = "") -> Iterator[Span]:
    """Yield the values under secret names, in no order; `path` says what kind of file it is."""
    is_code = path.rpartition(".")[2].lower() in _CODE
    lowered = data.lower()
    seen = -1
    for position in sorted({p for hint in _HINTS for p in positions(lowered, hint)}):
        if position < seen:
            continue
        start, seen = _name_at(data, position)
        name = data[start:seen].decode("ascii", "replace").strip(".-")
        if (form := password_form(name)) is not None:
            span = _value_after(data, start, seen, is_code=is_code, is_password_name=form)
            if span is not None:
                yield span


def _name_at(data: bytes, position: int) -> tuple[int, int]:
    start = position
    least = max(0, position - _NAME_BYTES)
    while start > least and (data[start - 1 : start].isalnum() or data[start - 1] in b"_.-"):
        start -= 1
    match = _NAME.match(data, position, position + _NAME_BYTES)
    return start, max(match.end() if match else position, position + 1)


@lru_cache(maxsize=4096)
def password_form(name: str) -> bool | None:
    """Return whether a name is a password's, or None if it is none of a secret."""
    last = name.rpartition(".")[2]
    words = [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", last)]
    if not words or words[-1] in _ABOUT:
        return None
    if not (is_secret_name(last) or _MORE_NAMES.search(last)):
        return None
    return words[-1] in _PASSWORDS


def _value_after(
    data: bytes, start: int, end: int, *, is_code: bool, is_password_name: bool
) -> Span | None:
    """Return the value that follows a name, if it is a secret."""
    test = is_password if is_password_name else is_random
    far = min(len(data), end + _FAR_BYTES)
    match = _QUOTED_VALUE.match(data, end, far)
    if match is not None:
        return _checked(match, test(match["value"]) and not _REGEX.search(match["value"]))
    match = _IN_BRACKETS.match(data, end, far)
    if match is not None:
        return _checked(match, is_token(match["value"]))
    is_option = data[max(0, start - 2) : start + 2].find(b"--") >= 0
    if data[end : end + 1] in (b'"', b"'"):
        if is_option and (match := _OPTION_DEFAULT.match(data, end, far)) is not None:
            return _checked(match, test(match["value"]))
        match = _AFTER_COMMA.match(data, end, far)
        if match is not None:
            value = match["value"]
            is_looked_up = _LOOKED_UP.search(data, max(0, start - 40), end) is not None
            is_value = test(value) if is_option or is_looked_up else is_token(value)
            return _checked(match, is_value)
    for pattern in (_NAMED_PAIR, _ELEMENT):
        match = pattern.match(data, end, far)
        if match is None or not is_random(match["value"]):
            continue
        if not is_code or match.groupdict().get("quote"):
            return _checked(match, True)
    if is_code:
        return _bare_value_in_code(data, start, end, test)
    return _bare_value(data, start, end, test, is_option=is_option, is_word=is_password_name)


def _bare_value_in_code(data: bytes, start: int, end: int, test: Test) -> Span | None:
    """Return a value without quotes that can be no variable."""
    far = min(len(data), end + _FAR_BYTES)
    before = _line_before(data, start).rstrip()
    if before.endswith((b";", b"?", b"&")):
        # A part of a connection string, or of an address.
        match = _INLINE.match(data, end, far)
        return None if match is None else _checked(match, test(match["value"]))
    match = _BARE.match(data, end, far) or _INLINE.match(data, end, far)
    return None if match is None else _checked(match, is_token(match["value"]))


def _bare_value(
    data: bytes, start: int, end: int, test: Test, *, is_option: bool, is_word: bool
) -> Span | None:
    """Return a value that stands without quotes, as configuration and commands have them."""
    far = min(len(data), end + _FAR_BYTES)
    before = _line_before(data, start)
    if _BEFORE_ASSIGNED.fullmatch(before) and (match := _BARE.match(data, end, far)):
        value = match["value"]
        if b" " not in value or is_word:
            return _checked(match, test(value) and not _CODE_LIKE.search(value))
    if match := _INLINE.match(data, end, far):
        return _checked(match, test(match["value"]))
    if (is_option or _BEFORE_SPACED.search(before)) and (match := _SPACED.match(data, end, far)):
        return _checked(match, test(match["value"]))
    match = _CELL.match(data, end, far)
    return None if match is None else _checked(match, is_random(match["value"]))


def _line_before(data: bytes, start: int) -> bytes:
    least = max(0, start - _LINE_BYTES)
    return data[data.rfind(b"\n", least, start) + 1 or least : start]


def _checked(match: "re.Match[bytes]", is_secret: bool) -> Span | None:
    return Span(*match.span("value"), KIND) if is_secret else None
