"""A query as the terms that stand side by side in it, so that links can add and take away one."""

import re

_TERM = re.compile(r'(?:"(?:[^"\\]|\\.)*"|\((?:[^()"]|"(?:[^"\\]|\\.)*"|\([^()]*\))*\)|[^\s"()])+')


def split_terms(query: str) -> list[str]:
    """Cut a query at the spaces outside quotes and parentheses."""
    return _TERM.findall(query)


def has_terms(query: str, terms: tuple[str, ...]) -> bool:
    """Tell whether all of these terms stand in a query as they are written."""
    present = split_terms(query)
    return all(term in present for term in terms)


def add_terms(query: str, terms: tuple[str, ...]) -> str:
    """Return the query with these terms asked for too."""
    present = split_terms(query)
    if "OR" in present:
        present = [f"({' '.join(present)})"]
    return " ".join([*present, *(term for term in terms if term not in present)])


def drop_terms(query: str, terms: tuple[str, ...]) -> str:
    """Return the query without these terms, whether they were asked for or ruled out."""
    unwanted = {*terms, *(f"-{term}" for term in terms)}
    return " ".join(term for term in split_terms(query) if term not in unwanted)


def replace_fields(query: str, fields: tuple[str, ...], terms: tuple[str, ...]) -> str:
    """Return the query with these terms in the place of all on the fields: a new time range."""
    begins = _beginnings(fields)
    kept = [term for term in split_terms(query) if not term.startswith(begins)]
    return add_terms(" ".join(kept), terms)


def keep_fields(query: str, fields: tuple[str, ...]) -> str:
    """Return of a query the terms on the fields alone; none of one that has alternatives."""
    terms = split_terms(query)
    begins = _beginnings(fields)
    return "" if "OR" in terms else " ".join(term for term in terms if term.startswith(begins))


def _beginnings(fields: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{field}{sign}" for field in fields for sign in (":", "=", "<", ">"))
