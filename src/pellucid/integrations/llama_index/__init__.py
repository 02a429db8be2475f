"""Trace LlamaIndex: query and chat engines, retrievers, rerankers, agents, workflows, indexes.

It hooks into LlamaIndex's own dispatcher, which tells of each public call in the frame and task
that does the work.
"""

from pellucid.client.instrument import Integration
from pellucid.client.patching import Patch, Undo, patch_all, when_imported
from pellucid.client.stages import traced_async, traced_sync
from pellucid.integrations.llama_index import indexes, waits

SUPPORTED = "llama-index-core>=0.14.12,<0.15"
SUPPORTED_DISPATCHER = "llama-index-instrumentation>=0.6,<1"
_CHANGES = (
    "insert ainsert insert_nodes ainsert_nodes refresh_ref_docs arefresh_ref_docs "
    "update_ref_doc delete_ref_doc adelete_ref_doc"
).split()
_VECTOR_CHANGES = "insert_nodes ainsert_nodes delete_ref_doc adelete_ref_doc".split()
"""What a vector index does in its own way."""


def autolog(*, disable: bool = False, capture_content: bool = True) -> None:
    """Trace all that LlamaIndex runs; `disable=True` undoes it.

    `capture_content=False` leaves out inputs, outputs, messages and documents.
    """
    for integration in INTEGRATIONS:
        integration.switch(disable=disable, capture_content=capture_content)


def listen() -> Undo:
    """Listen to the dispatcher, all that workflows need, until the returned undo runs."""
    from llama_index_instrumentation import root_dispatcher

    from pellucid.integrations.llama_index.handler import Events, Spans

    spans = Spans(DISPATCHER)
    events = Events(spans)
    root_dispatcher.span_handlers = [*root_dispatcher.span_handlers, spans]
    root_dispatcher.event_handlers = [*root_dispatcher.event_handlers, events]
    undo = Undo()
    wait = Patch(waits.TARGET, waits.waiting(DISPATCHER), required=False)
    undo.add(when_imported(wait.module, lambda: undo.add(wait.apply())))

    def remove() -> None:
        root_dispatcher.span_handlers = [h for h in root_dispatcher.span_handlers if h is not spans]
        root_dispatcher.event_handlers = [
            h for h in root_dispatcher.event_handlers if h is not events
        ]

    undo.add(remove)
    return undo


def install() -> Undo:
    """Patch what the dispatcher does not tell of until the returned undo runs."""
    base = "llama_index.core.indices.base:BaseIndex"
    postprocessor = "llama_index.core.postprocessor.types:BaseNodePostprocessor"
    parser = "llama_index.core.node_parser.interface:NodeParser"
    vectors = "llama_index.core.indices.vector_store.base:VectorStoreIndex"
    building = traced_sync(INTEGRATION, indexes.build(INTEGRATION))
    rerank = indexes.postprocess(INTEGRATION)
    undo = patch_all(
        Patch(f"{base}.from_documents", indexes.traced_from_documents(INTEGRATION)),
        Patch(f"{vectors}.build_index_from_nodes", building),
        Patch(f"{base}.build_index_from_nodes", building),
        *(_change(f"{base}.{method}", method) for method in _CHANGES),
        *(_change(f"{vectors}.{method}", method) for method in _VECTOR_CHANGES),
        Patch(f"{parser}.acall", traced_async(INTEGRATION, indexes.parse(INTEGRATION)), False),
        Patch(f"{postprocessor}.postprocess_nodes", traced_sync(INTEGRATION, rerank)),
        Patch(f"{postprocessor}.apostprocess_nodes", traced_async(INTEGRATION, rerank), False),
    )
    evaluators = "llama_index.core.evaluation"
    undo.add(when_imported(evaluators, lambda: undo.add(indexes.patch_evaluators(INTEGRATION))))
    undo.add(when_imported(indexes.SQL, lambda: undo.add(indexes.patch_sql(INTEGRATION))))
    return undo


def _change(target: str, method: str) -> Patch:
    traced = traced_async if method.startswith("a") else traced_sync
    return Patch(target, traced(INTEGRATION, indexes.change(INTEGRATION, method)), required=False)


INTEGRATION = Integration(
    "LlamaIndex",
    supported=SUPPORTED,
    module="llama_index.core",
    install=install,
)
DISPATCHER = Integration(
    "LlamaIndex workflows",
    supported=SUPPORTED_DISPATCHER,
    module="llama_index_instrumentation",
    install=listen,
)
INTEGRATIONS = (DISPATCHER, INTEGRATION)
