"""The web door: every page, fragment and asset, for the application to mount."""

from typing import Any

from pellucid.server.web.assets import serve_asset
from pellucid.server.web.pages import (
    annotate,
    delete,
    experiment,
    home,
    login,
    overview,
    peek,
    sessions,
    span,
    trace,
    traces,
)
from pellucid.server.web.pages.error import with_pages

__all__ = ["route_handlers", "with_pages"]

route_handlers: list[Any] = [
    serve_asset,
    annotate.annotate,
    annotate.show_scores,
    delete.ask_experiment,
    delete.ask_traces,
    delete.delete_experiment,
    delete.delete_traces,
    experiment.show_experiment,
    home.show_home,
    login.show_login,
    overview.show_overview,
    peek.show_peek,
    sessions.list_sessions,
    sessions.show_session,
    span.show_span,
    span.show_value,
    trace.show_trace,
    trace.show_facts,
    traces.list_traces,
    traces.list_rows,
]
