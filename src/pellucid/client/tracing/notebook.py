"""In Jupyter: a link below each cell to the traces that it made."""

import html
import sys
from collections.abc import Callable
from typing import Any

_SHOWN = 3


class CellLinks:
    """Collects the traces of a cell's execution and shows links to them when it ends."""

    def __init__(self, shell: Any, display: Callable[[str], None], url_of: Callable[[str], str]):
        self._shell = shell
        self._display = display
        self._url_of = url_of
        self._trace_ids: dict[int, None] = {}

    def start(self) -> Callable[[], None]:
        """Listen to the shell until the undo is called."""
        self._shell.events.register("pre_run_cell", self._forget)
        self._shell.events.register("post_run_cell", self._show)

        def undo() -> None:
            self._shell.events.unregister("pre_run_cell", self._forget)
            self._shell.events.unregister("post_run_cell", self._show)

        return undo

    def note(self, trace_id: int) -> None:
        """Note a trace that begins here; a background thread's after the cell shows nowhere."""
        self._trace_ids[trace_id] = None

    def _forget(self, *info: Any) -> None:
        self._trace_ids.clear()

    def _show(self, *result: Any) -> None:
        found = [f"{trace_id:032x}" for trace_id in self._trace_ids]
        self._forget()
        if not found:
            return
        links = [_link(self._url_of(trace_id), trace_id) for trace_id in found[:_SHOWN]]
        more = len(found) - _SHOWN
        text = ", ".join(links) + (f" and {more} more" if more > 0 else "")
        self._display(f"<small>Pellucid: {text}</small>")


def cell_links(url_of: Callable[[str], str]) -> CellLinks | None:
    """Return the links of the notebook that this code runs in, or None outside of one."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None or not hasattr(shell, "kernel"):
        return None  # A terminal, which shows no HTML.
    display = sys.modules["IPython.display"]

    def show(text: str) -> None:
        display.display(display.HTML(text))

    return CellLinks(shell, show, url_of)


def _link(url: str, trace_id: str) -> str:
    return f'<a href="{html.escape(url)}" target="_blank" rel="noopener">trace {trace_id[:8]}</a>'
