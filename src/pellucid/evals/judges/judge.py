"""Judges: scorers that ask a model, with prompts that can be read, called and changed."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pellucid.core.errors import InvalidInput
from pellucid.core.score import ScoreSource, ScoreValue
from pellucid.evals.blocking import run_blocking
from pellucid.evals.judges.answer import Answer, ChoiceAnswer, ScaleAnswer, SchemaAnswer
from pellucid.evals.judges.asking import ask
from pellucid.evals.judges.template import (
    ANSWER_FORMAT,
    EXAMPLES,
    fields_of,
    fill,
    optional_fields_of,
)
from pellucid.evals.models import DEFAULT_MODEL, Model, as_model
from pellucid.evals.score import Score
from pellucid.evals.scorer import Asked, Scorer

if TYPE_CHECKING:
    from pellucid.evals.judges.agreement import Agreement, Alignment, Annotation

_NAME = re.compile(r"[A-Za-z_][\w.-]*")


class Judge(Scorer):
    """A scorer that asks a model one question.

    `prompt` is the template; `render(…)` gives the text as it is sent; the judge itself can be
    called with the same fields and returns a Score. `examples` are worked answers that are put
    into the prompt.
    """

    def __init__(
        self,
        name: str,
        prompt: str,
        answer: Answer,
        *,
        model: Any = DEFAULT_MODEL,
        version: int = 1,
        lower_is_better: bool = False,
        examples: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self.prompt = prompt
        self.version = version
        self.answer = answer
        self.model: Model = as_model(model)
        self.examples = list(examples)
        super().__init__(
            name,
            self.ascore,
            lower_is_better=lower_is_better,
            source=ScoreSource.MODEL,
            author=self.model.name,
            asks=self._asked(prompt),
        )
        required = set(self.asks.names) - self.asks.optional
        self.needs = tuple(name for name in ("expected",) if name in required)
        self.makes_calls = True
        self.config = {
            "prompt": prompt,
            "schema": answer.schema,
            "model": self.model.identity,
            "examples": self.examples,
        }

    def render(self, **fields: Any) -> str:
        """Return the prompt as the model reads it."""
        shown = {
            **fields,
            ANSWER_FORMAT: self.answer.instructions(),
            EXAMPLES: _worked(self.examples),
        }
        text = self.prompt
        if self.examples and EXAMPLES not in text:
            text += f"\n# Examples of right judgements\n\n{{{{ {EXAMPLES} }}}}\n"
        if ANSWER_FORMAT not in text:
            text += f"\n{{{{ {ANSWER_FORMAT} }}}}\n"
        for name in self.asks.optional:
            shown.setdefault(name, None)
        return fill(text, shown)

    def __call__(self, **fields: Any) -> Any:
        """Judge by hand; waits for the model, also inside a running loop."""
        return run_blocking(lambda: self.ascore(**fields))

    async def ascore(self, **fields: Any) -> Any:
        """Judge. Raises JudgeFailed where the model gives no valid answer."""
        answer = await ask(
            self.model, self.render(**fields), self.answer.schema, read=self.answer.read
        )
        scores = self.answer.score(answer)
        if isinstance(scores, dict):
            return {f"{self.name}.{key}": score for key, score in scores.items()}
        return scores

    @property
    def steps(self) -> dict[str, str]:
        """The templates that are asked before `prompt`, by name."""
        return {}

    def with_model(self, model: Any) -> "Judge":
        """Return the same judge, asking another model."""
        return self._copy(model=model)

    def with_examples(self, examples: Sequence[Mapping[str, Any]]) -> "Judge":
        """Return the same judge, with worked examples in its prompt."""
        return self._copy(examples=examples)

    def agreement(self, annotations: "Sequence[Annotation | Mapping[str, Any]]") -> "Agreement":
        """Compare this judge with people's annotations of the same outputs."""
        from pellucid.evals.judges.agreement import agreement

        return run_blocking(lambda: agreement(self, annotations))

    def align(
        self, annotations: "Sequence[Annotation | Mapping[str, Any]]", **options: Any
    ) -> "Alignment":
        """Propose worked examples from annotations; show the gain on annotations held out."""
        from pellucid.evals.judges.agreement import align

        return run_blocking(lambda: align(self, annotations, **options))

    def _copy(self, **changes: Any) -> "Judge":
        settings: dict[str, Any] = {
            "model": self.model,
            "version": self.version,
            "lower_is_better": self.lower_is_better,
            "examples": self.examples,
            **changes,
        }
        return type(self)(self.name, self.prompt, self.answer, **settings)

    @staticmethod
    def _asked(prompt: str) -> Asked:
        return Asked(names=fields_of(prompt), optional=frozenset(optional_fields_of(prompt)))


def make_judge(
    name: str,
    prompt: str,
    *,
    choices: Sequence[str] | Mapping[str, ScoreValue] | None = None,
    scale: tuple[float, float] | None = None,
    schema: Mapping[str, Any] | None = None,
    model: Any = DEFAULT_MODEL,
    lower_is_better: bool = False,
) -> Judge:
    """Make a judge of a prompt.

    The prompt names what it wants: `{{ inputs }}`, `{{ output }}`, `{{ expected }}`,
    `{{ documents }}`, any input, …; `{{ answer_format }}` is where the answer's form is
    described, else at its end. The answer is one of `choices` (labels, or label → value), a
    number on a `scale` (lowest, highest), or an object under a JSON `schema`, whose properties
    become scores.
    """
    if not _NAME.fullmatch(name):
        raise InvalidInput(f"A judge's name is letters, digits, _, - and .; not {name!r}.")
    if [choices, scale, schema].count(None) != 2:
        raise InvalidInput("A judge needs one of choices, scale and schema.")
    answer: Answer
    if choices is not None:
        answer = ChoiceAnswer(
            dict(choices) if isinstance(choices, Mapping) else {label: label for label in choices}
        )
    elif scale is not None:
        answer = ScaleAnswer(*scale)
    else:
        assert schema is not None
        answer = SchemaAnswer(schema)
    return Judge(name, prompt, answer, model=model, lower_is_better=lower_is_better)


def _worked(examples: Sequence[Mapping[str, Any]]) -> str:
    blocks = []
    for example in examples:
        lines = [f"{key}: {fill('{{ ' + key + ' }}', example)}" for key in example]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


__all__ = ["Judge", "Score", "make_judge"]
