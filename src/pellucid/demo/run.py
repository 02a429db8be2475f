"""One run of the demo agent, traced to a server."""

from pathlib import Path

import openai

import pellucid
from pellucid.core.ids import new_id
from pellucid.demo.agent import QUESTION, Answer, BlurayAgent, Watcher
from pellucid.demo.corpus import load_corpus
from pellucid.demo.model import Model
from pellucid.demo.provider import open_model
from pellucid.demo.retrieval import Index

EXPERIMENT = "bluray-agent"
MODEL_TAG = "demo.model"
SCRIPTED = "scripted"
"""The value of MODEL_TAG by which a trace says that no real model was asked."""

_FLUSH_TIMEOUT_S = 10.0


def run_demo(
    url: str,
    *,
    spool_dir: Path,
    model: str | None = None,
    watcher: Watcher | None = None,
    pace: float = 1.0,
) -> Answer:
    """Let the agent answer its question, with its trace sent to the server at `url`.

    `model` names a real model; None takes the scripted one, at `pace`. What no server takes goes
    to `spool_dir`.
    """
    pellucid.init(experiment=EXPERIMENT, url=url, spool_dir=spool_dir)
    try:
        with open_model(model, pace=pace) as opened:
            agent = BlurayAgent(opened, build_index(opened), watcher)
            tags = {MODEL_TAG: model or SCRIPTED}
            with pellucid.session(f"demo-{new_id()[-8:]}", user="demo", tags=tags):
                return agent.answer(QUESTION)
    finally:
        pellucid.flush(timeout=_FLUSH_TIMEOUT_S)


def build_index(model: Model) -> Index:
    """Index the corpus; a provider without embeddings leaves BM25 alone."""
    chunks = load_corpus()
    try:
        return Index(chunks, model.embed)
    except openai.OpenAIError:
        return Index(chunks)
