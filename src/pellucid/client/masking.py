"""Which names hold secrets. Their values never leave the process."""

import itertools
import re
from functools import lru_cache
from typing import Any

MASK = "***"

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_SECRET_WORDS = frozenset(
    "apikey authorization bearer cookie credential credentials passphrase passwd password "
    "privatekey pwd secret secrets".split()
)
_SECRET_PAIRS = frozenset(
    {
        ("api", "key"),
        ("access", "key"),
        ("account", "key"),
        ("auth", "key"),
        ("encryption", "key"),
        ("pass", "word"),
        ("private", "key"),
        ("signing", "key"),
        ("subscription", "key"),
        ("x", "key"),
    }
)
_TOKEN_OWNERS = frozenset(
    "access api auth bearer client csrf github hf id identity jwt oauth personal refresh security "
    "session user x".split()
)


_NO_SECRETS = frozenset({bool, int, float})


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Tell whether a value under this name is a secret.

    >>> [is_secret_name(n) for n in ("api_key", "X-Api-Key", "userPassword", "max_tokens", "keys")]
    [True, True, True, False, False]
    """
    words = [word.lower() for word in _WORDS.findall(name)]
    if not _SECRET_WORDS.isdisjoint(words):
        return True
    if not _SECRET_PAIRS.isdisjoint(itertools.pairwise(words)):
        return True
    # `token` alone or someone's token is a secret; `token_count` and `next_token` are not.
    return words[-1:] == ["token"] and (len(words) == 1 or words[-2] in _TOKEN_OWNERS)


def masked(name: str, value: Any) -> bool:
    """Tell whether a value is to be replaced by `MASK`: numbers and nothing are no secrets."""
    return is_secret_name(name) and value is not None and type(value) not in _NO_SECRETS
