"""From a decoded span to the canonical one, whatever vocabulary it came in. Pure; never raises.

Every attribute is looked up in one table of rules made from all dialects; the claims they make are
assembled field by field (`assemble.py`). A name's rule is remembered, and so are the rules of all
names of a span: names are looked at once in the life of a process and not once a span.
"""

from collections.abc import Sequence
from typing import NamedTuple

from pellucid.core.span import DecodedSpan, LogRecord, Span
from pellucid.semconv import (
    adk,
    ag2,
    autogen,
    botocore,
    genai,
    haystack,
    langfuse,
    langsmith,
    litellm,
    llamaindex,
    logfire,
    mastra,
    mlflow,
    openinference,
    openlit,
    openllmetry,
    ours,
    strands,
    vercel,
)
from pellucid.semconv.assemble import assemble
from pellucid.semconv.attributes import KIND
from pellucid.semconv.bodies import MODEL_CALLS, read_bodies
from pellucid.semconv.rules import Assembler, Dialect, Draft, Flat, Refiner, Rule
from pellucid.semconv.values import UNREAD

VERSION = 4
"""Raised whenever the same span would be understood better: stores keep it with every span."""

DIALECTS: tuple[Dialect, ...] = (
    ours.DIALECT,
    mlflow.DIALECT,
    langsmith.DIALECT,
    openllmetry.DIALECT,
    langfuse.DIALECT,
    vercel.DIALECT,
    logfire.DIALECT,
    openlit.DIALECT,
    ag2.DIALECT,
    litellm.DIALECT,
    autogen.DIALECT,
    llamaindex.DIALECT,
    adk.DIALECT,
    strands.DIALECT,
    botocore.DIALECT,
    mastra.DIALECT,
    haystack.DIALECT,
    genai.DIALECT,
    openinference.DIALECT,
)
"""The first dialect that has a rule for a name decides what the name means."""

_MAX_REMEMBERED = 20_000
_LONG_NAME = 200
_MAX_PLANS = 500
_LONG_PLAN = 100
"""Attributes of a span; what has more hardly comes again with the same names."""


def normalise(decoded: DecodedSpan, logs: Sequence[LogRecord] = ()) -> Span:
    """Return what a span says, in Pellucid's own terms.

    `logs` are the log records of this span, in any order: they join its events, and messages that
    an instrumentation put there show as the span's. `normalise(to_otlp(span)) == span` for every
    span that this returns.
    """
    attributes = decoded.attributes
    plan = _plans.get(tuple(attributes)) or _learn(tuple(attributes))
    draft = Draft(decoded)
    claims, ranks, rest = draft.claims, draft.ranks, draft.rest
    for name in plan.unknown:
        rest[name] = attributes[name]
    for name, (field, read, rank, path) in plan.known:
        value = attributes[name]
        got = read(value)
        if got is UNREAD:
            rest[name] = value
        elif path:
            draft.flats.setdefault(field, []).append(Flat(rank, path, got))
        elif field not in ranks or rank < ranks[field]:
            ranks[field] = rank
            claims[field] = got
    if draft.flats:
        for group in _grouped.intersection(draft.flats):
            _assemblers[group](draft.flats[group], draft)
    if KIND not in decoded.attributes:
        for refine in _refiners_of(decoded, plan):
            refine(draft)
        if claims.get("kind") in MODEL_CALLS:
            read_bodies(draft)
    return assemble(draft, logs)


class _Plan(NamedTuple):
    """What is done with attributes of certain names: most spans of a program have the same."""

    known: list[tuple[str, Rule]]
    unknown: list[str]
    marks: frozenset[str]
    """Those that make a dialect look at the whole span."""


def _learn(names: tuple[str, ...]) -> _Plan:
    """Make the plan for attributes of some names."""
    rules = [(name, _rule_of(name)) for name in names]
    plan = _Plan(
        [(name, rule) for name, rule in rules if rule.rank >= 0],
        [name for name, rule in rules if rule.rank < 0],
        _marks.intersection(names),
    )
    if len(names) <= _LONG_PLAN and all(len(name) < _LONG_NAME for name in names):
        if len(_plans) >= _MAX_PLANS:
            _plans.clear()
        _plans[names] = plan
    return plan


def _rule_of(name: str) -> Rule:
    rule = _known.get(name)
    if rule is None:
        rule = _find_rule(name)
        if len(_known) < _MAX_REMEMBERED and len(name) < _LONG_NAME:
            _known[name] = rule
    return rule


def _find_rule(name: str) -> Rule:
    if not name.startswith(_prefixes):
        return _NO_RULE
    for dialect in DIALECTS:
        if dialect.match is not None and name.startswith(dialect.prefixes):
            rule = dialect.match(name)
            if rule is not None:
                return rule
    return _NO_RULE


def _refiners_of(decoded: DecodedSpan, plan: _Plan) -> list[Refiner]:
    """Return what looks at this span as a whole, in the order of the dialects."""
    marks = plan.marks
    scope = decoded.scope.name
    ours = scope.startswith(_scopes)
    if not marks and not ours:
        return []
    return [
        dialect.refine
        for dialect in _refining
        if dialect.refine is not None
        and ((ours and scope.startswith(dialect.scopes)) or not marks.isdisjoint(dialect.marks))
    ]


def is_known(name: str) -> bool:
    """Tell whether some dialect would read an attribute of this name."""
    return _rule_of(name).rank >= 0


_NO_RULE = Rule("", lambda _: UNREAD, -1)

_rules: dict[str, Rule] = {}
for _dialect in reversed(DIALECTS):
    _rules.update(_dialect.rules)
_known: dict[str, Rule] = dict(_rules)
_plans: dict[tuple[str, ...], _Plan] = {}
_assemblers: dict[str, Assembler] = {
    group: assembler for dialect in DIALECTS for group, assembler in dialect.assemblers.items()
}
_grouped = frozenset(_assemblers)
_prefixes = tuple(prefix for dialect in DIALECTS for prefix in dialect.prefixes)
_refining = tuple(dialect for dialect in DIALECTS if dialect.refine is not None)
_marks = frozenset(mark for dialect in _refining for mark in dialect.marks)
_scopes = tuple(scope for dialect in _refining for scope in dialect.scopes)
