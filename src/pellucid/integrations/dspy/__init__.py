"""Trace DSPy: modules, ReAct agents, model calls, tools, retrievers, optimisers, evaluations."""

import atexit
import functools
from collections.abc import Callable
from typing import Any

from pellucid.client.patching import Patch, Undo, patch_all
from pellucid.client.stages import traced_sync
from pellucid.integrations.dspy import answers, parallel, searches
from pellucid.integrations.dspy.callback import CALLBACK
from pellucid.integrations.dspy.code import watched
from pellucid.integrations.dspy.switch import INTEGRATION, SUPPORTED

__all__ = ["INTEGRATION", "INTEGRATIONS", "SUPPORTED", "autolog", "install"]

INTEGRATIONS = (INTEGRATION,)


def autolog(*, disable: bool = False, capture_content: bool = True) -> None:
    """Trace all that DSPy runs; `disable=True` undoes it.

    `capture_content=False` leaves out inputs, outputs, messages and documents.
    """
    INTEGRATION.switch(disable=disable, capture_content=capture_content)


def install() -> Undo:
    """Patch DSPy until the returned undo runs."""
    atexit.unregister(CALLBACK.end_all)  # whenever it was registered before: once is enough
    atexit.register(CALLBACK.end_all)
    execution = "dspy.clients.execution"
    embeddings = "dspy.retrievers.embeddings:Embeddings"
    search = traced_sync(INTEGRATION, searches.search)
    together = traced_sync(INTEGRATION, parallel.run)
    return patch_all(
        Patch("dspy.dsp.utils.settings:Settings.get", _with_ours),
        Patch(f"{execution}:finalize", answers.finalized),
        Patch(f"{execution}:stream_emitted", answers.first_token),
        Patch(f"{execution}:_price_result", answers.answered, required=False),
        Patch(
            "dspy.clients.engines.streaming:ListenerBridge.chunk",
            answers.streamed,
            required=False,
        ),
        Patch("dspy.predict.parallel:Parallel.__call__", together, required=False),
        Patch(f"{embeddings}.forward", search),
        Patch(f"{embeddings}._batch_forward", searches.batched, required=False),
        Patch("dspy.utils.unbatchify:Unbatchify.__call__", searches.scored, required=False),
        Patch("dspy.predict.rlm:RLM._execute_code", watched, required=False),
        Patch(
            "dspy.predict.program_of_thought:ProgramOfThought._execute_code",
            watched,
            required=False,
        ),
    )


def _with_ours(original: Callable[..., Any]) -> Callable[..., Any]:
    """DSPy asks its settings for the callbacks; ours come with them, and are seen nowhere else."""

    @functools.wraps(original)
    def get(self: Any, key: str, default: Any = None) -> Any:
        found = original(self, key, default)
        if key == "callbacks" and INTEGRATION.active:
            return [*(found or []), CALLBACK]
        return found

    return get
