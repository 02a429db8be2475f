"""What full text counts as a word: the same for every engine, and for the highlighting of matches.

Case is folded, compatibility forms are made one (NFKC), and every run of letters and digits is a
word. Scripts that write no spaces between words (Chinese, Japanese, Korean, Thai …) give one word
a character, so that looking for a run of them finds it anywhere.
"""

import re
import unicodedata
from collections.abc import Sequence

_UNSPACED = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f\u1780-\u17ff"  # Myanmar, Khmer
    "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
_WORD = re.compile(rf"[{_UNSPACED}]|(?:(?![{_UNSPACED}])[^\W_])+")


def words_of(text: str) -> list[str]:
    """Return a text's words, folded, in order."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return _WORD.findall(text.casefold())


def is_id(text: str) -> bool:
    """Tell whether a text is the id of a trace or a span, whole: 32 or 16 hex digits."""
    return len(text) in _ID_LENGTHS and _HEX.issuperset(text)


_ID_LENGTHS = frozenset({16, 32})
_HEX = frozenset("0123456789abcdefABCDEF")


def find_words(words: Sequence[str], sought: Sequence[str], *, prefix: bool = False) -> bool:
    """Tell whether `sought` stand in `words` one after the other; slow, obvious, the reference.

    With `prefix` the last of them may be the beginning of a word.
    """
    count = len(sought)
    return any(
        list(words[start : start + count - 1]) == list(sought[:-1])
        and (
            words[start + count - 1].startswith(sought[-1])
            if prefix
            else words[start + count - 1] == sought[-1]
        )
        for start in range(len(words) - count + 1)
    )
