# ruff: noqa: D102 (the names of tests are sentences)
"""The contract of every run store."""

import math
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pellucid.core.errors import Conflict, InvalidInput, NotFound, QuerySyntaxError
from pellucid.core.ids import new_id
from pellucid.core.query.fields import RUNS
from pellucid.core.query.parser import parse
from pellucid.core.query.tree import Compare
from pellucid.core.run import (
    CRASHED_AFTER_NS,
    MetricWrite,
    ParamConflict,
    Run,
    RunEnd,
    RunStart,
    RunStatus,
    RunWrite,
    Stamped,
    TagWrite,
    WireNumber,
    from_wire,
)
from pellucid.core.run_ports import RunStore
from pellucid.testing.run_builders import (
    IMAGES,
    NOW,
    SECOND,
    A,
    B,
    C,
    SetClock,
    finder,
    found,
    image,
    metrics,
    params,
    run_writes,
    score,
    start,
    write_all,
)
from pellucid.testing.run_measures import MeasuresContract
from pellucid.testing.run_params import NestedParamsContract

FOUND_BY: dict[str, list[str]] = {
    "": [C, A, B],
    "metric.accuracy>0.8 param.k:5": [A],
    "metric.accuracy>0.81": [],
    "metric.cost<0.01": [A],
    "score.correctness>0.5 metric.cost<0.01": [A],
    "score.correctness<0.5": [],
    "param.k:5": [A],
    "param.k>=5": [A, B],
    "param.k:(5, 7)": [A, B],
    "param.k!=5": [C, B],
    "-param.k:5": [C, B],
    "param.k:5.0": [A],
    "param.model:gpt": [B],
    "param.model:gpt*": [A, B],
    "param.model=GPT-4o": [A],
    "param.model=gpt-4o": [],
    "param.flag:true": [A],
    "param.text>9": [A],
    "has:param.k": [A, B],
    "NOT has:param.k": [C],
    "tag.idea:RERANK": [A],
    "tag.idea:rerank OR param.k:7": [A, B],
    "status:finished": [A],
    "status:running": [B],
    "status:crashed": [C],
    "number:2": [B],
    "number>1": [B],
    "name:STRASSE*": [A],
    'name:"straße 100%"': [A],
    'name="straße 100%"': [],
    "since:30m": [C, A],
    "until:30m": [B],
    "has:name": [A],
    "snapshot.branch:main": [],
}
"""Queries, and the runs of `_write_three` that they find, the newest first."""


def _write_three(runs: RunStore) -> None:
    five = [*params(k=5, model="GPT-4o", deep={"a": 1}), *params(flag=True, text="10")]
    write_all(
        runs,
        start(
            A,
            name=Stamped(value="Straße 100%", time_ns=NOW),
            params=five,
            metrics=metrics(accuracy=0.81, cost=0.005),
            tags=[TagWrite(name="idea", value="rerank", time_ns=NOW)],
            end=RunEnd(time_ns=NOW + 9, status=RunStatus.FINISHED),
        ),
        start(B, at=-3600 * SECOND, params=params(k=7, model="gpt"), metrics=metrics(cost=1)),
    )
    runs.write([start(C, "other", at=5)], heard_ns=[NOW - 2 * CRASHED_AFTER_NS])
    runs.write_scores([score("s1", 0.9), score("s0", 0.1, at=-1)])


class RunStoreContract(MeasuresContract, NestedParamsContract):
    """Inherit, and give two fixtures: `clock`, a SetClock, and `runs`, an empty store over it."""

    def test_a_run_is_read_as_it_was_written(self, runs: RunStore) -> None:
        source = {"host": "h", "pid": 7}
        write_all(
            runs,
            RunWrite(
                run_id=A,
                experiment="e",
                time_ns=NOW,
                start=RunStart(time_ns=NOW - 5, parent_id=B, source=source),
                name=Stamped(value="k five", time_ns=NOW),
                params=params(k=5, rate=0.1, model="gpt", flag=True, none=None, deep={"a": [1]}),
                metrics=metrics(accuracy=0.81),
                tags=[TagWrite(name="idea", value="rerank", time_ns=NOW)],
                notes=Stamped(value="fine", time_ns=NOW),
                snapshot=Stamped(value="d" * 64, time_ns=NOW),
                parent_snapshot=Stamped(value="c" * 64, time_ns=NOW),
                end=RunEnd(time_ns=NOW + 9, status=RunStatus.FINISHED),
            ),
        )
        assert runs.get_run(A) == Run(
            id=A,
            experiment="e",
            number=1,
            name="k five",
            status=RunStatus.FINISHED,
            start_ns=NOW - 5,
            end_ns=NOW + 9,
            heard_ns=NOW,
            parent_id=B,
            params={
                "deep": {"a": [1]},
                "flag": True,
                "k": 5,
                "model": "gpt",
                "none": None,
                "rate": 0.1,
            },
            metrics={"accuracy": 0.81},
            tags={"idea": "rerank"},
            scores={},
            notes="fine",
            snapshot_id="d" * 64,
            parent_snapshot_id="c" * 64,
            error=None,
            source=source,
            conflicts=[],
        )
        assert isinstance(runs.get_run(A).params["k"], int)
        assert runs.list_children(B) == [A]

    def test_the_latest_stamp_is_that_of_name_notes_and_tags(self, runs: RunStore) -> None:
        write_all(runs, start(A, at=90))
        assert runs.latest_stamp(A) == 0
        write_all(runs, start(A, notes=Stamped(value="n", time_ns=NOW + 5)))
        assert runs.latest_stamp(A) == NOW + 5
        write_all(runs, start(A, tags=[TagWrite(name="t", value=None, time_ns=NOW + 8)]))
        assert runs.latest_stamp(A) == NOW + 8

    def test_numbers_count_the_runs_of_each_experiment(self, runs: RunStore) -> None:
        receipts = runs.write(
            [start(A, "one"), start(B, "two"), start(C, "one"), start(A, "one")],
            heard_ns=[NOW] * 4,
        )
        assert [(r.run_id, r.number) for r in receipts] == [(A, 1), (B, 1), (C, 2)]
        assert [r.number for r in runs.write([start(C, "one")], heard_ns=[NOW])] == [2]
        assert {(c.experiment, c.run_count) for c in runs.list_counts()} == {("one", 2), ("two", 1)}

    def test_nothing_is_lost_whatever_arrives_first(self, runs: RunStore) -> None:
        write_all(
            runs, RunWrite(run_id=A, experiment="e", time_ns=NOW + 3, metrics=metrics(loss=1.0))
        )
        assert runs.get_run(A).start_ns == NOW + 3
        assert runs.get_run(A).metrics == {"loss": 1.0}
        write_all(runs, start(A, at=-7))
        assert runs.get_run(A).start_ns == NOW - 7

    def test_a_run_is_named_by_id_prefix_and_number(self, runs: RunStore) -> None:
        write_all(runs, start(A, "an@odd name"), start(B, "an@odd name"))
        assert runs.resolve(A) == A
        assert runs.resolve("0190a") == A
        assert runs.resolve("an@odd name@2") == B
        with pytest.raises(InvalidInput, match="several"):
            runs.resolve("0190")
        for text in ("", "ffff", "e@1", "an@odd name@3", "an@odd name@x", "an@odd name@", "0_"):
            with pytest.raises(NotFound):
                runs.resolve(text)

    def test_a_silent_run_has_crashed_until_it_is_heard_again(
        self, runs: RunStore, clock: SetClock
    ) -> None:
        write_all(runs, start(A))
        clock.time_ns = NOW + CRASHED_AFTER_NS
        assert runs.get_run(A).status is RunStatus.RUNNING
        clock.time_ns += 1
        assert runs.get_run(A).status is RunStatus.CRASHED
        runs.write([RunWrite(run_id=A, experiment="e", time_ns=NOW)], heard_ns=[clock.time_ns])
        assert runs.get_run(A).status is RunStatus.RUNNING

    def test_a_resumed_run_runs_again(self, runs: RunStore) -> None:
        end = RunEnd(time_ns=NOW + 5, status=RunStatus.FAILED, error="boom")
        write_all(runs, start(A, end=end))
        assert (runs.get_run(A).status, runs.get_run(A).error) == (RunStatus.FAILED, "boom")
        resumed = RunStart(time_ns=NOW + 9, resumed=True)
        write_all(runs, RunWrite(run_id=A, experiment="e", time_ns=NOW, start=resumed))
        run = runs.get_run(A)
        assert (run.status, run.end_ns, run.error) == (RunStatus.RUNNING, None, None)
        assert (run.start_ns, run.number) == (NOW, 1)

    def test_the_first_value_of_a_param_is_kept_and_the_others_are_shown(
        self, runs: RunStore
    ) -> None:
        write_all(runs, start(A, params=params(at=5, k=5)))
        write_all(runs, start(A, params=params(at=9, k=7)))
        write_all(runs, start(A, params=params(at=9, k=5)))
        run = runs.get_run(A)
        assert run.params == {"k": 5}
        assert run.conflicts == [ParamConflict(name="k", kept=5, others=[7])]
        receipts = runs.write([start(A)], heard_ns=[NOW])
        assert receipts[0].conflicts == ["k"]

    def test_tags_change_and_go(self, runs: RunStore) -> None:
        def tag(value: str | None, at: int) -> RunWrite:
            return start(A, tags=[TagWrite(name="idea", value=value, time_ns=NOW + at)])

        write_all(runs, tag("one", 1), tag("two", 2))
        assert runs.get_run(A).tags == {"idea": "two"}
        write_all(runs, tag("old", 0))
        assert runs.get_run(A).tags == {"idea": "two"}
        write_all(runs, tag(None, 3))
        assert runs.get_run(A).tags == {}

    def test_metrics_keep_every_point_and_the_last_value(self, runs: RunStore) -> None:
        write_all(
            runs,
            start(A, metrics=metrics(step=2, loss=0.2) + metrics(step=1, loss=0.9)),
            start(A, metrics=metrics(step=2, loss=0.2)),
        )
        assert runs.get_run(A).metrics == {"loss": 0.2}
        (series,) = runs.list_series([A], None, limit=100)
        assert (series.steps, series.values) == ([1, 2], [0.9, 0.2])
        summary = runs.list_metrics(A)["loss"]
        assert (summary.least, summary.greatest, summary.step) == (0.2, 0.9, 2)

    def test_metrics_that_are_no_finite_numbers_survive(self, runs: RunStore) -> None:
        values: list[WireNumber] = ["Infinity", "-Infinity", 1.5, "NaN"]
        points = [MetricWrite("loss", value, step, NOW) for step, value in enumerate(values)]
        write_all(runs, start(A, metrics=points))
        assert math.isnan(runs.get_run(A).metrics["loss"])
        (series,) = runs.list_series([A], ["loss"], limit=100)
        assert series.values == ["Infinity", "-Infinity", 1.5, "NaN"]
        assert from_wire(series.values[1]) == -math.inf

    def test_a_long_series_is_thinned_with_its_ends(self, runs: RunStore) -> None:
        points = [MetricWrite("loss", float(step), step, NOW) for step in range(5000)]
        write_all(runs, start(A, metrics=points))
        (series,) = runs.list_series([A], ["loss", "other"], limit=100)
        assert len(series.steps) == 100
        assert (series.steps[0], series.steps[-1]) == (0, 4999)

    def test_artifacts_are_replaced_by_later_ones_of_their_path(self, runs: RunStore) -> None:
        write_all(runs, start(A, artifacts=[image("a.png", at=2), image("b.png", digest="b" * 64)]))
        write_all(runs, start(A, artifacts=[image("a.png", at=1, digest="c" * 64)]))
        assert [(a.path, a.digest) for a in runs.list_artifacts(A)] == [
            ("a.png", "a" * 64),
            ("b.png", "b" * 64),
        ]
        artifact = runs.get_artifact(A, "a.png")
        assert (artifact.key, artifact.step, artifact.metadata) == ("stack", 3, {"w": 2})
        with pytest.raises(NotFound):
            runs.get_artifact(A, "z.png")

    def test_images_are_found_by_prompt_model_run_and_key(self, runs: RunStore) -> None:
        write_all(
            runs,
            start(A, artifacts=[image("a.png", prompt="A STACK of discs", at=1)]),
            start(B, artifacts=[image("b.png", prompt="100% of a disc", at=2, model="m2")]),
            start(C, artifacts=[image("c.txt", kind="text", prompt="a stack")]),
        )
        find = finder(runs)
        assert find() == [B, A]
        assert find(text="disc stack") == [A]
        assert find(text="100%") == [B]
        assert find(text="1_0") == []
        assert find(model="m2") == [B]
        assert find(run_id=A) == [A]
        assert find(key="other") == []
        assert find(experiment="other") == []
        page = runs.list_images(**IMAGES, limit=1)
        assert [a.run_id for a in page.artifacts] == [B]
        rest = runs.list_images(**{**IMAGES, "cursor": page.next}, limit=1)
        assert [a.run_id for a in rest.artifacts] == [A]
        assert rest.next is None

    def test_runs_are_ordered_by_anything(self, runs: RunStore) -> None:
        write_all(
            runs,
            start(A, at=1, metrics=[MetricWrite("recall@k", 0.5, 0, NOW)], params=params(k=10)),
            start(B, at=2, metrics=[MetricWrite("recall@k", 0.9, 0, NOW)], params=params(k=9)),
            start(C, at=3, params=params(k="x")),
        )
        assert found(runs) == [C, B, A]
        assert found(runs, order='metric."recall@k" desc') == [B, A, C]
        assert found(runs, order="metric.recall@k") == [A, B, C]
        assert found(runs, order="param.k asc") == [B, A, C]
        assert found(runs, order="number") == [A, B, C]
        assert found(runs, order="status, number desc") == [C, B, A]
        assert found(runs, order="score.x desc") == [C, B, A]
        for order in ("nonsense", "metric.a up", "metric.a desc desc", "number;", "x.y", ","):
            with pytest.raises(InvalidInput):
                found(runs, order=order)

    def test_runs_are_found_by_anything(self, runs: RunStore) -> None:
        _write_three(runs)
        for query, ids in FOUND_BY.items():
            assert found(runs, query) == ids, query
            assert runs.count(experiment=None, query=query) == len(ids)

    def test_runs_are_found_by_one_comparison(self, runs: RunStore) -> None:
        _write_three(runs)
        leaf = parse("param.k>5", RUNS).root
        assert isinstance(leaf, Compare)
        assert runs.find_ids(leaf) == [B]
        assert (runs.is_param("k"), runs.is_param("z")) == (True, False)
        page = runs.search(experiment="other", query="", order="", limit=9, cursor=None)
        assert [run.id for run in page.runs] == [C]
        for query in ("metric.accuracy>", "nonsense:1", "number:x", "some words", "span(kind:LLM)"):
            with pytest.raises(QuerySyntaxError):
                found(runs, query)

    def test_what_runs_have_is_counted_by_name(self, runs: RunStore) -> None:
        tags = [TagWrite(name="idea", value="x", time_ns=NOW)]
        write_all(
            runs,
            start(A, params=params(k=1, z=2), metrics=metrics(m=1), tags=tags),
            start(B, params=params(k=1), metrics=metrics(m=1, l=2)),
            start(C, "other", params=params(o=1)),
        )
        runs.write_scores([score("s1", 0.4)])
        columns = runs.list_columns("e")
        assert list(columns.params.items()) == [("k", 2), ("z", 1)]
        assert list(columns.metrics.items()) == [("m", 2), ("l", 1)]
        assert (columns.tags, columns.scores) == ({"idea": 1}, {"correctness": 1})
        assert set(runs.list_columns(None).params) == {"k", "z", "o"}
        assert runs.list_columns("nobody").params == {}

    def test_a_line_of_runs_shows_parents_and_the_best_so_far(self, runs: RunStore) -> None:
        one, two = "1" * 64, "2" * 64

        def snapshot(digest: str, parent: str | None = None) -> dict[str, Any]:
            made: dict[str, Any] = {"snapshot": Stamped(value=digest, time_ns=NOW)}
            if parent is not None:
                made["parent_snapshot"] = Stamped(value=parent, time_ns=NOW)
            return made

        write_all(
            runs,
            start(A, metrics=metrics(accuracy=0.5), **snapshot(one)),
            start(B, metrics=metrics(accuracy=0.4), **snapshot(two, one)),
            start(C, metrics=metrics(accuracy=0.7)),
        )

        def line(**asked: Any) -> list[tuple[str, str | None, Any, bool]]:
            settings = {"value": "metric.accuracy", "goal": "max", "limit": 10, **asked}
            points = runs.list_lineage("e", **settings)
            return [(p.run_id, p.parent_run_id, p.best, p.is_best) for p in points]

        assert line() == [(A, None, 0.5, True), (B, A, 0.5, False), (C, None, 0.7, True)]
        assert line(goal="min", limit=2) == [(B, A, 0.4, True), (C, None, 0.4, False)]
        assert line(value="") == [
            (A, None, None, False),
            (B, A, None, False),
            (C, None, None, False),
        ]
        runs.write_scores([score("s1", 0.9)])
        assert line(value="score.correctness")[0] == (A, None, 0.9, True)
        for wrong in ({"value": "k"}, {"goal": "best"}):
            with pytest.raises(InvalidInput):
                line(**wrong)

    def test_pages_follow_each_other_in_any_order(self, runs: RunStore) -> None:
        ids = [f"{number:032x}" for number in range(1, 24)]
        write_all(
            runs,
            *(
                start(
                    run_id,
                    at=number % 3,
                    metrics=metrics(m=number % 4) if number % 5 else [],
                )
                for number, run_id in enumerate(ids)
            ),
        )
        for order in ("", "metric.m desc", "metric.m asc, start desc", "number desc"):
            whole = found(runs, order=order)
            assert sorted(whole) == ids
            pages: list[str] = []
            cursor: str | None = None
            while True:
                page = runs.search(experiment=None, query="", order=order, limit=4, cursor=cursor)
                pages += [run.id for run in page.runs]
                cursor = page.next
                if cursor is None:
                    break
            assert pages == whole
        for cursor in ("x", "e30", "WzEsMl0"):
            with pytest.raises(InvalidInput):
                runs.search(experiment=None, query="", order="", limit=4, cursor=cursor)

    def test_scores_of_a_run_are_idempotent_and_the_latest_counts(self, runs: RunStore) -> None:
        write_all(runs, start(A))
        first, second = score("s1", 0.4, at=1), score("s2", 0.6, at=2)
        runs.write_scores([second, first, second])
        assert runs.get_run(A).scores == {"correctness": 0.6}
        assert [s.id for s in runs.list_scores(A)] == ["s2"]
        assert [s.id for s in runs.list_scores(A, history=True)] == ["s1", "s2"]
        with pytest.raises(Conflict):
            runs.write_scores([score("s3", 1.0), score("s1", 0.5, at=1)])
        assert [s.id for s in runs.list_scores(A, history=True)] == ["s1", "s2"]
        runs.write_scores([score("s4", 1.0, run_id=B)])
        write_all(runs, start(B))
        assert runs.get_run(B).scores == {"correctness": 1.0}
        with pytest.raises(InvalidInput):
            runs.write_scores([score("s5", 1.0, run_id=None)])

    def test_a_deleted_run_stays_deleted(self, runs: RunStore) -> None:
        write_all(runs, start(A, params=params(k=1), metrics=metrics(m=1)), start(B))
        runs.write_scores([score("s1", 0.4)])
        runs.delete_run(A)
        (receipt,) = runs.write([start(A, params=params(k=1))], heard_ns=[NOW])
        assert receipt.deleted
        runs.write_scores([score("s2", 0.4)])
        assert runs.list_scores(A) == []
        gone_calls = (
            *(runs.get_run, runs.delete_run, runs.latest_stamp),
            *(runs.list_artifacts, runs.list_metrics),
        )
        for gone in gone_calls:
            with pytest.raises(NotFound):
                gone(A)
        with pytest.raises(NotFound):
            runs.resolve("e@1")
        assert found(runs) == [B]
        assert runs.count(experiment=None, query="") == 1
        write_all(runs, start(C))
        assert runs.get_run(C).number == 3

    @settings(
        max_examples=25,
        deadline=None,
        suppress_health_check=[
            # One store for all examples: each has runs of its own. Engines share the test.
            HealthCheck.function_scoped_fixture,
            HealthCheck.differing_executors,
            HealthCheck.too_slow,
        ],
    )
    @given(data=st.data())
    def test_a_run_is_a_function_of_the_set_of_its_writes(
        self, runs: RunStore, data: st.DataObject
    ) -> None:
        writes = data.draw(st.lists(run_writes(), min_size=1, max_size=5))
        again = data.draw(st.permutations([*writes, *writes]))
        once, often = new_id(), new_id()
        write_all(runs, *(msgspec.structs.replace(write, run_id=once) for write in writes))
        for write in again:
            write_all(runs, msgspec.structs.replace(write, run_id=often))
        replace = msgspec.structs.replace
        assert runs.get_run(once) == replace(
            runs.get_run(often), id=once, number=runs.get_run(once).number
        )
        assert runs.list_metrics(once) == runs.list_metrics(often)
        assert runs.list_series([once], None, limit=99) == [
            replace(series, run_id=once) for series in runs.list_series([often], None, limit=99)
        ]
        assert runs.list_artifacts(once) == [
            replace(artifact, run_id=once) for artifact in runs.list_artifacts(often)
        ]
