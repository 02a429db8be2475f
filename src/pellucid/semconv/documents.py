"""Retrieved documents in the JSON shapes that producers write."""

from typing import Any

from pellucid.core.span import Document
from pellucid.semconv.values import UNREAD, encode_json, read_embedded, read_number, read_structure

_TEXTS = ("text", "content", "page_content", "document", "chunk", "body")
_SCORES = ("score", "relevance_score", "similarity", "similarity_score")
_IDS = ("id", "document_id", "doc_id", "id_", "node_id")


def read_documents(value: Any) -> Any:
    """Read a JSON list of documents, in order; `UNREAD` if any of it is no document."""
    got = read_structure(value)
    if got is UNREAD:
        return UNREAD
    found = documents_of(got)
    return UNREAD if found is None else found


def documents_of(value: Any) -> list[Document] | None:
    """Return the documents in a JSON value: a list, or an object that holds one; else None."""
    if type(value) is dict:
        for key in ("documents", "docs", "source_nodes", "nodes", "results", "chunks"):
            if type(value.get(key)) is list:
                return documents_of(value[key])
        return None
    if type(value) is not list:
        return None
    found = [document_of(item) for item in value]
    if any(document is None for document in found):
        return None
    return [document for document in found if document is not None]


def document_of(item: Any) -> Document | None:
    """Return the document that a JSON value is, or None."""
    item = read_embedded(item)
    if type(item) is str:
        return Document(text=item)
    if type(item) is list and len(item) == 2 and type(item[0]) is dict:
        item = {**item[0], "score": item[1]}  # (document, score)
    if type(item) is not dict or "role" in item:  # a chat message is none
        return None
    node = item.get("node")
    if type(node) is dict:  # LlamaIndex: a node with its score
        item = {**node, "score": item.get("score")}
    kwargs = item.get("kwargs")
    if type(kwargs) is dict and item.get("type") == "constructor":
        item = kwargs
    text = _first(item, _TEXTS)
    identity = _first(item, _IDS)
    score = _first(item, _SCORES)
    metadata = item.get("metadata")
    if type(metadata) is not dict:
        metadata = {}
    if score is None:
        score = _first(metadata, _SCORES)
    number: Any = UNREAD if type(score) is bool else read_number(score)
    if text is None and identity is None and number is UNREAD and not metadata:
        return None
    return Document(
        id=None if identity is None else _as_text(identity),
        text=None if text is None else _as_text(text),
        score=None if number is UNREAD else number,
        metadata=metadata,
    )


def encode_documents(documents: list[Document]) -> str:
    """Return the JSON text that `read_documents` reads back."""
    return encode_json(documents)


def _first(item: dict[str, Any], keys: tuple[str, ...]) -> Any:
    return next((item[key] for key in keys if item.get(key) is not None), None)


def _as_text(value: Any) -> str:
    return value if type(value) is str else encode_json(value)
