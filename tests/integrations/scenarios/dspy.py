"""DSPy: modules, agents, code, searches, streams left half-way, optimisers, caches, failures."""

import asyncio
import contextlib
import json
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pellucid
from pellucid.demo.model_server import Call, Rule
from pellucid.testing.held import Held
from pellucid.testing.scenarios import Below, Called, Cases, Failed

cases = Cases("dspy", needs=("dspy",))

QA = "question -> answer"
ASKED = "What is the capital?"
SUM = Called("add", {"a": 2, "b": 3}, "5")
END = Called("finish")
INSIDE: dict[str, Any] = {"manual": "inside the tool", "manual_tool": "add"}
_WANTED = "Respond with the corresponding output fields"
_KNOWN = {
    "answer": "Paris",
    "reasoning": "It is known.",
    "generated_code": "```python\nprint(5)\n```",
    "code": '```python\nSUBMIT(answer="Paris")\n```',
    "finished": "True",
}


def says(request: Any) -> str:
    """Answer whatever fields a request asks for, in the form that it asks for."""
    names = re.findall(r"\[\[ ## (\w+) ## \]\]", request.user.split(_WANTED)[-1])
    told = {name: _field(name, request) for name in names if name != "completed"}
    body = "\n\n".join(f"[[ ## {name} ## ]]\n{value}" for name, value in told.items())
    return f"{body}\n\n[[ ## completed ## ]]"


def _field(name: str, request: Any) -> str:
    done = "observation_0" in request.user
    if name == "next_tool_name":
        return "finish" if done else "add"
    if name == "next_tool_args":
        return "{}" if done else json.dumps({"a": 2, "b": 3})
    return _KNOWN.get(name, f"some {name}")


SAYS = [Rule(says)]


@contextmanager
def model(url: str, **more: Any) -> Iterator[Any]:
    import dspy

    adapter = more.pop("adapter", None)
    more = {"cache": False, "temperature": 0.2, "num_retries": 0, **more}
    lm = dspy.LM("openai/gpt-4o", api_base=url, api_key="k", **more)
    with dspy.context(lm=lm, adapter=adapter):
        yield dspy


def add(a: int, b: int) -> int:
    """Add two numbers."""
    with pellucid.span("inside the tool"):
        return a + b


def fail(a: int, b: int) -> int:
    """Add two numbers, in vain."""
    raise ValueError("no adding today")


fail.__name__ = "add"


@cases.add(script=SAYS, input="capital", output="Paris", stages=(Below("LLM", "", "^Predict$"),))
def a_predictor(url: str) -> None:
    with model(url) as dspy:
        print(dspy.ChainOfThought(QA)(question=ASKED).answer)


@cases.add(script=SAYS, input="capital", output="Paris")
async def a_predictor_made_async(url: str) -> None:
    with model(url) as dspy:
        print((await dspy.asyncify(dspy.Predict(QA))(question=ASKED)).answer)


@cases.add(
    script=SAYS,
    input="capital",
    output="Paris",
    stages=(Below("LLM", "", "^Twice$", 2),),
)
async def a_module_whose_first_argument_is_not_self(url: str) -> None:
    with model(url) as dspy:

        class Twice(dspy.Module):  # type: ignore[misc, name-defined, unused-ignore]
            def __init__(this) -> None:
                super().__init__()
                this.ask = dspy.Predict(QA)

            async def aforward(this, question: str) -> Any:
                found = [await this.ask.acall(question=f"{question} {n}") for n in range(2)]
                return found[-1]

        print((await Twice().acall(question=ASKED)).answer)


@cases.add(
    script=SAYS, input="capital", output="Paris", agents=("ReAct",), tools=(SUM, END), **INSIDE
)
def an_agent(url: str) -> None:
    with model(url) as dspy:
        print(dspy.ReAct(QA, tools=[add])(question=ASKED).answer)


@cases.add(
    script=SAYS,
    input="capital",
    output="Paris",
    agents=("ReAct",),
    tools=(Called("add", {"a": 2, "b": 3}), END),
    failed=(Failed("TOOL", "add"),),
)
async def a_tool_that_fails(url: str) -> None:
    with model(url) as dspy:
        found = await dspy.ReAct(QA, tools=[fail]).acall(question=ASKED)
        print(found.answer, found.trajectory["observation_0"])


@cases.add(
    script=SAYS,
    input="capital",
    output="Paris",
    tools=(Called("execute code", {"code": "print(5)"}, "5"),),
)
def a_program_of_thought(url: str) -> None:
    with model(url) as dspy:
        thinks = dspy.ProgramOfThought(QA, interpreter_factory=dspy.LocalInterpreter)
        print(thinks(question=ASKED).answer)


@cases.add(
    script=SAYS,
    input="capital",
    output="Paris",
    agents=("RLM",),
    tools=(Called("execute code", None, "Paris"),),
)
def a_recursive_model(url: str) -> None:
    with model(url) as dspy:
        explores = dspy.RLM(QA, max_iters=2, interpreter_factory=dspy.LocalInterpreter)
        print(explores(question=ASKED).answer)


@cases.add(
    script=SAYS,
    input="capital",
    output="Paris",
    parallel=True,
    stages=(Below("LLM", "", "^Many$", 3),),
)
def branches(url: str) -> None:
    with model(url) as dspy:
        ask = dspy.Predict(QA)

        class Many(dspy.Module):  # type: ignore[misc, name-defined, unused-ignore]
            def forward(self, question: str) -> Any:
                pairs = [(ask, {"question": f"{question} {n}"}) for n in range(3)]
                found = dspy.Parallel(num_threads=3, disable_progress_bar=True)(pairs)
                return dspy.Prediction(answer=found[0].answer)

        print(Many()(question=ASKED).answer)


@cases.add(
    script=SAYS,
    input="capital",
    output="Paris",
    parallel=True,
    stages=(Below("LLM", "", "^Parallel$", 3),),
)
def branches_by_themselves(url: str) -> None:
    with model(url) as dspy:
        ask = dspy.Predict(QA)
        given = [dspy.Example(question=ASKED, n=n).with_inputs("question") for n in range(3)]
        found = dspy.Parallel(num_threads=3, disable_progress_bar=True)([(ask, g) for g in given])
        print([one.answer for one in found])


@cases.add(script=SAYS, traces=3, input="capital", output="Paris", parallel=True)
def threads(url: str) -> None:
    with model(url) as dspy:
        ask, lm = dspy.Predict(QA), dspy.settings.lm

        def one(n: int) -> Any:
            with dspy.context(lm=lm):
                return ask(question=ASKED).answer

        with ThreadPoolExecutor(3) as pool:
            print(list(pool.map(one, range(3))))


@cases.add(script=SAYS, input="capital", output="Paris", stages=(Below("LLM", "", "Best", 2),))
def the_best_of_two(url: str) -> None:
    with model(url) as dspy:
        best = dspy.BestOfN(dspy.Predict(QA), N=2, reward_fn=lambda *_: 0.5, threshold=1.0)
        print(best(question=ASKED).answer)


@cases.add(script=SAYS, input="capital", output="Paris")
def three_answers(url: str) -> None:
    with model(url) as dspy:
        print(dspy.Predict(QA, n=3)(question=ASKED).completions.answer)


def streaming(dspy: Any, program: Any) -> Any:
    listener = dspy.streaming.StreamListener(signature_field_name="answer")
    return dspy.streamify(program, stream_listeners=[listener])


@cases.add(script=SAYS, input="capital", output="Paris", token_delay_s=0.002)
async def a_stream(url: str) -> None:
    with model(url) as dspy:
        async for piece in streaming(dspy, dspy.Predict(QA))(question=ASKED):
            print(type(piece).__name__)


@cases.add(script=SAYS, input="capital", left_streams=1, token_delay_s=0.01)
async def a_stream_that_is_left(url: str) -> None:
    with model(url) as dspy:
        over = threading.Event()

        class Predict(dspy.Predict):  # type: ignore[misc, name-defined, unused-ignore]
            def __call__(self, **asked: Any) -> Any:
                try:
                    return super().__call__(**asked)
                finally:
                    over.set()

        async for _ in streaming(dspy, Predict(QA))(question=ASKED):
            break
        # The program goes on; DSPy's thread sees that nobody reads, and cancels whoever waits.
        while not over.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0.05)


CORPUS = ["a disc is thin", "cats sleep"]


@cases.add(
    script=SAYS,
    traces=2,
    output="Paris",
    documents=(("a disc is thin", None),),
    stages=(Below("EMBEDDING", "", "^Embeddings$"), Below("RETRIEVER", "^Embeddings$", "^Rag$")),
)
def a_search(url: str) -> None:
    with model(url) as dspy:
        embed = dspy.Embedder(
            "openai/text-embedding-3-small", api_base=url, api_key="k", caching=False
        )
        search = dspy.retrievers.Embeddings(corpus=CORPUS, embedder=embed, k=1)

        class Rag(dspy.Module):  # type: ignore[misc, name-defined, unused-ignore]
            def __init__(self) -> None:
                super().__init__()
                self.ask = dspy.Predict("context, question -> answer")

            def forward(self, question: str) -> Any:
                return self.ask(context=search("a disc").passages, question=question)

        print(Rag()(question=ASKED).answer)


EXAMPLES = [{"question": f"{ASKED} {n}", "answer": "Paris"} for n in range(3)]


def right(example: Any, prediction: Any, trace: Any = None) -> bool:
    return bool(example.answer == prediction.answer)


def examples(dspy: Any) -> list[Any]:
    return [dspy.Example(**one).with_inputs("question") for one in EXAMPLES]


@cases.add(
    script=SAYS,
    input="Predict",
    output="100",
    parallel=True,
    stages=(Below("LLM", "", "^Evaluate$", 3),),
)
def an_evaluation(url: str) -> None:
    with model(url) as dspy:
        judge = dspy.Evaluate(
            devset=examples(dspy), metric=right, num_threads=2, display_progress=False
        )
        print(judge(dspy.Predict(QA)).score)


@cases.add(
    script=SAYS,
    input="Predict",
    stages=(Below("LLM", "", "BootstrapFewShot.compile", 2),),
)
def an_optimiser(url: str) -> None:
    with model(url) as dspy:
        better = dspy.BootstrapFewShot(metric=right, max_bootstrapped_demos=2)
        print(len(better.compile(dspy.Predict(QA), trainset=examples(dspy)).demos))


@cases.add(script=[*SAYS], traces=2, input="again", output="Paris")
def a_cached_answer(url: str) -> None:
    with model(url, cache=True) as dspy:
        dspy.configure_cache(enable_disk_cache=False, enable_memory_cache=True)
        try:
            for _ in range(2):
                print(dspy.Predict(QA)(question=f"{ASKED} {url} again").answer)
        finally:
            dspy.configure_cache(enable_disk_cache=False, enable_memory_cache=False)


@cases.add(
    script=[Rule("nothing", times=1), Rule({"answer": "Paris"})],
    input="capital",
    output="Paris",
    stages=(Below("LLM", "", "^Predict$", 2),),
)
def an_answer_that_is_asked_for_otherwise(url: str) -> None:
    with model(url) as dspy:
        print(dspy.Predict(QA)(question=ASKED).answer)


@cases.add(script=[Rule("<answer>Paris</answer>")], input="capital", output="Paris")
def another_form(url: str) -> None:
    import dspy

    with model(url, adapter=dspy.XMLAdapter()):
        print(dspy.Predict(QA)(question=ASKED).answer)


@cases.add(
    script=[Rule(Call("add", {"a": 2, "b": 3}), offers="add")], input="capital", output="add"
)
def calls_that_the_program_makes(url: str) -> None:
    import dspy

    with model(url, adapter=dspy.ChatAdapter(use_native_function_calling=True)):
        ask = dspy.Predict("question, tools: list[dspy.Tool] -> calls: dspy.ToolCalls")
        print(ask(question=ASKED, tools=[dspy.Tool(add)]).calls)


@cases.add(script=SAYS, input="capital", raises="", failed=(Failed("LLM", "", "*"),))
def a_model_that_is_away(url: str) -> None:
    with model("http://127.0.0.1:9/v1") as dspy:
        try:
            dspy.Predict(QA)(question=ASKED)
        except Exception as error:
            print(type(error).__name__)


late = Held("[[ ## answer ## ]]\nParis")


@cases.add(
    script=[Rule(late)],
    input="capital",
    failed=(Failed("LLM", "", "*"),),
    left_streams=0,
    unheard=1,
)
async def a_call_that_takes_too_long(url: str) -> None:
    with model(url) as dspy:
        answer = asyncio.create_task(dspy.Predict(QA).acall(question=ASKED))
        await late.asked()
        try:
            await asyncio.wait_for(answer, 0.1)
        except TimeoutError:
            print("too long")
        late.let_go()
