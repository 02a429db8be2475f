"""Search in the corpus: BM25 over words, and cosine similarity of embeddings, joined."""

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pellucid.demo.corpus import Chunk

Vector = Sequence[float]
Embed = Callable[[list[str]], Sequence[Vector]]
"""Texts to unit vectors, in order."""

_WORD = re.compile(r"[^\W_]+(?:-[^\W_]+)*")
_STOPWORDS = frozenset(
    "a an and are as at be by for from has how in is it its many much of on or per that the this "
    "to was what when which who will with would".split()
)


def words(text: str) -> list[str]:
    """Cut text into lower-case words; plurals lose their s, so that `discs` finds `disc`."""
    found = (word.lower() for word in _WORD.findall(text))
    return [_singular(word) for word in found if word not in _STOPWORDS]


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


class Bm25:
    """Okapi BM25 (Robertson and Zaragoza, 2009), with the never-negative idf that Lucene uses."""

    def __init__(self, texts: Sequence[str], *, k1: float = 1.2, b: float = 0.75) -> None:
        self._k1 = k1
        self._b = b
        self._counts = [Counter(words(text)) for text in texts]
        self._lengths = [counts.total() for counts in self._counts]
        self._mean_length = sum(self._lengths) / max(len(texts), 1) or 1.0
        containing = Counter(word for counts in self._counts for word in counts)
        self._idf = {
            word: math.log(1 + (len(texts) - n + 0.5) / (n + 0.5)) for word, n in containing.items()
        }

    def scores(self, query: str) -> list[float]:
        """Return the score of every text, in their order; 0 where no word is shared."""
        terms = set(words(query))
        return [self._score(terms, i) for i in range(len(self._counts))]

    def _score(self, terms: set[str], index: int) -> float:
        counts = self._counts[index]
        norm = 1 - self._b + self._b * self._lengths[index] / self._mean_length
        return sum(
            self._idf[term] * counts[term] * (self._k1 + 1) / (counts[term] + self._k1 * norm)
            for term in terms
            if counts[term]
        )


@dataclass(frozen=True, kw_only=True)
class Hit:
    """One chunk that was found; `score` joins the other two and lies between 0 and 1."""

    chunk: Chunk
    score: float
    bm25: float
    cosine: float | None
    """None where the index has no embeddings."""


class Index:
    """The chunks, ready to be searched. With `embed` the search is hybrid, else BM25 alone."""

    def __init__(self, chunks: Sequence[Chunk], embed: Embed | None = None) -> None:
        self._chunks = list(chunks)
        texts = [chunk.searchable for chunk in self._chunks]
        self._bm25 = Bm25(texts)
        self._vectors = embed(texts) if embed is not None else None

    @property
    def has_vectors(self) -> bool:
        """Whether the chunks were embedded."""
        return self._vectors is not None

    def search(self, query: str, k: int, query_vector: Vector | None = None) -> list[Hit]:
        """Return the best `k` chunks, best first.

        The joined score is the mean of the BM25 score, as a share of the best one, and of the
        cosine similarity; without vectors it is the former.
        """
        lexical = self._bm25.scores(query)
        best = max(lexical, default=0.0) or 1.0
        hits = []
        for index, chunk in enumerate(self._chunks):
            cosine = self._cosine(index, query_vector)
            share = lexical[index] / best
            score = share if cosine is None else (share + max(cosine, 0.0)) / 2
            hits.append(Hit(chunk=chunk, score=score, bm25=lexical[index], cosine=cosine))
        hits.sort(key=lambda hit: (-hit.score, hit.chunk.id))
        return [hit for hit in hits[:k] if hit.score > 0]

    def _cosine(self, index: int, query_vector: Vector | None) -> float | None:
        if self._vectors is None or query_vector is None:
            return None
        return sum(a * b for a, b in zip(self._vectors[index], query_vector, strict=True))
