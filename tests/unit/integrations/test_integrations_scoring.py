"""The scorer takes marks away for what a trace lacks, and for what it has too much."""

from typing import Any

import pellucid
from pellucid.demo.model_server import Rule, ScriptedModelServer
from pellucid.testing.scenarios import Below, Called, Case, Cases, Failed, played
from pellucid.testing.scoring import Card, Scores, score

SCRIPT = [Rule("A disc.")]


def off(*, disable: bool = False) -> None:
    """Trace nothing but what the program traces itself."""


def scored(case: Case) -> Scores:
    with played(case, serve=ScriptedModelServer, autolog=off) as outcome:
        return score(outcome)


def ask(url: str) -> Any:
    import openai

    with openai.OpenAI(base_url=url, api_key="k", max_retries=0) as client:
        message: Any = {"role": "user", "content": "What is it?"}
        return client.chat.completions.create(model="gpt-4o", messages=[message], temperature=0.2)


def test_what_is_not_traced_counts_nothing() -> None:
    def run(url: str) -> None:
        with pellucid.span("root") as span:
            span.set_input("What is it?")
            ask(url)

    found = scored(Case(name="bare", run=run, script=SCRIPT, input="What is it?", output="A disc."))
    assert (found["llm"].got, found["llm"].of) == (0, 1)
    assert found["tokens"].got == 0
    assert found["input"].got == 1
    assert found["output"].got == 0
    assert found["wire"].got == found["stdout"].got == 1


def test_a_whole_trace_has_full_marks() -> None:
    def run(url: str) -> None:
        with pellucid.span("agent", kind="AGENT") as span:
            span.set_input("What is it?").set_output("A disc.")
            span.set_attribute("gen_ai.agent.name", "agent")
            with pellucid.span("look", kind="TOOL") as tool, pellucid.span("inside"):
                tool.set_tool_call("look", {"at": 1}, "seen")
            with pellucid.span("chat", kind="LLM") as model:
                reply = ask(url)
                model.set_model("gpt-4o", temperature=0.2)
                model.set_messages(
                    [{"role": "user", "content": "What is it?"}],
                    [{"role": "assistant", "content": "A disc."}],
                )
                model.set_usage(reply.usage.prompt_tokens, reply.usage.completion_tokens)

    case = Case(
        name="whole",
        run=run,
        script=SCRIPT,
        input="What is it?",
        output="A disc.",
        agents=("agent",),
        tools=(Called("look", {"at": 1}, "seen"),),
        stages=(Below("TOOL", "look", "agent"),),
        manual="inside",
        manual_tool="look",
    )
    missing = {name: ratio for name, ratio in scored(case).items() if ratio.got < ratio.of}
    assert not missing


def test_a_failure_is_looked_for_where_it_was_and_nowhere_else() -> None:
    def run(url: str) -> None:
        try:
            with pellucid.span("root"), pellucid.span("step"):
                raise ValueError("in vain")
        except ValueError:
            print("caught")

    reached = scored(
        Case(name="failed", run=run, script=[], failed=(Failed("CHAIN", "step", "root"),))
    )
    assert reached["failed"].got == reached["failed_above"].got == 1
    assert reached["failed_elsewhere"].got == 1
    unexpected = scored(Case(name="failed", run=run, script=[]))
    assert unexpected["failed_elsewhere"].got == 0


def test_a_card_is_the_mean_of_its_checks() -> None:
    def two_traces(url: str) -> None:
        for _ in range(2):
            with pellucid.span("root"):
                pass

    card = Card("none")
    card.add("two", scored(Case(name="two", run=two_traces, script=[])))
    assert card.sums["traces"] == [0, 1]
    assert card.figures()["cases"] == 1
    assert 0 < card.score < 100
    assert "one trace a case" in str(card)


def test_cases_of_later_versions_are_left_out() -> None:
    cases = Cases("none", needs=("openai",))
    cases.add(script=[], since="openai>=99")(ask)
    cases.add(script=[], since="openai>=1")(ask)
    assert cases.runnable
    assert [case.since for case in cases] == ["openai>=1"]
    assert not Cases("none", needs=("no_such.module",)).runnable
