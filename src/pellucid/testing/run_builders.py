# ruff: noqa: D102, D103 (what they build is their name)
"""Writes about runs, for tests."""

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from pellucid.core.run import (
    ArtifactWrite,
    MetricWrite,
    ParamWrite,
    RunEnd,
    RunStart,
    RunStatus,
    RunWrite,
    Stamped,
    TagWrite,
)
from pellucid.core.run_ports import RunStore
from pellucid.core.score import Score

SECOND = 1_000_000_000
NOW = 1_800_000_000 * SECOND
A, B, C = (f"0190{n}" + "0" * 27 for n in "abc")


class SetClock:
    """A clock that stands where it is set."""

    def __init__(self) -> None:
        self.time_ns = NOW

    def __call__(self) -> int:
        return self.time_ns


def start(run_id: str = A, experiment: str = "e", *, at: int = 0, **fields: Any) -> RunWrite:
    return RunWrite(
        run_id=run_id,
        experiment=experiment,
        time_ns=NOW + at,
        start=RunStart(time_ns=NOW + at),
        **fields,
    )


def write_all(store: RunStore, *writes: RunWrite) -> None:
    store.write(writes, heard_ns=[NOW] * len(writes))


def params(at: int = 0, **values: Any) -> list[ParamWrite]:
    return [ParamWrite(name=n, value=v, time_ns=NOW + at) for n, v in values.items()]


def metrics(step: int = 0, **values: float) -> list[MetricWrite]:
    return [MetricWrite(n, v, step, NOW) for n, v in values.items()]


IMAGES: dict[str, Any] = {
    "experiment": None,
    "run_id": None,
    "text": "",
    "model": None,
    "key": None,
    "cursor": None,
}


def finder(runs: RunStore) -> Callable[..., list[str]]:
    def find(**filters: Any) -> list[str]:
        page = runs.list_images(**{**IMAGES, **filters}, limit=10)
        return [artifact.run_id for artifact in page.artifacts]

    return find


def found(runs: RunStore, query: str = "", order: str = "") -> list[str]:
    page = runs.search(experiment=None, query=query, order=order, limit=100, cursor=None)
    return [run.id for run in page.runs]


def image(path: str, *, at: int = 0, digest: str = "a" * 64, **fields: Any) -> ArtifactWrite:
    values: dict[str, Any] = {
        "kind": "image",
        "key": "stack",
        "step": 3,
        "prompt": "a stack",
        "model": "m",
        "metadata": {"w": 2},
        **fields,
    }
    return ArtifactWrite(
        path=path,
        digest=digest,
        size_bytes=3,
        media_type="image/png",
        time_ns=NOW + at,
        **values,
    )


def score(score_id: str, value: float, *, at: int = 0, run_id: str | None = A) -> Score:
    return Score(id=score_id, name="correctness", value=value, time_ns=NOW + at, run_id=run_id)


def run_writes() -> st.SearchStrategy[RunWrite]:
    times = st.integers(NOW, NOW + 3)
    names = st.sampled_from(["a", "b"])
    stamped = st.none() | st.builds(Stamped, value=st.sampled_from(["x", "y", None]), time_ns=times)

    def few(items: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
        return st.lists(items, max_size=3)

    return st.builds(
        RunWrite,
        run_id=st.just(A),
        experiment=st.just("e"),
        time_ns=times,
        start=st.none()
        | st.builds(
            RunStart,
            time_ns=times,
            parent_id=st.sampled_from([None, B, C]),
            source=st.sampled_from([{}, {"pid": 1}]),
        ),
        name=stamped,
        params=few(
            st.builds(ParamWrite, name=names, value=st.sampled_from([1, "1", 2.5]), time_ns=times)
        ),
        metrics=few(
            st.builds(
                MetricWrite,
                names,
                st.sampled_from([1.0, -2.0, "Infinity"]),
                st.integers(0, 1),
                times,
            )
        ),
        tags=few(
            st.builds(TagWrite, name=names, value=st.sampled_from(["x", "y", None]), time_ns=times)
        ),
        notes=stamped,
        artifacts=few(
            st.builds(
                ArtifactWrite,
                path=names,
                digest=st.sampled_from(["a" * 64, "b" * 64]),
                size_bytes=st.just(1),
                media_type=st.just("text/plain"),
                time_ns=times,
            )
        ),
        snapshot=stamped,
        parent_snapshot=stamped,
        end=st.none()
        | st.builds(
            RunEnd,
            time_ns=times,
            status=st.sampled_from([RunStatus.FINISHED, RunStatus.FAILED]),
            error=st.sampled_from([None, "boom"]),
        ),
    )
