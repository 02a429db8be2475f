"""Which index answers best? Chunk sizes, overlaps and retrievers over a small encyclopedia.

    pip install 'pellucid[evals]' wordllama
    pellucid up &
    python examples/index_sweep.py

Every configuration is scored by whether the passages it finds hold the answer. The embedding
(WordLlama, 16 MB) ships in its package and runs here, so nothing leaves this machine. Steps marked
with `@pellucid.stage` are computed once for all configurations that share them.
"""

import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy

import pellucid
from pellucid.demo.corpus import load_corpus
from pellucid.demo.retrieval import Bm25

QUESTIONS = [
    ("How much fits on one layer of a Blu-ray disc?", "25 GB per layer", "Blu-ray"),
    ("What is the thickness of a Blu-ray disc?", "1.2 mm thick, the same", "Blu-ray"),
    ("Which colour of light reads a Blu-ray?", "405 nanometres", "Blu-ray"),
    ("How much can a disc with four recording layers store?", "four give 128 GB", "BDXL"),
    ("How big is all the text of the English Wikipedia?", "24.05 GB", "Size of Wikipedia"),
    ("What do all the pictures on Commons take up?", "428.36 TB", "Wikimedia Commons"),
    ("In which language is the wiki software written?", "written in PHP", "MediaWiki"),
    ("How high is a floor of an apartment block?", "floor to floor is about 3 m", "Storey"),
    ("How tall is the average man?", "1.71 m", "Human height"),
    ("Which animal is the tallest?", "tallest living land animal", "Giraffe"),
    ("How tall is the iron tower in Paris?", "330 m tall", "Eiffel Tower"),
    ("Why does the tower in Pisa lean?", "is soft", "Leaning Tower of Pisa"),
    ("How old is the pyramid of Khufu?", "2600 BC", "Great Pyramid of Giza"),
    ("What did the format that lost to Blu-ray hold?", "15 GB per layer", "HD DVD"),
    ("What is the capacity of a music CD?", "700 MB", "Compact disc"),
    ("How are scratches on discs made good?", "repaired once", "Reed–Solomon error correction"),
    ("How much does a backup tape hold?", "holds 18 TB", "Linear Tape-Open"),
    ("How many bytes make a kibibyte?", "is 1,024 bytes", "Binary prefix"),
    ("How much smaller does text get when compressed?", "a quarter", "Data compression"),
    ("How long do archives on film keep?", "last for centuries", "Microform"),
]
SPACE = {
    "chunk_size": [20, 40, 80, 160],
    "overlap": [0.0, 0.25],
    "retriever": ["bm25", "dense", "hybrid"],
    "k": [1, 3],
}


class Passage(NamedTuple):
    """A run of words, and the article that most of them are from."""

    text: str
    article: str


@pellucid.stage
def split(chunk_size: int, overlap: float) -> list[Passage]:
    """Cut the encyclopedia into passages of so many words."""
    words = [(word, chunk.title) for chunk in load_corpus() for word in chunk.searchable.split()]
    step = max(1, round(chunk_size * (1 - overlap)))
    passages = []
    for start in range(0, len(words), step):
        cut = words[start : start + chunk_size]
        titles = [title for _, title in cut]
        main = max(dict.fromkeys(titles), key=titles.count)
        passages.append(Passage(" ".join(word for word, _ in cut), main))
    return passages


@pellucid.stage
def embed(passages: list[Passage]) -> Any:
    """Embed passages: a matrix of unit vectors, a row each."""
    return unit(embedder().embed([passage.text for passage in passages]))


@pellucid.stage
def word_index(passages: list[Passage]) -> Bm25:
    """Index passages by their words."""
    return Bm25([passage.text for passage in passages])


@pellucid.stage
def embed_question(question: str) -> Any:
    """Embed one question."""
    return unit(embedder().embed([question]))[0]


@pellucid.trace(kind="RETRIEVER")
def retrieve(
    question: str, chunk_size: int, overlap: float, retriever: str, k: int
) -> list[pellucid.Document]:
    """Return the best `k` passages; hybrid adds the two scores, each as a share of its best."""
    passages = split(chunk_size, overlap)
    scores = numpy.zeros(len(passages))
    if retriever in ("bm25", "hybrid"):
        found = numpy.array(word_index(passages).scores(question))
        scores += found / (found.max() or 1)
    if retriever in ("dense", "hybrid"):
        found = embed(passages) @ embed_question(question)
        scores += found / (found.max() or 1)
    best = numpy.argsort(-scores, kind="stable")[:k]
    return [
        pellucid.Document(id=passages[i].article, text=passages[i].text, score=float(scores[i]))
        for i in best
    ]


def answer(question: str, **index: Any) -> dict[str, Any]:
    """Stand in for an agent: the passages are the answer."""
    documents = retrieve(question, **index)
    return {"answer": documents[0].text, "documents": documents}


def answer_found(documents: list[pellucid.Document], expected: str) -> bool:
    """Whether a passage holds the answer whole."""
    return any(expected in (document.text or "") for document in documents)


def words_read(documents: list[pellucid.Document]) -> int:
    """How much an agent would have to read."""
    return sum(len((document.text or "").split()) for document in documents)


words_read.lower_is_better = True


def unit(vectors: Any) -> Any:
    """Scale rows to length 1."""
    return vectors / numpy.maximum(numpy.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


@cache
def embedder() -> Any:
    """Load WordLlama from its package alone; it looks for its tokenizer in a cache folder."""
    import wordllama

    shipped = Path(wordllama.__file__).parent
    folder = Path(tempfile.mkdtemp())
    (folder / "tokenizers").mkdir()
    for file in (shipped / "tokenizers").glob("*.json"):
        shutil.copy(file, folder / "tokenizers" / file.name)
    return wordllama.WordLlama.load(cache_dir=folder, disable_download=True)


def main() -> None:
    """Sweep, and print what was found."""
    pellucid.init(experiment="index-sweep")
    data = [
        {"inputs": {"question": question}, "expected": phrase, "gold_documents": [article]}
        for question, phrase, article in QUESTIONS
    ]
    sweep = pellucid.sweep(
        answer,
        SPACE,
        data,
        [answer_found, pellucid.scorers.mrr(), words_read],
        objective="answer_found",
        constraints=["words_read <= 250"],
        concurrency=4,
        name="chunks and retrievers",
    )
    print(sweep)
    best = sweep.best
    print("best:", best.config)
    rival = next(r for r in sweep.runs if r.config["retriever"] != best.config["retriever"])
    print(pellucid.compare(best.report, rival.report))
    print("more at", sweep.run.url)


if __name__ == "__main__":
    main()
