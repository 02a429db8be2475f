"""Conversion between units of data and of length."""

from decimal import Decimal

from pellucid.core.errors import InvalidInput

_DATA = {
    "B": Decimal(1),
    **{f"{p}B": Decimal(1000) ** i for i, p in enumerate(("k", "M", "G", "T", "P"), start=1)},
    **{f"{p}iB": Decimal(1024) ** i for i, p in enumerate(("K", "M", "G", "T", "P"), start=1)},
}
_LENGTH = {
    "mm": Decimal("0.001"),
    "cm": Decimal("0.01"),
    "m": Decimal(1),
    "km": Decimal(1000),
    "in": Decimal("0.0254"),
    "ft": Decimal("0.3048"),
}
_QUANTITIES = (_DATA, _LENGTH)


def convert(value: Decimal, from_unit: str, to_unit: str) -> Decimal:
    """Return `value` in another unit of the same quantity.

    kB, MB, GB, TB are powers of 1,000; KiB, MiB, GiB, TiB powers of 1,024. Raises InvalidInput for
    an unknown unit, and for data asked for as a length.
    """
    for units in _QUANTITIES:
        if from_unit in units and to_unit in units:
            return value * units[from_unit] / units[to_unit]
    known = [unit for units in _QUANTITIES for unit in units]
    strange = [unit for unit in (from_unit, to_unit) if unit not in known]
    if strange:
        raise InvalidInput(f"Unknown unit {strange[0]!r}; known are {', '.join(known)}.")
    raise InvalidInput(f"{from_unit} and {to_unit} measure different things.")
