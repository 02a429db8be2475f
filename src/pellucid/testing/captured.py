"""What an integration's tests have shown it to capture, as the table in docs/integrations tells.

A test shows a feature if it passed and either called the check that holds it (`check_tool` …) or
recorded a span that has it (a document with a score, a first token …).
"""

import functools
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pellucid.core.span import Span, SpanKind
from pellucid.testing.conformance import Recording

CHECKS = {
    "check_structure": "one trace, every span ended, none orphaned or doubled",
    "check_model_calls": "one span a model call; tokens as the server counted them",
    "check_root": "the user's input and the final output on the root",
    "check_owner": "model calls below the agent that made them",
    "check_tool": "tool calls with arguments and results",
    "check_failure": "failures on what failed, and nowhere else",
    "check_no_failure": "no failure where there was none",
    "check_session": "the session",
}
SEEN = {
    "agents": "agents",
    "messages": "messages in and out",
    "parameters": "parameters of model calls",
    "tools": "tool definitions",
    "ttft": "time to first token",
    "documents": "retrieved documents",
    "scores": "scores of documents",
    "rerank": "documents before and after reranking",
    "embeddings": "embeddings",
    "images": "images",
    "code": "code execution",
    "routes": "routes and speaker selection",
    "evaluators": "evaluations",
    "tasks": "index building, optimisers, speech and transcripts",
}
FEATURES = {**CHECKS, **SEEN}
"""Feature → how the table names it."""


class Ledger:
    """Which tests showed which features, by framework."""

    def __init__(self) -> None:
        self._tests: dict[str, dict[str, set[str]]] = defaultdict(dict)

    @contextmanager
    def watching(self) -> Iterator[set[str]]:
        """Collect the features that are shown inside a `with` block."""
        found: set[str] = set()
        kept = {name: getattr(Recording, name) for name in (*CHECKS, "clear")}
        for name, method in kept.items():
            setattr(Recording, name, _noting(name, method, found))
        try:
            yield found
        finally:
            for name, method in kept.items():
                setattr(Recording, name, method)

    def passed(self, framework: str, test: str, features: set[str]) -> None:
        """Keep what a test that passed has shown."""
        self._tests[framework][test] = set(features)

    def write(self, path: Path, world: str) -> None:
        """Put this run's counts in the place of an earlier run's in the same environment."""
        held: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        for framework, tests in self._tests.items():
            counts = Counter(feature for shown in tests.values() for feature in shown)
            held.setdefault(framework, {})[world] = {
                "tests": len(tests),
                **{feature: counts[feature] for feature in FEATURES if counts[feature]},
            }
        path.write_text(json.dumps(held, indent=1, sort_keys=True) + "\n")


def seen_in(spans: list[Span]) -> set[str]:
    """Return the features that some span of these has."""
    return {feature for span in spans for feature in _features(span)}


def _features(span: Span) -> Iterator[str]:
    by_kind = {
        SpanKind.AGENT: "agents",
        SpanKind.EMBEDDING: "embeddings",
        SpanKind.EVALUATOR: "evaluators",
        SpanKind.TASK: "tasks",
        SpanKind.IMAGE: "images",
    }
    if span.kind in by_kind:
        yield by_kind[SpanKind(span.kind)]
    if span.kind == SpanKind.LLM and span.input_messages and span.output_messages:
        yield "messages"
    if span.kind == SpanKind.LLM and span.parameters:
        yield "parameters"
    if span.tools:
        yield "tools"
    if span.ttft_ns:
        yield "ttft"
    if span.kind == SpanKind.RETRIEVER and span.documents:
        yield "documents"
        if any(document.score is not None for document in span.documents):
            yield "scores"
    if span.kind == SpanKind.RERANKER and span.input_documents and span.documents:
        yield "rerank"
    if any(part.type == "image" for m in span.input_messages for part in m.parts):
        yield "images"
    if span.kind == SpanKind.TOOL and span.name.startswith("execute code"):
        yield "code"
    routed = any(event.name == "route" for event in span.events)
    if routed or "select" in span.name.lower():
        yield "routes"


def _noting(name: str, method: Any, found: set[str]) -> Any:
    @functools.wraps(method)
    def noted(self: Recording, *args: Any, **kwargs: Any) -> Any:
        found.update(seen_in(self.spans))
        result = method(self, *args, **kwargs)
        if name in CHECKS:
            found.add(name)
        return result

    return noted
