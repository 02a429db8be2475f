"""SQL over documented views, read-only and bounded in time and rows."""

from pellucid.core.errors import InvalidInput
from pellucid.core.ports import SpanStore
from pellucid.core.survey import SqlResult
from pellucid.server.services.threads import Threads

MAX_ROWS = 100_000
MAX_CHARACTERS = 100_000
MAX_SECONDS = 30.0


class SqlService:
    """Runs a SELECT on threads of its own: slow ones must not hold up pages."""

    def __init__(self, store: SpanStore, threads: Threads) -> None:
        self._store = store
        self._threads = threads

    async def run(self, sql: str, *, limit: int) -> SqlResult:
        """Run one SELECT over traces, spans and scores. Raises InvalidInput for anything else."""
        if not 1 <= limit <= MAX_ROWS:
            raise InvalidInput(f"limit={limit} is not allowed; ask for 1 to {MAX_ROWS} rows.")
        if len(sql) > MAX_CHARACTERS:
            raise InvalidInput(f"The SQL is longer than {MAX_CHARACTERS} characters.")
        return await self._threads.run(self._store.run_sql, sql, limit=limit, seconds=MAX_SECONDS)
