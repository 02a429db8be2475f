"""Pellucid: tracing, evaluation, tracking with restorable snapshots, and serving for LLM agents.

Names are imported when first used, so that `import pellucid` stays light.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "Dataset": "pellucid.core.dataset",
    "Document": "pellucid.core.span",
    "Image": "pellucid.client.images",
    "Score": "pellucid.evals.score",
    "Span": "pellucid.client.tracing.span",
    "aevaluate": "pellucid.evals.evaluate",
    "agent": "pellucid.client.agent",
    "asweep": "pellucid.evals.sweep",
    "autolog": "pellucid.integrations",
    "compare": "pellucid.evals.compare",
    "create_dataset": "pellucid.client.datasets",
    "current_run": "pellucid.client.tracking.lifecycle",
    "current_span": "pellucid.client.tracing.span",
    "current_trace_id": "pellucid.client.tracing.span",
    "dataset_from_traces": "pellucid.client.datasets",
    "define_metric": "pellucid.client.tracking.log",
    "diff": "pellucid.client.snapshots.diff",
    "end_run": "pellucid.client.tracking.lifecycle",
    "evaluate": "pellucid.evals.evaluate",
    "extract": "pellucid.client.tracing.propagation",
    "flush": "pellucid.client.tracing.setup",
    "gate": "pellucid.evals.gate",
    "get_dataset": "pellucid.client.datasets",
    "get_report": "pellucid.evals.stored",
    "get_run": "pellucid.client.tracking.reads",
    "get_trace": "pellucid.client.traces",
    "init": "pellucid.client.tracing.setup",
    "inject": "pellucid.client.tracing.propagation",
    "iter_traces": "pellucid.client.traces",
    "list_datasets": "pellucid.client.datasets",
    "log_artifact": "pellucid.client.tracking.log",
    "log_artifacts": "pellucid.client.tracking.log",
    "log_dict": "pellucid.client.tracking.log",
    "log_figure": "pellucid.client.tracking.log",
    "log_image": "pellucid.client.tracking.log",
    "log_metric": "pellucid.client.tracking.log",
    "log_metrics": "pellucid.client.tracking.log",
    "log_param": "pellucid.client.tracking.log",
    "log_params": "pellucid.client.tracking.log",
    "log_table": "pellucid.client.tracking.log",
    "log_text": "pellucid.client.tracking.log",
    "make_judge": "pellucid.evals.judges.judge",
    "read_dataset": "pellucid.evals.files",
    "restore": "pellucid.client.snapshots.restore",
    "score": "pellucid.client.scores",
    "search_runs": "pellucid.client.tracking.reads",
    "search_traces": "pellucid.client.traces",
    "session": "pellucid.client.tracing.context",
    "set_notes": "pellucid.client.tracking.log",
    "set_tag": "pellucid.client.tracking.log",
    "shutdown": "pellucid.client.tracing.setup",
    "span": "pellucid.client.tracing.span",
    "stage": "pellucid.evals.stage",
    "start_run": "pellucid.client.tracking.lifecycle",
    "sweep": "pellucid.evals.sweep",
    "trace": "pellucid.client.tracing.decorator",
    "trace_url": "pellucid.client.tracing.setup",
    "write_dataset": "pellucid.evals.files",
}
"""Public name → the module that defines it."""

_MODULES: dict[str, str] = {
    "adapters": "pellucid.evals.adapters",
    "autogen": "pellucid.integrations.autogen",
    "dspy": "pellucid.integrations.dspy",
    "llama_index": "pellucid.integrations.llama_index",
    "openai": "pellucid.integrations.openai",
    "judges": "pellucid.evals.judges",
    "langchain": "pellucid.integrations.langchain",
    "langgraph": "pellucid.integrations.langchain",
    "scorers": "pellucid.evals.scorers",
}
"""Public name → the module that it stands for."""

__all__ = sorted(["__version__", *_HOME, *_MODULES])

if TYPE_CHECKING:
    from pellucid.client.agent import agent as agent
    from pellucid.client.datasets import create_dataset as create_dataset
    from pellucid.client.datasets import dataset_from_traces as dataset_from_traces
    from pellucid.client.datasets import get_dataset as get_dataset
    from pellucid.client.datasets import list_datasets as list_datasets
    from pellucid.client.images import Image as Image
    from pellucid.client.scores import score as score
    from pellucid.client.snapshots.diff import diff as diff
    from pellucid.client.snapshots.restore import restore as restore
    from pellucid.client.traces import get_trace as get_trace
    from pellucid.client.traces import iter_traces as iter_traces
    from pellucid.client.traces import search_traces as search_traces
    from pellucid.client.tracing.context import session as session
    from pellucid.client.tracing.decorator import trace as trace
    from pellucid.client.tracing.propagation import extract as extract
    from pellucid.client.tracing.propagation import inject as inject
    from pellucid.client.tracing.setup import flush as flush
    from pellucid.client.tracing.setup import init as init
    from pellucid.client.tracing.setup import shutdown as shutdown
    from pellucid.client.tracing.setup import trace_url as trace_url
    from pellucid.client.tracing.span import Span as Span
    from pellucid.client.tracing.span import current_span as current_span
    from pellucid.client.tracing.span import current_trace_id as current_trace_id
    from pellucid.client.tracing.span import span as span
    from pellucid.client.tracking.lifecycle import current_run as current_run
    from pellucid.client.tracking.lifecycle import end_run as end_run
    from pellucid.client.tracking.lifecycle import start_run as start_run
    from pellucid.client.tracking.log import define_metric as define_metric
    from pellucid.client.tracking.log import log_artifact as log_artifact
    from pellucid.client.tracking.log import log_artifacts as log_artifacts
    from pellucid.client.tracking.log import log_dict as log_dict
    from pellucid.client.tracking.log import log_figure as log_figure
    from pellucid.client.tracking.log import log_image as log_image
    from pellucid.client.tracking.log import log_metric as log_metric
    from pellucid.client.tracking.log import log_metrics as log_metrics
    from pellucid.client.tracking.log import log_param as log_param
    from pellucid.client.tracking.log import log_params as log_params
    from pellucid.client.tracking.log import log_table as log_table
    from pellucid.client.tracking.log import log_text as log_text
    from pellucid.client.tracking.log import set_notes as set_notes
    from pellucid.client.tracking.log import set_tag as set_tag
    from pellucid.client.tracking.reads import get_run as get_run
    from pellucid.client.tracking.reads import search_runs as search_runs
    from pellucid.core.dataset import Dataset as Dataset
    from pellucid.core.span import Document as Document
    from pellucid.evals import adapters as adapters
    from pellucid.evals import judges as judges
    from pellucid.evals import scorers as scorers
    from pellucid.evals.compare import compare as compare
    from pellucid.evals.evaluate import aevaluate as aevaluate
    from pellucid.evals.evaluate import evaluate as evaluate
    from pellucid.evals.files import read_dataset as read_dataset
    from pellucid.evals.files import write_dataset as write_dataset
    from pellucid.evals.gate import gate as gate
    from pellucid.evals.judges.judge import make_judge as make_judge
    from pellucid.evals.score import Score as Score
    from pellucid.evals.stage import stage as stage
    from pellucid.evals.stored import get_report as get_report
    from pellucid.evals.sweep import asweep as asweep
    from pellucid.evals.sweep import sweep as sweep
    from pellucid.integrations import autogen as autogen
    from pellucid.integrations import autolog as autolog
    from pellucid.integrations import dspy as dspy
    from pellucid.integrations import langchain as langchain
    from pellucid.integrations import langchain as langgraph  # noqa: F401
    from pellucid.integrations import llama_index as llama_index
    from pellucid.integrations import openai as openai


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(importlib.import_module(_HOME[name]), name)
    elif name in _MODULES:
        value = importlib.import_module(_MODULES[name])
    else:
        raise AttributeError(f"module 'pellucid' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
