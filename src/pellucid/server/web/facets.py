"""The facets beside the trace list: counted values, each with its terms of the query."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from pellucid.core.survey import ScoreSurvey, Survey, ValueCount
from pellucid.server.web.format import format_score, quote_term
from pellucid.server.web.kinds import kind_look

MOST_VALUES = 8
MOST_SCORES = 3
INSIDE = ("errors>0", "status:ok")
"""The ready filter for traces that ended well with a failure inside."""


@dataclass(frozen=True)
class FacetValue:
    """One value; `mark` is a status and `kind` a span kind to draw before it."""

    label: str
    count: int
    terms: tuple[str, ...]
    mark: str = ""
    kind: str = ""


class Facet(NamedTuple):
    """The values of one field, and a remark about them."""

    title: str
    values: list[FacetValue]
    remark: str = ""


def list_facets(survey: Survey) -> list[Facet]:
    """Return the facets that have values, in the order of the page."""
    statuses = [
        FacetValue(one.value, one.count, (f"status:{one.value}",), mark=one.value)
        for one in survey.statuses
    ]
    if survey.inside_count:
        statuses.append(FacetValue("error inside", survey.inside_count, INSIDE, mark="inside"))
    kinds = [
        FacetValue(kind_look(one.value).label, one.count, (f"kind:{one.value}",), kind=one.value)
        for one in survey.kinds
    ]
    facets = [
        Facet("Status", statuses),
        Facet("Name", _values(survey.names, lambda name: f"name={quote_term(name)}")),
        Facet("Kind", kinds),
        Facet("Model", _values(survey.models, lambda model: f"model={quote_term(model)}")),
        *(_score(score) for score in survey.scores[:MOST_SCORES]),
        Facet("Tag", _tags(survey)),
        Facet("User", _values(survey.users, lambda user: f"user={quote_term(user)}")[:5]),
    ]
    return [facet for facet in facets if facet.values]


def write_key(key: str) -> str:
    """Write the key of a tag or score; quoted, unless it is a plain name."""
    plain = key and all(c.isascii() and (c.isalnum() or c in "-_") for c in key)
    return key if plain else '"' + key.replace("\\", r"\\").replace('"', r"\"") + '"'


def _values(counts: list[ValueCount], term: Callable[[str], str]) -> list[FacetValue]:
    return [
        FacetValue(one.value or "unnamed", one.count, (term(one.value),))
        for one in counts[:MOST_VALUES]
    ]


def _tags(survey: Survey) -> list[FacetValue]:
    values = [
        FacetValue(
            f"{key}:{one.value}" if one.value else key,
            one.count,
            (f"tag.{write_key(key)}={quote_term(one.value)}",),
        )
        for key, counts in survey.tags.items()
        for one in counts
    ]
    return sorted(values, key=lambda value: (-value.count, value.label))[:MOST_VALUES]


def _score(score: ScoreSurvey) -> Facet:
    field = f"score.{write_key(score.name)}"
    values = [
        FacetValue(label, count, (f"{field}{condition}",))
        for label, condition, count in (
            ("below 0.5", "<0.5", score.low_count),
            ("0.5 and up", ">=0.5", score.high_count),
        )
        if count
    ]
    values += _values(score.words, lambda word: f"{field}={quote_term(word)}")
    remark = f"mean {format_score(score.mean)}" if score.mean is not None else ""
    return Facet(score.name, values, remark)
