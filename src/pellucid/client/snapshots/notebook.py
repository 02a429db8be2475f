"""The cells that a notebook has executed, in order."""

import sys
from typing import Any


def notebook_cells() -> list[str]:
    """Return the executed cells; none outside IPython."""
    ipython: Any = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    history = getattr(shell, "user_ns", {}).get("In") if shell is not None else None
    if not isinstance(history, list):
        return []
    return [cell for cell in history if isinstance(cell, str) and cell.strip()]
