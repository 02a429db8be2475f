"""URL names of experiments: `%2F` does not survive routing, so a name itself is no path."""

import hashlib
import re

_SAFE = re.compile(r"[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*")
_MARKED = re.compile(r".*-[0-9a-f]{8}")
_UNSAFE = re.compile(r"[^A-Za-z0-9]+")
_WORDS = 60


def slug_of(name: str) -> str:
    """Return the experiment's slug: ASCII letters, digits and `-`, the same in every engine.

    A name that is fit stands for itself. Any other keeps what is fit and gets a `-` and eight hex
    digits of its BLAKE2b; so do names that look as if they had them, so two names never meet.
    """
    if len(name) <= _WORDS and _SAFE.fullmatch(name) and not _MARKED.fullmatch(name):
        return name
    mark = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
    words = _UNSAFE.sub("-", name).strip("-")[:_WORDS].strip("-")
    return f"{words or 'experiment'}-{mark}"
