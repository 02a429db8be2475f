"""Retrieval scorers, against trec_eval on random rankings and figures computed by hand."""

import random
from typing import Any

import pytest
import pytrec_eval

from pellucid import Document, scorers
from pellucid.core.errors import InvalidInput
from pellucid.evals.scorer import Scorer

MEASURES = {
    "P_5": scorers.precision(k=5),
    "recall_5": scorers.recall(k=5),
    "success_5": scorers.hit_rate(k=5),
    "recip_rank": scorers.mrr(),
    "ndcg_cut_5": scorers.ndcg(k=5),
    "ndcg": scorers.ndcg(),
    "map_cut_5": scorers.average_precision(k=5),
    "map": scorers.average_precision(),
}


def rankings(count: int) -> list[tuple[list[str], dict[str, int]]]:
    generator = random.Random(11)
    found = []
    for _ in range(count):
        pool = [f"d{number}" for number in range(12)]
        ranked = generator.sample(pool, generator.randint(1, 12))
        gold = {d: generator.randint(0, 3) for d in generator.sample(pool, 4)}
        gold[generator.choice(pool)] = 1
        found.append((ranked, gold))
    return found


@pytest.mark.parametrize("measure", MEASURES)
def test_measures_equal_trec_eval(measure: str) -> None:
    evaluator: Any = pytrec_eval.RelevanceEvaluator
    for ranked, gold in rankings(200):
        run = {document: float(len(ranked) - rank) for rank, document in enumerate(ranked)}
        asked = {"P", "recall", "success", "recip_rank", "ndcg_cut", "ndcg", "map_cut", "map"}
        wanted = evaluator({"q": gold}, asked).evaluate({"q": run})["q"][measure]
        got = MEASURES[measure](documents=ranked, gold_documents=gold)
        assert got == pytest.approx(wanted, abs=1e-9), (ranked, gold)


@pytest.mark.parametrize(
    ("scorer", "wanted"),
    [
        (scorers.precision(k=2), 0.5),
        (scorers.precision(k=4), 0.25),
        (scorers.recall(k=3), 0.5),
        (scorers.hit_rate(k=1), 0.0),
        (scorers.mrr(), 0.5),
        (scorers.average_precision(), 0.25),
    ],
)
def test_figures_by_hand(scorer: Scorer, wanted: float) -> None:
    documents = [Document(id="x"), {"id": "d1", "text": "…"}, "y"]
    assert scorer(documents=documents, gold_documents=["d1", "d2"]) == wanted


def test_names_tell_k() -> None:
    assert scorers.recall(k=5).name == "recall_at_5"
    assert scorers.recall().name == "recall"
    assert scorers.average_precision(k=3).name == "map_at_3"
    with pytest.raises(InvalidInput, match="at least 1"):
        scorers.recall(k=0)


def test_no_gold_gives_no_score_and_duplicates_count_once() -> None:
    assert scorers.recall()(documents=["d1"], gold_documents=[]) is None
    assert scorers.average_precision()(documents=["d1", "d1"], gold_documents=["d1"]) == 1
    assert scorers.precision()(documents=[], gold_documents=["d1"]) == 0
