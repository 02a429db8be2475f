"""Runs as they are read back. Every read first sends what this process has logged."""

import importlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec

from pellucid.client.tracking.connection import Server, api_client
from pellucid.core.digest import digest_bytes
from pellucid.core.errors import InvalidInput, NotFound, Unavailable
from pellucid.core.leaves import flatten_params
from pellucid.core.run import Artifact, MetricSeries, Run
from pellucid.core.run_limits import check_path
from pellucid.core.run_paths import ARTIFACTS_PATH
from pellucid.core.run_views import (
    ArtifactListView,
    RunListView,
    RunView,
    SeriesListView,
    run_of,
)

PAGE = 500
_FLUSH_S = 5.0


class LoggedRun(Run, frozen=True, kw_only=True):
    """One run with its fields, and its files and points at hand."""

    @property
    def spec(self) -> str:
        """How to name it: `experiment@number`."""
        return f"{self.experiment}@{self.number}"

    def list_artifacts(self) -> list[Artifact]:
        """List the run's artifacts by path."""
        with _server() as server:
            body = server.get(f"/api/v1/runs/{self.id}/artifacts")
        return msgspec.json.decode(body, type=ArtifactListView).artifacts

    def read_artifact(self, path: str) -> bytes:
        """Return an artifact's bytes, verified. Raises NotFound."""
        artifact = _find_artifact(self.list_artifacts(), path, self.spec)
        with _server() as server:
            return _read(server, artifact)

    def download_artifacts(self, to: str | Path, paths: Iterable[str] | None = None) -> Path:
        """Write artifacts (all, or those of `paths`) below a folder and return it."""
        folder = Path(to)
        wanted = None if paths is None else set(paths)
        with _server() as server:
            for artifact in self.list_artifacts():
                if wanted is not None and artifact.path not in wanted:
                    continue
                check_path(artifact.path)
                target = folder / artifact.path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(_read(server, artifact))
        return folder

    def list_series(self, *names: str, limit: int = 10_000) -> list[MetricSeries]:
        """Return the run's metrics in columns by (step, time), thinned to `limit` points each."""
        return list_series([self.id], names or None, limit=limit)

    def to_dict(self) -> dict[str, Any]:
        """Return one flat row: `params.k`, `metrics.accuracy`, `tags.idea`, `scores.x`.

        A nested param is its leaves: `params.retriever.k`.
        """
        row: dict[str, Any] = {
            name: getattr(self, name)
            for name in ("id", "experiment", "number", "name", "status", "start_ns", "end_ns")
        }
        row["status"] = self.status.value
        row["snapshot_id"] = self.snapshot_id
        for family in ("params", "metrics", "tags", "scores"):
            held = getattr(self, family)
            named = flatten_params(held) if family == "params" else held
            row.update({f"{family}.{name}": value for name, value in named.items()})
        return row


class Runs(list[LoggedRun]):
    """Runs in the order asked for."""

    def to_pandas(self) -> Any:
        """Return a DataFrame, one row a run, with columns as `LoggedRun.to_dict` names them."""
        try:
            pandas = importlib.import_module("pandas")
        except ModuleNotFoundError:
            raise InvalidInput("to_pandas() needs pandas: pip install pandas") from None
        return pandas.DataFrame([run.to_dict() for run in self])


def search_runs(
    query: str = "", *, experiment: str | None = None, order: str = "", limit: int = 1000
) -> Runs:
    """Return the runs that match a query, at most `limit`, newest first without an order.

    `metric.accuracy>0.8 param.k:5 tag.idea:rerank score.relevance>0.5 snapshot.branch:main`;
    `order` is fields with asc or desc between commas: `metric.accuracy desc, number`.
    `experiment` defaults to all. Raises InvalidInput for a query or order that cannot be read,
    and Unavailable without a server.
    """
    found = Runs()
    with _server() as server:
        for run in iter_runs(server, query, experiment=experiment, order=order):
            found.append(run)
            if len(found) >= limit:
                break
    return found


def iter_runs(
    server: Server, query: str = "", *, experiment: str | None = None, order: str = ""
) -> Iterator[LoggedRun]:
    """Yield the runs that match, page by page."""
    cursor = None
    while True:
        params = {
            "query": query,
            "experiment": experiment,
            "order": order,
            "limit": PAGE,
            "cursor": cursor,
        }
        page = msgspec.json.decode(server.get("/api/v1/runs", params), type=RunListView)
        yield from (_logged(view) for view in page.runs)
        cursor = page.next
        if cursor is None:
            return


def get_run(run: str) -> LoggedRun:
    """Return a run by id, unique prefix of one, or experiment@number. Raises NotFound."""
    with _server() as server:
        return read_run(server, run)


def read_run(server: Server, run: str) -> LoggedRun:
    """Return a run through a connection."""
    body = server.get("/api/v1/runs/resolve", {"run": run})
    return _logged(msgspec.json.decode(body, type=RunView))


def list_series(
    runs: Iterable[str], names: Iterable[str] | None = None, *, limit: int = 10_000
) -> list[MetricSeries]:
    """Return metrics of several runs (ids) in columns."""
    pairs = [("run", run) for run in runs] + [("name", name) for name in names or ()]
    query = urlencode([*pairs, ("limit", str(limit))])
    with _server() as server:
        body = server.get(f"/api/v1/runs/series?{query}")
    return msgspec.json.decode(body, type=SeriesListView).series


def _logged(view: RunView) -> LoggedRun:
    return LoggedRun(**msgspec.structs.asdict(run_of(view)))


def _find_artifact(artifacts: list[Artifact], path: str, spec: str) -> Artifact:
    for artifact in artifacts:
        if artifact.path == path:
            return artifact
    raise NotFound(f"The run {spec} has no artifact {path!r}.")


def _read(server: Server, artifact: Artifact) -> bytes:
    data = server.get(f"{ARTIFACTS_PATH}/{artifact.digest}")
    if digest_bytes(data) != artifact.digest:
        raise Unavailable(f"The bytes of {artifact.path!r} arrived damaged. Ask again.")
    return data


class _server:
    """A connection for one read, after sending what was logged."""

    def __enter__(self) -> Server:
        from pellucid.client.tracking.lifecycle import flush

        flush(_FLUSH_S)
        self._client = api_client()
        return self._client

    def __exit__(self, *_: object) -> None:
        self._client.close()
