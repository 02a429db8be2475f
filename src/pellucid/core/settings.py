"""All settings in one table, read from `PELLUCID_*` variables (contracts.md §6)."""

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from pellucid.core.errors import InvalidInput

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 4380
DEFAULT_URL = f"http://{DEFAULT_HOST}:{DEFAULT_PORT}"
DEFAULT_EXPERIMENT = "default"


class ClientSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What an instrumented program reads."""

    url: str = DEFAULT_URL
    experiment: str | None = None
    api_key: str | None = None
    spool_dir: Path
    enabled: bool = True
    public_url: str | None = None
    snapshot: bool = True
    """Whether a run takes a snapshot of the project."""
    project_dir: Path | None = None
    """Where the project is, if not where the main program is."""


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a server reads."""

    data_dir: Path
    spool_dir: Path
    spans_url: str | None = None
    meta_url: str | None = None
    artifacts_url: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    public_url: str | None = None
    api_key: str | None = None
    prices_file: Path | None = None
    """The user's own model prices, which come before those that ship (`semconv/cost.py`)."""


def read_client_settings(environ: Mapping[str, str] | None = None) -> ClientSettings:
    """Read a client's settings; an empty variable is as good as none."""
    env = _Environment(os.environ if environ is None else environ)
    return ClientSettings(
        url=env.text("PELLUCID_URL") or DEFAULT_URL,
        experiment=env.text("PELLUCID_EXPERIMENT"),
        api_key=env.text("PELLUCID_API_KEY"),
        spool_dir=env.path("PELLUCID_SPOOL_DIR", "~/.pellucid/spool"),
        enabled=env.flag("PELLUCID_ENABLED", default=True),
        public_url=env.text("PELLUCID_PUBLIC_URL"),
        snapshot=env.flag("PELLUCID_SNAPSHOT", default=True),
        project_dir=env.find_path("PELLUCID_PROJECT_DIR"),
    )


def read_server_settings(environ: Mapping[str, str] | None = None) -> ServerSettings:
    """Read a server's settings; an empty variable is as good as none."""
    env = _Environment(os.environ if environ is None else environ)
    hosts = env.text("PELLUCID_ALLOWED_HOSTS") or ""
    return ServerSettings(
        data_dir=env.path("PELLUCID_DATA_DIR", "~/.pellucid"),
        spool_dir=env.path("PELLUCID_SPOOL_DIR", "~/.pellucid/spool"),
        spans_url=env.text("PELLUCID_SPANS_URL"),
        meta_url=env.text("PELLUCID_META_URL"),
        artifacts_url=env.text("PELLUCID_ARTIFACTS_URL"),
        allowed_hosts=tuple(host.strip() for host in hosts.split(",") if host.strip()),
        public_url=env.text("PELLUCID_PUBLIC_URL"),
        api_key=env.text("PELLUCID_API_KEY"),
        prices_file=env.find_path("PELLUCID_PRICES_FILE"),
    )


class _Environment:
    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def text(self, name: str) -> str | None:
        return self._environ.get(name, "").strip() or None

    def find_path(self, name: str) -> Path | None:
        text = self.text(name)
        return None if text is None else Path(text).expanduser()

    def path(self, name: str, default: str) -> Path:
        return Path(self.text(name) or default).expanduser()

    def flag(self, name: str, *, default: bool) -> bool:
        text = (self.text(name) or "").lower()
        if not text:
            return default
        if text in {"1", "true", "yes", "on"}:
            return True
        if text in {"0", "false", "no", "off"}:
            return False
        raise InvalidInput(f"{name}={text!r} is neither yes nor no. Set it to 1 or 0, or unset it.")
