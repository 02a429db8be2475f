"""What people said about stored traces, ready for a judge to be measured by."""

from collections.abc import Iterable

from pellucid.client.traces import TraceWithSpans
from pellucid.core.score import ScoreSource
from pellucid.core.views import TraceView
from pellucid.evals.documents import documents_of
from pellucid.evals.from_traces import read_trace
from pellucid.evals.judges.agreement import Annotation


def read_annotations(traces: Iterable[TraceView | TraceWithSpans], name: str) -> list[Annotation]:
    """Return the annotations named `name` on traces, with what a judge needs to see.

    `traces` come from `pellucid.search_traces(…)`; those that nobody annotated are passed over.
    """
    found = []
    for one in traces:
        view = one.trace if isinstance(one, TraceWithSpans) else one
        given = [s for s in view.scores if s.name == name and s.source is ScoreSource.HUMAN]
        if not given:
            continue
        traced = read_trace(one)
        documents = traced.trace.documents
        fields = {
            "inputs": traced.inputs,
            "output": traced.output,
            "documents": documents if documents is not None else documents_of(traced.output) or [],
            "trace": traced.trace,
        }
        found += [
            Annotation(value=score.value, rationale=score.rationale, fields=fields)
            for score in given
        ]
    return found
