"""Requests about datasets, and what answers them; `core.dataset_versions` has the rest."""

from typing import Any

import msgspec

from pellucid.core.dataset import Example
from pellucid.core.dataset_versions import DatasetVersion, Existing

EXAMPLES_PATH = "/api/v1/examples"
TRACE_EXAMPLES_PATH = "/api/v1/traces/examples"


class VersionRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A new version: `examples` (all), `digests` (all, stored before), or edits of the newest."""

    id: str | None = None
    """32 hex digits made by who asks; with it the request may be sent again."""
    base: int | None = None
    """The version that it follows; another newest one is a conflict. 0: the dataset is new."""
    message: str = ""
    author: str | None = None
    source: str = "api"
    time_ns: int | None = None
    examples: list[dict[str, Any]] | None = None
    """Rows with `inputs`, or whose columns are inputs; a row without an id gets one from them."""
    digests: list[str] | None = None
    put: list[dict[str, Any]] = []
    """Examples at the end, or in the place of those with the same id."""
    add: list[dict[str, Any]] = []
    """Examples at the end; one whose id is taken gets another."""
    remove: list[str] = []
    existing: Existing = Existing.REPLACE


class ExamplesRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Examples to store ahead of a version that names them by digest."""

    examples: list[Example]


class DigestList(msgspec.Struct, frozen=True, kw_only=True):
    """The digests of examples, in the order sent."""

    digests: list[str]


class TraceExamplesRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Which traces to read as examples, and how (`core.trace_examples.FromTraces`)."""

    trace_ids: list[str] | None = None
    """These; or what a query finds, newest first."""
    query: str = ""
    experiment: str | None = None
    limit: int = 100
    expected: str = "auto"
    gold_documents: str = "retrieved"
    split: str | None = None


class ExampleList(msgspec.Struct, frozen=True, kw_only=True):
    """Examples; a trace without input makes none."""

    examples: list[Example]
    skipped: int = 0


class FromTracesRequest(TraceExamplesRequest, frozen=True, kw_only=True):
    """Traces to add to a dataset; an example that is there already stays as it is."""

    id: str | None = None
    message: str = ""
    author: str | None = None
    time_ns: int | None = None


class AddedView(msgspec.Struct, frozen=True, kw_only=True):
    """What adding traces did."""

    version: DatasetVersion
    added: int
    existing: int
    """Traces whose inputs the dataset has already."""
    skipped: int
    """Traces without an input."""
