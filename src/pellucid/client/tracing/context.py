"""What spans inherit from where they are made: experiment, run, session, user, tags, metadata.

It lives in the OpenTelemetry context, so it goes wherever the current span goes: asyncio tasks,
executors, threads, and instrumentations that start spans with a context of their own.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import Token
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry.context import Context

from pellucid.client.encoding import json_text, name_of, pairs_of, simplify
from pellucid.semconv import attributes as names

_KEY = otel_context.create_key("pellucid")


class Ambient:
    """One immutable set of inherited values, with the attributes that they become."""

    __slots__ = ("attributes", "experiment", "metadata", "run_id", "session_id", "tags", "user_id")

    def __init__(
        self,
        *,
        experiment: str | None = None,
        run_id: str | None = None,
        session_id: str | None = None,
        user_id: str | None = None,
        tags: Mapping[str, str] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        self.experiment = experiment
        self.run_id = run_id
        self.session_id = session_id
        self.user_id = user_id
        self.tags = dict(tags or {})
        self.metadata = dict(metadata or {})
        self.attributes = self._as_attributes()

    def replaced(self, **changes: Any) -> "Ambient":
        """Return these values with some replaced; tags and metadata are added to."""
        values = {
            "experiment": self.experiment,
            "run_id": self.run_id,
            "session_id": self.session_id,
            "user_id": self.user_id,
            "tags": self.tags,
            "metadata": self.metadata,
        }
        for name, value in changes.items():
            if value is None:
                continue
            held = values[name]
            values[name] = {**held, **value} if isinstance(held, dict) else value
        return Ambient(**values)  # type: ignore[arg-type]

    def as_changes(self) -> dict[str, Any]:
        """Return the values as plain data, for `attach` in another process."""
        return {
            "experiment": self.experiment,
            "run_id": self.run_id,
            "session_id": self.session_id,
            "user_id": self.user_id,
            "tags": self.tags,
            "metadata": simplify(self.metadata),
        }

    def _as_attributes(self) -> dict[str, str]:
        found = {
            names.EXPERIMENT: self.experiment,
            names.RUN_ID: self.run_id,
            names.CONVERSATION_ID: self.session_id,
            names.USER_ID: self.user_id,
            names.TAGS: json_text(simplify(self.tags)) if self.tags else None,
            names.METADATA: json_text(simplify(self.metadata)) if self.metadata else None,
        }
        return {name: value for name, value in found.items() if value is not None}


_nothing = Ambient()
_process = _nothing
"""What holds where no context says otherwise."""
UNTRACED = Ambient()
"""What holds where no span is wanted: one of a redaction hook would be redacted, and so on."""


def current(context: Context | None = None) -> Ambient:
    """Return what a span started now, or in `context`, inherits."""
    found = otel_context.get_value(_KEY, context)
    if found is None and context is not None:
        found = otel_context.get_value(_KEY)
    return found if type(found) is Ambient else _process


def attach(**changes: Any) -> Token[Context]:
    """Replace some values in this context until `detach` is given the token back."""
    return otel_context.attach(otel_context.set_value(_KEY, current().replaced(**changes)))


def detach(token: Token[Context]) -> None:
    """Undo one `attach`, this module's or OpenTelemetry's.

    A block that is left in another context than it was entered in (a generator that the garbage
    collector closes) leaves nothing to undo there; OpenTelemetry's own would log an error.
    """
    try:
        token.var.reset(token)
    except (ValueError, RuntimeError):
        return
    except AttributeError:  # a runtime context other than contextvars
        otel_context.detach(token)


@contextmanager
def use(**changes: Any) -> Iterator[Ambient]:
    """Replace some values inside a `with` block."""
    token = attach(**changes)
    try:
        yield current()
    finally:
        detach(token)


@contextmanager
def untraced() -> Iterator[None]:
    """Leave out the spans that start inside a `with` block."""
    token = otel_context.attach(otel_context.set_value(_KEY, UNTRACED))
    try:
        yield
    finally:
        detach(token)


def set_default(**changes: Any) -> None:
    """Replace values for the whole process, wherever no context has its own.

    None takes a value away: `set_default(run_id=None)`.
    """
    global _process
    values = {
        name: getattr(_process, name)
        for name in ("experiment", "run_id", "session_id", "user_id", "tags", "metadata")
    }
    _process = Ambient(**{**values, **changes})


def clear_run() -> None:
    """Have the later spans of this context belong to no run, whatever was attached since it."""
    held = current()
    values = {
        name: getattr(held, name)
        for name in ("experiment", "session_id", "user_id", "tags", "metadata")
    }
    otel_context.attach(otel_context.set_value(_KEY, Ambient(**values)))


def current_run_id() -> str | None:
    """Return the id of the run that spans started here belong to."""
    return current().run_id


class session:
    """Put all spans of a `with` block into one session.

    `tags` are for filtering (`tag.env:prod`), `metadata` is any JSON value by name. Blocks nest:
    the inner one's values win, tags and metadata are joined.
    """

    __slots__ = ("_changes", "_token")

    def __init__(
        self,
        id: str | None = None,
        *,
        user: str | None = None,
        tags: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        experiment: str | None = None,
    ) -> None:
        self._changes = {
            "session_id": None if id is None else name_of(id),
            "user_id": None if user is None else name_of(user),
            "tags": {name: name_of(value) for name, value in pairs_of(tags)},
            "metadata": dict(pairs_of(metadata)),
            "experiment": experiment,
        }

    def __enter__(self) -> "session":
        self._token = attach(**self._changes)
        return self

    def __exit__(self, *exception: object) -> None:
        detach(self._token)

    async def __aenter__(self) -> "session":
        return self.__enter__()

    async def __aexit__(self, *exception: object) -> None:
        self.__exit__()
