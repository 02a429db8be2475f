"""How the demo's question is answered from sources and tools: the scripted model's reasoning.

Not one figure of the answer stands here. Facts are read from the numbered sources in the
conversation, and numbers are what tools answered.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pellucid.demo.model_server import Call, ToolResult

SEARCHES = [
    "compressed size of the English Wikipedia text without media",
    "total size of the media files on Wikimedia Commons",
    "Blu-ray disc capacity in GB per layer",
    "Blu-ray disc thickness and diameter in mm",
]
COMPARISON_SEARCH = "average height of men and women, storeys of a house in metres"

NO_FACTS = (
    "The sources do not hold the figures that the scripted model knows how to use. It answers one "
    "question only; ask a real model for others."
)
INCOMPLETE = "A tool failed or a figure is missing, so the question cannot be answered."


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

    @property
    def suffice(self) -> bool:
        """Whether the calculation can be made."""
        needed = (self.text_gb, self.media_tb, self.disc_gb, self.triple_gb, self.thickness_mm)
        return all(fact is not None for fact in needed)


class Results:
    """What the tools answered so far, by what they were asked."""

    def __init__(self, results: Sequence[ToolResult]) -> None:
        self._results = results
        self._calculated: dict[str, str] = {}
        self.media_gb: str | None = None
        for result in results:
            if result.name == "calculate":
                self._calculated[str(result.arguments.get("expression"))] = result.content
            elif result.name == "convert_units":
                self.media_gb = result.content

    @property
    def failed(self) -> bool:
        """Whether a tool has failed."""
        return any("Error" in result.content[:20] for result in self._results)

    def of(self, expression: str) -> str | None:
        """Return what the calculator said to `expression`."""
        return self._calculated.get(expression)

    def used(self, tool: str) -> bool:
        """Tell whether a tool was called before."""
        return any(result.name == tool for result in self._results)


class Sums:
    """The calculation, as far as facts and results allow; None is what is not known yet."""

    def __init__(self, facts: Facts, results: Results) -> None:
        self._results = results
        self._missing: list[str] = []
        disc, triple, mm = facts.disc_gb, facts.triple_gb, facts.thickness_mm
        assert facts.text_gb is not None
        self.total_gb = self._ask(results.media_gb, f"{{0}} + {facts.text_gb.value}")
        self.discs = self._ask(self.total_gb, f"ceil({{0}} / {_value(disc)})")
        self.triple_discs = self._ask(self.total_gb, f"ceil({{0}} / {_value(triple)})")
        self.height_m = self._ask(self.discs, f"{{0}} * {_value(mm)} / 1000")
        self.triple_height_m = self._ask(self.triple_discs, f"{{0}} * {_value(mm)} / 1000")
        self.houses = self.persons = None
        if facts.house_m and facts.person_m:
            self.houses = self._ask(self.height_m, f"round({{0}} / {facts.house_m.value}, 1)")
            self.persons = self._ask(self.height_m, f"round({{0}} / {facts.person_m.value}, 1)")

    @property
    def calls(self) -> list[Call]:
        """The sums that can be asked for now."""
        return [Call("calculate", {"expression": expression}) for expression in self._missing]

    def _ask(self, known: str | None, pattern: str) -> str | None:
        """Return the result of a sum over a `known` number, or note that it must be asked for."""
        if known is None:
            return None
        expression = pattern.format(known)
        result = self._results.of(expression)
        if result is None:
            self._missing.append(expression)
        return result


def next_calls(facts: Facts, results: Results) -> list[Call]:
    """Return the conversions and sums that are possible now; none are left when it is done."""
    assert facts.media_tb is not None
    if results.media_gb is None:
        value = float(facts.media_tb.value)
        return [Call("convert_units", {"value": value, "from_unit": "TB", "to_unit": "GB"})]
    return Sums(facts, results).calls


def answer_text(facts: Facts, results: Results) -> str:
    """Write the answer, every number of which stands in the conversation."""
    text, media, disc, triple = facts.text_gb, facts.media_tb, facts.disc_gb, facts.triple_gb
    thickness = facts.thickness_mm
    if not (text and media and disc and triple and thickness):
        return NO_FACTS
    sums = Sums(facts, results)
    total_gb, discs, height_m = sums.total_gb, sums.discs, sums.height_m
    if results.failed or not (results.media_gb and total_gb and discs and height_m):
        return INCOMPLETE
    return (
        f"It would take about **{_grouped(discs)} dual-layer Blu-ray discs**, and without cases "
        f"the stack would be **{_rounded(height_m)} m tall**{_comparison(facts, sums)}.\n\n"
        f"- Text: {text.value} GB compressed, as of {_value(facts.text_date)} [{text.source}].\n"
        f"- Images: {media.value} TB, which is {_grouped(results.media_gb)} GB, on Wikimedia "
        f"Commons as of {_value(facts.media_date)} [{media.source}].\n"
        f"- Discs: {_grouped(total_gb)} GB in all, at {disc.value} GB a disc [{disc.source}], "
        f"rounded up to {_grouped(discs)}.\n"
        f"- Height: {_grouped(discs)} × {thickness.value} mm [{thickness.source}] = "
        f"{_rounded(height_m)} m.\n"
        f"{_triple_line(triple, sums)}\n"
        "Assumed: 1 TB is 1,000 GB, and all of Wikimedia Commons counts as images. That is an "
        "upper bound, since Commons also holds sound and video and serves every language."
    )


def _triple_line(triple: Fact, sums: Sums) -> str:
    if sums.triple_discs is None or sums.triple_height_m is None:
        return ""
    return (
        f"- On triple-layer discs of {triple.value} GB [{triple.source}] it would be "
        f"{_grouped(sums.triple_discs)} discs and {_rounded(sums.triple_height_m)} m.\n"
    )


def _comparison(facts: Facts, sums: Sums) -> str:
    house, person = facts.house_m, facts.person_m
    if not (house and person and sums.houses and sums.persons):
        return ""
    return (
        f": {sums.houses} times a three-storey house of {house.value} m [{house.source}] and "
        f"{sums.persons} times a person of {person.value} m [{person.source}]"
    )


def _value(fact: Fact | None) -> str:
    return fact.value if fact else "an unknown date"


def _grouped(number: str) -> str:
    whole, point, rest = number.partition(".")
    return f"{int(whole):,}{point}{rest}"


def _rounded(number: str) -> str:
    return f"{float(number):.2f}"
