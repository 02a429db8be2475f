"""Every error that Pellucid raises on purpose.

    PellucidError
    ├── InvalidInput          400  what was sent cannot be read or is not allowed
    │   └── QuerySyntaxError  400  a query that does not parse, with the place
    ├── Unauthorized          401  a key is needed, or the wrong one was given
    ├── Forbidden             403  a host or origin that may not ask
    ├── NotFound              404
    ├── Conflict              409  the same id or name with other content
    ├── TooLarge              413
    ├── UnsupportedMediaType  415
    ├── Unavailable           503  full or stopping: try again after `retry_after_s`
    │   └── StorageUnavailable
    └── MissingExtra               a package that an extra installs is not there

A message says what was asked, what is true and what to do next.
"""

_SHOWN_QUERY = 120


class PellucidError(Exception):
    """The root of the tree; `status` is the HTTP status that a door answers with."""

    status = 500

    @property
    def message(self) -> str:
        """The sentence for the caller."""
        return str(self.args[0]) if self.args else type(self).__name__


class InvalidInput(PellucidError):
    """What was sent cannot be read, or is not allowed."""

    status = 400


class QuerySyntaxError(InvalidInput):
    """A query does not parse; `position` counts characters from 0, `length` spans the fault.

    `proposal` is the whole query put right, where the fault leaves no doubt.
    """

    def __init__(
        self,
        message: str,
        *,
        query: str,
        position: int,
        length: int = 1,
        proposal: str | None = None,
    ) -> None:
        super().__init__(message)
        self.query = query
        self.position = position
        self.length = length
        self.proposal = proposal

    def __str__(self) -> str:
        """Return the message with the query below it, the fault underlined."""
        if "\n" in self.query or len(self.query) > _SHOWN_QUERY:
            return self.message
        marks = " " * self.position + "^" * min(self.length, _SHOWN_QUERY - self.position)
        instead = f"\nWrite: {self.proposal}" if self.proposal else ""
        return f"{self.message}\n  {self.query}\n  {marks}{instead}"


class Unauthorized(PellucidError):
    """A key is needed, or the wrong one was given."""

    status = 401


class Forbidden(PellucidError):
    """A host or origin that may not ask."""

    status = 403


class NotFound(PellucidError):
    """The thing asked for is not there."""

    status = 404


class Conflict(PellucidError):
    """The same id or name already stands for other content."""

    status = 409


class TooLarge(PellucidError):
    """A body or value beyond a stated limit."""

    status = 413


class UnsupportedMediaType(PellucidError):
    """A content type or encoding that the door does not read."""

    status = 415


class Unavailable(PellucidError):
    """Full or stopping; nothing was stored. Ask again after `retry_after_s` seconds."""

    status = 503

    def __init__(self, message: str, *, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class StorageUnavailable(Unavailable):
    """The engine stopped answering, or its disk is full."""


class MissingExtra(PellucidError):
    """A package is missing; the message names the line that installs it."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(
            f"{what} needs packages that are not installed. Install them with: "
            f"pip install 'pellucid[{extra}]'"
        )
