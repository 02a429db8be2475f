import math

import pytest

from pellucid.demo.corpus import Chunk, load_corpus
from pellucid.demo.model_server.embeddings import embed
from pellucid.demo.retrieval import Bm25, Index, words


def embed_all(texts: list[str]) -> list[list[float]]:
    return [embed(text, 256) for text in texts]


def test_the_corpus_states_the_facts_once_and_has_distractors() -> None:
    chunks = load_corpus()
    text = "\n".join(chunk.text for chunk in chunks)
    for fact in (
        "October 2024",
        "24.05 GB",
        "August 2023",
        "428.36 TB",
        "hold 50 GB",
        "100 GB with three layers",
    ):
        assert fact in text
    assert len({chunk.id for chunk in chunks}) == len(chunks)
    assert len({chunk.title for chunk in chunks}) >= 37
    assert all(chunk.text and "#" not in chunk.text for chunk in chunks)


def test_words_lose_case_stopwords_and_plural() -> None:
    assert words("How many Blu-ray discs, and a glass?") == ["blu-ray", "disc", "glass"]


def test_bm25_is_the_published_formula() -> None:
    texts = ["disc disc tower", "tower", "page"]
    scores = Bm25(texts, k1=1.2, b=0.75).scores("disc")
    idf = math.log(1 + (3 - 1 + 0.5) / (1 + 0.5))
    norm = 1 - 0.75 + 0.75 * 3 / (5 / 3)
    assert scores == [pytest.approx(idf * 2 * 2.2 / (2 + 1.2 * norm)), 0.0, 0.0]


def test_bm25_prefers_rare_words_and_short_texts() -> None:
    scores = Bm25(["disc a b c d e f", "disc tower", "disc", "tower"]).scores("tower")
    assert scores[3] > scores[1] > scores[0] == 0.0


def test_an_empty_index_or_query_finds_nothing() -> None:
    assert Bm25([]).scores("disc") == []
    assert Index([]).search("disc", 3) == []
    assert Index(load_corpus()).search("the of and", 3) == []


@pytest.mark.parametrize(
    ("query", "chunk"),
    [
        ("compressed size of the English Wikipedia text without media", "size-of-wikipedia#1"),
        ("total size of the media files on Wikimedia Commons", "wikimedia-commons#2"),
        ("Blu-ray disc capacity in GB per layer", "blu-ray#2"),
        ("Blu-ray disc thickness and diameter in mm", "blu-ray#3"),
    ],
)
@pytest.mark.parametrize("hybrid", [True, False])
def test_the_agents_queries_find_what_they_need(query: str, chunk: str, hybrid: bool) -> None:
    index = Index(load_corpus(), embed_all if hybrid else None)
    hits = index.search(query, 3, embed(query, 256) if hybrid else None)
    assert chunk in [hit.chunk.id for hit in hits]
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert all(0 < hit.score <= 1.0001 for hit in hits)


def test_scores_join_words_and_vectors() -> None:
    chunks = [
        Chunk(id="a", title="Disc", text="a disc"),
        Chunk(id="b", title="Tower", text="a tower"),
    ]
    hit = Index(chunks, embed_all).search("disc", 1, embed("disc", 256))[0]
    assert hit.chunk.id == "a"
    assert hit.cosine == pytest.approx(1.0)
    assert hit.score == pytest.approx((1 + 1) / 2)
