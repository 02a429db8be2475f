"""The web door: every page, fragment and asset, for the application to mount."""

from typing import Any

from pellucid.server.web.assets import serve_asset
from pellucid.server.web.pages import (
    annotate,
    compare,
    delete,
    evaluation,
    evaluations,
    experiment,
    home,
    images,
    judges,
    login,
    overview,
    peek,
    run,
    run_html,
    runs,
    sessions,
    span,
    sweep,
    trace,
    traces,
)
from pellucid.server.web.pages.error import with_pages

__all__ = ["route_handlers", "with_pages"]

route_handlers: list[Any] = [
    serve_asset,
    annotate.annotate,
    annotate.show_scores,
    compare.compare_runs,
    delete.ask_experiment,
    delete.ask_traces,
    delete.delete_experiment,
    delete.delete_traces,
    evaluation.show_evaluation,
    evaluation.show_example,
    evaluation.show_scorer,
    evaluations.list_evaluations,
    experiment.show_experiment,
    home.show_home,
    images.list_images,
    judges.list_judges,
    judges.show_judge,
    login.show_login,
    overview.show_overview,
    peek.show_peek,
    run.show_run,
    run_html.show_html,
    runs.list_runs,
    runs.show_history,
    runs.choose_columns,
    sessions.list_sessions,
    sessions.show_session,
    span.show_span,
    span.show_value,
    sweep.show_sweep,
    trace.show_trace,
    trace.show_facts,
    traces.list_traces,
    traces.list_rows,
]
