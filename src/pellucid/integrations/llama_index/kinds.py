"""Which of LlamaIndex's calls are stages that a person would name, and of what kind."""

from typing import Any, NamedTuple

from pellucid.core.span import SpanKind

_MODEL = frozenset(
    "chat achat stream_chat astream_chat "
    "complete acomplete stream_complete astream_complete".split()
)
_BY_BASE: tuple[tuple[str, frozenset[str], SpanKind], ...] = (
    ("BaseLLM", _MODEL, SpanKind.LLM),
    ("BaseLLM", frozenset({"predict_and_call", "apredict_and_call"}), SpanKind.CHAIN),
    ("BaseRetriever", frozenset({"retrieve", "aretrieve"}), SpanKind.RETRIEVER),
    ("BaseQueryEngine", frozenset({"query", "aquery"}), SpanKind.CHAIN),
    (
        "BaseChatEngine",
        frozenset({"chat", "achat", "stream_chat", "astream_chat"}),
        SpanKind.CHAIN,
    ),
    ("BaseSynthesizer", frozenset({"synthesize", "asynthesize"}), SpanKind.CHAIN),
    ("BaseSelector", frozenset({"_select", "_aselect"}), SpanKind.CHAIN),
    ("BaseQueryTransform", frozenset({"_run"}), SpanKind.CHAIN),
    ("BaseQuestionGenerator", frozenset({"generate", "agenerate"}), SpanKind.CHAIN),
    (
        "BaseEmbedding",
        frozenset(
            "get_query_embedding aget_query_embedding get_text_embedding aget_text_embedding "
            "get_text_embedding_batch aget_text_embedding_batch".split()
        ),
        SpanKind.EMBEDDING,
    ),
    ("BaseTool", frozenset({"call", "acall"}), SpanKind.TOOL),
    ("BaseEvaluator", frozenset({"evaluate", "aevaluate"}), SpanKind.EVALUATOR),
    ("BaseExtractor", frozenset({"extract", "aextract"}), SpanKind.PARSER),
    ("NodeParser", frozenset({"__call__", "acall"}), SpanKind.PARSER),
    ("IngestionPipeline", frozenset({"run", "arun"}), SpanKind.TASK),
)
_AGENT_STEPS = frozenset(
    {
        "init_run",
        "setup_agent",
        "parse_agent_output",
        "aggregate_tool_results",
        "run_agent_step",
    }
)
_SUFFIX = len("-") + 36
"""A dispatcher's id is a qualified name, a dash and a UUID."""
_OPENAI = frozenset({"OpenAI", "OpenAIEmbedding", "OpenAIResponses", "BaseOpenAIEmbedding"})


class Call(NamedTuple):
    """A call that gets a span."""

    kind: SpanKind
    name: str
    method: str


def call_of(id_: str, instance: Any, arguments: dict[str, Any]) -> Call | None:
    """Return the call that a dispatcher's span id stands for, or None if nobody would miss it."""
    owner, _, method = id_[:-_SUFFIX].rpartition(".")
    bases = base_names(type(instance))
    if "Workflow" in bases and method == "run":
        return _workflow(instance, bases)
    if method == "call_tool" and hasattr(arguments.get("ev"), "tool_name"):
        return Call(SpanKind.TOOL, str(arguments["ev"].tool_name), method)
    if instance is None or not bases - {"object", "NoneType"} or "ev" in arguments:
        return _step(owner, method, arguments)
    if "StructuredLLM" in bases:
        return None  # it asks another model, which is shown
    for base, methods, kind in _BY_BASE:
        if base in bases and method in methods:
            name = str(instance.metadata.name) if kind is SpanKind.TOOL else type(instance).__name__
            return Call(kind, name, method)
    return None


def method_of(id_: str) -> str:
    """Return the method or step that a dispatcher's span id stands for."""
    return id_[:-_SUFFIX].rpartition(".")[2]


def is_openai(instance: Any) -> bool:
    """Tell whether a model or embedder calls through the OpenAI SDK."""
    return bool(base_names(type(instance)) & _OPENAI)


_names: dict[type, frozenset[str]] = {}


def base_names(kind: type) -> frozenset[str]:
    """Return the names of a class and all its bases."""
    found = _names.get(kind)
    if found is None:
        found = _names[kind] = frozenset(base.__name__ for base in kind.__mro__)
    return found


def event_of(arguments: dict[str, Any]) -> Any:
    """Return the event that a step of a workflow was given, or None if this is no step."""
    event = arguments.get("ev")
    if event is None:
        event = next((v for v in arguments.values() if "Event" in base_names(type(v))), None)
    return event


def _workflow(workflow: Any, bases: frozenset[str]) -> Call:
    named = getattr(workflow, "name", None)
    if "BaseWorkflowAgent" in bases:
        return Call(SpanKind.AGENT, str(named or type(workflow).__name__), "run")
    return Call(SpanKind.CHAIN, type(workflow).__name__, "run")


def _step(owner: str, method: str, arguments: dict[str, Any]) -> Call | None:
    """A step of a workflow: a team's agent at work, or a step that the user wrote."""
    event = event_of(arguments)
    if event is None:
        return None
    if method == "run_agent_step" and owner.startswith("AgentWorkflow"):
        return Call(SpanKind.AGENT, str(event.current_agent_name), method)
    if method in _AGENT_STEPS:
        return None
    return Call(SpanKind.CHAIN, method, "step")
