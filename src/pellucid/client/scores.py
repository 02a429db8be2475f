"""`pellucid.score`: what code, a judge or a person says about a trace, span, session or run."""

from typing import Any

from opentelemetry import trace as otel

from pellucid.client.encoding import json_text, name_of, simplify
from pellucid.client.spool import Delivery
from pellucid.client.tracing.setup import deliverer, is_switched_off
from pellucid.client.tracing.state import state
from pellucid.core.clock import now_ns
from pellucid.core.errors import InvalidInput
from pellucid.core.ids import is_span_id, is_trace_id, new_id
from pellucid.core.score import Score, ScoreSource, ScoreValue, check_score

SCORES_PATH = "/api/v1/scores"


def score(
    name: str,
    value: ScoreValue,
    *,
    trace_id: str | None = None,
    span_id: str | None = None,
    session_id: str | None = None,
    experiment: str | None = None,
    run_id: str | None = None,
    rationale: str | None = None,
    source: ScoreSource | str = ScoreSource.CODE,
    author: str | None = None,
    example_id: str | None = None,
    score_trace_id: str | None = None,
    id: str | None = None,
) -> Score:
    """Score a trace, a span (`trace_id` and `span_id`), a session (with `experiment`) or a run.

    Without a target it is the current trace; where none is traced, nothing is sent. It goes out
    in the background and is kept in the spool while the server is away; sent again with the same
    `id` and content it changes nothing. Raises InvalidInput where there is no target, or for a
    value that no score has.
    """
    made = Score(
        id=id or new_id(),
        name=_checked_name(name),
        value=_checked_value(value),
        rationale=None if rationale is None else _sayable(name_of(rationale)),
        source=_checked_source(source),
        author=None if author is None else _sayable(name_of(author)),
        time_ns=now_ns(),
        trace_id=trace_id or _current_trace(bool(session_id or run_id)),
        span_id=span_id,
        experiment=experiment,
        session_id=session_id,
        run_id=run_id,
        example_id=example_id,
        score_trace_id=score_trace_id,
    )
    if is_switched_off() or (_has_no_target(made) and _is_untraced()):
        return made
    _check_target(made)
    check_score(made, "The score")  # as the server does, where nobody would hear of it
    send_scores([made])
    return made


def send_scores(scores: list[Score]) -> None:
    """Send scores in the background, all in one request."""
    if scores and not is_switched_off():
        body = json_text(scores).encode()
        deliverer().submit(Delivery(SCORES_PATH, {"content-type": "application/json"}, body))


def _has_no_target(made: Score) -> bool:
    return made.trace_id is None and made.session_id is None and made.run_id is None


def _is_untraced() -> bool:
    """Whether nothing is traced here on purpose: no `init`, or a trace that sampling leaves out."""
    context = otel.get_current_span().get_span_context()
    return not state.active or (context.is_valid and not context.trace_flags.sampled)


def _current_trace(has_other_target: bool) -> str | None:
    context = otel.get_current_span().get_span_context()
    sampled = context.is_valid and context.trace_flags.sampled
    return f"{context.trace_id:032x}" if sampled and not has_other_target else None


def _check_target(made: Score) -> None:
    if made.trace_id is not None and not is_trace_id(made.trace_id):
        raise InvalidInput(f"{made.trace_id!r} is not a trace id of 32 lowercase hex digits.")
    if made.span_id is not None and not is_span_id(made.span_id):
        raise InvalidInput(f"{made.span_id!r} is not a span id of 16 lowercase hex digits.")
    if made.span_id is not None and made.trace_id is None:
        raise InvalidInput("A score on a span needs the span's trace_id too.")
    if made.session_id is not None and made.experiment is None:
        raise InvalidInput("A score on a session needs the session's experiment too.")
    if _has_no_target(made):
        raise InvalidInput(
            f"Score {made.name!r} has no target and no trace is current here. Give trace_id, "
            "session_id or run_id."
        )


def _checked_name(name: Any) -> str:
    if type(name) is not str or not name.strip():
        raise InvalidInput(f"A score's name is a text, not {_shown(name)}.")
    return name


def _checked_value(value: Any) -> ScoreValue:
    plain: Any = simplify(value)  # numpy's numbers and other subclasses as what they hold
    if type(plain) is str and isinstance(value, str):
        return _sayable(plain)
    if type(plain) in (bool, int, float):
        return plain  # type: ignore[no-any-return]
    raise InvalidInput(
        f"A score is a finite number of at most 64 bits, a bool or a text, not {_shown(value)}."
    )


def _sayable(text: str) -> str:
    """Return a text that UTF-8 can hold: half a character becomes a question mark."""
    return text.encode("utf-8", "replace").decode()


def _checked_source(source: Any) -> ScoreSource:
    try:
        return ScoreSource(name_of(source).upper())
    except ValueError:
        known = ", ".join(ScoreSource)
        raise InvalidInput(
            f"{_shown(source)} is no source of scores. Give one of {known}."
        ) from None


def _shown(value: Any) -> str:
    text = name_of(value)[:80]
    return repr(text) if type(value) is str else text
