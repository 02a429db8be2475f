"""What the agent can do besides talking: search, calculate, convert units, draw."""

import json
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

import openai

import pellucid
from pellucid.core.errors import InvalidInput
from pellucid.demo.calculator import calculate, format_number
from pellucid.demo.model import Model
from pellucid.demo.retrieval import Hit, Index, Vector
from pellucid.demo.units import convert


def _tool(name: str, description: str, **properties: dict[str, str]) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {
            "name": name,
            "description": description,
            "parameters": {
                "type": "object",
                "properties": properties,
                "required": list(properties),
                "additionalProperties": False,
            },
        },
    }


TOOLS = [
    _tool(
        "calculate",
        "Evaluate arithmetic: + - * / // % **, and abs, ceil, floor, max, min, round, sqrt.",
        expression={"type": "string", "description": "for instance: ceil(1234.5 / 50)"},
    ),
    _tool(
        "convert_units",
        "Convert data (B, kB, MB, GB, TB, PB, KiB … PiB) or lengths (mm, cm, m, km, in, ft).",
        value={"type": "number"},
        from_unit={"type": "string"},
        to_unit={"type": "string"},
    ),
    _tool(
        "search_encyclopedia",
        "Find paragraphs of the encyclopedia; each has a number to cite it by.",
        query={"type": "string"},
    ),
    _tool(
        "draw_stack",
        "Draw the stack of discs to scale, beside a person and a house.",
        discs={"type": "integer"},
        stack_height_m={"type": "number"},
        disc_diameter_mm={"type": "number"},
        disc_thickness_mm={"type": "number"},
        person_height_m={"type": "number"},
        house_height_m={"type": "number"},
    ),
]
"""As the model is offered them."""


class Encyclopedia:
    """The index, and a number for every paragraph that was found, by which it is cited."""

    def __init__(self, index: Index, model: Model) -> None:
        self._index = index
        self._model = model
        self._numbers: dict[str, int] = {}

    def search(self, query: str, k: int = 4) -> list[pellucid.Document]:
        """Return the best `k` paragraphs, best first."""
        with pellucid.span("search", kind="RETRIEVER", input=query) as span:
            span.set_attribute("k", k)
            hits = self._index.search(query, k, self._vector(query))
            documents = [self._document(hit) for hit in hits]
            span.set_documents(documents)
            span.set_output([{"id": d.id, "score": d.score} for d in documents])
            return documents

    def cite(self, documents: list[pellucid.Document]) -> str:
        """Write documents as the model reads them, each with its number."""
        return "\n".join(
            f"[{self._numbers[d.id or '']}] {d.metadata['title']}: {d.text}" for d in documents
        )

    def _vector(self, query: str) -> Vector | None:
        """Embed the query; without an embedding the search goes on with words alone."""
        if not self._index.has_vectors:
            return None
        try:
            return self._model.embed([query])[0]
        except openai.OpenAIError:
            return None

    def _document(self, hit: Hit) -> pellucid.Document:
        number = self._numbers.setdefault(hit.chunk.id, len(self._numbers) + 1)
        return pellucid.Document(
            id=hit.chunk.id,
            text=hit.chunk.text,
            score=round(hit.score, 4),
            metadata={
                "title": hit.chunk.title,
                "number": number,
                "bm25": round(hit.bm25, 4),
                "cosine": None if hit.cosine is None else round(hit.cosine, 4),
            },
        )


class Toolbox:
    """Runs the calls that a model asks for, each in a TOOL span."""

    def __init__(self, encyclopedia: Encyclopedia, model: Model) -> None:
        self._encyclopedia = encyclopedia
        self._model = model
        self._tools: dict[str, Callable[..., str]] = {
            "calculate": lambda expression: format_number(calculate(expression)),
            "convert_units": self._convert,
            "search_encyclopedia": self._search,
            "draw_stack": self._draw,
        }
        self.picture: bytes | None = None
        """The newest picture that was drawn, a PNG file."""

    def run(self, call: dict[str, Any]) -> dict[str, Any]:
        """Run one tool call and return the message that answers it.

        What goes wrong is told to the model, which may try again, and marks the span as failed.
        """
        name, text = call["function"]["name"], call["function"]["arguments"]
        with pellucid.span(name, kind="TOOL") as span:
            try:
                arguments = json.loads(text)
                span.set_input(arguments).set_tool_call(name, arguments, id=call["id"])
                if name not in self._tools:
                    raise InvalidInput(f"There is no tool {name!r}.")
                result = self._tools[name](**arguments)
            except (InvalidInput, TypeError, ValueError, openai.OpenAIError) as error:
                span.record_exception(error).set_error(str(error))
                result = f"Error: {error}"
            span.set_output(result).set_tool_call(name, result=result)
        return {"role": "tool", "tool_call_id": call["id"], "content": result}

    def _convert(self, value: float, from_unit: str, to_unit: str) -> str:
        try:
            exact = Decimal(str(value))
        except InvalidOperation as error:
            raise InvalidInput(f"{value!r} is no number.") from error
        return format_number(convert(exact, from_unit, to_unit))

    def _search(self, query: str) -> str:
        return self._encyclopedia.cite(self._encyclopedia.search(query))

    def _draw(
        self,
        discs: int,
        stack_height_m: float,
        disc_diameter_mm: float,
        disc_thickness_mm: float,
        person_height_m: float,
        house_height_m: float,
    ) -> str:
        self.picture = self._model.draw(
            f"Side view, everything to one scale: a stack of {discs:,} discs, each "
            f"{disc_diameter_mm:g} mm in diameter and {disc_thickness_mm:g} mm thick, "
            f"{stack_height_m:g} m tall. Beside it a person {person_height_m:g} m tall and a "
            f"house {house_height_m:g} m tall. Label the three heights."
        )
        return "The picture is drawn; the reader sees it beside your answer."
