"""How the demo looks in a terminal."""

import json

from rich.console import Console
from rich.live import Live
from rich.markdown import Markdown
from rich.markup import escape
from rich.panel import Panel

import pellucid
from pellucid.demo.agent import QUESTION, Plan, Watcher
from pellucid.demo.run import SCRIPTED

_SHOWN = 42


class TerminalWatcher(Watcher):
    """Shows each step of the agent as it happens, and the answer while it is written."""

    def __init__(self, console: Console, model: str | None) -> None:
        self._console = console
        self._model = model
        self._text = ""
        self._live: Live | None = None

    def started(self, trace_id: str | None) -> None:
        """Show the question, who answers it, and where to watch."""
        self._console.print(Panel(QUESTION, title="Question", border_style="cyan"))
        if self._model is None:
            who = f"{SCRIPTED} model server inside this demo: no key, no network"
        else:
            who = escape(self._model)
        self._console.print(f"[dim]Model:[/] {who}")
        if trace_id is not None:
            self._console.print(f"[dim]Watch:[/] {pellucid.trace_url(trace_id)}\n", soft_wrap=True)

    def planned(self, plan: Plan) -> None:
        """Show the plan's steps."""
        self._step(
            "plan",
            f"{_count(len(plan.searches), 'search', 'es')}, {_count(len(plan.steps), 'step', 's')}",
        )

    def searched(self, query: str, documents: list[pellucid.Document]) -> None:
        """Show a query and its best paragraph."""
        best = documents[0] if documents else None
        found = f"{best.id} ({best.score:.2f})" if best and best.score else "nothing"
        self._step("search", f"{escape(_short(query))} [dim]→[/] {found}")

    def called(self, name: str, arguments: str, result: str) -> None:
        """Show a tool call and what came of it."""
        shown = ", ".join(str(value) for value in json.loads(arguments).values())
        line = result.partition("\n")[0]
        self._step(name, f"{escape(_short(shown))} [dim]→[/] [bold]{escape(_short(line))}[/]")

    def wrote(self, piece: str) -> None:
        """Add a piece to the answer."""
        if not self._text:
            self._console.print()
        self._text += piece
        if not self._console.is_terminal:
            return
        if self._live is None:
            self._live = Live(console=self._console, refresh_per_second=12)
            self._live.start()
        self._live.update(self._answer())

    def finished(self) -> None:
        """Leave the answer standing as it is."""
        if self._live is not None:
            self._live.stop()
            self._live = None
        elif self._text:
            self._console.print(self._answer())
        self._text = ""

    def _answer(self) -> Panel:
        return Panel(Markdown(self._text), title="Answer", border_style="green")

    def _step(self, name: str, text: str) -> None:
        line = f"[cyan]●[/] [bold]{name:<20}[/] {text}"
        self._console.print(line, highlight=False, no_wrap=True, overflow="ellipsis")


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1].rstrip()}…"


def _count(number: int, noun: str, ending: str) -> str:
    return f"{number} {noun}{'' if number == 1 else ending}"
