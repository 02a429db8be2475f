"""Embedding models, for scorers that measure nearness of meaning."""

import inspect
from collections.abc import Callable
from typing import Any

from pellucid.core.dataset import digest
from pellucid.core.errors import InvalidInput
from pellucid.evals import journal, limits
from pellucid.evals.calling import ThreadPool, is_async, within
from pellucid.evals.models import OpenAIModel

_THREADS = ThreadPool()


def as_embedder(embedder: Any) -> Callable[[list[str]], Any]:
    """Make an async function from texts to vectors of `openai:NAME` or a callable."""
    if isinstance(embedder, str):
        provider, _, name = embedder.partition(":")
        if provider != "openai" or not name:
            raise InvalidInput(f"embedder={embedder!r}: say openai:NAME, or give a callable.")
        return _OpenAIEmbedder(name)
    if not callable(embedder):
        raise InvalidInput(f"embedder={type(embedder).__name__} is neither a name nor callable.")
    return _called(embedder)


class _OpenAIEmbedder:
    """Asks `/embeddings`; answers are kept as those of judges are."""

    def __init__(self, name: str) -> None:
        self._model = OpenAIModel(name)

    async def __call__(self, texts: list[str]) -> list[list[float]]:
        answers = journal.CURRENT.get()
        key = digest(["embedding", self._model.identity, texts])
        if answers is not None and (kept := answers.find(key)) is not None:
            vectors: list[list[float]] = kept
            return vectors
        vectors = await self._asked(texts)
        if answers is not None:
            answers.keep(key, vectors)
        return vectors

    async def _asked(self, texts: list[str]) -> list[list[float]]:
        body = {"model": self._model.model, "input": texts, "encoding_format": "float"}
        limit = limits.CURRENT.get()
        if limit is None:
            answer = await self._model.post("/embeddings", body)
        else:
            async with limit.call(urgent=True):
                await limit.start()
                call = self._model.post("/embeddings", body)
                answer = await within(call, limit.timeout_s, self._model.name)
        ordered = sorted(answer["data"], key=lambda row: row.get("index", 0))
        return [row["embedding"] for row in ordered]


def _called(function: Callable[[list[str]], Any]) -> Callable[[list[str]], Any]:
    async def embed(texts: list[str]) -> list[list[float]]:
        if is_async(function):
            vectors = function(texts)
        else:
            vectors = await _THREADS.run(lambda: function(texts))
        if inspect.isawaitable(vectors):
            vectors = await vectors
        return [[float(value) for value in vector] for vector in vectors]

    return embed
