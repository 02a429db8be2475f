"""What a write about a run may hold; checked by clients in the call, and by the server."""

import re
import unicodedata
from typing import Any

import msgspec

from pellucid.core.digest import is_digest
from pellucid.core.errors import InvalidInput
from pellucid.core.run import MAX_NAME, MAX_VALUE_BYTES, RunWrite, from_wire

MAX_PATH = 500
MAX_NOTES = 100_000
MAX_INTEGER = 2**63 - 1
_MAX_FILE_NAME = 255
"""What file systems take, so that an artifact can be downloaded under its name."""
_RUN_ID = re.compile(r"[0-9a-f]{32}")


def check_write(write: RunWrite) -> None:
    """Raise InvalidInput, naming the fault, for a write that a store cannot take."""
    if not is_run_id(write.run_id):
        raise InvalidInput(f"{write.run_id[:80]!r} is not a run's id (32 lowercase hex digits).")
    check_experiment(write.experiment)
    _check_time(write.time_ns)
    for metric in write.metrics:
        check_name(metric.name, "metric")
        _check_integer(metric.step, f"The step of {metric.name!r}")
        _check_time(metric.time_ns)
        try:
            from_wire(metric.value)
        except ValueError:
            raise InvalidInput(
                f"The metric {metric.name!r} has no number: {metric.value!r}."
            ) from None
    for param in write.params:
        check_name(param.name, "param")
        check_value(param.name, param.value)
        _check_time(param.time_ns)
    for tag in write.tags:
        check_name(tag.name, "tag")
        _check_text(f"The tag {tag.name!r}", tag.value, MAX_VALUE_BYTES)
        _check_time(tag.time_ns)
    for artifact in write.artifacts:
        check_path(artifact.path)
        _check_digest(artifact.digest)
        _check_integer(artifact.size_bytes, f"The size of {artifact.path!r}")
        _check_integer(artifact.step or 0, f"The step of {artifact.path!r}")
        _check_time(artifact.time_ns)
    for measure in write.measures:
        check_name(measure.name, "metric")
        _check_time(measure.time_ns)
    _check_fields(write)


def _check_fields(write: RunWrite) -> None:
    for what, stamped, limit in (
        ("The name", write.name, MAX_NAME),
        ("The notes", write.notes, MAX_NOTES),
        ("The snapshot", write.snapshot, MAX_NAME),
        ("The parent snapshot", write.parent_snapshot, MAX_NAME),
    ):
        if stamped is not None:
            _check_text(what, stamped.value, limit)
            _check_time(stamped.time_ns)
    for snapshot in (write.snapshot, write.parent_snapshot):
        if snapshot is not None and snapshot.value is not None:
            _check_digest(snapshot.value)
    if write.start is not None:
        _check_time(write.start.time_ns)
        check_value("source", write.start.source)
        if write.start.parent_id is not None and not is_run_id(write.start.parent_id):
            raise InvalidInput(f"{write.start.parent_id[:80]!r} is not a run's id.")
    if write.end is not None:
        _check_time(write.end.time_ns)
        _check_text("The error", write.end.error, MAX_NOTES)


def is_run_id(text: str) -> bool:
    """Tell whether `text` is 32 lowercase hex digits."""
    return _RUN_ID.fullmatch(text) is not None


def check_experiment(name: str) -> None:
    """Raise InvalidInput for a name that is no experiment's (contracts.md §4)."""
    if not 1 <= len(name) <= 200 or _has_control(name):
        raise InvalidInput(
            f"{name[:80]!r} cannot name an experiment: 1 to 200 characters, no control characters."
        )


def check_name(name: str, what: str) -> None:
    """Raise InvalidInput for a name that no param, metric or tag may have."""
    if not isinstance(name, str):
        raise InvalidInput(f"{str(name)[:80]} cannot name a {what}: a name is a text.")
    if not 1 <= len(name) <= MAX_NAME or _has_control(name):
        raise InvalidInput(
            f"{name[:80]!r} cannot name a {what}: 1 to {MAX_NAME} characters, no control "
            "characters."
        )


def check_value(name: str, value: Any) -> None:
    """Raise InvalidInput for a value that JSON does not hold, or that is too long."""
    try:
        size = len(msgspec.json.encode(value))
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"The value of {name!r} is not JSON: {error}") from None
    if size > MAX_VALUE_BYTES:
        raise InvalidInput(
            f"The value of {name!r} takes {size} bytes; at most {MAX_VALUE_BYTES} are stored. "
            "Log it as an artifact: log_text or log_dict."
        )


def check_path(path: str) -> None:
    """Raise InvalidInput for an artifact's path that could leave the run's folder."""
    parts = path.split("/")
    if (
        not 1 <= len(path) <= MAX_PATH
        or "\\" in path
        or _has_control(path)
        or any(part in {"", ".", ".."} for part in parts)
        or ":" in parts[0]
        or any(len(part.encode()) > _MAX_FILE_NAME for part in parts)
    ):
        raise InvalidInput(
            f"{path[:80]!r} cannot be an artifact's path: names between slashes, without '..', "
            f"at most {MAX_PATH} characters, each name at most {_MAX_FILE_NAME} bytes."
        )


def _check_digest(digest: str) -> None:
    if not is_digest(digest):
        raise InvalidInput(f"{digest[:80]!r} is not a digest (64 lowercase hex digits).")


def _check_text(what: str, text: str | None, limit: int) -> None:
    if text is not None and len(text) > limit:
        raise InvalidInput(f"{what} has {len(text)} characters; at most {limit} are stored.")


def _check_time(time_ns: int) -> None:
    if not 0 <= time_ns <= MAX_INTEGER:
        raise InvalidInput(f"{time_ns} is not a time in nanoseconds since 1970.")


def _check_integer(value: int, what: str) -> None:
    if not -MAX_INTEGER <= value <= MAX_INTEGER:
        raise InvalidInput(f"{what}, {value}, does not fit into 64 bits.")


def _has_control(text: str) -> bool:
    return not text.isprintable() and any(unicodedata.category(c) in {"Cc", "Cs"} for c in text)
