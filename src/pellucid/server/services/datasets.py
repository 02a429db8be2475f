"""Datasets: versions from rows, edits, files and traces; reading, comparing, deleting."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from msgspec.structs import replace

from pellucid.core.clock import Clock
from pellucid.core.clock import now_ns as system_clock
from pellucid.core.dataset import Dataset, Example
from pellucid.core.dataset_files import read_bytes, read_format, write_csv, write_lines
from pellucid.core.dataset_files import write_json as json_file
from pellucid.core.dataset_files import write_parquet as parquet_file
from pellucid.core.dataset_ports import DatasetStore
from pellucid.core.dataset_query import parse_examples
from pellucid.core.dataset_rows import dataset_of
from pellucid.core.dataset_versions import (
    DatasetDeletion,
    DatasetPage,
    DatasetSummary,
    DatasetVersion,
    DatasetWrite,
    DiffPage,
    ExamplePage,
    Existing,
    VersionPage,
    check_name,
)
from pellucid.core.dataset_views import (
    AddedView,
    ExampleList,
    FromTracesRequest,
    TraceExamplesRequest,
    VersionRequest,
)
from pellucid.core.errors import InvalidInput, NotFound
from pellucid.core.ids import new_id
from pellucid.core.trace_examples import FromTraces, read_trace
from pellucid.core.views import view_span, view_trace
from pellucid.server.services.threads import Threads
from pellucid.server.services.traces import TraceService

MAX_LIMIT = 1000
MAX_TRACES = 1000
PIECE_EXAMPLES = 200
_SUFFIXES = ("", *(f"-{number}" for number in range(2, 10)))


class DatasetService:
    """What pages and the API ask about datasets. A VERSION is a number, or `latest`."""

    def __init__(
        self,
        store: DatasetStore,
        traces: TraceService,
        readers: Threads,
        *,
        clock: Clock = system_clock,
    ) -> None:
        self._store = store
        self._traces = traces
        self._readers = readers
        # Large writes take seconds, and readers must not wait for them.
        self._writer = Threads("dataset-writer", 1)
        self._clock = clock

    async def list(
        self, *, text: str = "", limit: int = 50, cursor: str | None = None
    ) -> DatasetPage:
        """List datasets whose names have a text, the last changed first."""
        _check_limit(limit)
        return await self._readers.run(
            self._store.list_datasets, text=text, limit=limit, cursor=cursor or None
        )

    async def get(self, name: str) -> DatasetSummary:
        """Return one dataset. Raises NotFound."""
        return await self._readers.run(self._store.get_dataset, name)

    async def list_versions(
        self, name: str, *, limit: int = 50, cursor: str | None = None
    ) -> VersionPage:
        """List a dataset's versions, the newest first."""
        _check_limit(limit)
        return await self._readers.run(
            self._store.list_versions, name, limit=limit, cursor=cursor or None
        )

    async def get_version(self, name: str, version: str = "latest") -> DatasetVersion:
        """Return a version. Raises NotFound, and InvalidInput for what is no number."""
        return await self._readers.run(self._store.get_version, name, read_number(version))

    async def find_version(self, name: str, digest: str) -> DatasetVersion | None:
        """Return the newest version of a dataset that has a content, if any."""
        return await self._readers.run(self._store.find_version, name, digest)

    async def find_used(self, name: str, number: int | None, digest: str) -> DatasetVersion | None:
        """Return the version that an evaluation used: by its number, else by its content."""
        if number is None:
            return await self.find_version(name, digest)
        try:
            return await self.get_version(name, str(number))
        except NotFound:
            return None

    async def list_examples(
        self,
        name: str,
        version: str = "latest",
        *,
        query: str = "",
        limit: int = 100,
        cursor: str | None = None,
    ) -> ExamplePage:
        """List examples of a version that meet a query, in its order. Raises QuerySyntaxError."""
        _check_limit(limit)
        parsed = parse_examples(query) if query.strip() else None
        number = (await self.get_version(name, version)).number
        return await self._readers.run(
            self._store.list_examples,
            name,
            number,
            query=parsed,
            limit=limit,
            cursor=cursor or None,
        )

    async def diff(
        self, name: str, before: str, after: str, *, limit: int = 100, cursor: str | None = None
    ) -> DiffPage:
        """Say what changed from one version to another."""
        _check_limit(limit)
        numbers = [(await self.get_version(name, one)).number for one in (before, after)]
        return await self._readers.run(
            self._store.diff, name, *numbers, limit=limit, cursor=cursor or None
        )

    async def put_examples(self, examples: Sequence[Example]) -> Sequence[str]:
        """Store examples ahead of their version; returns their digests."""
        return await self._writer.run(self._store.put_examples, examples)

    async def write(self, name: str, request: VersionRequest) -> DatasetVersion:
        """Make a version as a request says. Raises what `DatasetStore.write` raises."""
        check_name(name)
        return await self._writer.run(self._write, name, request)

    async def import_file(
        self,
        name: str,
        data: bytes,
        *,
        kind: str,
        file_name: str = "",
        mode: str = "replace",
        **fields: Any,
    ) -> DatasetVersion:
        """Make a version of a file's rows: all of them (`replace`), or behind what is there.

        With `append`, rows whose ids are there take their place. Raises InvalidInput that names
        the lines at fault.
        """
        check_name(name)
        if mode not in ("replace", "append"):
            raise InvalidInput(f"mode={mode[:40]!r} is neither replace nor append.")
        kind = read_format(kind, reading=True)
        rows = await self._readers.run(
            read_bytes, data, kind, name=file_name or f"the {kind.upper()} file"
        )
        if not rows:
            raise InvalidInput(f"{file_name or 'The file'} holds no rows.")
        message = fields.pop("message", "") or f"Import {file_name or kind}"
        request = VersionRequest(
            message=message,
            source="import",
            examples=rows if mode == "replace" else None,
            put=rows if mode == "append" else [],
            **fields,
        )
        return await self.write(name, request)

    async def restore(
        self, name: str, version: str, *, author: str | None = None
    ) -> DatasetVersion:
        """Make the content of an earlier version the newest again."""
        earlier = await self.get_version(name, version)
        examples = await self._readers.run(_read_all, self._store, name, earlier.number)
        write = DatasetWrite(
            id=new_id(),
            name=name,
            time_ns=self._clock(),
            message=f"Go back to version {earlier.number}",
            author=author,
            source="page",
            examples=examples,
        )
        return await self._writer.run(self._store.write, write)

    async def read_traces(self, request: TraceExamplesRequest) -> ExampleList:
        """Read traces as examples. Raises NotFound, InvalidInput and QuerySyntaxError."""
        how = FromTraces(
            expected=request.expected,
            gold_documents=request.gold_documents,
            split=request.split or None,
        )
        fault = how.check()
        if fault is not None:
            raise InvalidInput(f"{fault}.")
        rows = []
        skipped = 0
        for trace_id in await self._trace_ids(request):
            trace = await self._traces.get_trace(trace_id)
            spans = [view_span(span) for span in trace.spans]
            fields = read_trace(view_trace(trace.trace), spans, how)
            if not fields.inputs:
                skipped += 1
                continue
            rows.append(
                {
                    "inputs": fields.inputs,
                    "expected": fields.expected,
                    "gold_documents": fields.gold_documents or None,
                    "metadata": fields.metadata or None,
                    "split": how.split,
                    "trace_id": fields.trace_id,
                }
            )
        return ExampleList(examples=_unlike(rows), skipped=skipped)

    async def add_traces(self, name: str, request: FromTracesRequest) -> AddedView:
        """Put traces behind a dataset's examples, or make it of them."""
        check_name(name)
        read = await self.read_traces(request)
        if not read.examples:
            raise InvalidInput("None of these traces has an input to make an example of.")
        write = DatasetWrite(
            id=request.id or new_id(),
            name=name,
            time_ns=request.time_ns or self._clock(),
            message=request.message or _say_traces(len(read.examples)),
            author=request.author,
            source="traces",
            put=read.examples,
            existing=Existing.KEEP,
        )
        before = await self._find(name)
        version = await self._writer.run(self._store.write, write)
        made = before is None or version.number != before.number
        added = version.added if made else 0
        return AddedView(
            version=version,
            added=added,
            existing=len(read.examples) - added,
            skipped=read.skipped,
        )

    async def export(
        self,
        name: str,
        version: str = "latest",
        *,
        kind: str = "jsonl",
        split: str | None = None,
        for_spreadsheets: bool = False,
    ) -> AsyncIterator[bytes]:
        """Return a version as a file, in pieces; the first is made before this returns."""
        kind = read_format(kind)
        number = (await self.get_version(name, version)).number

        def examples() -> Iterator[Example]:
            return self._store.iter_examples(name, number, split=split or None)

        def pieces() -> Iterator[bytes]:
            if kind == "jsonl":
                return write_lines(examples())
            if kind == "csv":
                return write_csv(examples, for_spreadsheets=for_spreadsheets)
            return iter([json_file(examples()) if kind == "json" else parquet_file(examples)])

        opened = await self._readers.run(pieces)
        first = await self._readers.run(_next_piece, opened)
        return self._stream(first, opened)

    async def _stream(self, first: bytes, pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
        piece = first
        while piece:
            yield piece
            piece = await self._readers.run(_next_piece, pieces)

    async def delete(self, name: str, *, dry_run: bool = False) -> DatasetDeletion:
        """Delete a dataset, or say what would go. Raises NotFound."""
        return await self._writer.run(self._store.delete, name, dry_run=dry_run)

    def close(self) -> None:
        """Finish the write that runs."""
        self._writer.close()

    async def _find(self, name: str) -> DatasetVersion | None:
        try:
            return await self.get_version(name)
        except NotFound:
            return None

    def _write(self, name: str, request: VersionRequest) -> DatasetVersion:
        examples, base = None, request.base
        if request.examples is not None:
            examples = _examples(name, request.examples)
        put = _examples(name, request.put)
        if request.add:
            # Which ids are free is known of one version only.
            base = _newest_number(self._store, name) if base is None else base
            put += _renamed(self._store, name, base, _examples(name, request.add), put)
        return self._store.write(
            DatasetWrite(
                id=request.id or new_id(),
                name=name,
                time_ns=request.time_ns or self._clock(),
                base=base,
                message=request.message.strip(),
                author=(request.author or "").strip() or None,
                source=request.source,
                examples=examples,
                digests=request.digests,
                put=put,
                remove=request.remove,
                existing=request.existing,
            )
        )

    async def _trace_ids(self, request: TraceExamplesRequest) -> Sequence[str]:
        if request.trace_ids is not None:
            found = list(dict.fromkeys(request.trace_ids))
            if not 1 <= len(found) <= MAX_TRACES:
                raise InvalidInput(f"Name 1 to {MAX_TRACES:,} traces; these are {len(found):,}.")
            return found
        if not 1 <= request.limit <= MAX_TRACES:
            raise InvalidInput(f"limit={request.limit} is not allowed; ask for 1 to {MAX_TRACES}.")
        page = await self._traces.list_traces(
            experiment=request.experiment, query=request.query, limit=request.limit
        )
        return [trace.trace_id for trace in page.traces]


def read_number(version: str) -> int | None:
    """Return the number of a VERSION; None is the newest. Raises InvalidInput."""
    if version in ("", "latest"):
        return None
    if not (version.isascii() and version.isdigit() and len(version) < 10):
        raise InvalidInput(f"{version[:40]!r} is no version: give its number, or latest.")
    return int(version)


def _examples(name: str, rows: Sequence[Mapping[str, Any]]) -> list[Example]:
    return dataset_of(rows, name=name).examples


def _newest_number(store: DatasetStore, name: str) -> int:
    try:
        return store.get_version(name).number
    except NotFound:
        return 0


def _renamed(
    store: DatasetStore, name: str, base: int, added: list[Example], beside: list[Example]
) -> list[Example]:
    """Return examples with ids that neither the version nor the others have."""
    asked = [f"{one.id}{suffix}" for one in added for suffix in _SUFFIXES]
    here = store.find_examples(name, base, asked) if base else []
    taken = {one.id for one in [*here, *beside]}
    found = []
    for one in added:
        free = next((s for s in _SUFFIXES if f"{one.id}{s}" not in taken), f"-{new_id()[-8:]}")
        found.append(replace(one, id=f"{one.id}{free}"))
        taken.add(found[-1].id)
    return found


def _unlike(rows: Sequence[Mapping[str, Any]]) -> list[Example]:
    """Return one example a set of inputs: the first, which is the newest trace's."""
    found = {one.id: one for one in reversed(_identified(rows))}
    return list(reversed(found.values()))


def _identified(rows: Sequence[Mapping[str, Any]]) -> list[Example]:
    return [Dataset.from_rows([row]).examples[0] for row in rows]


def _read_all(store: DatasetStore, name: str, number: int) -> list[Example]:
    return list(store.iter_examples(name, number))


def _say_traces(count: int) -> str:
    return f"Add {count:,} {'trace' if count == 1 else 'traces'}"


def _next_piece(pieces: Iterator[bytes]) -> bytes:
    return b"".join(islice(pieces, PIECE_EXAMPLES))


def _check_limit(limit: int) -> None:
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidInput(
            f"limit={limit} is not allowed; ask for 1 to {MAX_LIMIT} and use the cursor for more."
        )
