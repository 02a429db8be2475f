"""Our own attributes (contracts.md §2); they win over every other vocabulary."""

from typing import Any

from pellucid.core.span import AttachmentRef, PromptRef, SpanKind
from pellucid.semconv import attributes as names
from pellucid.semconv.documents import read_documents
from pellucid.semconv.rules import Dialect, table
from pellucid.semconv.values import (
    UNREAD,
    read_count,
    read_flag,
    read_number,
    read_object,
    read_structure,
    read_tags,
    read_text,
    read_value,
)

KEPT = "pellucid.kept"
"""A map of attributes that are to be kept and not read (`to_otlp` puts leftovers there)."""

RANK = 0
_KINDS = {kind.value: kind for kind in SpanKind}


def read_kind(value: Any) -> Any:
    """Read one of our kinds, in any case."""
    return _KINDS.get(value.upper(), UNREAD) if type(value) is str else UNREAD


def read_cost(value: Any) -> Any:
    """Read a cost; 0 is a true cost here."""
    got = read_number(value)
    return got if got is not UNREAD and got >= 0 else UNREAD


def read_attachments(value: Any) -> Any:
    """Read references to attachments out of a list that may hold other addresses too."""
    got = read_structure(value)
    if type(got) is not list:
        return UNREAD
    found = [_attachment(item) for item in got]
    return [attachment for attachment in found if attachment is not None] or UNREAD


def read_prompt(value: Any) -> Any:
    """Read a prompt reference."""
    got = read_object(value)
    if got is UNREAD:
        return UNREAD
    texts = {key: got[key] for key in ("name", "version", "template") if type(got.get(key)) is str}
    variables = got.get("variables")
    return PromptRef(**texts, variables=variables if type(variables) is dict else {})


def read_kept(value: Any) -> Any:
    """Read the map of attributes that are kept as they are."""
    return value if type(value) is dict else UNREAD


def _attachment(item: Any) -> AttachmentRef | None:
    if type(item) is not dict:
        return None
    uri, media_type, size = item.get("uri"), item.get("media_type"), item.get("size_bytes")
    name = item.get("name")
    if type(uri) is not str or not uri.startswith(names.ATTACHMENT_SCHEME):
        return None
    return AttachmentRef(
        digest=uri[len(names.ATTACHMENT_SCHEME) :],
        media_type=media_type if type(media_type) is str else "application/octet-stream",
        size_bytes=size if type(size) is int and size >= 0 else 0,
        name=name if type(name) is str else None,
    )


DIALECT = Dialect(
    name="pellucid",
    rules=table(
        RANK,
        (names.EXPERIMENT, "experiment", read_text),
        (names.RUN_ID, "run_id", read_text),
        (names.KIND, "kind", read_kind),
        (names.INPUT, "input", read_value),
        (names.OUTPUT, "output", read_value),
        (names.DOCUMENTS, "documents", read_documents),
        (names.INPUT_DOCUMENTS, "input_documents", read_documents),
        (names.TAGS, "tags", read_tags),
        (names.METADATA, "metadata", read_object),
        (names.PENDING, "pending", read_flag),
        (names.COST_USD, "cost", read_cost),
        (names.ATTACHMENTS, "attachments", read_attachments),
        (names.TTFT_NS, "ttft", read_count),
        (names.PARAMETERS, "parameters", read_object),
        (names.PROMPT, "prompt", read_prompt),
        (names.IMAGE_TOKENS, "tokens.image", read_count),
        (KEPT, "kept", read_kept),
    ),
)
