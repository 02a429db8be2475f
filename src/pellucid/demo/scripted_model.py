"""What the scripted model says in the demo.

It stands in for a language model so that the demo needs no key and no network. It knows how the
one question is answered, but not one figure of the answer: facts it reads from the sources in
the conversation, and numbers from the results of the tools that it called.
"""

import re
from dataclasses import dataclass

from pellucid.demo.agent import PLANNER, WORKER, WRITER
from pellucid.demo.drawing import paint_stack
from pellucid.demo.model import ModelSettings
from pellucid.demo.model_server import Call, ModelRequest, Rule, ScriptedModelServer
from pellucid.demo.model_server.script import ReplyLike

SETTINGS = ModelSettings(
    provider="scripted",
    chat="scripted-chat",
    embedding="scripted-embedding",
    image="scripted-image",
    parameters={"temperature": 0.2, "seed": 7, "max_completion_tokens": 1200},
)

_NO_FACTS = (
    "The sources do not hold the figures that the scripted model knows how to use. It answers one "
    "question only; run the demo with --model to ask a real one."
)


@dataclass(frozen=True)
class Fact:
    """A figure as the source writes it, and the number of the source."""

    value: str
    source: str


class Sources:
    """The numbered paragraphs of a conversation, as a reader would use them."""

    def __init__(self, conversation: str) -> None:
        found = re.findall(r"^\[(\d+)\] (.+)$", conversation, re.MULTILINE)
        self._paragraphs = dict(found)

    def find(self, pattern: str) -> Fact | None:
        """Return the first group of `pattern` in the first paragraph where it is found."""
        for source, text in self._paragraphs.items():
            match = re.search(pattern, text)
            if match:
                return Fact(match[1].replace(",", ""), source)
        return None


class Facts:
    """The figures that the calculation starts from; None where no source gives one."""

    def __init__(self, sources: Sources) -> None:
        find = sources.find
        self.text_gb = find(r"without media, came to about ([\d.,]+) GB")
        self.text_date = find(r"As of (\w+ \d{4}) the current text")
        self.media_tb = find(r"total size of about ([\d.,]+) TB")
        self.media_date = find(r"As of (\w+ \d{4}) Wikimedia Commons")
        self.disc_gb = find(r"dual-layer discs[^.]*? hold (\d+) GB")
        self.triple_gb = find(r"BDXL variants hold (\d+) GB with three layers")
        self.thickness_mm = find(r"^Blu-ray: [^.]*diameter of \d+ mm and is ([\d.]+) mm thick")
        self.diameter_mm = find(r"^Blu-ray: [^.]*diameter of (\d+) mm")
        self.person_m = find(r"men average about ([\d.]+) m\b")
        self.house_m = find(r"three-storey house is therefore some (\d+)")


class Results:
    """What the tools answered so far, by what they were asked."""

    def __init__(self, request: ModelRequest) -> None:
        self._request = request
        self._calculated: dict[str, str] = {}
        self.media_gb: str | None = None
        for result in request.tool_results:
            if result.name == "calculate":
                self._calculated[str(result.arguments["expression"])] = result.content
            elif result.name == "convert_units":
                self.media_gb = result.content

    def of(self, expression: str) -> str | None:
        """Return what the calculator said to `expression`."""
        return self._calculated.get(expression)

    def used(self, tool: str) -> bool:
        """Tell whether a tool was called before."""
        return any(result.name == tool for result in self._request.tool_results)


def plan(request: ModelRequest) -> ReplyLike:
    """Reply to the planner's prompt."""
    return {
        "searches": [
            "compressed size of the English Wikipedia text without media",
            "total size of the media files on Wikimedia Commons",
            "Blu-ray disc capacity in GB per layer",
            "Blu-ray disc thickness and diameter in mm",
        ],
        "steps": [
            "Bring the size of the images to the unit of the text",
            "Add text and images",
            "Divide by the capacity of a dual-layer disc and round up",
            "Multiply by the thickness of a disc",
            "Find something of known height to compare with, and draw both",
        ],
    }


def work(request: ModelRequest) -> ReplyLike:
    """Reply in the tool loop: the next call that is possible, or `done`."""
    facts, results = Facts(Sources(request.text)), Results(request)
    text, media, disc, triple = facts.text_gb, facts.media_tb, facts.disc_gb, facts.triple_gb
    thickness, diameter = facts.thickness_mm, facts.diameter_mm
    if not (text and media and disc and triple and thickness and diameter):
        return _NO_FACTS
    if results.media_gb is None:
        terabytes = {"value": float(media.value), "from_unit": "TB", "to_unit": "GB"}
        return Call("convert_units", terabytes)
    asked = _expressions(text.value, results, disc.value, triple.value, thickness.value)
    missing = [e for e in asked if results.of(e) is None]
    if any(answer.content.startswith("Error") for answer in request.tool_results):
        return "A tool failed, so the figures cannot be worked out."
    if missing:
        return [Call("calculate", {"expression": expression}) for expression in missing]
    if not results.used("search_encyclopedia"):
        query = "average height of men and women, storeys of a house in metres"
        return Call("search_encyclopedia", {"query": query})
    house, person, height_m = facts.house_m, facts.person_m, results.of(asked[3])
    if not (house and person and height_m):
        return "done"
    ratios = [e for e in _ratios(height_m, house, person) if results.of(e) is None]
    if ratios:
        return [Call("calculate", {"expression": expression}) for expression in ratios]
    if not results.used("draw_stack"):
        return Call(
            "draw_stack",
            {
                "discs": int(results.of(asked[1]) or 0),
                "stack_height_m": float(height_m),
                "disc_diameter_mm": float(diameter.value),
                "disc_thickness_mm": float(thickness.value),
                "person_height_m": float(person.value),
                "house_height_m": float(house.value),
            },
        )
    return "done"


def write(request: ModelRequest) -> ReplyLike:
    """Reply with the answer, every number of which stands in the conversation."""
    facts, results = Facts(Sources(request.text)), Results(request)
    text, media, disc, triple = facts.text_gb, facts.media_tb, facts.disc_gb, facts.triple_gb
    thickness = facts.thickness_mm
    if not (text and media and disc and triple and thickness and results.media_gb):
        return _NO_FACTS
    asked = _expressions(text.value, results, disc.value, triple.value, thickness.value)
    values = [results.of(expression) for expression in asked]
    if len(values) < 5 or None in values:
        return "A tool failed, so the figures could not be worked out."
    total_gb, discs, triple_discs, height_m, triple_height_m = (v or "" for v in values)
    text_date = facts.text_date.value if facts.text_date else "an unknown date"
    media_date = facts.media_date.value if facts.media_date else "an unknown date"
    comparison = _comparison(facts, results, height_m)
    return (
        f"It would take about **{_grouped(discs)} dual-layer Blu-ray discs**, and without cases "
        f"the stack would be **{_rounded(height_m)} m tall**{comparison}.\n\n"
        f"- Text: {text.value} GB compressed, as of {text_date} [{text.source}].\n"
        f"- Images: {media.value} TB, which is {_grouped(results.media_gb)} GB, on Wikimedia "
        f"Commons as of {media_date} [{media.source}].\n"
        f"- Discs: {_grouped(total_gb)} GB in all, at {disc.value} GB a disc [{disc.source}], "
        f"rounded up to {_grouped(discs)}.\n"
        f"- Height: {_grouped(discs)} × {thickness.value} mm [{thickness.source}] = "
        f"{_rounded(height_m)} m.\n"
        f"- On triple-layer discs of {triple.value} GB [{triple.source}] it would be "
        f"{_grouped(triple_discs)} discs and {_rounded(triple_height_m)} m.\n\n"
        "Assumed: 1 TB is 1,000 GB, and all of Wikimedia Commons counts as images. That is an "
        "upper bound, since Commons also holds sound and video and serves every language."
    )


SCRIPT = [
    Rule(plan, system=re.escape(PLANNER)),
    Rule(write, user=re.escape(WRITER)),
    Rule(work, system=re.escape(WORKER)),
]


def scripted_server(*, pace: float = 1.0) -> ScriptedModelServer:
    """Return the demo's model server; `pace` stretches its answers in time, 0 is at once."""
    return ScriptedModelServer(
        SCRIPT,
        latency_s=0.12 * pace,
        token_delay_s=0.006 * pace,
        painter=paint_stack,
        models=(SETTINGS.chat, SETTINGS.embedding, SETTINGS.image),
    )


def _expressions(text_gb: str, results: Results, disc: str, triple: str, mm: str) -> list[str]:
    """Return the sums to ask for, in order; a sum needs the results of those before it."""
    total = f"{results.media_gb} + {text_gb}"
    total_gb = results.of(total)
    if total_gb is None:
        return [total]
    discs, triples = f"ceil({total_gb} / {disc})", f"ceil({total_gb} / {triple})"
    heights = [f"{n} * {mm} / 1000" for n in (results.of(discs), results.of(triples)) if n]
    return [total, discs, triples, *heights]


def _ratios(height_m: str, house: Fact, person: Fact) -> list[str]:
    """Return the sums that compare the stack with a house and a person."""
    return [f"round({height_m} / {fact.value}, 1)" for fact in (house, person)]


def _comparison(facts: Facts, results: Results, height_m: str) -> str:
    house, person = facts.house_m, facts.person_m
    if house is None or person is None:
        return ""
    houses, persons = (results.of(ratio) for ratio in _ratios(height_m, house, person))
    return (
        f": {houses} times a three-storey house of {house.value} m [{house.source}] and {persons} "
        f"times a person of {person.value} m [{person.source}]"
    )


def _grouped(number: str) -> str:
    whole, point, rest = number.partition(".")
    return f"{int(whole):,}{point}{rest}"


def _rounded(number: str) -> str:
    return f"{float(number):.2f}"
