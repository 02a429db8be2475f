"""ag2 before 1.0: chats, groups, patterns, nests, queues, tools, code, people, failures."""

import asyncio
import builtins
import logging
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib import metadata
from typing import Annotated, Any

import pellucid
from pellucid.demo.model_server import Call, Fault, Reply, Rule
from pellucid.testing.held import Held
from pellucid.testing.scenarios import Below, Called, Cases, Failed

cases = Cases("ag2", needs=("autogen",))

ADDS = [
    Rule(Call("add", {"a": 2, "b": 3}), offers="add", when=lambda r: r.answered_tool is None),
    Rule(lambda request: f"The sum is {request.last.text}. TERMINATE", tool="add"),
]
SPEAKERS = [
    Rule("Critic", system="role play", when=lambda r: "A line" in r.text),
    Rule("Writer", system="role play"),
    Rule("A line.", system="You write"),
    Rule("Fine. TERMINATE", system="You judge"),
    Rule("Plan: write. TERMINATE"),
]
OWNERS = {"role play": "chat_manager", "You write": "Writer", "You judge": "Critic"}


def config(url: str, **more: Any) -> Any:
    entry = {"model": "gpt-4o", "base_url": url, "api_key": "k", **more.pop("entry", {})}
    if not metadata.version("ag2").startswith("0.9"):
        entry.setdefault("max_retries", 0)
    return {"config_list": [entry], "cache_seed": None, "temperature": 0.1, **more}


def ends(message: Any) -> bool:
    return "TERMINATE" in (message.get("content") or "")


def assistant(url: str, name: str = "helper", system: str = "You help.", **more: Any) -> Any:
    import autogen

    more.setdefault("llm_config", config(url))
    return autogen.ConversableAgent(
        name, system_message=system, human_input_mode="NEVER", is_termination_msg=ends, **more
    )


def person(name: str = "user", **more: Any) -> Any:
    import autogen

    more = {"human_input_mode": "NEVER", "code_execution_config": False, **more}
    return autogen.UserProxyAgent(name, is_termination_msg=ends, **more)


def writers(url: str) -> Any:
    return assistant(url, "Writer", "You write."), assistant(url, "Critic", "You judge.")


def group_of(url: str, method: Any, rounds: int = 4) -> Any:
    import autogen

    group = autogen.GroupChat(
        agents=[person(), *writers(url)],
        messages=[],
        max_round=rounds,
        speaker_selection_method=method,
    )
    return autogen.GroupChatManager(
        groupchat=group, llm_config=config(url), is_termination_msg=ends
    )


@cases.add(
    script=[
        *ADDS[:1],
        Rule("So 5 and 4?", tool="add", times=1),
        Rule("All done. TERMINATE"),
    ],
    input="2 and 3?",
    output="All done",
    agents=("helper", "user"),
    owners={"": "helper"},
    tools=(Called("add", {"a": 2, "b": 3}, "5"), Called("add", {"a": 2, "b": 3}, "5")),
    manual="inside the tool",
    manual_tool="add",
    session=True,
)
def many_turns_with_a_tool(url: str) -> None:
    import autogen

    helper, caller = assistant(url), person()

    def add(a: int, b: int) -> int:
        with pellucid.span("inside the tool"):
            return a + b

    autogen.register_function(add, caller=helper, executor=caller, description="Add.")
    result = caller.initiate_chat(helper, message="2 and 3?", max_turns=6)
    print(result.summary, result.cost)


@cases.add(
    script=ADDS,
    input="2 and 3?",
    output="The sum is 5",
    agents=("helper", "user"),
    owners={"": "helper"},
    tools=(Called("add", {"a": 2, "b": 3}, "5"),),
    manual="inside the tool",
    manual_tool="add",
    session=True,
)
async def async_tool_by_decorators(url: str) -> None:
    helper, caller = assistant(url), person()

    @caller.register_for_execution()
    @helper.register_for_llm(description="Add.")
    async def add(a: Annotated[int, "first"], b: Annotated[int, "second"]) -> str:
        await asyncio.sleep(0)
        with pellucid.span("inside the tool"):
            return str(a + b)

    result = await caller.a_initiate_chat(helper, message="2 and 3?", max_turns=4)
    print(result.summary)


@cases.add(
    script=[
        Rule(
            [Call("add", {"a": 2, "b": 3}), Call("add", {"a": 4, "b": 5})],
            when=lambda r: r.answered_tool is None,
        ),
        Rule("5 and 9. TERMINATE"),
    ],
    output="5 and 9",
    agents=("helper", "user"),
    tools=(Called("add", {"a": 2, "b": 3}, "5"), Called("add", {"a": 4, "b": 5}, "9")),
)
def two_tools_at_once(url: str) -> None:
    import autogen

    helper, caller = assistant(url), person()

    def add(a: int, b: int) -> int:
        return a + b

    autogen.register_function(add, caller=helper, executor=caller, description="Add.")
    print(caller.initiate_chat(helper, message="Both?", max_turns=4).summary)


@cases.add(
    script=[ADDS[0], Rule("Sorry. TERMINATE")],
    input="2 and 3?",
    output="Sorry",
    agents=("helper", "user"),
    tools=(Called("add", {"a": 2, "b": 3}),),
    failed=(Failed("TOOL", "add"),),
)
def a_tool_fails(url: str) -> None:
    import autogen

    helper, caller = assistant(url), person()

    def add(a: int, b: int) -> int:
        raise ValueError("no adding today")

    autogen.register_function(add, caller=helper, executor=caller, description="Add.")
    print(caller.initiate_chat(helper, message="2 and 3?", max_turns=4).chat_history)


@cases.add(
    script=[
        Rule(Call("divide", {"x": 1}), when=lambda r: r.answered_tool is None),
        Rule("There is none. TERMINATE"),
    ],
    agents=("helper", "user"),
    tools=(Called("divide"),),
    failed=(Failed("TOOL", "divide"),),
)
def a_tool_that_is_not_there(url: str) -> None:
    import autogen

    helper, caller = assistant(url), person()

    def add(a: int, b: int) -> int:
        return a + b

    autogen.register_function(add, caller=helper, executor=caller, description="Add.")
    print(caller.initiate_chat(helper, message="Divide?", max_turns=3).chat_history)


GROUP: Any = {
    "input": "Write a line.",
    "output": "TERMINATE",
    "agents": ("Writer", "Critic", "chat_manager"),
    "others": ("user",),
    "owners": OWNERS,
    "session": True,
}


@cases.add(
    script=SPEAKERS,
    stages=(
        Below("CHAIN", "select speaker", "initiate_chat", 2),
        Below("LLM", "", "select speaker", 2),
        Below("AGENT", "Writer", "initiate_chat"),
    ),
    **GROUP,
)
def group_chat_auto(url: str) -> None:
    result = person("user").initiate_chat(group_of(url, "auto"), message="Write a line.")
    print(result.summary)


@cases.add(script=SPEAKERS, stages=(Below("CHAIN", "select speaker", "initiate_chat", 2),), **GROUP)
def group_chat_round_robin(url: str) -> None:
    manager = group_of(url, "round_robin")
    print(manager.groupchat.agents[0].initiate_chat(manager, message="Write a line.").summary)


@cases.add(script=SPEAKERS, **GROUP)
async def group_chat_by_function_async(url: str) -> None:
    def choose(last: Any, group: Any) -> Any:
        return group.agent_by_name("Critic" if last.name == "Writer" else "Writer")

    manager = group_of(url, choose)
    result = await manager.groupchat.agents[0].a_initiate_chat(manager, message="Write a line.")
    print(result.summary)


@cases.add(script=SPEAKERS, **GROUP)
async def group_chat_auto_async(url: str) -> None:
    manager = group_of(url, "auto")
    result = await manager.groupchat.agents[0].a_initiate_chat(manager, message="Write a line.")
    print(result.summary)


@cases.add(
    script=[
        Rule("A thought.", system="You think"),
        Rule("Checked.", system="You check"),
        Rule("Done. TERMINATE"),
    ],
    input="Go.",
    output="Checked.",
    agents=("outer", "thinker", "checker"),
    others=("user",),
    owners={"You think": "thinker", "You check": "checker"},
    stages=(
        Below("CHAIN", "initiate_chat outer → thinker", "^outer$"),
        Below("CHAIN", "initiate_chat outer → checker", "^outer$"),
    ),
    session=True,
)
def nested_chats(url: str) -> None:
    outer = assistant(url, "outer")
    thinker = assistant(url, "thinker", "You think.")
    checker = assistant(url, "checker", "You check.")
    chats = [
        {"recipient": one, "message": "Think.", "max_turns": 1, "summary_method": "last_msg"}
        for one in (thinker, checker)
    ]
    outer.register_nested_chats(chats, trigger=lambda sender: sender.name == "user")
    print(person().initiate_chat(outer, message="Go.", max_turns=1).summary)


@cases.add(
    script=[Rule("One.", user="First"), Rule("Two."), Rule("Never")],
    input="First",
    output="Two.",
    agents=("first", "second"),
    others=("user",),
    owners={"You are 1": "first", "You are 2": "second"},
)
def chats_in_a_queue(url: str) -> None:
    chats = [
        {
            "recipient": assistant(url, name, f"You are {number}."),
            "message": f"{name.capitalize()} task.",
            "max_turns": 1,
        }
        for number, name in ((1, "first"), (2, "second"))
    ]
    print([result.summary for result in person().initiate_chats(chats)])


@cases.add(
    script=[Rule("One.", system="You are 1"), Rule("Two.")],
    agents=("first", "second"),
    others=("user",),
    owners={"You are 1": "first", "You are 2": "second"},
    parallel=True,
)
async def chats_in_a_queue_async(url: str) -> None:
    chats = [
        {
            "chat_id": number,
            "prerequisites": [1] if number == 2 else [],
            "recipient": assistant(url, name, f"You are {number}."),
            "message": f"{name} task.",
            "max_turns": 1,
        }
        for number, name in ((1, "first"), (2, "second"))
    ]
    print(sorted(await person().a_initiate_chats(chats)))


@cases.add(
    script=[Rule("One.", system="You are 1"), Rule("Two.")],
    input="first task",
    output="Two.",
    agents=("first", "second"),
    others=("user",),
    owners={"You are 1": "first", "You are 2": "second"},
)
def chats_run_in_a_queue(url: str) -> None:
    chats = [
        {
            "recipient": assistant(url, name, f"You are {number}."),
            "message": f"{name} task.",
            "max_turns": 1,
        }
        for number, name in ((1, "first"), (2, "second"))
    ]
    for response in person().sequential_run(chats):
        response.process()
        print(response.summary)


@cases.add(
    script=ADDS,
    input="2 and 3?",
    output="The sum is 5",
    agents=("helper", "user"),
    owners={"": "helper"},
    tools=(Called("add", {"a": 2, "b": 3}, "5"),),
    session=True,
)
def run_and_its_events(url: str) -> None:
    def add(a: int, b: int) -> int:
        return a + b

    helper = assistant(url, functions=[add])
    response = helper.run(message="2 and 3?", max_turns=3)
    print([event.type for event in response.events], response.summary)


@cases.add(
    script=ADDS,
    input="2 and 3?",
    output="The sum is 5",
    agents=("helper", "user"),
    tools=(Called("add", {"a": 2, "b": 3}, "5"),),
)
async def run_async(url: str) -> None:
    def add(a: int, b: int) -> int:
        return a + b

    helper = assistant(url, functions=[add])
    response = await helper.a_run(message="2 and 3?", max_turns=3)
    print([event.type async for event in response.events], await response.summary)


@cases.add(
    script=[Rule("A draft. TERMINATE")],
    input="Write.",
    agents=("helper",),
    others=("user",),
    stages=(Below("CHAIN", "initiate_chat", "the program's"),),
)
def run_below_a_span(url: str) -> None:
    with pellucid.span("the program's") as span:
        span.set_input("Write.")
        response = person().run(assistant(url), message="Write.", max_turns=1)
        response.process()
        print(response.summary)


@cases.add(
    script=[Rule("One.", system="You are 1")],
    faults=[Fault(status=500, when=lambda b: "You are 2" in str(b), times=None)],
    input="first task",
    agents=("first", "second"),
    others=("user",),
    failed=(Failed("LLM", "gpt-4o", "*"),),
)
async def a_chat_of_a_queue_fails(url: str) -> None:
    chats = [
        {
            "recipient": assistant(url, name, f"You are {number}."),
            "message": f"{name} task.",
            "max_turns": 1,
        }
        for number, name in ((1, "first"), (2, "second"), (3, "third"))
    ]
    found = []
    for response in (await person().a_sequential_run(chats))[:2]:
        try:
            await response.process()
        except Exception as error:
            print(type(error).__name__)
        found.append(await response.summary)
    print(found)


@cases.add(
    since="ag2>=0.10",
    script=[Rule("A draft.")],
    input="Write.",
    agents=("helper",),
    others=("user",),
)
def run_left_half_way(url: str) -> None:
    found = []
    for event in person().run_iter(assistant(url), message="Write.", max_turns=3):
        found.append(event.type)
        if event.type == "text" and len(found) > 4:
            break
    for thread in threading.enumerate():
        if "initiate_chat" in thread.name:  # ag2's own, which sees that nobody reads
            thread.join()
    print(found[:3])


def pattern_agents(url: str) -> Any:
    from autogen.agentchat.group import (
        AgentTarget,
        OnCondition,
        StringLLMCondition,
        TerminateTarget,
    )

    triage = assistant(url, "Triage", "You triage.")
    tech = assistant(url, "Tech", "You repair.")
    triage.handoffs.add_llm_condition(
        OnCondition(target=AgentTarget(tech), condition=StringLLMCondition(prompt="A fault."))
    )
    tech.handoffs.set_after_work(TerminateTarget())
    return triage, tech


HANDED = [
    Rule(
        lambda r: Call(r.tools[0].name, {}),
        system="You triage",
        when=lambda r: bool(r.tools) and r.answered_tool is None,
    ),
    Rule("Clean the lens. TERMINATE", system="You repair"),
    Rule("Tech", system="role play"),
    Rule("Done. TERMINATE"),
]


@cases.add(
    script=HANDED,
    input="My disc is broken",
    output="Clean the lens",
    agents=("Triage", "Tech"),
    others=("user", "chat_manager"),
    owners={"You triage": "Triage", "You repair": "Tech"},
    tools=(Called("transfer_to_Tech_1"),),
)
def default_pattern_hands_over(url: str) -> None:
    from autogen.agentchat import initiate_group_chat
    from autogen.agentchat.group.patterns import DefaultPattern

    triage, tech = pattern_agents(url)
    pattern = DefaultPattern(initial_agent=triage, agents=[triage, tech])
    result, _, last = initiate_group_chat(
        pattern=pattern, messages="My disc is broken", max_rounds=6
    )
    print(result.summary, last.name)


@cases.add(
    script=SPEAKERS,
    input="Write a line.",
    agents=("Writer", "Critic"),
    others=("user", "chat_manager"),
    owners=OWNERS,
)
def auto_pattern_run_as_events(url: str) -> None:
    from autogen.agentchat import run_group_chat
    from autogen.agentchat.group.patterns import AutoPattern

    writer, critic = writers(url)
    pattern = AutoPattern(
        initial_agent=writer,
        agents=[writer, critic],
        user_agent=person(),
        group_manager_args={"llm_config": config(url), "is_termination_msg": ends},
    )
    response = run_group_chat(pattern=pattern, messages="Write a line.", max_rounds=4)
    print([event.type for event in response.events])


@cases.add(
    script=SPEAKERS,
    input="Write a line.",
    agents=("Writer", "Critic"),
    others=("user", "chat_manager"),
    owners=OWNERS,
)
async def round_robin_pattern_async(url: str) -> None:
    from autogen.agentchat import a_initiate_group_chat
    from autogen.agentchat.group.patterns import RoundRobinPattern

    writer, critic = writers(url)
    pattern = RoundRobinPattern(
        initial_agent=writer,
        agents=[writer, critic],
        group_manager_args={"llm_config": config(url), "is_termination_msg": ends},
    )
    result, _, last = await a_initiate_group_chat(
        pattern=pattern, messages="Write a line.", max_rounds=4
    )
    print(result.summary, last.name)


@cases.add(
    script=[
        Rule(
            Call("note", {"text": "lens"}),
            system="You triage",
            when=lambda r: r.answered_tool is None,
        ),
        Rule("Cleaned. TERMINATE", system="You repair"),
        Rule("Done. TERMINATE"),
    ],
    input="My disc",
    output="Cleaned",
    agents=("Triage", "Tech"),
    others=("user", "chat_manager"),
    tools=(Called("note", None, "noted"),),
    manual="inside the tool",
    manual_tool="note",
)
def context_variables_and_a_reply_that_hands_over(url: str) -> None:
    from autogen.agentchat import initiate_group_chat
    from autogen.agentchat.group import AgentTarget, ContextVariables, ReplyResult, TerminateTarget
    from autogen.agentchat.group.patterns import DefaultPattern

    tech = assistant(url, "Tech", "You repair.")

    def note(text: str, context_variables: ContextVariables) -> ReplyResult:
        """Note a fault."""
        with pellucid.span("inside the tool"):
            context_variables["fault"] = text
        return ReplyResult(
            message="noted", target=AgentTarget(tech), context_variables=context_variables
        )

    triage = assistant(url, "Triage", "You triage.", functions=[note])
    tech.handoffs.set_after_work(TerminateTarget())
    pattern = DefaultPattern(
        initial_agent=triage, agents=[triage, tech], context_variables=ContextVariables()
    )
    result, found, _ = initiate_group_chat(pattern=pattern, messages="My disc", max_rounds=6)
    print(result.summary, found.to_dict())


@cases.add(
    script=[
        Rule("```python\nprint(6 * 7)\n```", user="Compute"),
        Rule("It printed 42. TERMINATE", user="exitcode: 0"),
    ],
    input="Compute",
    output="It printed 42",
    agents=("helper", "user"),
    owners={"": "helper"},
    tools=(Called("execute code", None, "42"),),
)
def code_that_runs(url: str) -> None:
    from autogen.coding import LocalCommandLineCodeExecutor

    with tempfile.TemporaryDirectory() as folder:
        executor = LocalCommandLineCodeExecutor(work_dir=folder)
        runner = person(code_execution_config={"executor": executor})
        print(runner.initiate_chat(assistant(url), message="Compute.", max_turns=3).summary)


@cases.add(
    script=[
        Rule("```python\nraise SystemExit(3)\n```", user="Compute"),
        Rule("It failed. TERMINATE", user="exitcode: 3"),
    ],
    output="It failed",
    agents=("helper", "user"),
    tools=(Called("execute code"),),
    failed=(Failed("TOOL", "execute code"),),
)
def code_that_fails(url: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        runner = person(code_execution_config={"work_dir": folder, "use_docker": False})
        print(runner.initiate_chat(assistant(url), message="Compute.", max_turns=3).summary)


@contextmanager
def typed(*lines: str) -> Iterator[None]:
    """Answer `input()` with lines."""
    left = iter(lines)
    kept = builtins.input
    builtins.input = lambda prompt="": next(left)
    try:
        yield
    finally:
        builtins.input = kept


@cases.add(
    script=[Rule("Which disc?", user="Help"), Rule("Clean it. TERMINATE", user="Blu-ray")],
    input="Help",
    output="Clean it",
    agents=("helper", "user"),
    owners={"": "helper"},
)
def a_person_answers(url: str) -> None:
    caller = person(human_input_mode="ALWAYS")
    with typed("The Blu-ray.", "exit"):
        print(caller.initiate_chat(assistant(url), message="Help", max_turns=3).human_input)


@cases.add(
    since="ag2>=0.10",
    script=[Rule("A draft of a line.")],
    input="Write.",
    output="A draft of a line.",
    agents=("helper",),
    others=("user",),
)
def a_streamed_reply(url: str) -> None:
    helper = assistant(url, llm_config=config(url, entry={"stream": True}))
    print(person().initiate_chat(helper, message="Write.", max_turns=1).summary)


@cases.add(
    since="ag2>=0.10",
    script=[Rule("A draft.")],
    faults=[Fault(status=429, retry_after_s=0.01), Fault(status=500, retry_after_s=0.01)],
    input="Write.",
    output="A draft.",
    agents=("helper",),
    others=("user",),
)
def retries(url: str) -> None:
    helper = assistant(url, llm_config=config(url, entry={"max_retries": 3}))
    print(person().initiate_chat(helper, message="Write.", max_turns=1).summary)


@cases.add(
    since="ag2>=0.10",
    script=[Rule("A draft.", model="gpt-4o-mini")],
    faults=[Fault(status=429, when=lambda body: body["model"] == "gpt-4o", times=None)],
    output="A draft.",
    agents=("helper",),
    others=("user",),
    failed=(Failed("LLM", "gpt-4o$"),),
)
def falls_back_to_another_model(url: str) -> None:
    both = config(url)
    both["config_list"].append({**both["config_list"][0], "model": "gpt-4o-mini"})
    helper = assistant(url, llm_config=both)
    print(person().initiate_chat(helper, message="Write.", max_turns=1).summary)


@cases.add(
    script=[Rule("Writer", system="role play")],
    faults=[
        Fault(status=500, when=lambda b: b["messages"][0]["content"] == "You write.", times=None)
    ],
    input="Write a line.",
    agents=("Writer", "chat_manager"),
    others=("user",),
    failed=(Failed("LLM", "gpt-4o", "*"),),
    raises="told to fail",
)
def a_model_fails_in_a_group(url: str) -> None:
    manager = group_of(url, "auto")
    manager.groupchat.agents[0].initiate_chat(manager, message="Write a line.")


@cases.add(
    script=[Rule("A draft.")],
    traces=3,
    agents=("helper",),
    others=("user",),
    parallel=True,
    session=True,
    sessions=3,
)
def chats_in_threads(url: str) -> None:
    def talk(number: int) -> str:
        result = person().initiate_chat(assistant(url), message=f"Task {number}", max_turns=1)
        return str(result.summary)

    with ThreadPoolExecutor(3) as pool:
        print(list(pool.map(talk, range(3))))


@cases.add(
    script=[Rule("A draft.")],
    agents=("helper",),
    others=("user",),
    parallel=True,
    stages=(Below("CHAIN", "initiate_chat", "branches", 3),),
)
async def branches_side_by_side(url: str) -> None:
    async def talk(number: int) -> str:
        result = await person().a_initiate_chat(
            assistant(url), message=f"Task {number}", max_turns=1
        )
        return str(result.summary)

    with pellucid.span("branches"):
        print(await asyncio.gather(*map(talk, range(3))))


@cases.add(
    script=[
        Rule("In short: a draft.", when=lambda r: "Summarize" in r.text),
        Rule("A draft. TERMINATE"),
    ],
    input="Write.",
    output="In short",
    agents=("helper",),
    others=("user",),
    owners={"": "helper"},
)
def a_summary_by_a_model(url: str) -> None:
    result = person().initiate_chat(
        assistant(url), message="Write.", max_turns=1, summary_method="reflection_with_llm"
    )
    print(result.summary)


@cases.add(
    script=[{"title": "Alien", "year": 1979}],
    input="What film?",
    output="Alien",
    agents=("helper",),
    others=("user",),
)
def structured_output(url: str) -> None:
    from pydantic import BaseModel

    class Film(BaseModel):
        title: str
        year: int

    helper = assistant(url, llm_config=config(url, response_format=Film))
    print(person().initiate_chat(helper, message="What film?", max_turns=1).summary)


@cases.add(
    script=[Rule("A draft.")],
    input="Write.",
    output="A draft.",
    agents=("helper",),
    owners={"": "helper"},
)
def a_reply_without_a_chat(url: str) -> None:
    print(assistant(url).generate_reply(messages=[{"role": "user", "content": "Write."}]))


@cases.add(
    script=["One.", "Two.", "Three."],
    traces=3,
    input="Hello",
    output="Three.",
    agents=("helper",),
    others=("user",),
    session=True,
    sessions=2,
)
def a_chat_goes_on(url: str) -> None:
    helper, caller = assistant(url), person()
    print(caller.initiate_chat(helper, message="Hello", max_turns=1).summary)
    print(caller.initiate_chat(helper, message="More", max_turns=1, clear_history=False).summary)
    print(caller.initiate_chat(helper, message="Anew", max_turns=1).summary)


@cases.add(
    script=[
        Rule(Call("add", {"a": 2, "b": 3}), offers="add", when=lambda r: r.answered_tool is None),
        Rule("The sum is 5. TERMINATE"),
    ],
    input="2 and 3?",
    output="The sum is 5",
    agents=("helper", "user"),
    tools=(Called("add", {"a": 2, "b": 3}, "5"),),
)
def responses_api_with_a_tool(url: str) -> None:
    import autogen

    def add(a: int, b: int) -> int:
        return a + b

    helper = assistant(url, llm_config=config(url, entry={"api_type": "responses"}))
    caller = person()
    autogen.register_function(add, caller=helper, executor=caller, description="Add.")
    print(caller.initiate_chat(helper, message="2 and 3?", max_turns=2).summary)


late = Held(Reply(text="A draft.", cached_tokens=4))


@cases.add(
    since="ag2>=0.10",
    script=[Rule(late)],
    unheard=1,
    input="Write.",
    agents=("helper",),
    others=("user",),
    failed=(Failed("LLM", "gpt-4o", "*"),),
)
async def a_chat_that_times_out(url: str) -> None:
    from openai import APITimeoutError

    helper = assistant(url, llm_config=config(url, entry={"timeout": 2.0}))
    try:
        await person().a_initiate_chat(helper, message="Write.", max_turns=1)
    except (TimeoutError, APITimeoutError) as error:
        print(type(error).__name__)
    await late.asked()
    late.let_go()


@cases.add(
    script=[
        Rule("A thought.", system="You think"),
        Rule("Writer", system="role play"),
        Rule("A line. TERMINATE"),
    ],
    input="Write a line.",
    output="Write a line.",
    agents=("Writer", "inner_manager", "boss"),
    others=("user", "Critic", "chat_manager"),
    stages=(Below("CHAIN", "initiate_chat boss → inner_manager", "^boss$"),),
)
def a_group_inside_an_agent(url: str) -> None:
    import autogen

    writer, critic = writers(url)
    group = autogen.GroupChat(agents=[writer, critic], messages=[], max_round=3)
    manager = autogen.GroupChatManager(
        groupchat=group, name="inner_manager", llm_config=config(url), is_termination_msg=ends
    )
    boss = assistant(url, "boss", "You lead.")
    boss.register_nested_chats(
        [{"recipient": manager, "message": "Write a line.", "summary_method": "last_msg"}],
        trigger=lambda sender: sender.name == "user",
    )
    print(person().initiate_chat(boss, message="Write a line.", max_turns=1).summary)


@cases.add(
    script=[{"activated": True, "justification": "It is secret."}, "I may not say."],
    since="ag2>=0.10",
    input="The secret?",
    output="I may not say.",
    agents=("keeper", "chat_manager"),
    others=("helper",),
    stages=(Below("GUARDRAIL", "secrets", "chat_manager"), Below("LLM", "", "secrets")),
    session=True,
)
def a_guardrail_asks_a_model(url: str) -> None:
    import autogen
    from autogen.agentchat import initiate_group_chat
    from autogen.agentchat.group import AgentTarget, TerminateTarget
    from autogen.agentchat.group.guardrails import LLMGuardrail
    from autogen.agentchat.group.patterns import DefaultPattern

    helper, keeper = assistant(url), assistant(url, "keeper", "You keep.")
    guardrail = LLMGuardrail(
        name="secrets",
        condition="Asks for a secret?",
        target=AgentTarget(keeper),
        llm_config=autogen.LLMConfig(*config(url)["config_list"], cache_seed=None),
        activation_message="Stop.",
    )
    helper.register_input_guardrail(guardrail)
    keeper.handoffs.set_after_work(TerminateTarget())
    pattern = DefaultPattern(initial_agent=helper, agents=[helper, keeper])
    result, _, _ = initiate_group_chat(pattern=pattern, messages="The secret?", max_rounds=4)
    print(result.summary)


@cases.add(
    script=["From the model behind."],
    input="Hello?",
    output="From the model behind.",
    agents=("helper",),
    owners={"": "helper"},
)
def a_model_client_of_the_programs_own(url: str) -> None:
    from types import SimpleNamespace

    import openai

    class OwnClient:
        def __init__(self, config: Any, **more: Any) -> None:
            self.model = config["model"]
            self.client = openai.OpenAI(base_url=url, api_key="k")

        def create(self, params: Any) -> Any:
            said = self.client.chat.completions.create(
                model=self.model, messages=params["messages"]
            )
            message = SimpleNamespace(content=said.choices[0].message.content, function_call=None)
            return SimpleNamespace(
                choices=[SimpleNamespace(message=message)], model=self.model, cost=0
            )

        def message_retrieval(self, response: Any) -> list[str]:
            return [choice.message.content for choice in response.choices]

        def cost(self, response: Any) -> float:
            return 0.0

        @staticmethod
        def get_usage(response: Any) -> dict[str, Any]:
            return {}

    # It prints that it found one, with the time.
    logging.getLogger("autogen.oai.client").setLevel(logging.WARNING)
    entry = {"model": "own-model", "model_client_cls": "OwnClient"}
    helper = assistant(url, llm_config={"config_list": [entry], "cache_seed": None})
    helper.register_model_client(model_client_cls=OwnClient)
    print(person().initiate_chat(helper, message="Hello?", max_turns=1).summary)
