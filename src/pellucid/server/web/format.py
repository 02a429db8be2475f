"""Figures and times as people read them; `components/format.js` says the same in the browser."""

import math
from datetime import UTC, datetime

from markupsafe import Markup

_SECOND = 1_000_000_000
_AGE_LIMIT_S = 86_400
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\""})


def format_duration(nanoseconds: int | None) -> str:
    """Write a duration with its unit: `4 µs`, `560 ms`, `41.8 s`, `2m 05s`, `3h 20m`."""
    if nanoseconds is None:
        return ""
    if nanoseconds < 1_000:
        return f"{max(nanoseconds, 0)} ns"
    if nanoseconds < 999_500:
        return f"{round(nanoseconds / 1_000)} µs"
    if nanoseconds < 9_950_000:
        return f"{nanoseconds / 1_000_000:.1f}".removesuffix(".0") + " ms"
    if nanoseconds < 999_500_000:
        return f"{round(nanoseconds / 1_000_000)} ms"
    seconds = nanoseconds / _SECOND
    if seconds < 99.95:
        return f"{seconds:.1f} s"
    return _long_duration(round(seconds))


def _long_duration(seconds: int) -> str:
    if seconds < 3600:
        return f"{seconds // 60}m {seconds % 60:02}s"
    if seconds < _AGE_LIMIT_S:
        return f"{seconds // 3600}h {seconds % 3600 // 60:02}m"
    return f"{seconds // _AGE_LIMIT_S}d {seconds % _AGE_LIMIT_S // 3600}h"


def format_number(number: int) -> str:
    """Write a whole number with thousands apart: `16,914`."""
    return f"{number:,}"


def format_count(number: int) -> str:
    """Write a count in at most four figures: `861`, `12.8k`, `1.3M`."""
    if number < 1_000:
        return str(number)
    for limit, unit, letter in ((999_950, 1e3, "k"), (999_950_000, 1e6, "M"), (None, 1e9, "G")):
        if limit is None or number < limit:
            return f"{number / unit:.1f}".removesuffix(".0") + letter
    raise AssertionError("unreachable: the last unit has no limit")


def format_cost(dollars: float | None) -> str:
    """Write a cost so that two figures of it can be read: `$104.18`, `$0.144`, `$0.0047`."""
    if dollars is None:
        return ""
    if dollars == 0:
        return "$0"
    if dollars >= 1:
        return f"${dollars:,.2f}"
    if dollars >= 0.01:
        return f"${dollars:.3f}"
    if dollars >= 1e-7:
        shown = float(f"{dollars:.2g}")
        return f"${shown:.{1 - math.floor(math.log10(shown))}f}"
    return "<$0.0000001" if dollars > 0 else f"-{format_cost(-dollars)}"


def format_age(at_ns: int, now_ns: int) -> str:
    """Write how long ago something was, up to a day; then its date, UTC.

    The date has its year in the place of the time if that is another than the present one.
    """
    seconds = (now_ns - at_ns) // _SECOND
    if seconds < 0:
        return "now" if seconds > -60 else _far_date(at_ns, now_ns)
    if seconds < 60:
        return f"{seconds}s"
    if seconds < 600:
        return f"{seconds // 60}m {seconds % 60:02}s"
    if seconds < 3600:
        return f"{seconds // 60}m"
    if seconds < _AGE_LIMIT_S:
        return f"{seconds // 3600}h"
    return _far_date(at_ns, now_ns)


def format_date(at_ns: int) -> str:
    """Write a day and minute without its year: `22 Nov 14:02`, UTC."""
    at = _datetime(at_ns)
    return f"{at.day} {_MONTHS[at.month - 1]} {at:%H:%M}"


def _far_date(at_ns: int, now_ns: int) -> str:
    at = _datetime(at_ns)
    if at.year == _datetime(now_ns).year:
        return format_date(at_ns)
    return f"{at.day} {_MONTHS[at.month - 1]} {at.year}"


def format_instant(at_ns: int) -> str:
    """Write an exact time, UTC: `2026-11-22 14:50:07.412 UTC`."""
    return f"{_datetime(at_ns):%Y-%m-%d %H:%M:%S}.{at_ns // 1_000_000 % 1000:03} UTC"


def format_iso(at_ns: int) -> str:
    """Write a time for `<time datetime>`: ISO 8601 with milliseconds, UTC."""
    return f"{_datetime(at_ns):%Y-%m-%dT%H:%M:%S}.{at_ns // 1_000_000 % 1000:03}Z"


def format_size(size_bytes: int) -> str:
    """Write a size in bytes: `412 B`, `5.2 MB` (powers of ten)."""
    if size_bytes < 1_000:
        return f"{size_bytes} B"
    if size_bytes < 999_950:
        return f"{size_bytes / 1e3:.1f}".removesuffix(".0") + " kB"
    return f"{size_bytes / 1e6:.1f}".removesuffix(".0") + " MB"


def format_score(value: bool | int | float | str) -> str:
    """Write a score's value: numbers with two decimals, truth as yes or no."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{value:.2f}" if abs(value) < 1000 else f"{value:,.0f}"
    return value


def plural(number: int, noun: str, many: str | None = None) -> str:
    """Name a count: `1 span`, `40 spans`."""
    return f"{number:,} {noun if number == 1 else many or noun + 's'}"


def breakable(name: str) -> Markup:
    """Return a dotted name that breaks behind its dots, where it must."""
    return Markup(".<wbr>").join(name.split("."))


def short_id(identifier: str) -> str:
    """Shorten an id so that two can still be told apart: `3fa2…c81e`."""
    return identifier if len(identifier) <= 12 else f"{identifier[:4]}…{identifier[-4:]}"


def quote_term(value: str) -> str:
    """Write a value for the query language, with quotes where it needs them."""
    plain = value and all(character.isalnum() or character in "-_./@+" for character in value)
    return value if plain else f'"{value.translate(_ESCAPES)}"'


def _datetime(at_ns: int) -> datetime:
    try:
        return datetime.fromtimestamp(at_ns // _SECOND, UTC)
    except (OverflowError, ValueError, OSError):
        return datetime.fromtimestamp(0, UTC)
