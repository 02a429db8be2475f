"""Arrays, tensors and tables, described by shape and a few values. Nothing is imported."""

from collections.abc import Callable
from typing import Any

_SMALL = 100
_ROWS = 10
_COLUMNS = 50


def describe(value: Any) -> Any:
    """Return what can be shown of a numpy, torch, pandas or polars value; None for others.

    Reads no more than a hundred values, so that a value of a gigabyte costs as little as another.
    """
    library = type(value).__module__.partition(".")[0]
    reader = _READERS.get(library)
    if reader is None:
        return None
    return reader(value)


def _array(value: Any) -> Any:
    if not hasattr(value, "dtype") or not hasattr(value, "shape"):
        return None
    if not value.shape and hasattr(value, "item"):
        return value.item()
    shape = [int(side) for side in value.shape]
    out = {"type": type(value).__name__, "shape": shape, "dtype": str(value.dtype)}
    if _count(shape) <= _SMALL:
        out["values"] = value.tolist()
    return out


def _tensor(value: Any) -> dict[str, Any] | None:
    if not hasattr(value, "dtype") or not hasattr(value, "device"):
        return None
    shape = [int(side) for side in value.shape]
    out = {"type": "Tensor", "shape": shape, "dtype": str(value.dtype), "device": str(value.device)}
    if _count(shape) <= _SMALL and str(value.device) == "cpu":
        out["values"] = value.detach().tolist()
    return out


def _table(value: Any) -> Any:
    name = type(value).__name__
    if name == "DataFrame":
        columns = [column if isinstance(column, str) else str(column) for column in value.columns]
        head = value.iloc[:_ROWS, :_COLUMNS]
        rows = [
            dict(zip(columns, row, strict=False)) for row in head.itertuples(index=False, name=None)
        ]
        shape = [int(side) for side in value.shape]
        return {"type": name, "shape": shape, "columns": columns, "head": rows}
    if name == "Series":
        head = value.iloc[:_ROWS].tolist()
        return {"type": name, "length": len(value), "dtype": str(value.dtype), "head": head}
    return value.isoformat() if name == "Timestamp" else None


def _polars(value: Any) -> dict[str, Any] | None:
    name = type(value).__name__
    if name == "DataFrame":
        rows = value.head(_ROWS).to_dicts()
        return {"type": name, "shape": list(value.shape), "columns": value.columns, "head": rows}
    if name == "Series":
        return {"type": name, "length": len(value), "head": value.head(_ROWS).to_list()}
    return None


def _count(shape: list[int]) -> int:
    count = 1
    for side in shape:
        count *= side
    return count


_READERS: dict[str, Callable[[Any], Any]] = {
    "numpy": _array,
    "jax": _array,
    "jaxlib": _array,
    "torch": _tensor,
    "pandas": _table,
    "polars": _polars,
}
