"""Retrieved documents, whatever shape they come in."""

from collections.abc import Iterable, Mapping
from typing import Any

from pellucid.core.span import Document


def as_documents(value: Any) -> list[Document]:
    """Read documents from Document objects, dicts, texts, or other libraries' objects.

    A bare string is a text; its id is the text too, so that gold documents may be given as texts.
    """
    if value is None:
        return []
    if isinstance(value, str | Mapping) or not isinstance(value, Iterable):
        value = [value]
    return [_document(item) for item in value]


def documents_of(output: Any) -> list[Document] | None:
    """Return the documents that an output carries as `output["documents"]`, or None."""
    if isinstance(output, Mapping) and "documents" in output:
        return as_documents(output["documents"])
    return None


def _document(item: Any) -> Document:
    if isinstance(item, Document):
        return item
    if isinstance(item, str | int):
        return Document(id=str(item), text=str(item))
    fields = item if isinstance(item, Mapping) else _Attributes(item)
    text = _first(fields, "text", "content", "page_content")
    identity = _first(fields, "id", "id_", "node_id", "doc_id")
    metadata = _first(fields, "metadata")
    if identity is None and isinstance(metadata, Mapping):
        identity = metadata.get("id")
    score = _first(fields, "score")
    return Document(
        id=str(identity) if identity is not None else text,
        text=text,
        score=float(score) if isinstance(score, int | float) else None,
        metadata=dict(metadata) if isinstance(metadata, Mapping) else {},
    )


class _Attributes:
    """An object's attributes, read as a mapping is."""

    def __init__(self, item: Any) -> None:
        self._item = item

    def get(self, name: str) -> Any:
        return getattr(self._item, name, None)


def _first(fields: Any, *names: str) -> Any:
    for name in names:
        if (value := fields.get(name)) is not None:
            return value
    return None


def gold_grades(gold: Any) -> dict[str, float]:
    """Return gold documents as id → grade; ids alone have grade 1."""
    if isinstance(gold, Mapping):
        return {str(key): float(grade) for key, grade in gold.items()}
    return {str(identity): 1.0 for identity in gold or ()}
