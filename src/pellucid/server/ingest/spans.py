"""Rules that hold for a span or log record in either encoding."""

import unicodedata
from functools import lru_cache
from typing import Any

from pellucid.core.settings import DEFAULT_EXPERIMENT
from pellucid.core.span import Attributes
from pellucid.semconv.attributes import EXPERIMENT

MAX_TIME_NS = 2**63 - 1
MAX_EXPERIMENT_CHARACTERS = 200
NO_SPAN = "0" * 16
NO_TRACE = "0" * 32


TOO_DEEP = "(a value that is nested too deeply to be kept)"
"""Stands for the value of an attribute that no reader would survive."""


class Refused(ValueError):
    """One span or record breaks a rule; the message says which."""


def choose_experiment(attributes: Attributes, resource: Attributes, header: str | None) -> str:
    """Return a span's experiment: its own attribute, else the resource's, else the header."""
    name: Any = attributes.get(EXPERIMENT) or resource.get(EXPERIMENT) or header
    return clean_experiment(str(name)) if name else DEFAULT_EXPERIMENT


@lru_cache(maxsize=1024)
def clean_experiment(name: str) -> str:
    """Return the name as it is stored: control characters become `-`, the length is bounded."""
    if name.isprintable() and len(name) <= MAX_EXPERIMENT_CHARACTERS:
        return name
    kept = (
        "-" if unicodedata.category(character) in {"Cc", "Cs"} else character
        for character in name[:MAX_EXPERIMENT_CHARACTERS]
    )
    return "".join(kept)


def check_trace_id(trace_id: str) -> str:
    """Return 32 lowercase hex digits. Raises Refused."""
    if len(trace_id) != 32:
        raise Refused(f"trace_id has {len(trace_id) / 2:g} bytes instead of 16")
    if trace_id == NO_TRACE:
        raise Refused("trace_id is all zeros")
    return trace_id


def check_span_id(span_id: str) -> str:
    """Return 16 lowercase hex digits. Raises Refused."""
    if len(span_id) != 16:
        raise Refused(f"span_id has {len(span_id) / 2:g} bytes instead of 8")
    if span_id == NO_SPAN:
        raise Refused("span_id is all zeros")
    return span_id


def keep_parent_id(parent_id: str, subject: str, warnings: list[str]) -> str:
    """Return 16 lowercase hex digits, or "" for a span without a parent that there can be.

    A span whose parent's id is of another length is worth keeping, as a root.
    """
    if not parent_id or parent_id == NO_SPAN:
        return ""
    if len(parent_id) != 16:
        warnings.append(
            f"{subject} was kept without a parent: "
            f"its parent_span_id has {len(parent_id) / 2:g} bytes instead of 8"
        )
        return ""
    return parent_id


def check_time(name: str, value: int) -> int:
    """Return nanoseconds that fit into 63 bits. Raises Refused."""
    if not 0 <= value <= MAX_TIME_NS:
        raise Refused(f"{name} is {value}, beyond the year 2262")
    return value


def name_span(span_id: str, name: str, place: tuple[int, int, int]) -> str:
    """Return the words that name a span to whoever sent it."""
    r, s, i = place
    shown = f"{name[:80]!r} " if name else ""
    known = f"(span_id {span_id[:40]}, " if span_id else "("
    return f"span {shown}{known}resource_spans[{r}].scope_spans[{s}].spans[{i}])"
