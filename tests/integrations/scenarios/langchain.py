"""LangChain without a graph: chains, batches, streams left half-way, fallbacks, retries."""

from typing import Any

import pellucid
from pellucid.demo.model_server import Call, Fault, Rule
from pellucid.testing.scenarios import Below, Called, Cases, Failed

cases = Cases("langchain", needs=("langchain_core", "langchain_openai"))

ASKED = {"topic": "discs"}
PERSON = {"name": "Ada", "age": 36}
TELLS = [Rule(lambda request: f"Of {request.user} much could be told in many words.")]


def llm(url: str, **more: Any) -> Any:
    from langchain_openai import ChatOpenAI

    more = {"max_retries": 0, "temperature": 0.2, **more}
    return ChatOpenAI(model="gpt-4o", base_url=url, api_key="k", **more)


def chain(url: str, words: str = "{topic}", **more: Any) -> Any:
    from langchain_core.output_parsers import StrOutputParser
    from langchain_core.prompts import ChatPromptTemplate

    prompt = ChatPromptTemplate.from_messages([("system", "Be brief."), ("user", words)])
    return prompt | llm(url, **more) | StrOutputParser()


@cases.add(
    script=TELLS,
    input="discs",
    output="much could be told",
    stages=(Below("LLM", "", "^chain$"), Below("PARSER", "StrOutputParser", "^chain$")),
)
def a_chain(url: str) -> None:
    print(chain(url).invoke(ASKED))


@cases.add(script=TELLS, input="discs", output="much could be told", token_delay_s=0.002)
async def a_streamed_chain(url: str) -> None:
    print("".join([piece async for piece in chain(url).astream(ASKED)]))


@cases.add(script=TELLS, input="discs", output="much could be told", token_delay_s=0.002)
async def events_of_a_chain(url: str) -> None:
    async for event in chain(url).astream_events(ASKED, version="v2"):
        print(event["event"], event["name"])


@cases.add(script=TELLS, input="discs", left_streams=1, token_delay_s=0.01)
async def a_chain_that_is_left(url: str) -> None:
    async for piece in chain(url).astream(ASKED):
        if piece:
            break


@cases.add(script=TELLS, input="discs", left_streams=1, token_delay_s=0.01)
async def events_that_are_left(url: str) -> None:
    async for event in chain(url).astream_events(ASKED, version="v2"):
        if event["event"] == "on_chat_model_stream" and event["data"]["chunk"].content:
            break


@cases.add(script=TELLS, traces=3, parallel=True, output="much could be told")
async def a_batch(url: str) -> None:
    print(await chain(url).abatch([{"topic": f"discs {n}"} for n in range(3)]))


@cases.add(
    script=TELLS,
    input="discs",
    output="of cats",
    parallel=True,
    stages=(Below("LLM", "", "^parallel$", 2),),
)
async def branches(url: str) -> None:
    from langchain_core.runnables import RunnableParallel

    both = RunnableParallel(one=chain(url), two=chain(url, "{topic} of cats"))
    print(await both.ainvoke(ASKED))


@cases.add(
    script=TELLS, input="discs", output="much could be told", failed=(Failed("LLM", "", "^chain$"),)
)
async def a_chain_that_another_stands_in_for(url: str) -> None:
    print(await chain("http://127.0.0.1:9/v1").with_fallbacks([chain(url)]).ainvoke(ASKED))


@cases.add(
    script=TELLS,
    faults=[Fault(status=500)],
    input="discs",
    output="much could be told",
    failed=(Failed("LLM"),),
    stages=(Below("LLM", "", "^retry$", 2),),
)
def a_model_that_is_tried_again(url: str) -> None:
    patient = llm(url).with_retry(stop_after_attempt=3, wait_exponential_jitter=False)
    print(patient.invoke("discs").content)


@cases.add(
    script=TELLS,
    input="discs",
    output="at last",
    failed=(Failed("CHAIN", "shaky"), Failed("CHAIN", "shaky")),
    stages=(Below("CHAIN", "^shaky$", "^retry$", 3),),
)
def a_function_that_is_tried_again(url: str) -> None:
    from langchain_core.runnables import RunnableLambda

    tries: list[int] = []

    def shaky(topic: str) -> str:
        tries.append(1)
        if len(tries) < 3:
            raise ValueError("not yet")
        return "at last"

    patient = RunnableLambda(shaky).with_retry(wait_exponential_jitter=False)
    print(patient.invoke("discs"))


@cases.add(script=[Rule(Call("Person", PERSON), offers="Person")], input="Who?", output="Ada")
def a_structured_answer(url: str) -> None:
    from pydantic import BaseModel

    class Person(BaseModel):
        """A person."""

        name: str
        age: int

    print(llm(url).with_structured_output(Person, method="function_calling").invoke("Who?"))


@cases.add(
    script=["nothing"], input="discs", raises="nothing", failed=(Failed("PARSER", "Json", "*"),)
)
def an_answer_that_cannot_be_read(url: str) -> None:
    from langchain_core.output_parsers import JsonOutputParser
    from langchain_core.prompts import ChatPromptTemplate

    (ChatPromptTemplate.from_template("{topic}") | llm(url) | JsonOutputParser()).invoke(ASKED)


@cases.add(
    script=[Rule(Call("add", {"a": 2, "b": 3}), times=1), Rule("It is 5.")],
    input="2 and 3",
    output="It is 5.",
    tools=(Called("add", {"a": 2, "b": 3}, "5"),),
    manual="inside the tool",
    manual_tool="add",
)
def a_loop_of_ones_own(url: str) -> None:
    from langchain_core.messages import HumanMessage
    from langchain_core.tools import tool

    @tool
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        with pellucid.span("inside the tool"):
            return a + b

    with pellucid.span("loop") as span:
        span.set_input("2 and 3?")
        model = llm(url).bind_tools([add])
        said: list[Any] = [HumanMessage("2 and 3?")]
        said.append(model.invoke(said))
        said += [add.invoke(call) for call in said[-1].tool_calls]
        span.set_output(model.invoke(said).content)


@cases.add(script=TELLS, input="discs", output="much could be told")
def callbacks_of_ones_own(url: str) -> None:
    from langchain_core.callbacks import BaseCallbackHandler

    class Tells(BaseCallbackHandler):  # type: ignore[misc, unused-ignore]
        def on_chain_start(self, *args: Any, **kwargs: Any) -> None:
            print("chain", kwargs.get("name"))

        def on_llm_end(self, response: Any, **kwargs: Any) -> None:
            print("answered", response.generations[0][0].text)

    print(chain(url).invoke(ASKED, {"callbacks": [Tells()]}))


@cases.add(script=TELLS, traces=2, output="much could be told")
def an_answer_from_the_cache(url: str) -> None:
    from langchain_core.caches import InMemoryCache

    remembers = llm(url, cache=InMemoryCache())
    print([remembers.invoke("discs").content for _ in range(2)])


@cases.add(
    script=TELLS,
    input="discs",
    output="much could be told",
    stages=(Below("LLM", "", "^of my own$"), Below("PARSER", "StrOutputParser", "^of my own$")),
)
def a_chain_within_a_span_of_the_programs(url: str) -> None:
    from langchain_core.runnables import RunnableLambda

    told = chain(url)

    def tell(given: Any) -> Any:
        with pellucid.span("of my own"):
            return told.invoke(given)

    print(RunnableLambda(tell).invoke(ASKED))


@cases.add(
    script=TELLS,
    input="discs",
    output="much could be told",
    stages=(Below("LLM", "", "^of my own$"), Below("PARSER", "StrOutputParser", "^of my own$")),
)
async def a_stream_within_a_span_of_the_programs(url: str) -> None:
    from langchain_core.runnables import RunnableLambda

    told = chain(url)

    async def tell(given: Any) -> Any:
        with pellucid.span("of my own"):
            return "".join([piece async for piece in told.astream(given)])

    print(await RunnableLambda(tell).ainvoke(ASKED))
