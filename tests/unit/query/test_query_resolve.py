from pellucid.core.query import (
    TRACES,
    And,
    Compare,
    Has,
    InSpan,
    list_unresolved,
    needs_runs,
    parse,
    print_query,
    replace_run_fields,
    resolve,
)

SCORES = {"answer.quality"}
PARAMS = {"model.temperature", "answer.quality"}


def _resolve(text: str) -> str:
    query = resolve(parse(text, TRACES), is_score=SCORES.__contains__, is_param=PARAMS.__contains__)
    assert list_unresolved(query) == []
    return print_query(query)


def test_a_bare_name_is_a_score_then_a_param_then_an_attribute() -> None:
    assert _resolve("answer.quality>0.5") == "score.answer.quality>0.5"
    assert _resolve("model.temperature:0.2") == "param.model.temperature:0.2"
    assert _resolve("llm.model_name:gpt*") == "attr.llm.model_name:gpt*"
    assert _resolve("-has:answer.quality OR status:ok") == "-has:score.answer.quality OR status:ok"


def test_inside_a_span_a_score_is_the_spans() -> None:
    query = resolve(parse("span(answer.quality:1)", TRACES), is_score=bool, is_param=bool)
    assert isinstance(query.root, InSpan)
    assert query == parse("span(score.answer.quality:1)", TRACES)


def test_unresolved_names_are_listed_once() -> None:
    query = parse("b.c:1 (a.b:2 OR -b.c:3) span(has:d.e) status:ok", TRACES)
    assert list_unresolved(query) == ["a.b", "b.c", "d.e"]


def test_run_fields_become_sets_of_runs() -> None:
    query = parse("param.k:3 -metric.loss<0.1 span(has:param.k) status:ok", TRACES)
    assert needs_runs(query)
    asked: list[str] = []

    def find_runs(leaf: Compare | Has) -> list[str]:
        asked.append(print_query(leaf))
        return ["r2", "r1"] if len(asked) == 1 else []

    replaced = replace_run_fields(query, find_runs)
    assert asked == ["param.k:3", "metric.loss<0.1", "has:param.k"]
    assert not needs_runs(replaced)
    assert isinstance(replaced.root, And)
    first = replaced.root.items[0]
    assert isinstance(first, Compare)
    assert [value.text for value in first.values] == ["r1", "r2"]
    assert print_query(first) == 'run=("r1", "r2")'
    assert not needs_runs(parse("status:ok", TRACES))
