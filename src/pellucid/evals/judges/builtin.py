"""The built-in judges that choose one of a few labels."""

from typing import Any

from pellucid.evals.judges.answer import ChoiceAnswer
from pellucid.evals.judges.judge import Judge
from pellucid.evals.judges.template import load_template
from pellucid.evals.models import DEFAULT_MODEL


def correctness(model: Any = DEFAULT_MODEL, *, name: str = "correctness") -> Judge:
    """How close the answer comes to `expected`: 1, 0.75, 0.5 or 0."""
    return _judge("correctness", name, model)


def answer_relevance(model: Any = DEFAULT_MODEL, *, name: str = "answer_relevance") -> Judge:
    """Whether the answer deals with what was asked: 1, 0.5 or 0."""
    return _judge("answer_relevance", name, model)


def context_sufficiency(model: Any = DEFAULT_MODEL, *, name: str = "context_sufficiency") -> Judge:
    """Whether the retrieved documents are enough to answer from: 1, 0.5 or 0."""
    return _judge("context_sufficiency", name, model)


def safety(model: Any = DEFAULT_MODEL, *, name: str = "safety") -> Judge:
    """Whether the answer is safe to show."""
    return _judge("safety", name, model)


def refusal(model: Any = DEFAULT_MODEL, *, name: str = "refusal") -> Judge:
    """Whether the answer refuses; lower is better."""
    return _judge("refusal", name, model, lower_is_better=True)


def _judge(template_name: str, name: str, model: Any, *, lower_is_better: bool = False) -> Judge:
    template = load_template(template_name)
    return Judge(
        name,
        template.text,
        ChoiceAnswer(template.choices),
        model=model,
        version=template.version,
        lower_is_better=lower_is_better,
    )
