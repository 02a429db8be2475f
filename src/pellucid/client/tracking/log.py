"""Logging to the current run: `pellucid.log_metric(…)` and the like."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pellucid.client.tracking.lifecycle import require_run


def log_param(name: str, value: Any) -> None:
    """Record what the current run was made with; written once. Raises Conflict."""
    require_run().log_param(name, value)


def log_params(params: Any) -> None:
    """Record several params of the current run: a dict, or an object that holds a configuration."""
    require_run().log_params(params)


def log_metric(name: str, value: float, step: int = 0, *, time_ns: int | None = None) -> None:
    """Record one point of a metric of the current run."""
    require_run().log_metric(name, value, step, time_ns=time_ns)


def log_metrics(metrics: Mapping[str, float], step: int = 0, *, time_ns: int | None = None) -> None:
    """Record one point of several metrics of the current run, at one time."""
    require_run().log_metrics(metrics, step, time_ns=time_ns)


def define_metric(name: str, *, direction: str) -> None:
    """Say which way a metric or score is better: "maximize" or "minimize".

    It holds for all runs of the current run's experiment; the latest word counts.
    """
    require_run().define_metric(name, direction=direction)


def set_tag(name: str, value: Any) -> None:
    """Set a tag of the current run; None removes it."""
    require_run().set_tag(name, value)


def set_notes(text: str) -> None:
    """Replace the current run's notes (Markdown)."""
    require_run().set_notes(text)


def log_artifact(
    path: str | Path, name: str | None = None, *, metadata: Mapping[str, Any] = {}
) -> None:
    """Keep a copy of a file or folder with the current run, under `name`."""
    require_run().log_artifact(path, name, metadata=metadata)


def log_artifacts(folder: str | Path, name: str = "") -> None:
    """Keep a copy of all files of a folder with the current run, below `name`."""
    require_run().log_artifacts(folder, name)


def log_text(text: str, path: str) -> None:
    """Keep a text with the current run under a path."""
    require_run().log_text(text, path)


def log_dict(value: Any, path: str) -> None:
    """Keep any value as JSON with the current run under a path; secrets are masked."""
    require_run().log_dict(value, path)


def log_table(data: Any, path: str) -> None:
    """Keep a table with the current run: a DataFrame, rows as dicts, or a dict of columns."""
    require_run().log_table(data, path)


def log_figure(figure: Any, path: str) -> None:
    """Keep a figure of matplotlib (as PNG) or Plotly (as HTML) with the current run."""
    require_run().log_figure(figure, path)


def log_image(
    image: Any,
    key: str = "image",
    *,
    prompt: str | None = None,
    step: int | None = None,
    model: str | None = None,
    metadata: Mapping[str, Any] = {},
) -> None:
    """Keep an image (PIL, numpy array, path or bytes) in the current run's gallery."""
    require_run().log_image(image, key, prompt=prompt, step=step, model=model, metadata=metadata)
