"""Does the answer say it? Exact and normalised match, contains, regular expressions."""

import re
import string
import unicodedata
from collections.abc import Sequence
from typing import Any

from pellucid.core.errors import InvalidInput
from pellucid.evals.scorer import Scorer
from pellucid.evals.scorers.output import answer_of, as_text

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def exact_match(*, field: str | None = None, name: str = "exact_match") -> Scorer:
    """True if the answer equals `expected`; a list of expected answers asks for any of them."""

    def score(output: Any, expected: Any) -> bool:
        answer = answer_of(output, field)
        if answer == expected or output == expected:
            return True
        return isinstance(expected, list) and any(answer == one for one in expected)

    return Scorer(name, score, quick=True, needs=["expected"], config={"field": field})


def normalised_match(*, field: str | None = None, name: str = "normalised_match") -> Scorer:
    """True if both say the same but for case, punctuation, articles and spaces."""

    def score(output: Any, expected: Any) -> bool:
        answer = normalised(as_text(answer_of(output, field)))
        return any(answer == normalised(one) for one in _texts(expected))

    return Scorer(name, score, quick=True, needs=["expected"], config={"field": field})


def contains(
    text: str | Sequence[str] | None = None,
    *,
    every: bool = True,
    case_sensitive: bool = False,
    field: str | None = None,
    name: str = "contains",
) -> Scorer:
    """True if the answer contains `text`, or else `expected`; of several all, or any."""

    def score(output: Any, expected: Any = None) -> bool:
        answer = as_text(answer_of(output, field))
        wanted = _texts(expected if text is None else text)
        if not wanted:
            raise InvalidInput("contains() needs a text, or an example with expected.")
        if not case_sensitive:
            answer, wanted = answer.casefold(), [one.casefold() for one in wanted]
        return (all if every else any)(one in answer for one in wanted)

    config = {"text": text, "every": every, "case_sensitive": case_sensitive, "field": field}
    needs = ["expected"] if text is None else []
    return Scorer(name, score, quick=True, needs=needs, config=config)


def regex(
    pattern: str, *, whole: bool = False, field: str | None = None, name: str = "regex"
) -> Scorer:
    """True if the pattern is found in the answer, or with `whole` matches all of it."""
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise InvalidInput(f"regex({pattern!r}) is no regular expression: {error}.") from None

    def score(output: Any) -> bool:
        find = compiled.fullmatch if whole else compiled.search
        return find(as_text(answer_of(output, field))) is not None

    return Scorer(name, score, quick=True, config={"pattern": pattern, "whole": whole})


def normalised(text: str) -> str:
    """Fold case, drop punctuation and English articles, and join words by one space.

    Source: the evaluation of SQuAD (Rajpurkar et al., 2016), after Unicode NFKC.
    """
    text = unicodedata.normalize("NFKC", text).lower().translate(_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", text).split())


def _texts(value: Any) -> list[str]:
    if value is None:
        return []
    return [as_text(one) for one in value] if isinstance(value, list | tuple) else [as_text(value)]
