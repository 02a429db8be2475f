"""Merge writes into runs: every field as `core.run.Run` says, whatever the order of arrival."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import sqlalchemy as sa

from pellucid.core.digest import digest_bytes
from pellucid.core.run import (
    ArtifactWrite,
    RunEnd,
    RunReceipt,
    RunStart,
    RunStatus,
    RunWrite,
    Stamped,
)
from pellucid.storage.meta import tables as t
from pellucid.storage.meta.engine import MetaDatabase, any_of, in_chunks
from pellucid.storage.meta.measures import write_measures
from pellucid.storage.meta.metric_writes import write_metrics
from pellucid.storage.meta.param_leaves import is_nested_json, own_params, write_leaves
from pellucid.storage.meta.values import comparable, decode, encode, fold, to_number

Row = dict[str, Any]

_STAMPED = (
    ("name", "name", "name_ns"),
    ("notes", "notes", "notes_ns"),
    ("snapshot", "snapshot_id", "snapshot_ns"),
    ("parent_snapshot", "parent_snapshot_id", "parent_snapshot_ns"),
)
"""Field of a write, column of its value, column of its time."""


class RunWriter:
    """One call's work on one connection."""

    def __init__(self, database: MetaDatabase, connection: sa.Connection) -> None:
        self._database = database
        self._connection = connection
        self._disputed: dict[str, bool] = {}
        """Runs that may have params with several values."""

    def apply(self, writes: Sequence[RunWrite], heard_ns: Sequence[int]) -> list[RunReceipt]:
        """Merge writes in; returns one receipt a run, in order of first mention."""
        rows = self._load_or_create(writes)
        by_run: dict[str, list[RunWrite]] = defaultdict(list)
        for write, heard in zip(writes, heard_ns, strict=True):
            row = rows[write.run_id]
            if row["deleted_ns"] is None:
                by_run[write.run_id].append(write)
                _merge_run(row, write, heard)
        self._save_runs([rows[run_id] for run_id in by_run])
        live = [(rows[run_id]["key"], its) for run_id, its in by_run.items()]
        self._merge_params(live)
        self._merge_tags(live)
        self._merge_artifacts(live)
        write_metrics(self._database, self._connection, live)
        declared = [
            (rows[run_id]["experiment_key"], measure)
            for run_id, its in by_run.items()
            for write in its
            for measure in write.measures
        ]
        write_measures(self._database, self._connection, declared)
        return self._receipts(rows)

    def _load_or_create(self, writes: Sequence[RunWrite]) -> dict[str, Row]:
        rows: dict[str, Row] = {}
        first = {write.run_id: write for write in reversed(writes)}
        for row in self._held_rows(list(first)):
            self._disputed[row["id"]] = bool(row.pop("disputed"))
            rows[row["id"]] = {**row, "_before": row}
        missing = [
            first[run_id]
            for run_id in dict.fromkeys(w.run_id for w in writes)
            if run_id not in rows
        ]
        if missing:
            rows.update(self._create(missing))
        return {write.run_id: rows[write.run_id] for write in writes}

    def _held_rows(self, ids: list[str]) -> Iterator[Row]:
        if len(ids) == 1:
            # Most requests are about one run, and this is a large part of what one costs.
            yield from self._database.fetch_rows(
                self._connection, "run", lambda: _select_runs(_IS_ID), {"id": ids[0]}
            )
            return
        found = self._database.statement("runs", lambda: _select_runs(any_of(t.runs.c.id, "ids")))
        for chunk in in_chunks(ids):
            yield from map(dict, self._connection.execute(found, {"ids": chunk}).mappings())

    def _create(self, firsts: list[RunWrite]) -> dict[str, Row]:
        created: dict[str, Row] = {}
        by_experiment: dict[str, list[RunWrite]] = defaultdict(list)
        for write in firsts:
            by_experiment[write.experiment].append(write)
        for name, writes in by_experiment.items():
            experiment_key, last = self._take_numbers(name, len(writes))
            for number, write in enumerate(writes, last - len(writes) + 1):
                created[write.run_id] = _new_row(write, experiment_key, number)
        values = [{k: v for k, v in row.items() if k != "_before"} for row in created.values()]
        self._connection.execute(sa.insert(t.runs), values)
        for ids in in_chunks(list(created)):
            keys = sa.select(t.runs.c.id, t.runs.c.key).where(t.runs.c.id.in_(ids))
            for run_id, key in self._connection.execute(keys):
                created[run_id]["key"] = key
        for row in created.values():
            row["_before"] = {k: v for k, v in row.items() if k != "_before"}
        return created

    def _take_numbers(self, experiment: str, count: int) -> tuple[int, int]:
        """Return the experiment's key, and its last number after taking some."""
        table = t.experiments
        self._connection.execute(
            self._database.upsert(table)
            .values(name=experiment, last_number=0)
            .on_conflict_do_nothing(index_elements=["name"])
        )
        row = self._connection.execute(
            sa.update(table)
            .where(table.c.name == experiment)
            .values(last_number=table.c.last_number + count)
            .returning(table.c.key, table.c.last_number)
        ).one()
        return row.key, row.last_number

    def _save_runs(self, rows: Iterable[Row]) -> None:
        for row in rows:
            before = row["_before"]
            changes = {k: v for k, v in row.items() if k != "_before" and before[k] != v}
            if changes:
                columns = tuple(changes)
                self._database.execute_rows(
                    self._connection,
                    f"update {columns}",
                    partial(_update_run, columns),
                    [{**changes, "at": row["key"]}],
                )

    def _merge_params(self, live: list[tuple[int, list[RunWrite]]]) -> None:
        new = [
            (key, param.name, param.time_ns, comparable(param.value).json)
            for key, writes in live
            for write in writes
            for param in write.params
        ]
        if not new:
            return
        self._disputed.clear()
        slots = [item[:2] for item in new]
        held = self._values_of(t.params, slots, own_params)
        others = self._values_of(t.param_conflicts, slots)
        known: dict[tuple[int, str], dict[str, int]] = defaultdict(dict)
        for row in [*held, *others]:
            known[row.run_key, row.name][row.value] = row.time_ns
        before = {slot: dict(values) for slot, values in known.items()}
        for key, name, time_ns, json in new:
            values = known[key, name]
            values[json] = min(time_ns, values.get(json, time_ns))
        changed = [slot for slot, values in known.items() if before.get(slot) != values]
        self._save_params({slot: known[slot] for slot in changed})
        nested = {key for key, name in changed if any(map(is_nested_json, known[key, name]))}
        if nested:
            write_leaves(self._connection, sorted(nested))

    def _values_of(
        self, table: sa.Table, slots: Iterable[tuple[int, str]], *conditions: Any
    ) -> list[Any]:
        """Return what is held of some names of some runs: a run may have much else."""
        pairs = set(slots)
        c = table.c
        return [
            row
            for keys in in_chunks(sorted({key for key, _ in pairs}))
            for names in in_chunks(sorted({name for _, name in pairs}))
            for row in self._connection.execute(
                sa.select(c.run_key, c.name, c.value, c.time_ns).where(
                    c.run_key.in_(keys), c.name.in_(names), *conditions
                )
            )
        ]

    def _save_params(self, changed: dict[tuple[int, str], dict[str, int]]) -> None:
        kept_rows: list[Row] = []
        other_rows: list[Row] = []
        for (key, name), values in changed.items():
            ordered = sorted(values, key=lambda json: (values[json], json))
            kept = comparable(decode(ordered[0]))
            kept_rows.append(
                {
                    "run_key": key,
                    "name": name,
                    "value": kept.json,
                    "text": kept.text,
                    "folded": kept.folded,
                    "number": kept.number,
                    "time_ns": values[ordered[0]],
                    "part_of": None,
                }
            )
            other_rows.extend(
                {
                    "run_key": key,
                    "name": name,
                    "digest": digest_bytes(json.encode()),
                    "value": json,
                    "time_ns": values[json],
                }
                for json in ordered[1:]
            )
            if len(ordered) > 1:
                self._connection.execute(
                    sa.delete(t.param_conflicts).where(
                        t.param_conflicts.c.run_key == key, t.param_conflicts.c.name == name
                    )
                )
        self._replace(t.params, kept_rows, ["run_key", "name"])
        if other_rows:
            self._connection.execute(sa.insert(t.param_conflicts), other_rows)

    def _merge_tags(self, live: list[tuple[int, list[RunWrite]]]) -> None:
        latest: dict[tuple[int, str], tuple[int, str | None]] = {}
        for key, writes in live:
            for tag in (tag for write in writes for tag in write.tags):
                old = latest.get((key, tag.name))
                if old is None or _later(tag.time_ns, tag.value, *old):
                    latest[key, tag.name] = (tag.time_ns, tag.value)
        if not latest:
            return
        for row in self._values_of(t.tags, list(latest)):
            new = latest.get((row.run_key, row.name))
            if new is not None and not _later(*new, row.time_ns, row.value):
                del latest[row.run_key, row.name]
        rows = [
            {
                "run_key": key,
                "name": name,
                "value": value,
                "folded": None if value is None else fold(value),
                "number": to_number(value),
                "time_ns": time_ns,
            }
            for (key, name), (time_ns, value) in latest.items()
        ]
        self._replace(t.tags, rows, ["run_key", "name"])

    def _merge_artifacts(self, live: list[tuple[int, list[RunWrite]]]) -> None:
        table = t.artifacts
        latest: dict[tuple[int, str], Row] = {}
        for key, writes in live:
            for artifact in (artifact for write in writes for artifact in write.artifacts):
                row = _artifact_row(key, artifact)
                old = latest.get((key, artifact.path))
                if old is None or _artifact_order(row) > _artifact_order(old):
                    latest[key, artifact.path] = row
        if not latest:
            return
        upsert = self._database.upsert(table)
        new, old_columns = upsert.excluded, table.c
        statement = upsert.on_conflict_do_update(
            index_elements=["run_key", "path"],
            set_={
                column.name: new[column.name]
                for column in table.c
                if column.name not in {"key", "run_key", "path"}
            },
            where=sa.tuple_(new.time_ns, new.digest)
            > sa.tuple_(old_columns.time_ns, old_columns.digest),
        )
        self._connection.execute(statement, list(latest.values()))

    def _replace(self, table: sa.Table, rows: list[Row], identity: list[str]) -> None:
        if not rows:
            return
        upsert = self._database.upsert(table)
        values = {c.name: upsert.excluded[c.name] for c in table.c if c.name not in identity}
        self._connection.execute(
            upsert.on_conflict_do_update(index_elements=identity, set_=values), rows
        )

    def _receipts(self, rows: dict[str, Row]) -> list[RunReceipt]:
        ids = {
            row["key"]: run_id for run_id, row in rows.items() if self._disputed.get(run_id, True)
        }
        conflicts: dict[str, set[str]] = defaultdict(set)
        table = t.param_conflicts
        found = self._database.statement(
            "conflicts",
            lambda: sa.select(table.c.run_key, table.c.name).where(any_of(table.c.run_key, "keys")),
        )
        for keys in in_chunks(list(ids)):
            for key, name in self._connection.execute(found, {"keys": keys}):
                conflicts[ids[key]].add(name)
        return [
            RunReceipt(
                run_id=run_id,
                number=row["number"],
                conflicts=sorted(conflicts[run_id]),
                deleted=row["deleted_ns"] is not None,
            )
            for run_id, row in rows.items()
        ]


_IS_ID = t.runs.c.id == sa.bindparam("id")


def _select_runs(condition: Any) -> Any:
    conflicts = sa.exists().where(t.param_conflicts.c.run_key == t.runs.c.key)
    return sa.select(t.runs, conflicts.label("disputed")).where(condition)


def _update_run(columns: tuple[str, ...]) -> Any:
    return (
        sa.update(t.runs)
        .where(t.runs.c.key == sa.bindparam("at"))
        .values({column: sa.bindparam(column) for column in columns})
    )


def _new_row(write: RunWrite, experiment_key: int, number: int) -> Row:
    row: Row = dict.fromkeys(column.name for column in t.runs.c)
    del row["key"]
    row.update(
        id=write.run_id,
        experiment_key=experiment_key,
        number=number,
        status=RunStatus.RUNNING.value,
        status_ns=0,
        start_ns=write.time_ns,
        started=False,
        heard_ns=0,
        source="{}",
    )
    return row


def _merge_run(row: Row, write: RunWrite, heard_ns: int) -> None:
    row["heard_ns"] = max(row["heard_ns"], heard_ns)
    if not row["started"]:
        row["start_ns"] = min(row["start_ns"], write.time_ns)
    for field, value_column, time_column in _STAMPED:
        stamped: Stamped | None = getattr(write, field)
        if stamped is not None:
            held_ns = row[time_column]
            if held_ns is None or _later(
                stamped.time_ns, stamped.value, held_ns, row[value_column]
            ):
                row[value_column], row[time_column] = stamped.value, stamped.time_ns
                if field == "name":
                    row["name_folded"] = fold(stamped.value or "")
    if write.start is not None:
        _merge_start(row, write.start)
    if write.end is not None:
        _merge_end(row, write.end)


def _merge_start(row: Row, start: RunStart) -> None:
    source = encode(start.source)
    if not row["started"] or (start.time_ns, source) < (row["start_ns"], row["source"]):
        row["start_ns"], row["source"] = start.time_ns, source
    row["started"] = True
    if start.parent_id and (row["parent_id"] is None or start.parent_id < row["parent_id"]):
        row["parent_id"] = start.parent_id
    if start.time_ns > row["status_ns"]:
        row.update(status=RunStatus.RUNNING.value, status_ns=start.time_ns, end_ns=None, error=None)


def _merge_end(row: Row, end: RunEnd) -> None:
    held = (row["status_ns"], row["end_ns"] is not None, row["status"], row["error"] or "")
    if (end.time_ns, True, end.status.value, end.error or "") > held:
        row.update(
            status=end.status.value, status_ns=end.time_ns, end_ns=end.time_ns, error=end.error
        )


def _artifact_row(run_key: int, artifact: ArtifactWrite) -> Row:
    prompt = artifact.prompt
    return {
        "run_key": run_key,
        "path": artifact.path,
        "digest": artifact.digest,
        "size_bytes": artifact.size_bytes,
        "media_type": artifact.media_type,
        "time_ns": artifact.time_ns,
        "kind": artifact.kind,
        "image_key": artifact.key,
        "step": artifact.step,
        "prompt": prompt,
        "prompt_folded": None if prompt is None else prompt.casefold(),
        "model": artifact.model,
        "metadata": encode(artifact.metadata),
    }


def _artifact_order(row: Row) -> tuple[int, str]:
    return row["time_ns"], row["digest"]


def _later(time_ns: int, value: str | None, held_ns: int, held: str | None) -> bool:
    return (time_ns, value is not None, value or "") > (held_ns, held is not None, held or "")
