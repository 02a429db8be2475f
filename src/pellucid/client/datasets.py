"""Datasets of the server: made, read and changed from code."""

import getpass
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from pellucid.client.notices import say_once
from pellucid.client.spool import Delivery
from pellucid.client.tracing.setup import client_settings, deliverer, flush, is_switched_off
from pellucid.core.clock import now_ns
from pellucid.core.dataset import Dataset, DatasetDiff, Example, example_digest
from pellucid.core.dataset_rows import dataset_of, read_fields, rows_of
from pellucid.core.dataset_versions import (
    DATASETS_PATH,
    DatasetPage,
    DatasetSummary,
    DatasetVersion,
    VersionPage,
    check_ids,
    check_name,
    pack_example,
    split_spec,
)
from pellucid.core.dataset_views import (
    EXAMPLES_PATH,
    TRACE_EXAMPLES_PATH,
    AddedView,
    DigestList,
    ExampleList,
)
from pellucid.core.errors import InvalidInput, NotFound, TooLarge, Unavailable
from pellucid.core.ids import new_id

if TYPE_CHECKING:
    from pellucid.client.http import ApiClient

TIMEOUT_S = 120.0
WHOLE_BYTES = 4 << 20
"""Up to here a version is one request; beyond, its examples are sent ahead in parts."""
_FLUSH_S = 5.0
_PAGE = 500
_WITHOUT_SCORERS = "-root:EVALUATOR"
_JSON = {"content-type": "application/json"}


class StoredDataset(Dataset, frozen=True, kw_only=True):
    """One version of a dataset of the server. Changing it makes and returns a new version."""

    stored: DatasetVersion | None = None
    """Who made the version, when and why; None where the server has not told yet."""

    @property
    def url(self) -> str:
        """The address of the version's page."""
        from pellucid.client.http import path_segment

        page = f"{client_settings().url}/datasets/{path_segment(self.name)}"
        return page if self.number is None else f"{page}?version={self.number}"

    def add(self, rows: Any, *, message: str = "", author: str | None = None) -> "StoredDataset":
        """Make a version with more examples at the end.

        Raises Conflict for an example that is there, and where somebody made a newer version.
        """
        put = _examples(rows, self.name)
        return self._edit(put, [], message, author, existing="refuse")

    def update(self, rows: Any, *, message: str = "", author: str | None = None) -> "StoredDataset":
        """Make a version in which examples differ in the fields that the rows give.

        A row names its example by `id`, or else by `inputs`. Raises NotFound for one that is not
        there, and Conflict where somebody made a newer version.
        """
        here = {example.id: example for example in self.examples}
        put = [_updated(self.name, here, read_row(row)) for row in rows_of(rows)]
        return self._edit(put, [], message, author, existing="replace")

    def remove(
        self, ids: Iterable[str] | str, *, message: str = "", author: str | None = None
    ) -> "StoredDataset":
        """Make a version without the examples of these ids.

        Raises NotFound for one that is not there, and Conflict where somebody made a newer version.
        """
        gone = [ids] if isinstance(ids, str) else list(ids)
        return self._edit([], gone, message, author, existing="replace")

    def list_versions(self) -> list[DatasetVersion]:
        """List all versions of the dataset, the newest first."""
        return list(_iter_versions(self.name))

    def diff(self, earlier: "Dataset | str | int") -> DatasetDiff:
        """Say what changed from an earlier version: a dataset, a number, or `name@number`."""
        if isinstance(earlier, int):
            earlier = f"{self.name}@{earlier}"
        if isinstance(earlier, str):
            earlier = get_dataset(earlier)
        return Dataset.diff(self, earlier)

    def _edit(
        self, put: list[Example], gone: list[str], message: str, author: str | None, existing: str
    ) -> "StoredDataset":
        if self.number is None or self.part is not None:
            what = f"The split {self.part!r}" if self.part else "This dataset"
            raise InvalidInput(
                f"{what} is no version of the server's. Change {self.name!r} as "
                f"pellucid.get_dataset({self.name!r}) returns it."
            )
        check_ids(put)
        body = {
            **_told(message, author),
            "base": self.number,
            "put": [msgspec.Raw(pack_example(example)) for example in put],
            "remove": gone,
            "existing": existing,
        }
        with _client() as client:
            version = _decode(client.post(_versions_path(self.name), _encode(body)), DatasetVersion)
            return _read(client, version)


def create_dataset(
    name: str, examples: Any = (), *, message: str = "", author: str | None = None
) -> StoredDataset:
    """Store examples as the newest version of a dataset, which a new name makes.

    `examples` are rows, a Dataset, a DataFrame, an Arrow table or the path of a file. The same
    content again is the same version. Without a server it is kept in the spool and delivered
    later; the dataset then has no `number` yet. Raises InvalidInput for what cannot be stored.
    """
    check_name(name)
    found = _examples(examples, name)
    check_ids(found)
    bodies = [pack_example(example) for example in found]
    plain = [msgspec.json.decode(body, type=Example) for body in bodies]
    local = StoredDataset(name=name, examples=plain)
    if is_switched_off():
        return local
    told = _told(message, author)
    try:
        with _client() as client:
            if sum(map(len, bodies)) > WHOLE_BYTES:
                same = _find_same(client, local)
                if same is not None:
                    return same
                told["digests"] = _send_ahead(client, plain, bodies)
            else:
                told["examples"] = [msgspec.Raw(body) for body in bodies]
            answer = client.post(_versions_path(name), _encode(told))
    except Unavailable:
        _keep(name, told, bodies)
        return local
    version = _decode(answer, DatasetVersion)
    return StoredDataset(name=name, examples=plain, number=version.number, stored=version)


def get_dataset(spec: str) -> StoredDataset:
    """Return a dataset's newest version, or the one that `name@number` names.

    Raises NotFound, and Unavailable without a server.
    """
    name, number = split_spec(spec)
    check_name(name)
    with _client() as client:
        path = f"{_versions_path(name)}/{number or 'latest'}"
        return _read(client, _decode(client.get(path), DatasetVersion))


def list_datasets(text: str = "") -> list[DatasetSummary]:
    """List the datasets whose names have a text, the last changed first."""
    found: list[DatasetSummary] = []
    cursor = None
    with _client() as client:
        while True:
            params = {"text": text or None, "limit": _PAGE, "cursor": cursor}
            page = _decode(client.get(DATASETS_PATH, params), DatasetPage)
            found += page.datasets
            cursor = page.next
            if cursor is None:
                return found


def dataset_from_traces(
    query: str = "",
    *,
    experiment: str | None = None,
    name: str | None = None,
    limit: int = 100,
    expected: str = "auto",
    gold_documents: str = "retrieved",
    split: str | None = None,
    message: str = "",
    author: str | None = None,
) -> Dataset:
    """Make examples of the newest traces that match a query; inputs are those of their roots.

    Without a query they are all but those of scorers.
    `expected` is `auto` (a person's correction, else the output of a trace that ended well and
    that no person called bad), `output`, `none` or `score.NAME`. `gold_documents` are those
    `retrieved` last, or `none`. With `name` they become a version of that dataset, behind what it
    holds; examples that it has already stay as they are.
    """
    flush(_FLUSH_S)
    asked = {
        "query": query if query.strip() else _WITHOUT_SCORERS,
        "experiment": experiment,
        "limit": limit,
        "expected": expected,
        "gold_documents": gold_documents,
        "split": split,
    }
    with _client() as client:
        if name is None:
            body = client.post(TRACE_EXAMPLES_PATH, _encode(asked))
            return Dataset(examples=_decode(body, ExampleList).examples)
        check_name(name)
        told = _told(message, author)
        told.pop("source")
        path = f"{_dataset_path(name)}/traces"
        added = _decode(client.post(path, _encode(asked | told)), AddedView)
        return _read(client, added.version)


def read_row(row: Any) -> dict[str, Any]:
    """Return the fields that a row gives of an example; `inputs` only where it has some."""
    fields = read_fields(row)
    if not fields["inputs"] and fields.get("id"):
        del fields["inputs"]
    if not fields.get("metadata"):
        fields.pop("metadata", None)
    return fields


def _updated(name: str, here: dict[str, Example], fields: dict[str, Any]) -> Example:
    row = Dataset.from_rows([{"inputs": {}} | fields]).examples[0]
    known = here.get(row.id)
    if known is None:
        raise NotFound(f"{name} has no example {row.id!r} to update. Add it instead.")
    return msgspec.structs.replace(known, **{key: getattr(row, key) for key in fields})


def _examples(rows: Any, name: str) -> list[Example]:
    if isinstance(rows, Dataset):
        return rows.examples
    return dataset_of(rows_of(rows), name=name).examples


def _told(message: str, author: str | None) -> dict[str, Any]:
    return {
        "id": new_id(),
        "time_ns": now_ns(),
        "message": message,
        "author": author or _user(),
        "source": "sdk",
    }


def _user() -> str | None:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a user without a name, as in some containers
        return None


def _find_same(client: "ApiClient", local: StoredDataset) -> StoredDataset | None:
    """Return the newest version where it has the same content: nothing has to be sent then."""
    try:
        newest = _decode(client.get(f"{_versions_path(local.name)}/latest"), DatasetVersion)
    except NotFound:
        return None
    if newest.version != local.version:
        return None
    return msgspec.structs.replace(local, number=newest.number, stored=newest)


def _send_ahead(client: "ApiClient", examples: list[Example], bodies: list[bytes]) -> list[str]:
    """Send examples in parts; returns their digests."""
    part: list[bytes] = []
    size = 0
    for body in bodies:
        part.append(body)
        size += len(body)
        if size > WHOLE_BYTES:
            _send_part(client, part)
            part, size = [], 0
    if part:
        _send_part(client, part)
    return [example_digest(example) for example in examples]


def _send_part(client: "ApiClient", bodies: list[bytes]) -> None:
    body = _encode({"examples": [msgspec.Raw(one) for one in bodies]})
    _decode(client.post(EXAMPLES_PATH, body), DigestList)


def _keep(name: str, told: dict[str, Any], bodies: list[bytes]) -> None:
    """Leave a version in the spool, for when the server is there."""
    if sum(map(len, bodies)) > WHOLE_BYTES:
        raise TooLarge(
            f"No server answers at {client_settings().url}, and the dataset {name!r} is too large "
            "for the spool. Start one with: pellucid up"
        )
    told["examples"] = [msgspec.Raw(body) for body in bodies]
    deliverer().submit(Delivery(_versions_path(name), _JSON, _encode(told)))
    say_once(
        f"dataset away {client_settings().url}",
        f"no server at {client_settings().url}; the dataset {name!r} is kept and sent later.",
    )


def _read(client: "ApiClient", version: DatasetVersion) -> StoredDataset:
    body = client.get(f"{_versions_path(version.name)}/{version.number}/export")
    return StoredDataset(
        name=version.name,
        examples=[msgspec.json.decode(line, type=Example) for line in body.split(b"\n") if line],
        number=version.number,
        stored=version,
    )


def _iter_versions(name: str) -> Iterator[DatasetVersion]:
    cursor = None
    with _client() as client:
        while True:
            params = {"limit": _PAGE, "cursor": cursor}
            page = _decode(client.get(_versions_path(name), params), VersionPage)
            yield from page.versions
            cursor = page.next
            if cursor is None:
                return


def _client() -> "ApiClient":
    from pellucid.client.http import ApiClient

    settings = client_settings()
    return ApiClient(settings.url, api_key=settings.api_key, timeout_s=TIMEOUT_S)


def _dataset_path(name: str) -> str:
    from pellucid.client.http import path_segment

    return f"{DATASETS_PATH}/{path_segment(name)}"


def _versions_path(name: str) -> str:
    return f"{_dataset_path(name)}/versions"


_encode = msgspec.json.Encoder().encode


def _decode(body: bytes, kind: type[Any]) -> Any:
    return msgspec.json.decode(body, type=kind)
