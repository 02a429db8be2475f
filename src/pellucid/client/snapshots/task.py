"""A run's snapshot, taken and sent beside the run's own work."""

import logging
import threading
from typing import TYPE_CHECKING, Any

from pellucid.client.agent import declared_entry_point
from pellucid.client.notices import say_once
from pellucid.client.snapshots.cache import save_cache
from pellucid.client.snapshots.capture import Captured, Extras, amend, capture
from pellucid.client.snapshots.config import resolve_config
from pellucid.client.snapshots.deliver import Incomplete, deliver
from pellucid.client.snapshots.notebook import notebook_cells
from pellucid.client.snapshots.observer import Observer, observe
from pellucid.client.snapshots.project import start_folder
from pellucid.client.tracking.outbox import Outbox, run_delivery, stamp
from pellucid.core.clock import now_ns
from pellucid.core.run import RunWrite, Stamped
from pellucid.core.settings import read_client_settings

if TYPE_CHECKING:
    from pellucid.client.tracking.run import ActiveRun

_log = logging.getLogger("pellucid")
_ATTEMPTS = 3


class SnapshotTask:
    """Takes the snapshot at once; at the run's end, adds what its traces showed."""

    def __init__(self, run: "ActiveRun", config: Any) -> None:
        self._run = run
        # In the call: the program may change its configuration later.
        self._config = resolve_config(config)
        self._folder = start_folder(read_client_settings().project_dir)
        self._cancelled = threading.Event()
        self._ended = threading.Event()
        self._taken = threading.Event()
        self._done = threading.Event()
        self._observer: Observer = observe(run.id)
        self._datasets: dict[str, str] = {}

    @property
    def is_done(self) -> bool:
        """Whether there is nothing more to wait for."""
        return self._done.is_set()

    def start(self) -> None:
        """Begin."""
        try:
            threading.Thread(target=self._work, name="pellucid-snapshot", daemon=True).start()
        except RuntimeError:
            self._taken.set()  # The interpreter is ending.
            self._done.set()

    def cancel(self) -> None:
        """Forget it: the run was only declared."""
        self._cancelled.set()
        self._ended.set()

    def end(self) -> None:
        """Tell that the run has ended."""
        self._observer.stop()
        self._ended.set()

    def wait(self, timeout: float) -> bool:
        """Wait until the snapshot is sent, or kept for a server that is away."""
        event = self._done if self._ended.is_set() else self._taken
        return event.wait(timeout)

    def note_dataset(self, name: str, version: str) -> None:
        """Add a dataset's version to the facts."""
        self._datasets[name] = version

    def note_prompt(self, name: str, template: str, version: str | None) -> None:
        """Add a prompt to the facts."""
        self._observer.note_prompt(name, template, version)

    def note_config(self, config: Any) -> None:
        """Add to the configuration."""
        new = resolve_config(config)
        both = isinstance(self._config, dict) and isinstance(new, dict)
        self._config = {**self._config, **new} if both else new

    def _work(self) -> None:
        try:
            # What is noted while the snapshot is taken may or may not be in it.
            taken = (self._config, dict(self._datasets))
            captured = self._take()
            if captured is None:
                return
            self._tell_left_out(captured)
            self._taken.set()
            self._ended.wait()
            observed = None if self._cancelled.is_set() else self._observer.result()
            if observed or taken != (self._config, self._datasets):
                self._complete(captured, observed)
        except Exception as error:
            # The run goes on without a snapshot; the reason is said once.
            _log.debug("snapshot", exc_info=True)
            say_once(f"snapshot {self._run.id}", f"no snapshot could be taken: {error}")
        finally:
            self._taken.set()
            self._done.set()

    def _take(self) -> Captured | None:
        run = self._run
        for attempt in range(1, _ATTEMPTS + 1):
            captured = capture(self._folder, self._extras(), is_cancelled=self._cancelled.is_set)
            if captured is None or self._cancelled.is_set() or run.outbox is None:
                return None
            try:
                deliver(captured, run.outbox)
            except Incomplete:
                if attempt == _ATTEMPTS:
                    raise
                continue
            self._announce(captured, run.outbox)
            return captured
        return None

    def _announce(self, captured: Captured, outbox: Outbox) -> None:
        cache = captured.cache
        if cache.last_snapshot is not None and cache.last_snapshot != captured.snapshot_id:
            outbox.add(self._run.queue, stamp("parent_snapshot", cache.last_snapshot))
        self._run.snapshot_id = captured.snapshot_id
        outbox.add(self._run.queue, stamp("snapshot", captured.snapshot_id))
        cache.last_snapshot = captured.snapshot_id
        save_cache(captured.root, cache)

    def _complete(self, captured: Captured, observed: Any) -> None:
        """Send the same state with what the run's traces showed: one more small manifest."""
        outbox = self._run.outbox
        if outbox is None:
            return
        final = amend(captured, config=self._config, datasets=self._datasets, observed=observed)
        deliver(final, outbox)
        self._run.snapshot_id = final.snapshot_id
        # After the run's end its queue is gone: the write goes out by itself.
        write = RunWrite(
            run_id=self._run.id,
            experiment=self._run.experiment,
            time_ns=now_ns(),
            snapshot=Stamped(value=final.snapshot_id, time_ns=now_ns()),
        )
        outbox.submit(run_delivery(write))
        if final.cache.last_snapshot == captured.snapshot_id:
            final.cache.last_snapshot = final.snapshot_id
            save_cache(final.root, final.cache)

    def _extras(self) -> Extras:
        return Extras(
            config=self._config,
            entry_point=declared_entry_point(self._folder),
            datasets=dict(self._datasets),
            cells=notebook_cells(),
        )

    def _tell_left_out(self, captured: Captured) -> None:
        for item in captured.manifest.left_out:
            # A line is only named for a secret in it.
            if item.line is not None or item.reason.endswith(("of secrets", "with a secret in it")):
                place = f"{item.path}:{item.line}" if item.line else item.path
                say_once(
                    f"secret {captured.root} {place}",
                    f"{place} was left out of the snapshot ({item.reason}).",
                )
