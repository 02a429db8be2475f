"""Trace LlamaIndex: query and chat engines, retrievers, rerankers, agents, workflows, indexes.

It hooks into LlamaIndex's own dispatcher, which tells of each public call in the frame and task
that does the work.
"""

from pellucid.client.instrument import Integration
from pellucid.client.patching import Patch, Undo, patch_all
from pellucid.client.stages import traced_async, traced_sync

SUPPORTED = "llama-index-core>=0.14,<0.15"


def autolog(*, disable: bool = False, capture_content: bool = True) -> None:
    """Trace all that LlamaIndex runs; `disable=True` undoes it.

    `capture_content=False` leaves out inputs, outputs, messages and documents.
    """
    INTEGRATION.switch(disable=disable, capture_content=capture_content)


def install() -> Undo:
    """Listen to LlamaIndex until the returned undo runs."""
    from llama_index.core.instrumentation import root_dispatcher

    from pellucid.integrations.llama_index import indexes
    from pellucid.integrations.llama_index.handler import Events, Spans

    spans = Spans(INTEGRATION)
    events = Events(spans)
    base = "llama_index.core.indices.base:BaseIndex"
    postprocessor = "llama_index.core.postprocessor.types:BaseNodePostprocessor"
    rerank = indexes.postprocess(INTEGRATION)
    undo = patch_all(
        Patch(f"{base}.from_documents", indexes.traced_from_documents(INTEGRATION)),
        Patch(
            "llama_index.core.indices.vector_store.base:VectorStoreIndex.build_index_from_nodes",
            traced_sync(INTEGRATION, indexes.build(INTEGRATION)),
        ),
        Patch(f"{postprocessor}.postprocess_nodes", traced_sync(INTEGRATION, rerank)),
        Patch(f"{postprocessor}.apostprocess_nodes", traced_async(INTEGRATION, rerank), False),
    )
    root_dispatcher.span_handlers = [*root_dispatcher.span_handlers, spans]
    root_dispatcher.event_handlers = [*root_dispatcher.event_handlers, events]

    def remove() -> None:
        root_dispatcher.span_handlers = [h for h in root_dispatcher.span_handlers if h is not spans]
        root_dispatcher.event_handlers = [
            h for h in root_dispatcher.event_handlers if h is not events
        ]

    undo.add(remove)
    return undo


INTEGRATION = Integration(
    "LlamaIndex",
    supported=SUPPORTED,
    module="llama_index.core.instrumentation",
    install=install,
)
INTEGRATIONS = (INTEGRATION,)
