"""Deterministic scorers, against hand-computed figures and the reference libraries."""

import random
from typing import Any

import pytest
import sacrebleu
from hypothesis import given
from hypothesis import strategies as st
from rouge_score import rouge_scorer  # type: ignore[import-untyped]

from pellucid import scorers
from pellucid.core.errors import InvalidInput
from pellucid.core.span import ToolCall
from pellucid.evals.report import as_number
from pellucid.evals.scorer import Scorer
from pellucid.evals.scorers.overlap import edit_distance, longest_common, sentence_bleu

SENTENCES = [
    "The cat sat on the mat.",
    "A cat was sitting on the mat, quietly.",
    "Blu-ray discs hold 25 GB per layer; two layers hold 50 GB.",
    "Two layers hold 50 GB, so a disc is 1.2 mm thick.",
    "It's 3.5% more than in 2020-21 (see above)!",
    "Nothing in common here",
    "cat",
    "the the the the cat",
]


def value(scorer: Scorer, **fields: Any) -> Any:
    answer = scorer(**fields)
    return getattr(answer, "value", answer)


def pairs() -> list[tuple[str, str]]:
    return [(a, b) for a in SENTENCES for b in SENTENCES]


@pytest.mark.parametrize("kind", ["rouge1", "rouge2", "rougeL"])
def test_rouge_equals_rouge_score(kind: str) -> None:
    reference = rouge_scorer.RougeScorer([kind], use_stemmer=False)
    for answer, expected in pairs():
        wanted = reference.score(expected, answer)[kind].fmeasure
        got = value(scorers.rouge(kind), output=answer, expected=expected)
        assert got == pytest.approx(wanted, abs=1e-12), (answer, expected)


def test_bleu_equals_sacrebleu() -> None:
    for answer, expected in pairs():
        wanted = sacrebleu.sentence_bleu(answer, [expected]).score / 100
        assert sentence_bleu(answer, [expected]) == pytest.approx(wanted, abs=1e-9), answer


def test_bleu_takes_several_references() -> None:
    references = SENTENCES[:3]
    wanted = sacrebleu.sentence_bleu(SENTENCES[1], references).score / 100
    got = scorers.bleu()(output=SENTENCES[1], expected=references)
    assert got == pytest.approx(wanted, abs=1e-9)


@given(st.text("ab ", max_size=8), st.text("ab ", max_size=8))
def test_edit_distance_and_common_length_equal_the_tables(first: str, second: str) -> None:
    above = list(range(len(second) + 1))
    common = [0] * (len(second) + 1)
    for i, a in enumerate(first, 1):
        row, shared = [i], [0]
        for j, b in enumerate(second, 1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (a != b)))
            shared.append(common[j - 1] + 1 if a == b else max(common[j], shared[-1]))
        above, common = row, shared
    assert edit_distance(first, second) == above[-1]
    assert longest_common(first, second) == common[-1]


@given(st.text("ab ", max_size=8), st.text("ab ", max_size=8))
def test_edit_distance_is_a_metric(first: str, second: str) -> None:
    distance = edit_distance(first, second)
    assert distance == edit_distance(second, first)
    assert (distance == 0) == (first == second)
    assert abs(len(first) - len(second)) <= distance <= max(len(first), len(second))


def test_edit_distance_of_a_known_pair() -> None:
    assert edit_distance("kitten", "sitting") == 3
    assert value(scorers.edit_similarity(), output="kitten", expected="sitting") == 1 - 3 / 7


@pytest.mark.parametrize(
    ("output", "expected", "exact", "normal"),
    [
        ("Paris", "Paris", True, True),
        (" the PARIS! ", "Paris", False, True),
        ({"answer": "Paris"}, "Paris", True, True),
        ("Lyon", ["Paris", "Lyon"], True, True),
        ({"a": 1}, {"a": 1}, True, True),
        ("Rome", "Paris", False, False),
    ],
)
def test_matches(output: Any, expected: Any, exact: bool, normal: bool) -> None:
    assert value(scorers.exact_match(), output=output, expected=expected) is exact
    assert value(scorers.normalised_match(), output=output, expected=expected) is normal


def test_token_f1_counts_shared_words() -> None:
    # shared: cat, sat, mat of 3 + 4 words without articles
    got = value(scorers.token_f1(), output="The cat sat mat", expected="a cat sat on mat")
    assert got == pytest.approx(2 * 3 / (3 + 4))


def test_contains_and_regex() -> None:
    assert scorers.contains("disc")(output="Two DISCS")
    assert not scorers.contains(["disc", "tape"])(output="Two discs")
    assert scorers.contains(["disc", "tape"], every=False)(output="Two discs")
    assert scorers.contains()(output="it is Paris", expected="paris")
    assert scorers.regex(r"\d+ GB")(output="25 GB")
    assert not scorers.regex(r"\d+", whole=True)(output="25 GB")
    with pytest.raises(InvalidInput, match="no regular expression"):
        scorers.regex("(")


@pytest.mark.parametrize(
    ("output", "expected", "near"),
    [
        ("It takes 1,234.5 discs", 1234.5, True),
        ({"answer": 41.9999999}, 42, True),
        ("about 40", 42, False),
        ("no number", 42, False),
        ("-3e2 m", "-300", True),
    ],
)
def test_numeric_close(output: Any, expected: Any, near: bool) -> None:
    assert value(scorers.numeric_close(), output=output, expected=expected) is near


def test_numeric_tolerances() -> None:
    assert value(scorers.numeric_close(relative=0.1), output=109, expected=100)
    assert value(scorers.numeric_close(absolute=2), output=102, expected=100)
    assert not value(scorers.numeric_close(absolute=2), output=103, expected=100)


def test_json_schema_says_what_is_wrong() -> None:
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer", "minimum": 1}},
        "required": ["n"],
        "additionalProperties": False,
    }
    scorer = scorers.json_schema(schema)
    assert value(scorer, output='{"n": 3}')
    assert scorer(output={"n": 0}).rationale == "$.n: 0 is below the minimum 1"
    assert "missing" in str(scorer(output="{}").rationale)
    assert "not JSON" in str(scorer(output="{").rationale)
    with pytest.raises(InvalidInput, match="'frobnicate' is not known"):
        scorers.json_schema({"frobnicate": 1})


def test_json_diff_counts_leaves() -> None:
    expected = {"items": [{"name": "disc", "price": 1.0}], "total": 1}
    scorer = scorers.json_diff()
    assert value(scorer, output=expected, expected=expected) == 1
    half = {"items": [{"name": "tape", "price": 1.0}], "total": 1}
    assert value(scorer, output=half, expected=expected) == pytest.approx(2 / 3)
    assert scorer(output=half, expected=expected).rationale == (
        "items[0].name: 'tape', expected 'disc'"
    )
    ignoring = scorers.json_diff(ignore=("items",))
    assert value(ignoring, output=half, expected=expected) == 1


def test_tool_calls_by_name_arguments_and_order() -> None:
    output = {
        "tool_calls": [
            {"name": "search", "arguments": {"q": "disc"}},
            {"name": "add", "arguments": '{"a": 1}'},
        ]
    }
    expected = ["search", {"name": "add", "arguments": {"a": 1}}]
    scores = scorers.tool_calls()(output=output, expected=expected)
    assert {name: score.value for name, score in scores.items()} == {
        "tool_calls": True,
        "tool_calls.names": 1.0,
        "tool_calls.arguments": 1.0,
        "tool_calls.order": 1.0,
    }
    swapped = scorers.tool_calls()(
        output=output, expected={"tool_calls": ["add", "search", "search"]}
    )
    assert swapped["tool_calls.names"].value == pytest.approx(4 / 5)
    assert swapped["tool_calls.order"].value == pytest.approx(1 / 3)
    assert swapped["tool_calls"].value is False


@pytest.mark.parametrize(
    ("mode", "wanted", "follows"),
    [
        ("exact", ["a", "b", "a"], True),
        ("exact", ["a", "b"], False),
        ("in_order", ["a", "a"], True),
        ("in_order", ["b", "b"], False),
        ("any_order", ["b", "a"], True),
        ("any_order", ["b", "b"], False),
        ("subset", ["a", "b", "a", "c"], True),
        ("subset", ["a", "b"], False),
    ],
)
def test_trajectory_modes(mode: str, wanted: list[str], follows: bool) -> None:
    output = {"tool_calls": ["a", "b", ToolCall(name="a")]}
    assert value(scorers.trajectory(mode), output=output, expected=wanted) is follows


def test_loops_counts_repeated_steps() -> None:
    call = {"name": "search", "arguments": {"q": "disc"}}
    other = {"name": "search", "arguments": {"q": "tape"}}
    score = scorers.loops()(output={"tool_calls": [call, other, call, call, call]})
    assert score.value == 2
    assert str(score.rationale).startswith("4 times: search")
    assert scorers.loops()(output="nothing").value == 0


async def test_embedding_similarity_takes_any_callable() -> None:
    vectors = {"a": [1.0, 0.0], "b": [0.0, 1.0], "c": [3.0, 3.0]}
    scorer = scorers.embedding_similarity(lambda texts: [vectors[text] for text in texts])
    assert (await scorer.function(output="a", expected="b")).value == 0
    assert (await scorer.function(output="a", expected=["b", "c"])).value == pytest.approx(0.5**0.5)


def test_operations_read_what_the_engine_measured() -> None:
    assert scorers.latency()(duration_s=1.5) == 1.5
    assert scorers.cost()(cost_usd=None) is None
    assert scorers.tokens()(tokens=0) is None
    assert all(s.lower_is_better for s in (scorers.latency(), scorers.cost(), scorers.tokens()))


def test_scores_read_as_numbers() -> None:
    assert as_number(None) is None


def test_random_words_keep_measures_in_range() -> None:
    generator = random.Random(4)
    words = "disc layer stack wikipedia the a of".split()
    for _ in range(200):
        answer, expected = (" ".join(generator.choices(words, k=6)) for _ in range(2))
        for scorer in (
            scorers.token_f1(),
            scorers.rouge("rouge2"),
            scorers.bleu(),
            scorers.edit_similarity(),
        ):
            assert 0 <= value(scorer, output=answer, expected=expected) <= 1
