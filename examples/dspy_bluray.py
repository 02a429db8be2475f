"""The Blu-ray question, answered by a DSPy ReAct program."""

import dspy
from bluray import QUESTION, calculate, convert_units, model, search_encyclopedia, show

import pellucid


class BlurayAnswer(dspy.Signature):
    """Answer from the encyclopedia, cite its paragraphs, and use the tools for every number."""

    question: str = dspy.InputField()
    answer: str = dspy.OutputField()


def main() -> None:
    pellucid.init(experiment="bluray-dspy")
    pellucid.autolog()
    with model() as access:
        lm = dspy.LM(
            f"openai/{access.name}", api_base=access.base_url, api_key=access.api_key, cache=False
        )
        agent = dspy.ReAct(
            BlurayAnswer, tools=[search_encyclopedia, calculate, convert_units], max_iters=20
        )
        with dspy.context(lm=lm):
            show(agent(question=QUESTION).answer)


if __name__ == "__main__":
    main()
