# ruff: noqa: D102 (the names of tests are sentences)
"""The part of the run store's contract about nested params."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pellucid.core.ids import new_id
from pellucid.core.leaves import flatten_params
from pellucid.core.run import ParamWrite, RunWrite, Stamped, TagWrite
from pellucid.core.run_ports import RunStore
from pellucid.testing.run_builders import NOW, A, B, C, found, image, params, start, write_all

FOUND_BY: dict[str, list[str]] = {
    "param.retriever.k:5": [A],
    "param.retriever.k>=5": [C, A, B],
    "param.retriever.kind:bm25": [A, B],
    "param.retriever.rerank.model:m*": [B],
    "has:param.retriever.rerank.model": [B],
    "-has:param.retriever.rerank.model": [C, A],
    "has:param.retriever": [A, B],
    'param.retriever.layers:"[1,2]"': [A],
    "param.retriever.a.b:1": [A],
    "param.retriever.k:6": [C],
    "retriever.kind:bm25": [A, B],
    "param.retriever.rerank:x": [],
}
DEEP: dict[str, Any] = {"k": 5, "kind": "BM25", "layers": [1, 2], "a.b": 1, "gone": None}
VALUES = st.sampled_from([1, {"b": 1}, {"b": {"c": 2}}, {"b.c": 3, "b": {"c": 4}}, {}])


def _write_nested(runs: RunStore) -> None:
    other = {"k": 7, "kind": "bm25", "rerank": {"model": "mini"}}
    write_all(
        runs,
        start(A, params=params(retriever=DEEP)),
        start(B, at=-9, params=params(retriever=other)),
        start(C, at=9, params=params(**{"retriever.k": 6})),
    )


class NestedParamsContract:
    """Inherited by `RunStoreContract`."""

    @pytest.mark.parametrize("query", sorted(FOUND_BY))
    def test_what_stands_in_a_nested_param_is_found(self, runs: RunStore, query: str) -> None:
        _write_nested(runs)
        assert found(runs, query) == FOUND_BY[query]

    def test_a_nested_param_is_read_as_it_was_written(self, runs: RunStore) -> None:
        _write_nested(runs)
        assert runs.get_run(A).params == {"retriever": DEEP}

    def test_runs_are_ordered_by_what_stands_in_a_nested_param(self, runs: RunStore) -> None:
        _write_nested(runs)
        assert found(runs, "", "param.retriever.k desc") == [B, C, A]
        assert found(runs, "", "param.retriever.rerank.model, number") == [B, A, C]

    def test_the_names_are_those_of_the_leaves(self, runs: RunStore) -> None:
        _write_nested(runs)
        names = runs.list_columns("e").params
        assert names["retriever.k"] == 3
        assert "retriever" not in names
        assert runs.is_param("retriever.rerank.model")
        assert runs.is_param("retriever")
        assert not runs.is_param("retriever.rerank")

    def test_deleting_a_run_deletes_them(self, runs: RunStore) -> None:
        _write_nested(runs)
        runs.delete_run(B)
        assert not runs.is_param("retriever.rerank.model")

    def test_another_first_value_takes_its_leaves_along(self, runs: RunStore) -> None:
        write_all(runs, start(A, params=params(at=5, r={"k": 5, "x": 1})))
        write_all(runs, start(A, params=params(at=9, r={"k": 7})))
        assert (found(runs, "param.r.k:5"), found(runs, "param.r.k:7")) == ([A], [])
        write_all(runs, start(A, params=params(at=1, r="flat")))
        assert not found(runs, "has:param.r.k")
        assert runs.get_run(A).params == {"r": "flat"}

    def test_any_key_can_be_written(self, runs: RunStore) -> None:
        odd = {"a\0b": "c\0d", "": 1, "é \n%": [1], "x" * 300: {"y": 1}, '"': "q"}
        write_all(runs, start(A, params=params(odd=odd, nul="a\0b")))
        assert runs.get_run(A).params == {"odd": odd, "nul": "a\0b"}
        assert found(runs, "has:param.odd") == [A]

    def test_text_with_a_nul_is_kept_beside_what_else_was_sent(self, runs: RunStore) -> None:
        nul = "a\0b"
        write_all(
            runs,
            start(
                A,
                notes=Stamped(value=nul, time_ns=NOW),
                name=Stamped(value=nul, time_ns=NOW),
                tags=[TagWrite(name="t", value=nul, time_ns=NOW)],
                artifacts=[image("i.png", prompt=nul, model=nul)],
                params=params(k=5),
            ),
        )
        run = runs.get_run(A)
        assert run.params == {"k": 5}
        for text in (run.notes, run.name, run.tags["t"], runs.list_artifacts(A)[0].prompt or ""):
            assert text in (nul, "a\ufffdb")
        assert found(runs, f'tag.t:"{nul}"') == [A]

    def test_a_large_configuration_is_found_by_each_of_its_keys(self, runs: RunStore) -> None:
        large = {f"part{i}": {f"key{j}": i * j for j in range(20)} for i in range(50)}
        write_all(runs, start(A, params=params(config=large)))
        assert found(runs, "param.config.part49.key19:931") == [A]
        assert len(runs.list_columns("e").params) == 1000

    @settings(
        max_examples=25,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(
        written=st.lists(
            st.tuples(st.sampled_from(["a", "a.b", "a.b.c"]), VALUES, st.integers(NOW, NOW + 2)),
            min_size=1,
            max_size=5,
        ),
        order=st.randoms(use_true_random=False),
    )
    def test_leaves_follow_from_the_set_of_writes(
        self, runs: RunStore, written: list[tuple[str, Any, int]], order: Any
    ) -> None:
        experiment, ids = new_id(), [new_id(), new_id()]
        for run_id in ids:
            for name, value, at in written:
                param = ParamWrite(name=name, value=value, time_ns=at)
                write = RunWrite(run_id=run_id, experiment=experiment, time_ns=NOW, params=[param])
                runs.write([write], heard_ns=[NOW])
            order.shuffle(written)
        first, second = (runs.get_run(run_id).params for run_id in ids)
        assert first == second
        flat = flatten_params(first)
        assert runs.list_columns(experiment).params == dict.fromkeys(flat, 2)
        for name, value in flat.items():
            if isinstance(value, int):
                page = runs.search(
                    experiment=experiment,
                    query=f"param.{name}:{value}",
                    order="",
                    limit=9,
                    cursor=None,
                )
                assert {run.id for run in page.runs} == set(ids)
