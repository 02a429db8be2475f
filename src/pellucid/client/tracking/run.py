"""A run that is being logged to."""

import json
import operator
import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from pellucid.client.encoding import simplify
from pellucid.client.masking import MASK, masked
from pellucid.client.snapshots.config import mask_values, plain
from pellucid.client.snapshots.secrets import mask_text
from pellucid.client.tracking import files
from pellucid.client.tracking.contents import Content
from pellucid.client.tracking.folders import iter_folder
from pellucid.client.tracking.outbox import Outbox, RunQueue, as_write, stamp
from pellucid.client.tracking.pictures import encode_image
from pellucid.client.tracking.upload import upload_bytes, upload_file
from pellucid.client.tracking.writable import writable
from pellucid.core.clock import now_ns
from pellucid.core.digest import digest_bytes
from pellucid.core.errors import Conflict, InvalidInput
from pellucid.core.run import (
    MAX_NAME,
    MAX_VALUE_BYTES,
    ArtifactWrite,
    Direction,
    MeasureWrite,
    MetricWrite,
    ParamWrite,
    Run,
    RunEnd,
    RunStatus,
    TagWrite,
    to_wire,
)
from pellucid.core.run_limits import MAX_INTEGER, check_name, check_path, check_value, check_write

if TYPE_CHECKING:
    from pellucid.client.snapshots.task import SnapshotTask
    from pellucid.core.dataset import Dataset

_MAX_PARAM_CHARACTERS = MAX_VALUE_BYTES // 4
_MAX_PROMPT = 100_000


class ActiveRun:
    """One run of this process: log to it, then `end()` it, or use it in a `with` block.

    Everything returns at once; what is logged is sent in the background, and kept on disk while
    the server is away. Safe to use from any thread or task.
    """

    def __init__(
        self, run_id: str, experiment: str, *, name: str, outbox: Outbox | None, url: str
    ) -> None:
        self.id = run_id
        self.experiment = experiment
        self.name = name
        self.number: int | None = None
        """Its number in the experiment; None until the server has given it."""
        self.snapshot_id: str | None = None
        """The snapshot's id, once it has been taken."""
        self.conflicts: list[str] = []
        """Params of which the server has more than one value."""
        self.queue = RunQueue(run_id, experiment)
        self.outbox = outbox
        self.status = RunStatus.RUNNING
        self.pid = os.getpid()
        self.options: dict[str, Any] = {}
        """What `start_run` was given, for a decorator that starts others like it."""
        self.snapshot_task: SnapshotTask | None = None
        self._url = url
        self._last_ns = 0
        self._params: dict[str, str] = {}
        self._image_counts: dict[str, int] = {}
        self._names_seen: set[str] = set()
        self._lock = threading.Lock()  # guards the three above and `status`

    @property
    def url(self) -> str:
        """The address of the run's page."""
        return f"{self._url}/runs/{self.id}"

    def log_param(self, name: str, value: Any) -> None:
        """Record what the run was made with. It is written once.

        Any value that JSON can show is kept with its type, secrets masked. Raises Conflict, with
        both values, if this process has logged another one under the name.
        """
        shown = _json_value(name, value)
        text = json.dumps(shown, sort_keys=True)
        with self._lock:
            held = self._params.setdefault(name, text)
        if held != text:
            raise Conflict(
                f"The param {name!r} is {held} already and cannot become {text}. A param is "
                "written once; log what changes as a metric or a tag, or start another run."
            )
        self._add(ParamWrite(name=name, value=shown, time_ns=now_ns()))

    def adopt(self, run: Run) -> None:
        """Take over what a resumed run has on the server: its params, and where its time is."""
        for name, value in run.params.items():
            self._params[name] = json.dumps(value, sort_keys=True)
        self._last_ns = max(run.start_ns, run.end_ns or 0)

    def next_ns(self) -> int:
        """Return a time for the run's next start or end: now, but after the one before it.

        It may come from a machine whose clock is ahead, or this clock may have been set back.
        """
        self._last_ns = max(now_ns(), self._last_ns + 1)
        return self._last_ns

    def log_params(self, params: Any) -> None:
        """Record several params: a dict, or any object that holds a configuration."""
        held = plain(params)
        if not isinstance(held, Mapping):
            raise InvalidInput(
                f"{type(params).__name__} holds no params. Give a dict, a dataclass, a pydantic "
                "model, an argparse namespace or an OmegaConf node."
            )
        for name, value in held.items():
            self.log_param(str(name), value)

    def log_metric(
        self, name: str, value: float, step: int = 0, *, time_ns: int | None = None
    ) -> None:
        """Record one point of a metric; its value is the one of the greatest (step, time)."""
        if type(value) is not float:
            value = _number(name, value)
        at = time.time_ns() if time_ns is None else _checked_time(time_ns)
        if value - value != 0.0:  # NaN or infinite
            point = MetricWrite(name, to_wire(value), step, at)
        else:
            point = MetricWrite(name, value, step, at)
        if name not in self._names_seen:
            check_name(name, "metric")
            self._names_seen.add(name)
        if type(step) is not int or not -MAX_INTEGER <= step <= MAX_INTEGER:
            point = MetricWrite(name, point.value, _step(step), point.time_ns)
        outbox = self.outbox
        if outbox is not None:
            outbox.add_metric(self.queue, point)

    def log_metrics(
        self, metrics: Mapping[str, float], step: int = 0, *, time_ns: int | None = None
    ) -> None:
        """Record one point of several metrics, at one time."""
        at = time.time_ns() if time_ns is None else time_ns
        for name, value in metrics.items():
            self.log_metric(name, value, step, time_ns=at)

    def define_metric(self, name: str, *, direction: str) -> None:
        """Say which way a metric or score is better, in this run's experiment.

        `direction` is "maximize" or "minimize". Without it, pages guess from the name. Raises
        InvalidInput for anything else.
        """
        check_name(name, "metric")
        try:
            known = Direction(direction)
        except ValueError:
            raise InvalidInput(
                f'direction={direction!r} is not known: it is "maximize" or "minimize".'
            ) from None
        self._add(MeasureWrite(name=name, direction=known, time_ns=now_ns()))

    def set_tag(self, name: str, value: Any) -> None:
        """Set a tag; None removes it. The latest value holds. Secrets are masked."""
        check_name(name, "tag")
        text = None if value is None else value if isinstance(value, str) else _text(value)
        if text is not None:
            text = MASK if masked(name, text) else _cut(mask_text(text), MAX_VALUE_BYTES)
        self._add(TagWrite(name=name, value=text, time_ns=now_ns()))

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Set several tags."""
        for name, value in tags.items():
            self.set_tag(name, value)

    def set_notes(self, text: str) -> None:
        """Replace the run's notes (Markdown); secrets are masked."""
        self._add(stamp("notes", mask_text(str(text)[:100_000])))

    def set_name(self, name: str) -> None:
        """Rename the run."""
        self.name = str(name)[:MAX_NAME]
        self._add(stamp("name", self.name))

    def log_config(self, config: Any) -> None:
        """Add a dict, dataclass, pydantic model or namespace to the snapshot's configuration."""
        if self.snapshot_task is not None:
            self.snapshot_task.note_config(config)

    def log_prompt(self, name: str, template: str, version: str | None = None) -> None:
        """Add a prompt that the run uses to its snapshot."""
        if self.snapshot_task is not None:
            self.snapshot_task.note_prompt(name, template, version)

    def log_dataset(self, dataset: "Dataset | str", version: str | None = None) -> None:
        """Add the version of a dataset that the run uses to its snapshot.

        A `Dataset` says its own, the digest of its content; of a name, `version` is what tells
        its versions apart.
        """
        if isinstance(dataset, str):
            name, told = dataset, version or "unknown"
        else:
            name, told = dataset.name, dataset.version
        if self.snapshot_task is not None:
            self.snapshot_task.note_dataset(name, told)

    def log_artifact(
        self, path: str | Path, name: str | None = None, *, metadata: Mapping[str, Any] = {}
    ) -> None:
        """Keep a copy of a file, or of a folder's files below the folder's name.

        `name` is its path in the run. Raises OSError for a file that cannot be read.
        """
        source = Path(path)
        if source.is_dir():
            for found in iter_folder(source):
                inner = f"{name or source.resolve().name}/{found.name}"
                self.log_artifact(found.path, inner, metadata=metadata)
            return
        if source.exists() and not source.is_file():
            raise OSError(f"{source} is no file: it cannot be kept.")
        target = name or source.name
        check_path(target)
        stored = upload_file(self.outbox, source)
        self._add_artifact(
            target,
            stored.digest,
            stored.size_bytes,
            files.guess_media_type(target),
            kind=files.guess_kind(target),
            metadata=mask_values(simplify(dict(metadata))),
        )

    def log_artifacts(self, folder: str | Path, name: str = "") -> None:
        """Keep a copy of a folder's files, below `name` in the run.

        Links to files are followed, links to folders are not; files of secrets (`.env`, private
        keys …) are left out, which is said once. Raises OSError for what is no folder.
        """
        for found in iter_folder(Path(folder)):
            self.log_artifact(found.path, f"{name}/{found.name}" if name else found.name)

    def log_text(self, text: str, path: str) -> None:
        """Keep a text under a path."""
        self._log_content(files.encode_text(text), path, "text")

    def log_dict(self, value: Any, path: str) -> None:
        """Keep any value as JSON under a path; secrets are masked."""
        self._log_content(files.encode_dict(value), path, "dict")

    def log_table(self, data: Any, path: str) -> None:
        """Keep a table: a DataFrame, rows as dicts, or a dict of columns.

        As CSV under a path that ends in `.csv`, else as JSON.
        """
        self._log_content(files.encode_table(data, path), path, "table")

    def log_figure(self, figure: Any, path: str) -> None:
        """Keep a figure of matplotlib (PNG, or SVG, PDF, JPEG by its path) or Plotly (HTML)."""
        content = files.encode_figure(figure, path)
        kind = "html" if content.suffix == ".html" else "figure"
        self._log_content(content, path, kind)

    def log_image(
        self,
        image: Any,
        key: str = "image",
        *,
        prompt: str | None = None,
        step: int | None = None,
        model: str | None = None,
        metadata: Mapping[str, Any] = {},
    ) -> None:
        """Keep an image (PIL, numpy array, path, file or bytes) in the run's gallery.

        Images of one `key` are its steps; `prompt` is what drew it, and is searched. Secrets in
        prompt and metadata are masked.
        """
        content = encode_image(image)
        step = None if step is None else _step(step)
        if step is None:
            with self._lock:
                step = self._image_counts.get(key, 0)
                self._image_counts[key] = step + 1
        path = f"images/{_safe(key)}/{step:06d}-{digest_bytes(content.data)[:8]}{content.suffix}"
        self._log_content(
            content,
            path,
            "image",
            key=key,
            step=step,
            prompt=None if prompt is None else mask_text(str(prompt))[:_MAX_PROMPT],
            model=None if model is None else str(model)[:MAX_NAME],
            metadata=mask_values(simplify(dict(metadata))),
        )

    def end(self, status: str = RunStatus.FINISHED, *, error: str | None = None) -> None:
        """End the run; a second call changes nothing. What was logged is sent in the background."""
        with self._lock:
            if self.status is not RunStatus.RUNNING:
                return
            self.status = RunStatus(status)
        from pellucid.client.tracking.lifecycle import leave

        leave(self)
        told = None if error is None else mask_text(str(error)[:10_000])
        self._add(RunEnd(time_ns=self.next_ns(), status=self.status, error=told))
        self.queue.ended = True
        if self.snapshot_task is not None:
            self.snapshot_task.end()

    def after_fork(self) -> None:
        """In a child: the snapshot is the parent's, and so was whoever held the lock."""
        self._lock = threading.Lock()
        self.snapshot_task = None

    def wait(self, timeout: float = 5.0) -> bool:
        """Wait for snapshot and delivery; return whether the server has everything."""
        from pellucid.client.tracking.lifecycle import settle

        return settle(self, timeout)

    def __enter__(self) -> "ActiveRun":
        from pellucid.client.tracking.lifecycle import enter

        enter(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._leave(error)
        self.wait()

    async def __aenter__(self) -> "ActiveRun":
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        import asyncio

        self._leave(error)
        # Other tasks go on while this one waits.
        await asyncio.to_thread(self.wait)

    def _leave(self, error: BaseException | None) -> None:
        if error is None:
            self.end()
        else:
            self.end(RunStatus.FAILED, error=f"{type(error).__name__}: {_text(error)}"[:10_000])

    def __call__(self, function: Any) -> Any:
        """Make `@start_run(…)` start one run a call."""
        from pellucid.client.tracking.lifecycle import decorate

        return decorate(self, function)

    def __repr__(self) -> str:
        number = f"@{self.number}" if self.number is not None else f" {self.id[:12]}"
        return f"<run {self.experiment}{number} {self.status.value}>"

    def _log_content(self, content: Content, path: str, kind: str, **fields: Any) -> None:
        check_path(path)
        if not path.rpartition("/")[2].count("."):
            path += content.suffix
        digest = upload_bytes(self.outbox, content.data)
        self._add_artifact(path, digest, len(content.data), content.media_type, kind=kind, **fields)

    def _add_artifact(
        self, path: str, digest: str, size_bytes: int, media_type: str, **fields: Any
    ) -> None:
        self._add(
            ArtifactWrite(
                path=path,
                digest=digest,
                size_bytes=size_bytes,
                media_type=media_type,
                time_ns=now_ns(),
                **fields,
            )
        )

    def _add(self, piece: Any) -> None:
        # Here, where the caller hears of it: a server refuses the whole request for one fault.
        if type(piece) is not ParamWrite:  # its value was looked at already
            check_write(as_write(self.queue, [piece]))
        if self.outbox is not None:
            self.outbox.add(self.queue, piece)


def _json_value(name: str, value: Any) -> Any:
    check_name(name, "param")
    if masked(name, value):
        return MASK
    if isinstance(value, str) and len(value) > _MAX_PARAM_CHARACTERS:
        # Secrets are sought in more than is kept, so that none is cut in two.
        value = value[: 2 * _MAX_PARAM_CHARACTERS]
    shown = writable(mask_values(simplify(plain(value))))
    if isinstance(shown, str):
        shown = _cut(shown, _MAX_PARAM_CHARACTERS)
    check_value(name, shown)
    return shown


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _checked_time(time_ns: Any) -> int:
    try:
        whole = operator.index(time_ns)
    except TypeError:
        whole = -1
    if not 0 <= whole <= MAX_INTEGER:
        raise InvalidInput(f"time_ns={time_ns!r} is not a time in nanoseconds since 1970.")
    return whole


def _number(name: str, value: Any) -> float:
    if isinstance(value, str) or value is None:
        raise InvalidInput(f"The metric {name!r} needs a number, not {value!r}.")
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        kind = type(value).__name__
        raise InvalidInput(f"The metric {name!r} needs a number, not a {kind}.") from None


def _step(step: Any) -> int:
    try:
        whole = int(step)
    except (TypeError, ValueError, OverflowError):
        raise InvalidInput(f"step={step!r} is not a whole number.") from None
    if not -MAX_INTEGER <= whole <= MAX_INTEGER:
        raise InvalidInput(f"step={step!r} does not fit into 64 bits.")
    return whole


def _text(value: Any) -> str:
    shown = simplify(value) if not isinstance(value, BaseException) else None
    if isinstance(value, BaseException):
        try:
            return str(value)
        except Exception:  # the exception is the user's: it may not even print
            return ""
    return shown if isinstance(shown, str) else json.dumps(shown)


def _safe(key: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "-" for c in key)[:60] or "image"
