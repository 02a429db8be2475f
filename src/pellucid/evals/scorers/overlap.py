"""How near is the answer's wording to the expected one? Token F1, ROUGE, BLEU, edit distance."""

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from pellucid.core.errors import InvalidInput
from pellucid.evals.score import Score
from pellucid.evals.scorer import Scorer
from pellucid.evals.scorers.output import answer_of, as_text
from pellucid.evals.scorers.text import normalised

_WORDS = re.compile(r"[^a-z0-9]+")
_ROUGE = re.compile(r"rouge([1-9]|L)")
_BLEU_SPLITS = (
    (re.compile(r"([\{-\~\[-\` -\&\(-\+\:-\@\/])"), r" \1 "),
    (re.compile(r"([^0-9])([\.,])"), r"\1 \2 "),
    (re.compile(r"([\.,])([^0-9])"), r" \1 \2"),
    (re.compile(r"([0-9])(-)"), r"\1 \2 "),
)


class _Overlap(NamedTuple):
    precision: float
    recall: float
    f1: float


def token_f1(*, field: str | None = None, name: str = "token_f1") -> Scorer:
    """F1 of the words that answer and `expected` share, normalised; the best of several."""
    return _best_of(
        name, lambda a, e: _tokens_f1(normalised(a).split(), normalised(e).split()), field
    )


def rouge(kind: str = "rougeL", *, field: str | None = None, name: str | None = None) -> Scorer:
    """ROUGE F1 against `expected`: `rouge1`, `rouge2`, … or `rougeL` (Lin, 2004).

    Words are runs of ASCII letters and digits in lower case, without stemming.
    """
    match = _ROUGE.fullmatch(kind)
    if match is None:
        raise InvalidInput(f"rouge({kind!r}): say rouge1, rouge2, … or rougeL.")
    order = 0 if match[1] == "L" else int(match[1])

    def measure(answer: str, expected: str) -> float:
        first, second = _words(expected), _words(answer)
        return (_ngram_overlap(first, second, order) if order else _lcs_overlap(first, second)).f1

    return _best_of(name or kind.lower(), measure, field, config={"kind": kind})


def bleu(*, max_order: int = 4, field: str | None = None, name: str = "bleu") -> Scorer:
    """Sentence BLEU against all expected answers, from 0 to 1 (Papineni et al., 2002).

    Tokenised as WMT's 13a, smoothed exponentially (Chen & Cherry, 2014, method 3), with orders
    above the answer's length left out.
    """

    def score(output: Any, expected: Any) -> float:
        answer = as_text(answer_of(output, field))
        return sentence_bleu(answer, _expected(expected), max_order=max_order)

    config = {"max_order": max_order, "field": field}
    return Scorer(name, score, quick=True, needs=["expected"], config=config)


def edit_similarity(*, field: str | None = None, name: str = "edit_similarity") -> Scorer:
    """1 − the Levenshtein distance over the longer length; the best of several."""

    def measure(answer: str, expected: str) -> float:
        longest = max(len(answer), len(expected))
        return 1.0 if longest == 0 else 1 - edit_distance(answer, expected) / longest

    return _best_of(name, measure, field)


def edit_distance(first: Sequence[Any], second: Sequence[Any]) -> int:
    """Count the fewest insertions, deletions and substitutions between two sequences.

    A column of the table at a time, as bits of one integer (Hyyrö, 2003).
    """
    if not first or not second:
        return max(len(first), len(second))
    places = _places(first)
    ones = (1 << len(first)) - 1
    last = 1 << (len(first) - 1)
    up, down, distance = ones, 0, len(first)
    for item in second:
        equal = places.get(item, 0)
        diagonal = (((equal & up) + up) ^ up) | equal
        right = down | (~(diagonal | up) & ones)
        left = up & diagonal
        distance += bool(right & last) - bool(left & last)
        right = right << 1 | 1
        upright = equal | down
        up = (left << 1 | ~(upright | right)) & ones
        down = right & upright & ones
    return distance


def longest_common(first: Sequence[Any], second: Sequence[Any]) -> int:
    """Return the length of the longest common subsequence (Hyyrö, 2004)."""
    places = _places(first)
    ones = (1 << len(first)) - 1
    free = ones
    for item in second:
        matched = free & places.get(item, 0)
        free = ((free + matched) | (free - matched)) & ones
    return len(first) - free.bit_count()


def _places(sequence: Sequence[Any]) -> dict[Any, int]:
    """Return where each item stands, as bits."""
    places: dict[Any, int] = {}
    for index, item in enumerate(sequence):
        places[item] = places.get(item, 0) | 1 << index
    return places


def sentence_bleu(answer: str, expected: Sequence[str], *, max_order: int = 4) -> float:
    """Return BLEU of one sentence against references, from 0 to 1."""
    words = _bleu_tokens(answer)
    references = [_bleu_tokens(one) for one in expected]
    if not words or not references:
        return 0.0
    logs = []
    smooth = 1.0
    for order in range(1, min(max_order, len(words)) + 1):
        grams = _ngrams(words, order)
        allowed: Counter[tuple[str, ...]] = Counter()
        for reference in references:
            allowed |= _ngrams(reference, order)
        matched = (grams & allowed).total()
        if order == 1 and not matched:
            return 0.0
        if not matched:
            smooth *= 2
        logs.append(math.log((matched or 1 / smooth) / grams.total()))
    closest = min((abs(len(r) - len(words)), len(r)) for r in references)[1]
    brevity = min(0.0, 1 - closest / len(words))
    return math.exp(math.fsum(logs) / len(logs) + brevity)


def _best_of(
    name: str,
    measure: Callable[[str, str], float],
    field: str | None,
    config: dict[str, Any] | None = None,
) -> Scorer:
    def score(output: Any, expected: Any) -> Score:
        answer = as_text(answer_of(output, field))
        values = [(measure(answer, one), one) for one in _expected(expected)]
        best = max(values, key=lambda pair: pair[0])
        return Score(best[0], rationale=f"nearest to: {best[1]}" if len(values) > 1 else None)

    config = {"field": field, **(config or {})}
    return Scorer(name, score, quick=True, needs=["expected"], config=config)


def _expected(expected: Any) -> list[str]:
    if expected is None or expected == []:
        raise InvalidInput("This scorer needs examples with expected.")
    return [as_text(one) for one in expected] if isinstance(expected, list) else [as_text(expected)]


def _tokens_f1(first: list[str], second: list[str]) -> float:
    if not first or not second:
        return float(first == second)
    return _f1((Counter(first) & Counter(second)).total(), len(second), len(first)).f1


def _words(text: str) -> list[str]:
    return [word for word in _WORDS.split(text.lower()) if word]


def _ngrams(words: list[str], order: int) -> "Counter[tuple[str, ...]]":
    return Counter(tuple(words[i : i + order]) for i in range(len(words) - order + 1))


def _ngram_overlap(expected: list[str], answer: list[str], order: int) -> _Overlap:
    first, second = _ngrams(expected, order), _ngrams(answer, order)
    return _f1((first & second).total(), first.total(), second.total())


def _lcs_overlap(expected: list[str], answer: list[str]) -> _Overlap:
    return _f1(longest_common(expected, answer), len(expected), len(answer))


def _f1(shared: int, expected: int, answer: int) -> _Overlap:
    if not shared:
        return _Overlap(0.0, 0.0, 0.0)
    precision, recall = shared / answer, shared / expected
    return _Overlap(precision, recall, 2 * precision * recall / (precision + recall))


def _bleu_tokens(text: str) -> list[str]:
    text = text.replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    for entity, character in (("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">")):
        text = text.replace(entity, character)
    text = f" {text} "
    for pattern, replacement in _BLEU_SPLITS:
        text = pattern.sub(replacement, text)
    return text.split()
