"""What a trace must show of a scenario: one function a check (see `pellucid.testing.scoring`)."""

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from pellucid.core.span import Message, Span, SpanKind, Status
from pellucid.semconv.openai_wire import find_endpoint, read_request
from pellucid.testing.conformance import shown
from pellucid.testing.scenarios import Below, Called, Case, Failed, Outcome, ServedCall

_SLACK_NS = 2_000_000


class Ratio(NamedTuple):
    """How much of what was asked is there."""

    got: int
    of: int
    fault: str = ""


class Seen:
    """One case's spans beside what its model served."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self.case: Case = outcome.case
        self.recording = outcome.recording
        self.spans = outcome.recording.spans
        self.by_id = {span.span_id: span for span in self.spans}
        self.roots = [span for span in self.spans if not span.parent_id]
        self.chats = [
            call
            for call in outcome.served
            if call.status == 200 and call.path.endswith(("/completions", "/responses"))
        ]
        self.models = [span for span in self.spans if span.kind == SpanKind.LLM]
        self.pairs = list(self._paired())

    def above(self, span: Span) -> list[Span]:
        """Return a span's parent, its parent, and so on to the root."""
        found: list[Span] = []
        while (parent := self.by_id.get(span.parent_id)) is not None and parent not in found:
            found.append(parent)
            span = parent
        return found

    def of_kind(self, kind: str) -> list[Span]:
        """Return the spans of a kind."""
        return [span for span in self.spans if span.kind == kind]

    def _paired(self) -> Iterator[tuple[ServedCall, Span]]:
        free = list(self.models)
        for call in self.chats:
            likeness = [(_likeness(call, span), -index) for index, span in enumerate(free)]
            if not likeness:
                return
            best, index = max(likeness)
            if best > 0:
                yield call, free.pop(-index)


def _likeness(call: ServedCall, span: Span) -> int:
    said = _texts(span.output_messages)
    same_input = _wire_texts(call) == set(_texts(span.input_messages))
    same_output = bool(said) and (call.text or "") in " ".join(said)
    names = {part.name for m in span.output_messages for part in m.parts if part.name}
    same_calls = {item["name"] for item in call.tool_calls} <= names
    left = not call.complete and call.stream
    return 4 * same_input + 2 * (same_output and same_calls) + left + (span.model == call.model)


def _texts(messages: list[Message]) -> list[str]:
    return [part.content for message in messages for part in message.parts if part.content]


def _wire_messages(call: ServedCall) -> list[Message]:
    endpoint = find_endpoint(call.path)
    return read_request(endpoint, call.request).messages if endpoint else []


def _wire_texts(call: ServedCall) -> set[str]:
    return set(_texts(_wire_messages(call)))


def _yes(holds: bool, fault: Any = "") -> Ratio:
    return Ratio(int(holds), 1, "" if holds else str(fault))


def _many(results: list[tuple[bool, str]]) -> Ratio | None:
    if not results:
        return None
    faults = [fault for holds, fault in results if not holds]
    return Ratio(len(results) - len(faults), len(results), "; ".join(faults))


def _stdout(seen: Seen) -> Ratio:
    without, traced = seen.outcome.printed
    pairs = zip(without.splitlines(), traced.splitlines(), strict=False)
    differing = next(((a, b) for a, b in pairs if a != b), (without[-200:], traced[-200:]))
    return _yes(without == traced, differing)


def _wire(seen: Seen) -> Ratio:
    without, traced = seen.outcome.asked
    differing = next((b for a, b in zip(without, traced, strict=False) if a != b), "")
    return _yes(without == traced, f"{len(without)} → {len(traced)} requests {differing[:300]}")


def _traces(seen: Seen) -> Ratio:
    found = len({span.trace_id for span in seen.spans})
    names = [root.name for root in seen.roots]
    return _yes(found == seen.case.traces, f"{found} traces instead of {seen.case.traces}: {names}")


def _orphans(seen: Seen) -> Ratio:
    lost = [s.name for s in seen.spans if s.parent_id and s.parent_id not in seen.by_id]
    return _yes(not lost, lost)


def _unended(seen: Seen) -> Ratio:
    return _yes(not seen.recording.unended, seen.recording.unended)


def _unknown(seen: Seen) -> Ratio:
    unknown = [span.name for span in seen.of_kind(SpanKind.UNKNOWN)]
    return _yes(not unknown, unknown)


def _duplicates(seen: Seen) -> Ratio:
    doubled = [
        span.name
        for span in seen.spans
        if (parent := seen.by_id.get(span.parent_id)) is not None
        and (span.name, span.kind) == (parent.name, parent.kind)
        and (span.input, span.output) == (parent.input, parent.output)
    ]
    return _yes(not doubled, doubled)


def _private(seen: Seen) -> Ratio:
    private = [s.name for s in seen.spans if s.name.rpartition(".")[2].startswith("_")]
    return _yes(not private, private)


def _llm(seen: Seen) -> Ratio | None:
    if not seen.chats:
        return None
    missing = [call.text or call.tool_calls for call in seen.chats[len(seen.pairs) :]]
    return Ratio(len(seen.pairs), len(seen.chats), f"e.g. {missing[:2]}" if missing else "")


def _extra_llm(seen: Seen) -> Ratio:
    # A request that failed is a span of its own, or a try within one that then went well.
    good = [span for span in seen.models if span.status is Status.OK]
    return _yes(len(good) <= len(seen.chats), f"{len(good)} for {len(seen.chats)} requests")


def _embeddings(seen: Seen) -> Ratio | None:
    served = [c for c in seen.outcome.served if c.status == 200 and c.path.endswith("/embeddings")]
    found = seen.of_kind(SpanKind.EMBEDDING)
    if not served and not found:
        return None
    return Ratio(min(len(found), len(served)), max(len(found), len(served)))


def _tokens(seen: Seen) -> Ratio | None:
    calls = [call for call in seen.outcome.served if call.status == 200]
    if seen.case.left_streams:
        left = [call for call in calls if call.stream][-seen.case.left_streams :]
        calls = [call for call in calls if call not in left]
    true = sum(call.input_tokens + call.output_tokens for call in calls)
    spent = sum(seen.recording.tokens())
    return Ratio(max(0, true - abs(true - spent)), true, f"{spent} counted")


def _tools(seen: Seen) -> Ratio | None:
    free = seen.of_kind(SpanKind.TOOL)
    results = []
    for called in seen.case.tools:
        match = next((span for span in free if _shows(span, called)), None)
        if match is not None:
            free.remove(match)
        others = [span.tool_call for span in free]
        results.append((match is not None, f"{called} among {others}"))
    return _many(results)


def _shows(span: Span, called: Called) -> bool:
    call = span.tool_call
    return (
        call is not None
        and call.name == called.name
        and (called.arguments is None or call.arguments == called.arguments)
        and (called.result is None or called.result in shown(call.result))
    )


def _extra_tool(seen: Seen) -> Ratio:
    found = [span.name for span in seen.of_kind(SpanKind.TOOL)]
    return _yes(len(found) <= len(seen.case.tools), found)


def _documents(seen: Seen) -> Ratio | None:
    held = [document for span in seen.spans for document in span.documents]
    results = []
    for text, points in seen.case.documents:
        found = any(
            text in (document.text or "")
            and (points is None or document.score is None or abs(document.score - points) < 1e-6)
            and (points is None or document.score is not None)
            for document in held
        )
        results.append((found, f"{text!r} {points}"))
    return _many(results)


def _agents(seen: Seen) -> Ratio | None:
    names = _agent_names(seen)
    return _many([(name in names, f"{name} not in {names}") for name in seen.case.agents])


def _agent_names(seen: Seen) -> set[str]:
    return {span.agent or span.name for span in seen.of_kind(SpanKind.AGENT)}


def _helpers(seen: Seen) -> Ratio | None:
    if not seen.case.agents:
        return None
    extra = _agent_names(seen) - {*seen.case.agents, *seen.case.others}
    return _yes(not extra, sorted(extra))


def _owner(seen: Seen) -> Ratio | None:
    if not seen.case.agents:
        return None
    return _many([_owned(seen, span) for span in seen.models])


def _owned(seen: Seen, span: Span) -> tuple[bool, str]:
    system = "\n".join(
        _texts([m for m in span.input_messages if m.role in {"system", "developer"}])
    )
    above = [s.agent or s.name for s in seen.above(span) if s.kind == SpanKind.AGENT]
    for pattern, agent in seen.case.owners.items():
        if re.search(pattern, system):
            return bool(above) and above[0] == agent, f"{above} instead of {agent}"
    return bool(above), f"{span.name} {_texts(span.input_messages)[-1:]} is below no agent"


def _stages(seen: Seen) -> Ratio | None:
    return _many([_staged(seen, stage) for stage in seen.case.stages])


def _staged(seen: Seen, stage: Below) -> tuple[bool, str]:
    found = [
        span
        for span in seen.of_kind(stage.kind)
        if re.search(stage.name, span.name)
        and (not stage.above or any(re.search(stage.above, s.name) for s in seen.above(span)))
    ]
    return len(found) >= stage.times, f"{len(found)} of {stage}"


def _input(seen: Seen) -> Ratio | None:
    if seen.case.input is None:
        return None
    root = seen.roots[0] if seen.roots else None
    return _yes(root is not None and seen.case.input in shown(root.input), root and root.input)


def _output(seen: Seen) -> Ratio | None:
    if seen.case.output is None:
        return None
    root = seen.roots[-1] if seen.roots else None
    return _yes(root is not None and seen.case.output in shown(root.output), root and root.output)


def _model(seen: Seen) -> Ratio | None:
    return _many([(span.model == call.model, f"{span.model}") for call, span in seen.pairs])


def _parameters(seen: Seen) -> Ratio | None:
    names = ("temperature", "top_p", "max_tokens", "max_completion_tokens", "seed")
    return _many(
        [
            (span.parameters.get(name) == call.request[name], f"{name} {span.parameters}")
            for call, span in seen.pairs
            for name in names
            if call.request.get(name) is not None
        ]
    )


def _messages_in(seen: Seen) -> Ratio | None:
    return _many(
        [
            (_wire_texts(call) <= set(_texts(span.input_messages)), f"{span.input_messages}")
            for call, span in seen.pairs
        ]
    )


def _messages_out(seen: Seen) -> Ratio | None:
    return _many([_said(call, span) for call, span in seen.pairs])


def _said(call: ServedCall, span: Span) -> tuple[bool, str]:
    texts = " ".join(_texts(span.output_messages))
    names = [part.name for m in span.output_messages for part in m.parts if part.name]
    whole = (call.text or "") in texts and [c["name"] for c in call.tool_calls] == names
    begun = bool(texts or names) or call.first_token_ns is None
    return whole or (call.stream and begun and bool(span.ttft_ns)), f"{span.output_messages}"


def _definitions(seen: Seen) -> Ratio | None:
    return _many(
        [
            (_tool_names(call) <= {tool.name for tool in span.tools}, f"{span.tools}")
            for call, span in seen.pairs
            if _tool_names(call)
        ]
    )


def _tool_names(call: ServedCall) -> set[str]:
    offered = call.request.get("tools") or []
    return {str((tool.get("function") or tool).get("name")) for tool in offered} - {"None"}


def _session(seen: Seen) -> Ratio | None:
    if seen.case.session is False:
        return None
    wanted = seen.case.session
    held = [root.session_id for root in seen.roots]
    results = [(bool(s) if wanted is True else s == wanted, f"{held}") for s in held]
    if seen.case.sessions is not None:
        results.append((len(set(held)) == seen.case.sessions, f"sessions {held}"))
    return _many(results)


def _failures(seen: Seen) -> list[tuple[Failed, Span | None]]:
    free = [span for span in seen.spans if span.status is Status.ERROR]
    found: list[tuple[Failed, Span | None]] = []
    for failed in seen.case.failed:
        match = next(
            (s for s in free if s.kind == failed.kind and re.search(failed.name, s.name)), None
        )
        if match is not None:
            free.remove(match)
        found.append((failed, match))
    return found


def _failed(seen: Seen) -> Ratio | None:
    return _many(
        [
            (span is not None and any(e.name == "exception" for e in span.events), f"{failed}")
            for failed, span in _failures(seen)
        ]
    )


def _reached(seen: Seen, failed: Failed, span: Span) -> list[Span]:
    above = seen.above(span)
    if failed.up_to == "*":
        return above
    if not failed.up_to:
        return []
    last = max((i for i, s in enumerate(above) if re.search(failed.up_to, s.name)), default=-1)
    return above[: last + 1]


def _failed_above(seen: Seen) -> Ratio | None:
    return _many(
        [
            (above.status is Status.ERROR, f"{above.kind} {above.name} did not fail")
            for failed, span in _failures(seen)
            if span is not None
            for above in _reached(seen, failed, span)
        ]
    )


def _failed_elsewhere(seen: Seen) -> Ratio:
    allowed: set[str] = set()
    for failed, span in _failures(seen):
        if span is not None:
            allowed |= {span.span_id, *(s.span_id for s in _reached(seen, failed, span))}
    wrong = [
        f"{span.kind} {span.name}"
        for span in seen.spans
        if span.span_id not in allowed
        and (span.status is not Status.OK or any(e.name == "exception" for e in span.events))
    ]
    return _yes(not wrong, wrong)


def _stream_end(seen: Seen) -> Ratio | None:
    results = []
    for call, span in seen.pairs:
        if not call.stream or call.first_token_ns is None:
            continue
        end_ns = span.start_ns + span.duration_ns
        last_ns = call.ended_ns if call.complete and not seen.case.left_streams else None
        results.append((end_ns >= (last_ns or call.first_token_ns) - _SLACK_NS, span.name))
    return _many(results)


def _first_token(seen: Seen) -> Ratio | None:
    return _many(
        [
            (
                span.ttft_ns is not None
                and span.start_ns + span.ttft_ns >= call.first_token_ns - _SLACK_NS
                and span.ttft_ns <= span.duration_ns,
                f"{span.ttft_ns} of {span.duration_ns}",
            )
            for call, span in seen.pairs
            if call.stream and call.first_token_ns is not None
        ]
    )


def _manual(seen: Seen) -> Ratio | None:
    if not seen.case.manual:
        return None
    results = []
    for span in (s for s in seen.spans if s.name == seen.case.manual):
        above = seen.above(span)
        holds = bool(above) and above[0].kind == SpanKind.TOOL
        named = holds and above[0].tool_call is not None
        right = named and seen.case.manual_tool in (
            above[0].name,
            getattr(above[0].tool_call, "name", ""),
        )
        results.append((right, f"below {[s.name for s in above]}"))
    return _many(results or [(False, "not there")])


CHECKS: dict[str, Callable[[Seen], Ratio | None]] = {
    "stdout": _stdout,
    "wire": _wire,
    "traces": _traces,
    "orphans": _orphans,
    "unended": _unended,
    "unknown": _unknown,
    "duplicates": _duplicates,
    "private": _private,
    "llm": _llm,
    "extra_llm": _extra_llm,
    "embeddings": _embeddings,
    "tokens": _tokens,
    "tools": _tools,
    "extra_tool": _extra_tool,
    "documents": _documents,
    "agents": _agents,
    "owner": _owner,
    "helpers": _helpers,
    "stages": _stages,
    "input": _input,
    "output": _output,
    "model": _model,
    "parameters": _parameters,
    "messages_in": _messages_in,
    "messages_out": _messages_out,
    "definitions": _definitions,
    "session": _session,
    "failed": _failed,
    "failed_above": _failed_above,
    "failed_elsewhere": _failed_elsewhere,
    "stream_end": _stream_end,
    "first_token": _first_token,
    "manual": _manual,
}
