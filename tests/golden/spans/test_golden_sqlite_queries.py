"""The SQL that queries become, whole: a change of it is seen before it is measured."""

import pytest
from syrupy.assertion import SnapshotAssertion

from pellucid.core.query import TRACES, parse, resolve
from pellucid.core.query.tree import Node
from pellucid.storage.spans.sqlite.compile import Compiler
from pellucid.storage.spans.sqlite.predicate import Sql

NOW = 1_790_000_000_000_000_000
QUERIES = [
    "status:error duration>2s",
    "status:running",
    'name:search* OR name="Search it"',
    "tag.env:prod -user:ci",
    "kind:TOOL model:gpt-4o",
    "attr.tenant:42 attr.tenant>5k",
    "score.relevance<0.5",
    '"blu-ray" disc*',
    "span(kind:TOOL status:error duration>1s)",
    "span(tool:search attr.tenant:42)",
    "span(tool:search duration<10ms)",
    "since:24h until:2026-01-31 has:session",
]


@pytest.mark.parametrize("behind", [False, True], ids=["indexed", "behind"])
@pytest.mark.parametrize("text", QUERIES)
def test_a_query_becomes(text: str, behind: bool, snapshot: SnapshotAssertion) -> None:
    nodes: list[Node] = []
    keys: list[Sql] = []

    def ask(node: Node) -> int:
        nodes.append(node)
        return len(nodes) - 1

    def keep(query: Sql) -> int:
        keys.append(query)
        return len(keys) - 1

    query = resolve(parse(text, TRACES), is_score=lambda _: False, is_param=lambda _: False)
    compiler = Compiler(now=NOW, has_late=behind, has_stale=behind, ask=ask, keys=keep)
    compiled = compiler.compile(query.root)
    assert {
        "predicate": compiled.predicate,
        "drivers": compiled.drivers,
        "bounds": compiled.bounds,
        "sets of keys": keys,
    } == snapshot
