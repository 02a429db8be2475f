"""Judges whose answer is a list, one entry a claim, fact or chunk."""

from collections.abc import Mapping, Sequence
from typing import Any

from pellucid.core.errors import InvalidInput
from pellucid.core.span import Document
from pellucid.evals.documents import as_documents
from pellucid.evals.judges.answer import SchemaAnswer
from pellucid.evals.judges.asking import JudgeFailed, ask
from pellucid.evals.judges.judge import Judge
from pellucid.evals.judges.template import Template, load_template
from pellucid.evals.models import DEFAULT_MODEL
from pellucid.evals.score import Score
from pellucid.evals.scorer import Asked


class ListAnswer(SchemaAnswer):
    """An object with one list of entries that all have the same form."""

    def __init__(self, key: str, entry: Mapping[str, Any] | str) -> None:
        self.key = key
        item: Mapping[str, Any] = {"type": "string"} if isinstance(entry, str) else _entry(entry)
        super().__init__(_entry({key: {"type": "array", "items": item}}))

    def score(self, answer: Mapping[str, Any]) -> Any:
        """Return the entries; the judge that asked makes a score of them."""
        return answer[self.key]


def _entry(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


_TEXT = {"type": "string"}
_FACTS = ListAnswer("facts", {"fact": _TEXT, "stated": {"type": "boolean"}})
_CLAIMS = ListAnswer("claims", "claim")
_SUPPORT = ListAnswer(
    "claims",
    {
        "claim": _TEXT,
        "supported": {"type": "boolean"},
        "chunk": {"type": "integer", "minimum": 0},
        "reason": _TEXT,
    },
)
_GRADES = ListAnswer(
    "chunks",
    {
        "chunk": {"type": "integer", "minimum": 1},
        "grade": {"type": "integer", "minimum": 0, "maximum": 2},
        "reason": _TEXT,
    },
)
_REPEATS = ListAnswer(
    "chunks",
    {
        "chunk": {"type": "integer", "minimum": 1},
        "repeats": {"type": "integer", "minimum": 0},
        "reason": _TEXT,
    },
)


class Completeness(Judge):
    """The share of the expected facts that the answer states."""

    async def ascore(self, **fields: Any) -> Score:
        """Judge."""
        facts = self.answer.score(await self._ask(self.render(**fields)))
        if not facts:
            return Score(1.0, "The expected answer holds no facts.")
        missing = [entry["fact"] for entry in facts if not entry["stated"]]
        why = f"not stated: {'; '.join(missing)}" if missing else "All facts are stated."
        return Score(1 - len(missing) / len(facts), why, metadata={"facts": facts})

    async def _ask(self, prompt: str) -> Mapping[str, Any]:
        return await ask(self.model, prompt, self.answer.schema, read=self.answer.read)


class Groundedness(Judge):
    """The share of the answer's claims that a retrieved chunk supports."""

    extraction: Template = load_template("claims")
    """The prompt of the first step, which splits the answer into claims."""

    @staticmethod
    def _asked(prompt: str) -> Asked:
        return Asked(names=["inputs", "output", "documents"])

    def render(self, **fields: Any) -> str:
        """Return the second step's prompt; without `claims`, with the whole answer as one."""
        claims = fields.get("claims") or [fields.get("output", "")]
        listed = "\n".join(f"{number}. {claim}" for number, claim in enumerate(claims, 1))
        return super().render(**{**fields, "claims": listed})

    @property
    def steps(self) -> dict[str, str]:
        """The first step's template."""
        return {self.extraction.name: self.extraction.text}

    def render_extraction(self, **fields: Any) -> str:
        """Return the first step's prompt."""
        step = Judge("claims", self.extraction.text, _CLAIMS, model=self.model)
        return step.render(**fields)

    async def ascore(self, **fields: Any) -> Score | None:
        """Judge; None for an answer without claims."""
        documents = as_documents(fields.get("documents"))
        if not documents:
            raise InvalidInput("groundedness() needs retrieved documents; there are none.")
        prompt = self.render_extraction(inputs=fields["inputs"], output=fields["output"])
        found = await ask(self.model, prompt, _CLAIMS.schema)
        claims = found["claims"]
        if not claims:
            return None
        verdicts = await self._verdicts(claims, documents)
        held = sum(verdict["supported"] for verdict in verdicts)
        lacking = [claim["claim"] for claim in verdicts if not claim["supported"]]
        why = f"not supported: {'; '.join(lacking)}" if lacking else "Every claim is supported."
        return Score(held / len(claims), why, metadata={"claims": verdicts})

    async def _verdicts(self, claims: list[str], documents: list[Document]) -> list[dict[str, Any]]:
        prompt = self.render(claims=claims, documents=documents)
        answer = await ask(self.model, prompt, self.answer.schema, read=self.answer.read)
        verdicts = self.answer.score(answer)
        _must_be(len(verdicts), len(claims), "claims", self.name)
        return [
            {
                "claim": claim,
                "supported": verdict["supported"],
                "chunk": verdict["chunk"] if verdict["supported"] else 0,
                "document_id": _id_of(documents, verdict["chunk"])
                if verdict["supported"]
                else None,
                "reason": verdict["reason"],
            }
            for claim, verdict in zip(claims, verdicts, strict=True)
        ]


class ChunkRelevance(Judge):
    """How useful each retrieved chunk is: the mean of the grades, as a share of the best."""

    async def ascore(self, **fields: Any) -> Score | None:
        """Judge; None where nothing was retrieved."""
        entries = await _by_chunk(self, fields)
        if not entries:
            return None
        grades = [entry["grade"] for entry in entries]
        listed = ", ".join(f"[{entry['chunk']}] {entry['grade']}" for entry in entries)
        return Score(sum(grades) / (2 * len(grades)), listed, metadata={"chunks": entries})


class Redundancy(Judge):
    """The share of retrieved chunks that only repeat an earlier one."""

    async def ascore(self, **fields: Any) -> Score | None:
        """Judge; None where nothing was retrieved."""
        entries = await _by_chunk(self, fields)
        if not entries:
            return None
        again = [entry for entry in entries if 0 < entry["repeats"] < entry["chunk"]]
        listed = ", ".join(f"[{entry['chunk']}] repeats [{entry['repeats']}]" for entry in again)
        return Score(len(again) / len(entries), listed or None, metadata={"chunks": entries})


async def _by_chunk(judge: Judge, fields: Mapping[str, Any]) -> list[dict[str, Any]]:
    documents = as_documents(fields.get("documents"))
    if not documents:
        return []
    prompt = judge.render(**fields)
    answer = await ask(judge.model, prompt, judge.answer.schema, read=judge.answer.read)
    entries = sorted(judge.answer.score(answer), key=lambda entry: entry["chunk"])
    _must_be(len(entries), len(documents), "chunks", judge.name)
    return [
        {**entry, "document_id": document.id}
        for entry, document in zip(entries, documents, strict=True)
    ]


def _must_be(got: int, wanted: int, what: str, name: str) -> None:
    if got != wanted:
        raise JudgeFailed(f"{name} was given {wanted} {what} and judged {got}.")


def _id_of(documents: Sequence[Document], number: int) -> str | None:
    return documents[number - 1].id if 1 <= number <= len(documents) else None


def completeness(model: Any = DEFAULT_MODEL, *, name: str = "completeness") -> Completeness:
    """The share of the facts in `expected` that the answer states, fact by fact."""
    template = load_template("completeness")
    return Completeness(name, template.text, _FACTS, model=model, version=template.version)


def groundedness(model: Any = DEFAULT_MODEL, *, name: str = "groundedness") -> Groundedness:
    """The share of the answer's claims that the documents support, claim by claim.

    The score's metadata tell for each claim which chunk supports it. Two calls of the model.
    """
    template = load_template("groundedness")
    return Groundedness(name, template.text, _SUPPORT, model=model, version=template.version)


def chunk_relevance(model: Any = DEFAULT_MODEL, *, name: str = "chunk_relevance") -> ChunkRelevance:
    """How useful the retrieved chunks are for the question, without gold documents, from 0 to 1."""
    template = load_template("chunk_relevance")
    return ChunkRelevance(name, template.text, _GRADES, model=model, version=template.version)


def redundancy(model: Any = DEFAULT_MODEL, *, name: str = "redundancy") -> Redundancy:
    """The share of retrieved chunks that add nothing to earlier ones; lower is better."""
    template = load_template("redundancy")
    return Redundancy(
        name, template.text, _REPEATS, model=model, version=template.version, lower_is_better=True
    )
