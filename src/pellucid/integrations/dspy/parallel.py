"""`dspy.Parallel`: several modules at work at once, as one stage."""

from typing import Any

from pellucid.client.instrument import open_span
from pellucid.client.stages import Stage, captures
from pellucid.client.tracing.span import Span
from pellucid.core.span import SpanKind
from pellucid.integrations.dspy.switch import INTEGRATION
from pellucid.integrations.dspy.values import plain


def run(parallel: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Stage:
    """Open the span that holds what all the pairs of a module and an example do."""
    pairs = args[0] if args else kwargs.get("exec_pairs")
    span = open_span(type(parallel).__name__, SpanKind.CHAIN)
    if captures(INTEGRATION):
        span.set_input([_pair(pair) for pair in pairs or ()])
    return Stage(span, result=_show)


def _show(span: Span, found: Any) -> None:
    if captures(INTEGRATION):
        results = found[0] if isinstance(found, tuple) else found
        span.set_output([plain(one) for one in results])


def _pair(pair: Any) -> Any:
    module, example = pair
    keys = getattr(example, "_input_keys", None)
    given = example.inputs() if keys else example
    name = getattr(module, "__name__", type(module).__name__)
    return {"module": name, "input": plain(given)}
