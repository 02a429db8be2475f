"""What people who know other query languages write, and what says the same here.

Spellings of a field that mean nothing else are simply taken (`SYNONYMS`). Everything else is
answered with an error that says what to write, and where possible with the whole query put right.
"""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import NamedTuple

from pellucid.core.query.fields import FieldInfo, Schema
from pellucid.core.query.lexis import quote
from pellucid.core.query.tree import fold

SYNONYMS = {
    "user_id": "user",
    "userid": "user",
    "session_id": "session",
    "sessionid": "session",
    "conversation_id": "session",
    "thread_id": "session",
    "trace_id": "trace",
    "traceid": "trace",
    "span_id": "span",
    "spanid": "span",
    "run_id": "run",
    "runid": "run",
    "trace_name": "name",
    "tracename": "name",
    "input_tokens": "tokens_in",
    "inputtokens": "tokens_in",
    "prompt_tokens": "tokens_in",
    "output_tokens": "tokens_out",
    "outputtokens": "tokens_out",
    "completion_tokens": "tokens_out",
    "total_tokens": "tokens",
    "totaltokens": "tokens",
    "total_cost": "cost",
    "totalcost": "cost",
    "cost_usd": "cost",
    "model_name": "model",
    "tool_name": "tool",
    "prompt_name": "prompt",
    "promptname": "prompt",
    "finish_reason": "finish",
    "span_kind": "kind",
    "root_kind": "root",
    "span_count": "spans",
    "error_count": "errors",
}
"""Other spellings of fields, in lower case; in any case they are read as the field."""
DOTTED_SYNONYMS = {
    "user.id": "user",
    "usr.id": "user",
    "enduser.id": "user",
    "session.id": "session",
    "conversation.id": "session",
    "thread.id": "session",
    "trace.id": "trace",
    "span.id": "span",
    "tool.name": "tool",
    "model.name": "model",
    "prompt.name": "prompt",
    "tokens.input": "tokens_in",
    "tokens.output": "tokens_out",
    "tokens.total": "tokens",
    "usage.input": "tokens_in",
    "usage.output": "tokens_out",
    "usage.total": "tokens",
}
"""Dotted names that are read as a field where no attribute is called so."""
FAMILY_SYNONYMS = {
    "tags": "tag",
    "label": "tag",
    "labels": "tag",
    "scores": "score",
    "feedback": "score",
    "attributes": "attr",
    "attribute": "attr",
    "attrs": "attr",
    "params": "param",
    "metrics": "metric",
}
"""Heads of dotted names that are read as a family where no attribute is called so."""
IDS = ("trace", "span")
"""What `id:` asks for: the trace or a span of this id."""

_OTHER_WORDS = {
    "time": "since",
    "price": "cost",
    "project": "experiment",
    "thread": "session",
    "conversation": "session",
    "resource_name": "name",
    "operation_name": "name",
    "operation": "name",
    "span_name": "name",
    "release": "attr",
    "version": "attr",
}
_SEARCHED = frozenset("input inputs output outputs text content message messages body".split())
_STATUSES = {
    **dict.fromkeys(("error", "errors", "err", "failed", "failure", "fail", "fatal"), "error"),
    **dict.fromkeys(("critical", "exception", "true", "1", "yes", "500"), "error"),
    **dict.fromkeys(("ok", "success", "succeeded", "completed", "done", "unset"), "ok"),
    **dict.fromkeys(("default", "info", "debug", "false", "0", "no", "200"), "ok"),
    **dict.fromkeys(("pending", "started", "in_progress", "active"), "running"),
}
_KINDS = {
    "generation": "LLM",
    "chat": "LLM",
    "completion": "LLM",
    "llm_call": "LLM",
    "model": "LLM",
    "function": "TOOL",
    "tools": "TOOL",
    "retrieval": "RETRIEVER",
    "embeddings": "EMBEDDING",
    "span": "CHAIN",
    "workflow": "CHAIN",
    "judge": "EVALUATOR",
}
_STATUS_FIELDS = frozenset(
    "error is_error iserror has_error errored level severity state outcome".split()
)
_KIND_FIELDS = frozenset("type observation_type observationtype span_type spantype".split())
_OF_RESOURCES = {"service": "service.name", "app": "service.name", "host": "host.name"}
_SINCE = frozenset("timestamp time date start start_time starttime started created".split())
_AFTER = frozenset("after from created_at createdat updated_at @timestamp".split())
_UNTIL = frozenset("before to end end_time endtime ended".split())
_PARENT_IDS = frozenset(("parent_id", "parentid", "parent_span_id"))
_NOT_FILTERS = frozenset("sort sort_by order order_by orderby limit offset group_by page".split())
_WITH_UNIT = re.compile(r"(duration|latency|ttft)_?(ns|us|ms|s|seconds|sec)", re.IGNORECASE)
_UNIT = {"seconds": "s", "sec": "s"}
_UNITS = {
    **dict.fromkeys(("ns", "nanosecond", "nanoseconds"), "ns"),
    **dict.fromkeys(("us", "µs", "microsecond", "microseconds"), "us"),
    **dict.fromkeys(("ms", "msec", "msecs", "milli", "millis", "millisecond"), "ms"),
    **dict.fromkeys(("milliseconds",), "ms"),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), "m"),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), "h"),
    **dict.fromkeys(("d", "day", "days"), "d"),
}
_AMOUNT = re.compile(r"([0-9]+(?:\.[0-9]+)?|\.[0-9]+)[ \t]*([a-zµ]+)(?=[\s)]|$)", re.IGNORECASE)
SQL = re.compile(r"\s*SELECT\s.+\sFROM\s", re.IGNORECASE | re.DOTALL)
_SCHEMES = frozenset(("http", "https", "ftp", "file", "s3", "gs", "mailto", "urn"))
_SHOWN = 60
"""Characters of what was typed that a message repeats."""
ORDER = re.compile(r"[<>]=?|!=")
"""Comparisons that others write behind a colon."""
RANGE = re.compile(r"\[\s*([^\s\[\]]+)\s+TO\s+([^\s\[\]]+?)\s*\]")
PATTERNS = re.compile(
    r"\s*(?:(?P<word>(?:NOT )?(?:CONTAINS|LIKE|ILIKE|MATCHES|STARTS_?WITH|ENDS_?WITH|BETWEEN|IS))\b"
    r"|(?P<list>(?:NOT )?(?:IN|in)(?=\s*[(\[]))|(?P<sign>!~|~))\s*"
)
CALLS = frozenset(("exists", "missing", "contains", "startswith", "starts_with", "isnull"))


class Advice(NamedTuple):
    """What to say about something that other languages have, and what to write in its place."""

    message: str
    instead: str | None = None


class Foreign(NamedTuple):
    """A comparison whose field there is not: `op` and `value` as they are written, or empty."""

    head: str
    op: str
    value: str


def find_alias(schema: Schema, head: str) -> str:
    """Return the field that a head means: itself, unless it is another spelling of one."""
    if head in schema.fields:
        return head
    meant = schema.aliases.get(head) or SYNONYMS.get(head.lower(), head)
    return meant if meant in schema.fields else head


def shorten(text: str) -> str:
    """Return the beginning of a text, enough to be recognised in a message."""
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def no_such_field(schema: Schema, foreign: Foreign, written: str) -> Advice:
    """Advise on a comparison; `written` is the stretch without spaces that begins with it."""
    order = ORDER.match(foreign.value) if foreign.op == ":" else None
    if order is not None:  # `duration_ms:>200`: what it compares with says how
        foreign = Foreign(foreign.head, order[0], foreign.value[order.end() :])
    head = foreign.head
    lower = head.lower()
    quoted = f" To look for the text, quote it: {quote(shorten(written))}" if written else ""
    begin = f"There is no field {shorten(head)!r}."
    if lower in _SCHEMES and foreign.value.startswith("//"):
        return Advice(begin + quoted, quote(written) if written else None)
    if lower in _PARENT_IDS:
        return Advice(f"{begin} A span is found by its own id: write span:ID.{quoted}")
    if lower in _NOT_FILTERS:
        return Advice(
            f"{begin} A query only filters: the newest come first, and how many, and sums, are "
            f"asked for beside it or with pellucid sql.{quoted}"
        )
    if lower in _SEARCHED and schema.full_text:
        return Advice(
            f"{begin} Names, inputs and outputs are searched together: write only the words.",
            foreign.value or None,
        )
    known = _known_elsewhere(schema, foreign)
    if known is not None:
        return Advice(f"{begin} Write {known}{quoted and '.' + quoted}", known)
    names = [*schema.fields, *schema.aliases]
    close = get_close_matches(lower, [*names, *SYNONYMS], n=1, cutoff=0.7)
    meant = find_alias(schema, _OTHER_WORDS.get(lower) or (close[0] if close else ""))
    info = schema.fields.get(meant)
    if info is not None and not info.family:
        meant = close[0] if close and close[0] in schema.aliases else meant
        return Advice(
            f"{begin} Did you mean {meant}?{quoted}", f"{meant}{foreign.op}{foreign.value}"
        )
    return _of_a_family(schema, foreign, begin, quoted)


def _of_a_family(schema: Schema, foreign: Foreign, begin: str, quoted: str) -> Advice:
    """Advise on a name that may be that of a tag, a score or an attribute."""
    families = [name for name in _FAMILIES if name in schema.fields]
    if not families:
        return Advice(f"{begin} Fields are {', '.join(_spell(schema))}.{quoted}")
    if foreign.op in ("<", "<=", ">", ">="):
        # What is ordered and has no field of its own is most often a score; of runs, a metric.
        first = ("score",) if "attr" in families else ("metric", "score")
        families.sort(key=lambda name: first.index(name) if name in first else len(first))
    families = families[:3]
    comparison = f"{shorten(foreign.head)}{foreign.op}{shorten(foreign.value)}"
    listed = ", ".join(f"{name}.{comparison} for {_FAMILIES[name]}" for name in families)
    instead = f"{families[0]}.{foreign.head}{foreign.op}{foreign.value}"
    return Advice(f"{begin} Write {listed}.{quoted}", instead if foreign.op else None)


_FAMILIES = {
    "attr": "an attribute",
    "tag": "a tag",
    "score": "a score",
    "param": "a param",
    "metric": "a metric",
}


def _known_elsewhere(schema: Schema, foreign: Foreign) -> str | None:
    """Return the term that says the same, for names that other tools have."""
    head, op, value = foreign.head.lower(), foreign.op, foreign.value
    plain = fold(value.strip('"'))
    negation = "-" if op == "!=" else ""
    if head in _STATUS_FIELDS and op in _EQUALITIES and "status" in schema.fields:
        status = _STATUSES.get(plain)
        if status is None:
            return f"{negation}status:{value}" if plain in schema.fields["status"].values else None
        return f"{negation}status:{status}"
    if head in _KIND_FIELDS and op in _EQUALITIES and "kind" in schema.fields:
        kind = next(
            (k for k in schema.fields["kind"].values if fold(k) == plain), _KINDS.get(plain)
        )
        return f"{negation}kind:{kind}" if kind else None
    if head in _OF_RESOURCES and "attr" in schema.fields and value:
        return f"{_OF_RESOURCES[head]}{op}{value}"
    if head in ("env", "environment") and "tag" in schema.fields and value:
        return f"tag.{foreign.head}{op}{value}"
    if head in ("tags", "label", "labels") and "tag" in schema.fields and value:
        return bare_tag(op, value)
    if head in _SINCE | _AFTER | _UNTIL and "since" in schema.fields and value:
        is_end = head in _UNTIL or op in ("<", "<=")
        return f"{'until' if is_end else 'since'}:{value.removeprefix('now-')}"
    unit = _WITH_UNIT.fullmatch(head)
    if unit is not None and find_alias(schema, unit[1]) in schema.fields:
        number = value if re.fullmatch(r"[0-9.]+", value) else ""
        return f"{unit[1]}{op}{number}{_UNIT.get(unit[2], unit[2])}" if number else None
    if head in ("_exists_", "exists") and value:
        return f"has:{find_alias(schema, plain)}"
    if head in ("_missing_", "missing") and value:
        return f"-has:{find_alias(schema, plain)}"
    return None


_EQUALITIES = (":", "=", "!=")


def bare_tag(op: str, value: str) -> str | None:
    """Return the term for `tags:env:prod` or `tags:beta`."""
    name, colon, rest = value.strip('"').partition(":")
    negation = "-" if op == "!=" else ""
    if not re.fullmatch(r"[\w.-]+", name) or op not in _EQUALITIES:
        return None
    return f"tag.{name}{op}{rest}" if colon and rest else f"{negation}has:tag.{name}"


def no_key(family: str, op: str, value: str) -> Advice:
    """Advise on `tag:prod` or `score:correctness>0.5`: a family without a name."""
    begin = f"{family} needs a name after it: {family}.NAME"
    bare = value.strip('"')
    if family == "tag" and value:
        term = bare_tag(op, value)
        found_with = f"; a bare tag is found with {term}" if term else ""
        return Advice(f"{begin}, such as tag.env:prod{found_with}", term)
    nested = re.fullmatch(r"([\w.-]+?)(:|!=|<=|>=|=|<|>)(.+)", bare)
    if nested is not None:
        term = f"{family}.{bare}"
        return Advice(f"{begin}. Write {term}", term)
    return Advice(f"{begin}. For example: {family}.x:1")


def closest(text: str, choices: Sequence[str], field: str) -> str | None:
    """Return the choice that a word means: by another tool's name for it, or a slip."""
    folded = fold(text)
    known = (_STATUSES if field == "status" else _KINDS if field == "kind" else {}).get(folded)
    if known is not None and known in choices:
        return known
    by_fold = {fold(choice): choice for choice in choices}
    close = get_close_matches(folded, list(by_fold), n=1, cutoff=0.6)
    return by_fold[close[0]] if close else None


def not_a_word(word: str, operator: str) -> Advice:
    """Advise on a word that holds an operator and yet is no comparison."""
    if word.startswith("@"):
        return Advice(f"An attribute is written attr.{word[1:]}", f"attr.{word[1:]}")
    if word.startswith("!"):
        return Advice(f"The opposite is written -{word[1:]} or NOT {word[1:]}", f"-{word[1:]}")
    if word.startswith("-"):
        return Advice("One - is enough: two say nothing more.", word.lstrip("-"))
    return Advice(
        f"{shorten(word)!r} is no comparison, for nothing before {operator!r} is a field. "
        f"To look for the text, quote it: {quote(shorten(word))}",
        quote(word),
    )


def no_letters(text: str) -> Advice:
    """Advise on a word without a letter or digit."""
    if text and set(text) <= {"&"}:
        return Advice("Terms side by side must all hold; write a space or AND.", "AND")
    if text == "!":
        return Advice("The opposite is written - directly before a term or a bracket, or NOT.", "-")
    if text == "||":
        return Advice("Either of two is written OR.", "OR")
    if text == "|":
        return Advice(
            "A query only filters: nothing is piped. Sums are asked for with pellucid sql."
        )
    return Advice("Full text looks for words, and there is no letter or digit in this.")


def spelt_duration(text: str, position: int) -> tuple[str, int] | None:
    """Return the duration that `10 s` or `10seconds` says, and where it ends."""
    found = _AMOUNT.match(text, position)
    unit = _UNITS.get(found[2].lower()) if found is not None else None
    return (found[1] + unit, found.end()) if found is not None and unit is not None else None


def range_terms(name: str, low: str, high: str, *, negated: bool) -> str:
    """Return the two comparisons that a range says; `*` is an open end."""
    if name in ("since", "until"):
        ends = [("since:", low), ("until:", "*" if high == "now" else high)]
        return " ".join(f"{bound}{end.removeprefix('now-')}" for bound, end in ends if end != "*")
    ends = [(">=", low), ("<=", high)]
    terms = " ".join(f"{name}{op}{end}" for op, end in ends if end != "*")
    return f"({terms})" if negated and " " in terms else terms


def pattern(name: str, operator: str, value: str, schema: Schema) -> Advice:
    """Advise on `model CONTAINS "gpt"`, `name LIKE 'x%'`, `status IN (…)` and `model ~ gpt`."""
    plain = value.strip("\"'%*").strip()
    negation = "-" if operator.startswith(("NOT", "!")) else ""
    if operator.endswith(("IN", "in")):
        listed = "(" + value.strip("()[]").replace("'", '"') + ")"
        term = f"{negation}{name}:{listed}"
        return Advice(f"Any of several is written {term}", term)
    if operator.endswith("BETWEEN"):
        return Advice(f"Between two is written {name}>=1 {name}<=2")
    if operator == "IS":
        term = f"has:{name}" if plain.startswith("NOT") else f"-has:{name}"
        return Advice(f"Whether there is a value is asked with has:{name} or -has:{name}", term)
    written = quote(plain) if not re.fullmatch(r"[\w./@+-]+", plain) else plain
    begin = f"{negation}{name}:{written}*" if written == plain else f"{negation}{name}:{written}"
    alone = f" or, for a word anywhere in names, inputs and outputs, {written}"
    return Advice(
        f"There is no {operator} here. Write {begin} for how it begins"
        + (alone if schema.full_text else ""),
        begin,
    )


def has_call(name: str, inner: str, schema: Schema) -> Advice:
    """Advise on `exists(session)` and `contains(input, "x")`."""
    first, _, rest = inner.partition(",")
    first = find_alias(schema, first.strip().strip("@\"'"))
    if name in ("exists", "missing", "isnull"):
        sign = "" if name == "exists" else "-"
        return Advice(
            f"Whether there is a value is asked with {sign}has:{first}", f"{sign}has:{first}"
        )
    words = rest.strip().strip("'\"")
    written = quote(words) if words else "the words"
    return Advice(
        f"There is no {name}( … ). Names, inputs and outputs are searched together: {written}",
        written if words else None,
    )


def _spell(schema: Schema) -> list[str]:
    return [_name(info) for info in schema.fields.values()]


def _name(info: FieldInfo) -> str:
    return f"{info.name}.*" if info.family else info.name
