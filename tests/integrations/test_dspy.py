"""DSPy: predictors, ReAct, retrievers, Parallel, streams, optimisers, caches, failures."""

import asyncio
import contextlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pellucid
from pellucid.core.span import SpanKind, Status
from pellucid.demo.model_server import Rule, ScriptedModelServer
from pellucid.integrations import autolog
from pellucid.integrations.dspy.callback import CALLBACK
from pellucid.testing.conformance import Recording, shown

dspy: Any = pytest.importorskip("dspy", reason="dspy is in environment a")
pytestmark = pytest.mark.filterwarnings("default")


def fields(**values: Any) -> str:
    body = "\n\n".join(f"[[ ## {name} ## ]]\n{value}" for name, value in values.items())
    return f"{body}\n\n[[ ## completed ## ]]"


def react(request: Any) -> str:
    """What a model says as ReAct: one tool call, then the end, then the answer."""
    if "next_tool_name" not in request.system:
        return fields(reasoning="The tool said so.", answer="5")
    if "[[ ## observation_0" in request.user or "observation_0" in request.user:
        return fields(next_thought="Done.", next_tool_name="finish", next_tool_args="{}")
    arguments = json.dumps({"a": 2, "b": 3})
    return fields(next_thought="Add.", next_tool_name="add", next_tool_args=arguments)


SCRIPT = [
    Rule(react, system="next_tool_name"),
    Rule(react, system="trajectory"),
    Rule(fields(reasoning="It is known.", answer="Paris"), system="reasoning"),
    Rule(fields(answer="Paris")),
]


@pytest.fixture
def server() -> Iterator[ScriptedModelServer]:
    with ScriptedModelServer(script=SCRIPT) as scripted:
        yield scripted


@pytest.fixture
def lm(server: ScriptedModelServer) -> Any:
    return dspy.LM(
        "openai/gpt-4o",
        api_base=server.base_url,
        api_key="k",
        cache=False,
        temperature=0.3,
        num_retries=0,
    )


@pytest.fixture(autouse=True)
def _traced(recording: Recording, lm: Any) -> Iterator[None]:
    assert "dspy" in autolog()
    with dspy.context(lm=lm):
        yield
    autolog(disable=True)


def add(a: int, b: int) -> int:
    """Add two numbers."""
    with pellucid.span("inside the tool"):
        return a + b


def test_a_predictor(server: ScriptedModelServer, recording: Recording) -> None:
    answer = dspy.ChainOfThought("question -> answer")(question="Capital of France?")
    assert answer.answer == "Paris"
    recording.check_structure()
    recording.check_model_calls(server.log)
    recording.check_root(input="Capital of France?", output="Paris")
    (model,) = recording.of_kind(SpanKind.LLM)
    assert (model.model, model.provider) == ("gpt-4o", "openai")
    assert model.parameters["temperature"] == 0.3
    assert [m.role for m in model.input_messages] == ["system", "user"]
    recording.check_no_failure()


def test_react_is_an_agent_with_its_steps(
    server: ScriptedModelServer, recording: Recording
) -> None:
    dspy.ReAct("question -> answer", tools=[add])(question="2 and 3?")
    recording.check_structure()
    recording.check_model_calls(server.log)
    recording.check_owner("ReAct")
    tool = recording.check_tool("add", arguments={"a": 2, "b": 3}, result="5")
    assert recording.named("inside the tool").parent_id == tool.span_id
    recording.check_root(input="2 and 3?", output="5")


def test_a_tool_that_fails_says_the_same_to_the_model(
    lm: Any, server: ScriptedModelServer, recording: Recording
) -> None:
    def add(a: int, b: int) -> int:
        raise ValueError("no adding today")

    def run() -> list[Any]:
        server.log.clear()
        dspy.ReAct("question -> answer", tools=[add])(question="2 and 3?")
        return [call.request["messages"] for call in server.log]

    traced = run()
    failed = next(s for s in recording.of_kind(SpanKind.TOOL) if s.name == "add")
    recording.check_failure(failed)
    assert recording.root.status is Status.OK
    autolog(disable=True)
    assert run() == traced
    assert "no adding today" in shown(traced)


CODE = "```python\nprint(5)\n```"


class Interpreter:
    """One of the program's own, that knows nothing of DSPy's callbacks."""

    tools: dict[str, Any] = {}  # noqa: RUF012 - DSPy's protocol

    def execute(self, code: str, variables: Any = None) -> str:
        assert "print(5)" in code
        return "5"

    def start(self) -> None: ...

    def shutdown(self) -> None: ...


@pytest.mark.parametrize("own", [True, False])
def test_code_that_a_model_wrote_is_a_tool(recording: Recording, own: bool) -> None:
    factory = Interpreter if own else dspy.LocalInterpreter
    program = dspy.ProgramOfThought("question -> answer", interpreter_factory=factory)
    script = [
        Rule(fields(reasoning="Code.", generated_code=CODE), times=1),
        Rule(fields(reasoning="It printed 5.", answer="5")),
    ]
    with ScriptedModelServer(script=script) as coder:
        lm = dspy.LM("openai/gpt-4o", api_base=coder.base_url, api_key="k", cache=False)
        with dspy.context(lm=lm):
            assert program(question="2 and 3?").answer == "5"
        recording.check_model_calls(coder.log)
    recording.check_structure()
    run = recording.check_tool("execute code", result="5")
    assert "print(5)" in shown(run.input)


def test_parallel_branches_keep_their_parent(
    server: ScriptedModelServer, recording: Recording
) -> None:
    class Both(dspy.Module):
        def __init__(self) -> None:
            super().__init__()
            self.predict = dspy.Predict("question -> answer")

        def forward(self, question: str) -> Any:
            pairs = [(self.predict, {"question": f"{question} {n}"}) for n in range(3)]
            found = dspy.Parallel(num_threads=2, disable_progress_bar=True)(pairs)
            return dspy.Prediction(answers=[one.answer for one in found])

    Both()(question="Capital?")
    recording.check_structure()
    recording.check_model_calls(server.log)
    assert len(recording.of_kind(SpanKind.LLM)) == 3


def test_parallel_is_a_stage_that_shows_what_each_branch_was_given_and_gave(
    server: ScriptedModelServer, recording: Recording
) -> None:
    asks = dspy.Predict("question -> answer")
    pairs = [(asks, {"question": "Capital?"}), (lambda question: question.upper(), ("city?",))]
    found, failed, _ = dspy.Parallel(
        num_threads=2, disable_progress_bar=True, return_failed_examples=True
    )(pairs)
    assert (found[0].answer, found[1], failed) == ("Paris", "CITY?", [])
    recording.check_structure()
    recording.check_model_calls(server.log)
    root = recording.root
    assert (root.name, root.kind) == ("Parallel", SpanKind.CHAIN)
    assert root.input == [
        {"module": "Predict", "input": {"question": "Capital?"}},
        {"module": "<lambda>", "input": ["city?"]},
    ]
    assert root.output == [{"answer": "Paris"}, "CITY?"]
    assert recording.of_kind(SpanKind.LLM)[0].finish_reason == "stop"


def test_each_of_several_answers_is_a_call(
    server: ScriptedModelServer, recording: Recording
) -> None:
    found = dspy.Predict("question -> answer", n=3)(question="Capital?")
    assert found.completions.answer == ["Paris"] * 3
    recording.check_structure()
    recording.check_model_calls(server.log)
    assert len({span.parent_id for span in recording.of_kind(SpanKind.LLM)}) == 1


async def test_async_calls(server: ScriptedModelServer, recording: Recording) -> None:
    await dspy.Predict("question -> answer").acall(question="Capital?")
    recording.check_structure()
    recording.check_model_calls(server.log)


async def test_a_stream(server: ScriptedModelServer, recording: Recording) -> None:
    program = dspy.streamify(
        dspy.Predict("question -> answer"),
        stream_listeners=[dspy.streaming.StreamListener(signature_field_name="answer")],
    )
    chunks = [chunk async for chunk in program(question="Capital?")]
    assert chunks
    recording.check_structure()
    recording.check_model_calls(server.log)


def test_a_stream_that_is_read_no_further_is_no_failure(recording: Recording) -> None:
    program = dspy.streamify(
        dspy.Predict("question -> answer"),
        stream_listeners=[dspy.streaming.StreamListener(signature_field_name="answer")],
    )

    # The loop outlives the program: DSPy's thread waits without end for one that closes meanwhile.
    async def abandon() -> None:
        async for _ in program(question="Capital?"):
            break
        while recording.unended or not recording.spans:
            with contextlib.suppress(asyncio.CancelledError):  # of DSPy, for whoever waits
                await asyncio.sleep(0.05)

    asyncio.run(abandon())
    recording.check_structure()
    recording.check_no_failure()


def test_what_goes_on_when_the_program_ends_is_ended(recording: Recording) -> None:
    begun, over = threading.Event(), threading.Event()

    class Waits(dspy.Module):
        def forward(self, question: str) -> Any:
            begun.set()
            assert over.wait(60)
            return dspy.Prediction(answer=question)

    thread = threading.Thread(target=Waits(), kwargs={"question": "Capital?"})
    thread.start()
    try:
        assert begun.wait(60)
        CALLBACK.end_all()  # as at exit
        recording.check_structure()
        recording.check_no_failure()
    finally:
        over.set()
        thread.join()
    recording.check_structure()
    assert [span.name for span in recording.spans] == ["Waits"]


def test_an_embeddings_retriever_shows_documents_with_scores(recording: Recording) -> None:
    np = pytest.importorskip("numpy")

    def embed(texts: list[str]) -> Any:
        return np.array([[len(text), text.count("a") + 1.0] for text in texts], dtype=np.float32)

    search = dspy.retrievers.Embeddings(
        corpus=["a disc", "a tall stack of discs"], embedder=embed, k=1
    )
    found = search("a tall stack")
    (span,) = recording.of_kind(SpanKind.RETRIEVER)
    assert span.input == "a tall stack"
    assert span.documents[0].text == found.passages[0]
    assert span.documents[0].score is not None


def test_a_search_holds_the_embedding_of_its_query(
    server: ScriptedModelServer, recording: Recording
) -> None:
    embedder = dspy.Embedder(
        "openai/text-embedding-3-small", api_base=server.base_url, api_key="k", caching=False
    )
    search = dspy.retrievers.Embeddings(corpus=["a disc", "cats"], embedder=embedder, k=1)
    recording.clear()
    search("a disc")
    recording.check_structure()
    assert recording.root.kind is SpanKind.RETRIEVER
    assert [span.kind for span in recording.children(recording.root)] == [SpanKind.EMBEDDING]


def test_an_optimiser_and_an_evaluation(server: ScriptedModelServer, recording: Recording) -> None:
    examples = [dspy.Example(question="Capital of France?", answer="Paris").with_inputs("question")]

    def metric(example: Any, prediction: Any, trace: Any = None) -> bool:
        return bool(example.answer == prediction.answer)

    program = dspy.Predict("question -> answer")
    optimiser = dspy.BootstrapFewShot(metric=metric, max_bootstrapped_demos=1)
    with pellucid.span("improve"):
        better = optimiser.compile(program, trainset=examples)
        dspy.Evaluate(devset=examples, metric=metric, num_threads=1)(better)
    recording.check_structure()
    recording.check_model_calls(server.log)
    assert recording.named("BootstrapFewShot.compile").kind is SpanKind.TASK
    assert recording.named("Evaluate").output == {"score": 100.0}


def test_a_cached_answer_costs_nothing(
    server: ScriptedModelServer, recording: Recording, tmp_path: Path
) -> None:
    lm = dspy.LM("openai/gpt-4o", api_base=server.base_url, api_key="k", cache=True)
    dspy.configure_cache(enable_disk_cache=False, enable_memory_cache=True)
    with dspy.context(lm=lm), pellucid.span("ask"):
        for _ in range(2):
            dspy.Predict("question -> answer")(question="Cached?")
    assert len(server.log) == 1
    assert recording.tokens() == (server.log.input_tokens, server.log.output_tokens)
    assert len(recording.of_kind(SpanKind.LLM)) == 1
    (last,) = recording.of_kind(SpanKind.MEMORY)
    assert last.name == "cached chat gpt-4o"
    assert last.attributes["dspy.cache_hit"] is True
    assert last.output_messages


def test_a_model_that_fails_fails_what_waited_for_it(recording: Recording) -> None:
    dead = dspy.LM(
        "openai/gpt-4o", api_base="http://127.0.0.1:9/v1", api_key="k", cache=False, num_retries=0
    )
    with dspy.context(lm=dead), pytest.raises(Exception):  # noqa: B017, PT011 - DSPy's own
        dspy.Predict("question -> answer")(question="Capital?")
    assert recording.root.status is Status.ERROR
    for failed in recording.of_kind(SpanKind.LLM):
        recording.check_failure(failed)
