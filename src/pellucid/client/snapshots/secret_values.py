"""Whether a value is a secret or only stands where one could: words, paths, placeholders."""

import math
import re
from collections import Counter

_PLACEHOLDER = re.compile(
    rb"(?i)\*\*\*|\.\.\.|xxx|your|example|placeholder|change.?me|dummy|redacted|<[^>]*>|"
    rb"\{\s*\w|\{\{|%\(|\$\{|\$\(|os\.environ|getenv|^\$|^test|^none$|^null$|^todo|^fake|"
    rb"PELLUCID-SECRET"
)
_WORDS = re.compile(rb"[A-Za-z]+(?:[._/ -][A-Za-z]+)*")
_LABELS = frozenset(
    b"string str text password passwd pwd passphrase secret hidden none null true false required "
    b"optional user username prompt input field token key value default undefined bytes bool int "
    b"any type self".split()
)
_TOKEN = re.compile(rb"[A-Za-z0-9+/=~]+")
_PATH = re.compile(rb"(?:\.{0,2}|~)/|[A-Za-z]:[\\/]|[\w./-]+\.(?:pem|key|crt|json|txt|ya?ml|toml)$")
_NAME_LIKE = re.compile(rb"[A-Za-z_][A-Za-z]*[0-9]{0,2}(?:[._:/-][A-Za-z0-9_]*)*[.,:]?")
"""Names, versions and addresses: words with a number at their end."""
_SIGNS = re.compile(rb"[!@#$&]")
_NO_PASSWORD = re.compile(
    rb"[a-zA-Z0]-[zZ9]|@[\w-]+\.|\.\w{1,4}$|%[0-9A-F]{2}|&{2}|\$[\w{]|&\w+[;=]"
)
_ALPHABET = re.compile(rb"(?i)abcdefghij|0123456789")
_LEAST_ENTROPY = 2.8
_LEAST_WORD_ENTROPY = 4.0
_LEAST_FREE_ENTROPY = 4.3
_LEAST_TOKEN_ENTROPY = 3.3


def entropy(value: bytes) -> float:
    """Return the bits a byte that its own frequencies give (Shannon)."""
    size = len(value)
    return -sum(n / size * math.log2(n / size) for n in Counter(value).values())


def is_placeholder(value: bytes) -> bool:
    """Tell whether a value says that the secret is to stand there, or where it comes from."""
    return _PLACEHOLDER.search(value) is not None


def is_password(value: bytes) -> bool:
    """Tell whether a literal under a password's name is one: words are passwords too."""
    lowered = value.strip().lower()
    is_label = lowered.rstrip(b"?:*") in _LABELS
    if len(lowered) < 4 or is_placeholder(value) or _PATH.match(value) or is_label:
        return False
    # A sentence about passwords is a label.
    return not (b" " in lowered and any(w in lowered for w in (b"pass", b"enter ", b"please")))


def is_random(value: bytes) -> bool:
    """Tell whether a literal under a secret's name is one, and not a name for it."""
    if len(value) < 8 or b" " in value or is_placeholder(value) or _PATH.match(value):
        return False
    # Words and dotted names are what a name for a secret looks like.
    is_words = _WORDS.fullmatch(value) is not None
    return entropy(value) >= (_LEAST_WORD_ENTROPY if is_words else _LEAST_ENTROPY)


def is_token(value: bytes) -> bool:
    """Tell whether a bare word can be nothing but a token: no name in a program looks like it."""
    if len(value) < 12 or _TOKEN.fullmatch(value) is None:
        return False
    has_digits = re.search(rb"[0-9]", value) is not None
    has_letters = re.search(rb"[A-Za-z]", value) is not None
    return has_digits and has_letters and entropy(value) >= _LEAST_TOKEN_ENTROPY


def is_strong(value: bytes) -> bool:
    """Tell whether a word is made as passwords are: letters of both cases, and digits."""
    kinds = (rb"[a-z]", rb"[A-Z]", rb"[0-9]")
    return (
        8 <= len(value) <= 64
        and all(re.search(kind, value) for kind in kinds)
        and _NAME_LIKE.fullmatch(value) is None
        and is_password(value)
    )


def is_nameless_password(value: bytes) -> bool:
    """Tell whether a literal can be nothing but a password: it has signs too, as no name has."""
    return (
        is_strong(value)
        and _SIGNS.search(value) is not None
        and value[:1].isalnum()
        and _NO_PASSWORD.search(value) is None
    )


def is_free_secret(value: bytes) -> bool:
    """Tell whether a literal is a secret whatever its name is."""
    kinds = (rb"[a-z]", rb"[A-Z]", rb"[0-9]")
    mixed = all(re.search(kind, value) for kind in kinds)
    # Words that a program joins with capitals have few digits.
    digits = sum(1 for byte in value if 48 <= byte <= 57)
    return (
        mixed
        and digits >= 3
        and value[:1] != b"/"
        and not is_placeholder(value)
        and _ALPHABET.search(value) is None
        and entropy(value) >= _LEAST_FREE_ENTROPY
    )
