"""Which runs this process has open: start, enter, end, and what happens at its exit."""

import atexit
import os
import sys
import threading
import time
from collections.abc import Mapping
from contextvars import Token
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from opentelemetry import context as otel_context

from pellucid.client.notices import say_once
from pellucid.client.tracing import context
from pellucid.client.tracing.setup import also_flush, client_settings
from pellucid.client.tracking.connection import api_client
from pellucid.client.tracking.decorator import in_own_run
from pellucid.client.tracking.outbox import Outbox, open_outbox, stamp
from pellucid.client.tracking.run import ActiveRun
from pellucid.core.errors import InvalidInput, PellucidError, Unavailable
from pellucid.core.ids import new_id
from pellucid.core.run import MAX_NAME, Run, RunStart, RunStatus
from pellucid.core.run_limits import check_experiment, is_run_id
from pellucid.core.run_views import RunView
from pellucid.core.settings import DEFAULT_EXPERIMENT, ClientSettings, read_client_settings

if TYPE_CHECKING:
    from pellucid.client.snapshots.task import SnapshotTask

SETTLE_S = 5.0
LONG_SETTLE_S = 30.0
"""How long to wait for a snapshot of this process that is asked for by its own code."""
_EXIT_S = 0.5
_ASK_AGAIN_S = 2.0
_ASK_TIMEOUT_S = 1.0


class _Registry:
    """The open runs of this process, and one outbox a destination."""

    def __init__(self) -> None:
        self.lock = threading.RLock()  # guards all that follows
        self.active: dict[str, ActiveRun] = {}
        self.places: dict[str, _Place] = {}
        self.outboxes: dict[tuple[str, str | None, str], Outbox] = {}
        self.tasks: list[SnapshotTask] = []
        """Snapshots that may not be finished."""
        self.prepared = False
        self.failure: str | None = None
        """The exception that is ending the process."""
        self.asked_at = 0.0


class _Place:
    """Where a run is current: the context it was attached in."""

    def __init__(self, token: Token[Any], attached: Any) -> None:
        self.token = token
        self.attached = attached
        self.entered = False


_registry = _Registry()


def start_run(
    name: str | None = None,
    *,
    experiment: str | None = None,
    params: Any = None,
    tags: Mapping[str, Any] | None = None,
    parent: "ActiveRun | Run | str | None" = None,
    notes: str | None = None,
    config: Any = None,
    resume: str | None = None,
    snapshot: bool | None = None,
    system_metrics: bool = False,
) -> ActiveRun:
    """Start a run: in a `with` block, as a decorator (one run a call), or until `end_run()`.

    `experiment` defaults to the one of `init`, else `PELLUCID_EXPERIMENT`, else `default`. Inside
    another run's `with` block the new one is its child; `parent` names another. `config` is any
    object that holds the configuration (dict, dataclass, pydantic, argparse, OmegaConf): it goes
    into the snapshot. `resume` goes on with a run: its id, a unique prefix, or experiment@number.
    `snapshot=False` takes none (also: PELLUCID_SNAPSHOT=0). Nothing waits for the server.
    """
    client = client_settings()
    options = dict(
        name=name,
        experiment=experiment,
        params=params,
        tags=tags,
        parent=parent,
        notes=notes,
        config=config,
        snapshot=snapshot,
        system_metrics=system_metrics,
    )
    resumed = None if resume is None else _resumed(resume, client)
    run = _new_run(client, name, experiment, resumed)
    run.options = options
    if resumed is not None:
        run.adopt(resumed)
    _declare(run, parent=parent, resumed=resumed is not None)
    run.log_params({} if params is None else params)
    run.set_tags(tags or {})
    if notes is not None:
        run.set_notes(notes)
    run.queue.declared_at = time.monotonic()
    with _registry.lock:
        _prepare()
        _registry.active[run.id] = run
        _attach(run)
    if run.outbox is not None:
        run.outbox.open(run.queue)
        _start_companions(run, config=config, snapshot=snapshot, system_metrics=system_metrics)
    return run


def end_run(status: str = RunStatus.FINISHED, *, error: str | None = None) -> None:
    """End the current run and wait up to five seconds for its delivery. Without one: nothing."""
    run = current_run()
    if run is not None:
        run.end(status, error=error)
        run.wait()


def current_run() -> ActiveRun | None:
    """Return the run that this context logs to, or None."""
    run_id = context.current_run_id()
    return None if run_id is None else _registry.active.get(run_id)


def require_run() -> ActiveRun:
    """Return the current run. Raises InvalidInput where there is none."""
    run_id = context.current_run_id()
    run = None if run_id is None else _registry.active.get(run_id)
    if run is None:
        raise InvalidInput(
            "There is no current run to log to. Start one: with pellucid.start_run(): …"
        )
    return run


def enter(run: ActiveRun) -> None:
    """Make sure of a run whose `with` block begins."""
    run.queue.declared_at = None
    with _registry.lock:
        place = _registry.places.get(run.id)
        if place is not None:
            place.entered = True
    if run.outbox is not None:
        run.outbox.wake()


def leave(run: ActiveRun) -> None:
    """Make a run no longer current."""
    with _registry.lock:
        _registry.active.pop(run.id, None)
        place = _registry.places.pop(run.id, None)
        if place is not None and context.current_run_id() == run.id:
            if otel_context.get_current() is place.attached:
                context.detach(place.token)
            else:
                context.clear_run()
        _renew_default()


def settle(run: ActiveRun, timeout: float) -> bool:
    """Wait for a run's snapshot and delivery; return whether the server has everything."""
    if run.outbox is None:
        return True
    deadline = time.monotonic() + timeout
    if run.snapshot_task is not None:
        run.snapshot_task.wait(timeout)
    delivered = run.outbox.flush(max(0.0, deadline - time.monotonic()))
    if delivered:
        _ask(run)
    return delivered


def decorate(declared: ActiveRun, function: Any) -> Any:
    """Return a function that runs in a run of its own; the declared run never was."""
    if not callable(function):
        raise InvalidInput("@start_run(…) decorates functions.")
    if declared.queue.declared_at is None:
        raise InvalidInput("This run has begun already; decorate with a new start_run(…).")
    leave(declared)
    if declared.outbox is not None:
        declared.outbox.drop(declared.queue)
    if declared.snapshot_task is not None:
        declared.snapshot_task.cancel()
    options = declared.options
    options["name"] = options["name"] or getattr(function, "__name__", None)

    def begin() -> ActiveRun:
        return start_run(**options)

    return in_own_run(function, begin)


def stand_in(run_id: str, experiment: str) -> None:
    """Let code of a run that is long over log to it without effect, as a served agent does."""
    client = client_settings()
    with _registry.lock:
        _registry.active[run_id] = ActiveRun(
            run_id, experiment, name="", outbox=None, url=client.url
        )


def flush(timeout: float = SETTLE_S) -> bool:
    """Wait until everything logged so far is sent; return whether the server has it."""
    deadline = time.monotonic() + timeout
    with _registry.lock:
        outboxes = list(_registry.outboxes.values())
        tasks = list(_registry.tasks)
    for task in tasks:
        task.wait(max(0.0, deadline - time.monotonic()))
    return all([box.flush(max(0.0, deadline - time.monotonic())) for box in outboxes])


def outbox_of(client: ClientSettings) -> Outbox:
    """Return the outbox of a destination, one for all runs of this process."""
    key = (client.url, client.api_key, str(client.spool_dir))
    with _registry.lock:
        outbox = _registry.outboxes.get(key)
        if outbox is None:
            outbox = _registry.outboxes[key] = open_outbox(client)
            outbox.on_tick(_ask_for_numbers)
        return outbox


def _new_run(
    client: ClientSettings, name: str | None, experiment: str | None, resumed: Run | None
) -> ActiveRun:
    chosen = experiment or client.experiment or DEFAULT_EXPERIMENT
    if resumed is not None:
        chosen = resumed.experiment
    check_experiment(chosen)
    run = ActiveRun(
        resumed.id if resumed else new_id(),
        chosen,
        name=str(name or (resumed.name if resumed else "") or "")[:MAX_NAME],
        outbox=outbox_of(client) if client.enabled else None,
        url=(client.public_url or client.url).rstrip("/"),
    )
    run.number = resumed.number if resumed else None
    if name is not None:
        run.queue.pieces.append(stamp("name", run.name))
    return run


def _declare(run: ActiveRun, *, parent: "ActiveRun | Run | str | None", resumed: bool) -> None:
    start = RunStart(
        time_ns=run.next_ns(), parent_id=_parent_id(parent, run), source=_source(), resumed=resumed
    )
    run.queue.pieces.appendleft(start)


def _parent_id(parent: "ActiveRun | Run | str | None", run: ActiveRun) -> str | None:
    if parent is None:
        outer = current_run()
        place = _registry.places.get(outer.id) if outer is not None else None
        inside = outer is not None and place is not None and place.entered
        return outer.id if outer is not None and inside and outer.id != run.id else None
    if isinstance(parent, ActiveRun | Run):
        return parent.id
    return parent if is_run_id(parent) else _find(parent).id


def _resumed(text: str, client: ClientSettings) -> Run:
    """Return the run to go on with; a full id works without a server too."""
    try:
        return _find(text)
    except Unavailable:
        if not is_run_id(text):
            raise
    except PellucidError:
        # The run's first writes may still be on their way.
        if not is_run_id(text):
            raise
    return _unknown_run(text, client.experiment or DEFAULT_EXPERIMENT)


def _find(text: str) -> Run:
    from pellucid.client.tracking.reads import get_run

    return get_run(text)


def _unknown_run(run_id: str, experiment: str) -> Run:
    return Run(
        id=run_id,
        experiment=experiment,
        number=None,
        name="",
        status=RunStatus.RUNNING,
        start_ns=0,
        end_ns=None,
        heard_ns=0,
        parent_id=None,
        params={},
        metrics={},
        tags={},
        scores={},
        notes="",
        snapshot_id=None,
        parent_snapshot_id=None,
        error=None,
        source={},
        conflicts=[],
    )


def _source() -> dict[str, Any]:
    import socket

    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "user": os.environ.get("USER") or os.environ.get("USERNAME") or "",
        "program": Path(sys.argv[0]).name if sys.argv else "",
    }


def _start_companions(
    run: ActiveRun, *, config: Any, snapshot: bool | None, system_metrics: bool
) -> None:
    if snapshot is None:
        snapshot = read_client_settings().snapshot
    if snapshot:
        from pellucid.client.snapshots.task import SnapshotTask

        run.snapshot_task = SnapshotTask(run, config)
        run.snapshot_task.start()
        with _registry.lock:
            _registry.tasks = [task for task in _registry.tasks if not task.is_done]
            _registry.tasks.append(run.snapshot_task)
    if system_metrics:
        from pellucid.client.tracking.system import SystemMetrics

        SystemMetrics(run).start()


def _attach(run: ActiveRun) -> None:
    token = context.attach(run_id=run.id, experiment=run.experiment)
    _registry.places[run.id] = _Place(token, otel_context.get_current())
    _renew_default()


def _renew_default() -> None:
    """Threads that were given no context log to the only open run, if there is just one."""
    active = list(_registry.active.values())
    only = active[0] if len(active) == 1 else None
    context.set_default(run_id=None if only is None else only.id)


def _ask(run: ActiveRun) -> None:
    """Learn a run's number and conflicts; a server that does not answer is no error."""
    if run.outbox is None or run.outbox.deliverer.is_away:
        return
    client = api_client(run.outbox.deliverer, timeout_s=_ASK_TIMEOUT_S)
    try:
        view = msgspec.json.decode(client.get(f"/api/v1/runs/{run.id}"), type=RunView)
    except PellucidError:
        return
    finally:
        client.close()
    run.number = view.number
    run.conflicts = [conflict.name for conflict in view.conflicts]
    for conflict in view.conflicts:
        say_once(
            f"conflict {run.id} {conflict.name}",
            f"run {run.experiment}@{run.number}: the param {conflict.name!r} was logged with "
            f"several values: {conflict.kept!r} is kept, {conflict.others!r} are shown beside it.",
        )


def _ask_for_numbers() -> None:
    now = time.monotonic()
    if now - _registry.asked_at < _ASK_AGAIN_S:
        return
    _registry.asked_at = now
    unknown = [run for run in list(_registry.active.values()) if run.number is None]
    for run in unknown[:10]:
        if run.outbox is not None and run.queue.declared_at is None:
            _ask(run)
            if run.number is None:
                # Nobody answers: ask less often.
                _registry.asked_at = now + 10 * _ASK_AGAIN_S
                return


def _prepare() -> None:
    if _registry.prepared:
        return
    _registry.prepared = True
    also_flush(flush)
    atexit.register(_at_exit)
    previous = sys.excepthook

    def note_failure(kind: type[BaseException], error: BaseException, traceback: Any) -> None:
        if not issubclass(kind, SystemExit):
            _registry.failure = f"{kind.__name__}: {error}"[:10_000]
        previous(kind, error, traceback)

    sys.excepthook = note_failure


def _after_fork() -> None:
    # The parent's snapshots are its own, and its locks may be held by threads that are not here.
    _registry.lock = threading.RLock()
    _registry.tasks = []
    for run in _registry.active.values():
        run.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _at_exit() -> None:
    own = [run for run in list(_registry.active.values()) if run.pid == os.getpid()]
    for run in own:
        failure = _registry.failure
        run.end(RunStatus.FAILED if failure else RunStatus.FINISHED, error=failure)
    deadline = time.monotonic() + SETTLE_S
    for task in _registry.tasks:
        task.wait(max(0.0, deadline - time.monotonic()))
    for outbox in list(_registry.outboxes.values()):
        outbox.close(_EXIT_S)
