"""What a chain's or a graph's span shows of its state: input, output, routes, interrupts."""

from typing import Any

from pellucid.integrations.langchain.runs import Run
from pellucid.integrations.langchain.values import (
    conversation,
    family,
    is_message,
    plain,
    text_of,
)


def show_pause(run: Run, error: BaseException, *, content: bool) -> None:
    """Show an interrupt, or a command for the graph above, where it went through."""
    held = error.args[0] if error.args else None
    if run.span is None:
        return
    if family(held) == "command":
        target = plain(held).get("goto")
        run.span.add_event("route", {"langgraph.from": run.name, "langgraph.to": target})
        if content:
            run.span.set_output(plain(held))
        return
    asked = plain(list(held)) if isinstance(held, list | tuple) else []
    shown = asked if content else None
    run.span.add_event("interrupt", {"langgraph.interrupts": shown})
    if shown:
        run.span.set_output({"interrupts": shown})
    _tell_graph(run, held, shown)


def _tell_graph(run: Run, interrupts: Any, shown: Any) -> None:
    """Show an interrupt on the outermost graph too, which it ends without an exception."""
    graph, above = None, run.parent
    while above is not None:
        if above.graph is not None and above.span is not None:
            graph = above
        above = above.parent
    if graph is None or graph.span is None:
        return
    known = [getattr(one, "id", None) or id(one) for one in interrupts or ()]
    if known and all(one in graph.paused for one in known):
        return
    graph.paused.update(known)
    graph.asked += shown or []
    graph.span.add_event("interrupt", {"langgraph.interrupts": shown})


def show_input(run: Run, inputs: Any, *, content: bool) -> None:
    """Show what a run was given; a conversation by what was said last."""
    if run.span is None or not content or inputs is None:
        return
    said = conversation(inputs) if _converses(run) else None
    if said is not None:
        run.span.set_messages(input=said)
    text = text_of(said) if said is not None and _says_all(inputs) else None
    run.span.set_input(text if text is not None else plain(inputs))


def show_output(run: Run, outputs: Any, *, content: bool) -> None:
    """Show what a run gave back, and where a graph goes on or pauses after it."""
    span = run.span
    if span is None:
        return
    if family(outputs) == "command":
        target = plain(outputs).get("goto")
        if target is not None:
            span.add_event("route", {"langgraph.from": run.name, "langgraph.to": target})
    interrupts = outputs.get("__interrupt__") if isinstance(outputs, dict) else None
    if interrupts and run.graph is not None and not run.paused:
        shown = plain(list(interrupts)) if content else None
        span.add_event("interrupt", {"langgraph.interrupts": shown})
    if not content:
        return
    said = conversation(outputs) if _converses(run) or is_message(outputs) else None
    if said is not None and _converses(run):
        span.set_messages(output=said)
    text = text_of(said) if said is not None and _says_all(outputs) else None
    asked = list(interrupts) if interrupts else run.asked
    if asked and (outputs is None or isinstance(outputs, dict)):
        # It comes first, since it is what the run came to.
        state = {key: held for key, held in (outputs or {}).items() if key != "__interrupt__"}
        outputs, text = {"interrupts": asked, **state}, None
    span.set_output(text if text is not None else plain(outputs))


def _converses(run: Run) -> bool:
    """Tell whether a run's state may be a conversation: a graph's, or one of its nodes'."""
    return run.graph is not None or run.is_node


def _says_all(value: Any) -> bool:
    """Tell whether a value's messages are all that it holds, so that the last one shows it."""
    return len(value) == 1 if isinstance(value, dict) else is_message(value)


def show_resume(run: Run, inputs: Any, *, content: bool) -> None:
    """Show that a graph goes on from where it paused, and with what answer."""
    if run.span is None:
        return
    answer = getattr(inputs, "resume", None) if family(inputs) == "command" else None
    if answer is not None:
        run.span.add_event("resume", {"langgraph.resume": plain(answer)} if content else None)
    elif inputs is None:
        run.span.add_event("resume")
