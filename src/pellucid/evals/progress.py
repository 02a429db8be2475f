"""The progress bar: running means, cost so far, time left."""

import sys
import time
from typing import Any

from pellucid.evals.report import Repeat, as_number


class Progress:
    """Counts what is done and shows it where somebody watches (a terminal or a notebook)."""

    def __init__(self, total: int, *, show: bool | None = None, title: str = "evaluate") -> None:
        self._sums: dict[str, tuple[float, int]] = {}
        self._errors = 0
        self._bar: Any = None
        self._shown_at = 0.0
        if _watched() if show is None else show:
            self._bar = _bar()
            self._task = self._bar.add_task(title, total=total, figures="")
            self._bar.start()

    def add(self, repeat: Repeat, cost_usd: float) -> None:
        """Count one finished output; redraws at most ten times a second."""
        for name, result in repeat.scores.items():
            if (number := as_number(result)) is not None:
                total, n = self._sums.get(name, (0.0, 0))
                self._sums[name] = (total + number, n + 1)
        self._errors += repeat.error is not None
        if self._bar is None:
            return
        self._bar.advance(self._task)
        if (now := time.monotonic()) - self._shown_at > 0.1:
            self._shown_at = now
            self._bar.update(self._task, figures=self.figures(cost_usd))

    def figures(self, cost_usd: float) -> str:
        """Return the line beside the bar."""
        parts = [f"{name} {total / n:.3g}" for name, (total, n) in self._sums.items()]
        if cost_usd:
            parts.append(f"${cost_usd:.4f}")
        if self._errors:
            parts.append(f"{self._errors} failed")
        return "  ".join(parts)

    def close(self, cost_usd: float) -> None:
        """Draw the last state and leave it standing."""
        if self._bar is not None:
            self._bar.update(self._task, figures=self.figures(cost_usd))
            self._bar.stop()


def _watched() -> bool:
    return sys.stderr.isatty() or "ipykernel" in sys.modules


def _bar() -> Any:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bar

    return Bar(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[figures]}"),
        console=Console(stderr=True),
        refresh_per_second=5,
    )
