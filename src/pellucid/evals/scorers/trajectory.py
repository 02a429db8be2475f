"""What the agent did on its way: tool calls, the order of its steps, loops.

Expected steps are `expected["tool_calls"]`, or `metadata["tool_calls"]`, or `expected` itself if
it is a list: names, or dicts with `name` and `arguments`.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec

from pellucid.core.errors import InvalidInput
from pellucid.core.span import SpanKind, ToolCall
from pellucid.evals.score import Score
from pellucid.evals.scorer import Scorer
from pellucid.evals.scorers.overlap import edit_distance
from pellucid.evals.trace import ExampleTrace

MODES = ("exact", "in_order", "any_order", "subset")


def tool_calls(*, arguments: bool = True, ordered: bool = True, name: str = "tool_calls") -> Scorer:
    """Are the tool calls those expected? Gives several scores, each from 0 to 1.

    `NAME.names`: F1 of the names called; `NAME.arguments`: the share of expected calls made with
    the expected arguments (those that are given); `NAME.order`: 1 − edit distance of the names
    over the longer list; and `NAME`: all of these are 1.
    """

    def score(
        output: Any, expected: Any = None, metadata: Any = None, trace: Any = None
    ) -> dict[str, Score]:
        wanted = _expected_calls(expected, metadata)
        made = calls_of(output, trace)
        names, called = [c.name for c in wanted], [c.name for c in made]
        shared = (Counter(names) & Counter(called)).total()
        total = len(names) + len(called)
        scores = {"names": Score(2 * shared / total if total else 1.0, _listed(called))}
        if arguments:
            scores["arguments"] = _arguments(wanted, made)
        if ordered:
            longest = max(len(names), len(called))
            distance = edit_distance(names, called)
            scores["order"] = Score(1 - distance / longest if longest else 1.0)
        right = all(one.value == 1 for one in scores.values())
        return {name: Score(right), **{f"{name}.{key}": one for key, one in scores.items()}}

    return Scorer(name, score, quick=True, config={"arguments": arguments, "ordered": ordered})


def trajectory(mode: str = "in_order", *, name: str = "trajectory") -> Scorer:
    """True if the tools called follow the expected steps.

    `exact`: the same, nothing else; `in_order`: others may stand between; `any_order`: each as
    often, others too; `subset`: nothing but expected ones.
    """
    if mode not in MODES:
        raise InvalidInput(f"trajectory({mode!r}): the mode is one of {', '.join(MODES)}.")

    def score(output: Any, expected: Any = None, metadata: Any = None, trace: Any = None) -> Score:
        wanted = [call.name for call in _expected_calls(expected, metadata)]
        made = [call.name for call in calls_of(output, trace)]
        return Score(_follows(made, wanted, mode), _listed(made))

    return Scorer(name, score, quick=True, config={"mode": mode})


def loops(*, most: int = 2, name: str = "loops") -> Scorer:
    """How many steps repeat one already made `most` times: same tool or model, same input.

    0 is best. Reads the trace; without one, the output's tool calls.
    """

    def score(output: Any, trace: Any = None) -> Score:
        steps = Counter(_steps(output, trace))
        again = {step: n - most for step, n in steps.items() if n > most}
        worst = max(again, key=lambda step: again[step]) if again else None
        why = None if worst is None else f"{steps[worst]} times: {worst[:200]}"
        return Score(sum(again.values()), why)

    return Scorer(name, score, quick=True, lower_is_better=True, config={"most": most})


def calls_of(output: Any, trace: ExampleTrace | None) -> list[ToolCall]:
    """Return the tool calls of a trace, or else those that the output lists."""
    if trace is not None and (calls := trace.tool_calls):
        return calls
    if isinstance(output, Mapping) and "tool_calls" in output:
        return [_call(one) for one in output["tool_calls"]]
    return []


def _expected_calls(expected: Any, metadata: Any) -> list[ToolCall]:
    for source in (expected, metadata):
        if isinstance(source, Mapping) and "tool_calls" in source:
            return [_call(one) for one in source["tool_calls"]]
    if isinstance(expected, list):
        return [_call(one) for one in expected]
    raise InvalidInput("This scorer needs tool_calls in the example's expected or metadata.")


def _call(one: Any) -> ToolCall:
    if isinstance(one, ToolCall):
        return one
    if isinstance(one, str):
        return ToolCall(name=one)
    function = one.get("function", one)
    arguments = function.get("arguments", function.get("args"))
    return ToolCall(name=function.get("name"), arguments=_decoded(arguments))


def _decoded(arguments: Any) -> Any:
    if isinstance(arguments, str):
        try:
            return msgspec.json.decode(arguments)
        except msgspec.DecodeError:
            return arguments
    return arguments


def _arguments(wanted: list[ToolCall], made: list[ToolCall]) -> Score:
    asked = [call for call in wanted if call.arguments is not None]
    left = list(made)
    missing = []
    for call in asked:
        found = next((one for one in left if _matches(one, call)), None)
        if found is None:
            missing.append(f"{call.name}({call.arguments})")
        else:
            left.remove(found)
    share = 1 - len(missing) / len(asked) if asked else 1.0
    return Score(share, f"not made: {', '.join(missing)}" if missing else None)


def _matches(made: ToolCall, wanted: ToolCall) -> bool:
    return made.name == wanted.name and _decoded(made.arguments) == wanted.arguments


def _follows(made: list[str | None], wanted: list[str | None], mode: str) -> bool:
    if mode == "exact":
        return made == wanted
    if mode == "in_order":
        rest = iter(made)
        return all(step in rest for step in wanted)
    if mode == "any_order":
        return not Counter(wanted) - Counter(made)
    return not Counter(made) - Counter(wanted)


def _steps(output: Any, trace: ExampleTrace | None) -> list[str]:
    if trace is None:
        return [_step(call.name, call.arguments) for call in calls_of(output, None)]
    steps = [_step(call.name, call.arguments) for call in trace.tool_calls]
    steps += [
        _step(span.model or span.name, msgspec.to_builtins(span.input_messages) or span.input)
        for span in trace.of_kind(SpanKind.LLM)
    ]
    return steps


def _step(name: str | None, value: Any) -> str:
    return f"{name} {msgspec.json.encode(value, order='sorted', enc_hook=repr).decode()}"


def _listed(names: list[str | None]) -> str:
    return "called: " + (" → ".join(str(name) for name in names) or "nothing")
