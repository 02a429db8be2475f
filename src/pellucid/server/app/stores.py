"""Settings → stores. The only importer of engines."""

from pathlib import Path

import msgspec

from pellucid.core.dataset_ports import DatasetStore
from pellucid.core.errors import InvalidInput
from pellucid.core.garbage import GarbageStore
from pellucid.core.ports import ArtifactStore, SpanStore
from pellucid.core.run_ports import RunStore, SnapshotStore
from pellucid.core.settings import ServerSettings
from pellucid.server.services.normaliser import Normaliser
from pellucid.storage.artifacts.local import LocalArtifactStore
from pellucid.storage.meta.datasets import SqlDatasetStore
from pellucid.storage.meta.engine import MetaDatabase
from pellucid.storage.meta.garbage import SqlGarbageStore
from pellucid.storage.meta.recent import RecentDigests
from pellucid.storage.meta.runs import SqlRunStore
from pellucid.storage.meta.snapshots import SqlSnapshotStore
from pellucid.storage.spans.sqlite.store import SqliteSpanStore


class Stores(msgspec.Struct, frozen=True):
    """The opened stores of one server."""

    spans: SpanStore
    artifacts: ArtifactStore
    """What runs and snapshots hold."""
    attachments: ArtifactStore
    """What was cut out of spans, apart: it goes when its spans go."""
    runs: RunStore
    snapshots: SnapshotStore
    garbage: GarbageStore
    datasets: DatasetStore

    def close(self) -> None:
        """Finish what was accepted and close."""
        self.spans.close()
        self.runs.close()


def open_stores(settings: ServerSettings, normaliser: Normaliser) -> Stores:
    """Open what the settings name; the data folder must be held (`own_folder`).

    Raises InvalidInput for a URL of an engine that is not there.
    """
    for name, url in (
        ("PELLUCID_SPANS_URL", settings.spans_url),
        ("PELLUCID_ARTIFACTS_URL", settings.artifacts_url),
    ):
        if url is not None:
            raise InvalidInput(
                f"{name}={url!r} names an engine that this version does not have. "
                "Unset it to store in the data folder."
            )
    folder: Path = settings.data_dir
    if settings.meta_url is None:
        metadata = MetaDatabase.at(folder / "meta.db")
    else:
        metadata = MetaDatabase(settings.meta_url, alone=True)
    recent = RecentDigests()
    return Stores(
        spans=SqliteSpanStore(folder / "spans.db", normalise=normaliser),
        artifacts=LocalArtifactStore(folder / "artifacts"),
        attachments=LocalArtifactStore(folder / "attachments"),
        runs=SqlRunStore(metadata),
        snapshots=SqlSnapshotStore(metadata, recent),
        garbage=SqlGarbageStore(metadata, recent),
        datasets=SqlDatasetStore(metadata),
    )
