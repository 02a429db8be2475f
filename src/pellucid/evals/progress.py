"""The progress bar: running means, cost so far, time left."""

import html
import sys
import time
from typing import Any, Protocol

from pellucid.evals.report import Repeat, as_number


class Progress:
    """Counts what is done and shows it where somebody watches (a terminal or a notebook)."""

    def __init__(self, total: int, *, show: bool | None = None, title: str = "evaluate") -> None:
        self._sums: dict[str, tuple[float, int]] = {}
        self._done = 0
        self._errors = 0
        self._bar: _Bar | None = None
        self._shown_at = 0.0
        if _watched() if show is None else show:
            self._bar = _NotebookBar(title, total) if _in_notebook() else _TerminalBar(title, total)

    def add(self, repeat: Repeat, cost_usd: float) -> None:
        """Count one finished output; redraws at most ten times a second."""
        for name, result in repeat.scores.items():
            if (number := as_number(result)) is not None:
                total, n = self._sums.get(name, (0.0, 0))
                self._sums[name] = (total + number, n + 1)
        self._done += 1
        self._errors += repeat.error is not None
        if self._bar is not None and (now := time.monotonic()) - self._shown_at > 0.1:
            self._shown_at = now
            self._bar.draw(self._done, self.figures(cost_usd))

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
            self._bar.draw(self._done, self.figures(cost_usd))
            self._bar.stop()


class _Bar(Protocol):
    def draw(self, done: int, figures: str) -> None: ...

    def stop(self) -> None: ...


class _TerminalBar:
    def __init__(self, title: str, total: int) -> None:
        self._bar = _rich_bar()
        self._task = self._bar.add_task(title, total=total, figures="")
        self._bar.start()

    def draw(self, done: int, figures: str) -> None:
        self._bar.update(self._task, completed=done, figures=figures)

    def stop(self) -> None:
        self._bar.stop()


class _NotebookBar:
    """One output of the cell, drawn anew in its place; rich's would need ipywidgets."""

    def __init__(self, title: str, total: int) -> None:
        from IPython.display import display  # type: ignore[import-not-found]

        self._title, self._total = title, total
        self._began = time.monotonic()
        self._output: Any = display(self._drawn(0, ""), raw=True, display_id=True)

    def draw(self, done: int, figures: str) -> None:
        if self._output is not None:
            self._output.update(self._drawn(done, figures), raw=True)

    def stop(self) -> None:
        """The output stays as it was drawn last."""

    def _drawn(self, done: int, figures: str) -> dict[str, str]:
        spent = time.monotonic() - self._began
        parts = [f"{done}/{self._total}", _clock(spent)]
        if 0 < done < self._total:
            parts.append(f"{_clock(spent / done * (self._total - done))} left")
        text = "  ".join([*parts, *([figures] if figures else [])])
        title = html.escape(self._title)
        bar = f'<progress value="{done}" max="{self._total}" aria-label="{title}"></progress>'
        return {
            "text/plain": f"{self._title}  {text}",
            "text/html": f"<div>{title} {bar} {html.escape(text)}</div>",
        }


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"


def _watched() -> bool:
    return sys.stderr.isatty() or _in_notebook()


def _in_notebook() -> bool:
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return hasattr(shell, "kernel")


def _rich_bar() -> Any:
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
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[figures]}", markup=False),
        console=Console(stderr=True),
        refresh_per_second=5,
    )
