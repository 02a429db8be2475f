"""ag2 before 1.0: two-agent chats, tools, group chats, nested chats, code, async, failures."""

import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import pellucid
from pellucid.core.span import SpanKind, Status
from pellucid.demo.model_server import Call, Rule, ScriptedModelServer
from pellucid.integrations import autolog
from pellucid.testing.conformance import Recording, shown

autogen: Any = pytest.importorskip("autogen", reason="ag2 < 1 is in environment a")
pytestmark = pytest.mark.filterwarnings("default")

SCRIPT = [
    Rule("Writer", system="role play", user="Read the"),
    Rule(Call("add", {"a": 2, "b": 3}), offers="add", when=lambda r: r.answered_tool is None),
    Rule(lambda request: f"The sum is {request.last.text}. TERMINATE", tool="add"),
    Rule("```python\nprint(6 * 7)\n```", user="Compute"),
    Rule("Noted. TERMINATE", user="exitcode"),
    Rule("A draft. TERMINATE"),
]


@pytest.fixture
def server() -> Iterator[ScriptedModelServer]:
    with ScriptedModelServer(script=SCRIPT) as scripted:
        yield scripted


@pytest.fixture
def config(server: ScriptedModelServer) -> Any:
    return {
        "config_list": [{"model": "gpt-4o", "base_url": server.base_url, "api_key": "k"}],
        "cache_seed": None,
        "temperature": 0.1,
    }


@pytest.fixture(autouse=True)
def _traced(recording: Recording) -> Iterator[None]:
    assert "autogen" in autolog()
    yield
    autolog(disable=True)


def assistant(config: Any, name: str = "assistant", **more: Any) -> Any:
    return autogen.AssistantAgent(name, llm_config=config, **more)


def user(**more: Any) -> Any:
    more = {"human_input_mode": "NEVER", "code_execution_config": False, **more}
    more.setdefault("is_termination_msg", lambda m: "TERMINATE" in (m.get("content") or ""))
    return autogen.UserProxyAgent("user", **more)


def test_a_chat_of_two_with_a_tool(
    config: Any, server: ScriptedModelServer, recording: Recording
) -> None:
    helper, caller = assistant(config), user()

    def add(a: int, b: int) -> int:
        with pellucid.span("inside the tool"):
            return a + b

    autogen.register_function(add, caller=helper, executor=caller, description="Add.")
    result = caller.initiate_chat(helper, message="What is 2 and 3?", max_turns=4)
    assert "The sum is 5" in result.summary
    recording.check_structure()
    recording.check_model_calls(server.log)
    recording.check_root(input="What is 2 and 3?", output="The sum is 5")
    recording.check_owner("assistant")
    tool = recording.check_tool("add", arguments={"a": 2, "b": 3}, result="5")
    assert recording.named("inside the tool").parent_id == tool.span_id
    recording.check_no_failure()
    assert recording.root.name == "initiate_chat user → assistant"


def test_a_tool_that_fails(config: Any, server: ScriptedModelServer, recording: Recording) -> None:
    helper, caller = assistant(config), user()

    def add(a: int, b: int) -> int:
        raise ValueError("no adding today")

    autogen.register_function(add, caller=helper, executor=caller, description="Add.")
    caller.initiate_chat(helper, message="What is 2 and 3?", max_turns=3)
    (failed,) = recording.of_kind(SpanKind.TOOL)
    recording.check_failure(failed)
    assert "no adding today" in failed.status_message
    assert recording.root.status is Status.OK


def test_a_group_chat_shows_who_was_chosen_from_whom(
    config: Any, server: ScriptedModelServer, recording: Recording
) -> None:
    writer = assistant(config, "Writer")
    critic = assistant(config, "Critic")
    group = autogen.GroupChat(agents=[writer, critic], messages=[], max_round=3)
    manager = autogen.GroupChatManager(groupchat=group, llm_config=config)
    user().initiate_chat(manager, message="Write a line.", max_turns=1)
    recording.check_structure()
    recording.check_model_calls(server.log)
    recording.check_owner("Writer", "chat_manager")
    chosen = [span for span in recording.spans if span.name == "select speaker"]
    assert chosen
    assert "Critic" in shown(chosen[0].input)
    assert chosen[0].output == "Writer"
    agents = {span.name for span in recording.of_kind(SpanKind.AGENT)}
    assert agents <= {"user", "chat_manager", "Writer", "Critic"}


def test_nested_chats_are_below_the_turn_that_holds_them(
    config: Any, server: ScriptedModelServer, recording: Recording
) -> None:
    outer, inner = assistant(config, "outer"), assistant(config, "inner")
    outer.register_nested_chats(
        [{"recipient": inner, "message": "Think.", "max_turns": 1, "summary_method": "last_msg"}],
        trigger=lambda sender: sender.name == "user",
    )
    user().initiate_chat(outer, message="Go.", max_turns=1)
    recording.check_structure()
    recording.check_model_calls(server.log)
    nested = recording.named("initiate_chat outer → inner")
    assert recording.ancestors(nested)[0].name == "outer"


def test_code_is_shown_with_what_it_printed(
    config: Any, server: ScriptedModelServer, recording: Recording, tmp_path: Any
) -> None:
    from autogen.coding import LocalCommandLineCodeExecutor

    executor = LocalCommandLineCodeExecutor(work_dir=tmp_path)
    runner = user(code_execution_config={"executor": executor})
    runner.initiate_chat(assistant(config), message="Compute it.", max_turns=2)
    recording.check_structure()
    recording.check_model_calls(server.log)
    code = recording.check_tool("execute code", result="42")
    assert "print(6 * 7)" in shown(code.input)


async def test_async_chats(config: Any, server: ScriptedModelServer, recording: Recording) -> None:
    helper, caller = assistant(config), user()

    async def add(a: int, b: int) -> int:
        with pellucid.span("inside the tool"):
            return a + b

    autogen.register_function(add, caller=helper, executor=caller, description="Add.")
    await caller.a_initiate_chat(helper, message="What is 2 and 3?", max_turns=3)
    recording.check_structure()
    recording.check_model_calls(server.log)
    tool = recording.check_tool("add", arguments={"a": 2, "b": 3})
    assert recording.named("inside the tool").parent_id == tool.span_id
    recording.check_owner("assistant")


def test_a_model_that_fails_fails_what_waited_for_it(config: Any, recording: Recording) -> None:
    config["config_list"][0]["base_url"] = "http://127.0.0.1:9/v1"
    config["config_list"][0]["max_retries"] = 0
    with pytest.raises(Exception, match="onnection"):
        user().initiate_chat(assistant(config), message="Hello", max_turns=1)
    (failed,) = recording.of_kind(SpanKind.LLM)
    recording.check_failure(failed)
    assert recording.root.status is Status.ERROR


def test_chats_in_a_queue_are_one_trace(
    config: Any, server: ScriptedModelServer, recording: Recording
) -> None:
    chats = [
        {"recipient": assistant(config, name), "message": f"To {name}", "max_turns": 1}
        for name in ("first", "second")
    ]
    user().initiate_chats(chats)
    recording.check_structure()
    recording.check_model_calls(server.log)
    recording.check_root(input="To first", output="A draft")
    names = [span.name for span in recording.children(recording.root)]
    assert names == ["initiate_chat user → first", "initiate_chat user → second"]


async def test_chats_of_a_queue_that_need_each_other_are_one_trace(
    config: Any, server: ScriptedModelServer, recording: Recording
) -> None:
    chats = [
        {"chat_id": 1, "recipient": assistant(config, "first"), "message": "One", "max_turns": 1},
        {
            "chat_id": 2,
            "prerequisites": [1],
            "recipient": assistant(config, "second"),
            "message": "Two",
            "max_turns": 1,
        },
    ]
    results = await user().a_initiate_chats(chats)
    assert sorted(results) == [1, 2]
    recording.check_structure()
    recording.check_model_calls(server.log)


def test_a_queue_is_one_trace_by_the_function_too(config: Any, recording: Recording) -> None:
    chat = {"recipient": assistant(config), "message": "Go", "max_turns": 1, "sender": user()}
    (result,) = autogen.initiate_chats(chat_queue=[chat])
    assert "A draft" in result.summary
    recording.check_structure()
    assert recording.root.name == "initiate_chats"


def test_a_summary_by_a_model_is_its_agents(
    config: Any, server: ScriptedModelServer, recording: Recording
) -> None:
    user().initiate_chat(
        assistant(config), message="Hello", max_turns=1, summary_method="reflection_with_llm"
    )
    recording.check_structure()
    recording.check_model_calls(server.log)
    recording.check_owner("assistant")
    summary = recording.children(recording.root)[-1]
    assert summary.attributes["ag2.step"] == "summary"
    assert "A draft" in shown(summary.output)


def test_a_group_of_a_pattern_ends_without_failure(
    config: Any, server: ScriptedModelServer, recording: Recording
) -> None:
    from autogen.agentchat import initiate_group_chat
    from autogen.agentchat.group import TerminateTarget
    from autogen.agentchat.group.patterns import DefaultPattern

    triage = autogen.ConversableAgent("Triage", llm_config=config)
    triage.handoffs.set_after_work(TerminateTarget())
    pattern = DefaultPattern(initial_agent=triage, agents=[triage])
    initiate_group_chat(pattern=pattern, messages="My disc is broken", max_rounds=5)
    recording.check_structure()
    recording.check_model_calls(server.log)
    recording.check_root(input="My disc", output="A draft")
    recording.check_no_failure()
    assert not [span for span in recording.spans if "_User" in span.name + shown(span.input)]


def test_a_chat_that_goes_on_is_one_session(config: Any, recording: Recording) -> None:
    helper, caller = assistant(config), user()
    caller.initiate_chat(helper, message="Hello", max_turns=1)
    caller.initiate_chat(helper, message="More", max_turns=1, clear_history=False)
    caller.initiate_chat(helper, message="Anew", max_turns=1)
    roots = [span for span in recording.spans if not span.parent_id]
    first, second, third = (span.session_id for span in roots)
    assert first
    assert first == second != third


def test_a_model_of_the_programs_own_client_is_shown_and_left_again(recording: Recording) -> None:
    class OwnClient:
        def __init__(self, config: Any, **more: Any) -> None:
            self.model = config["model"]

        def create(self, params: Any) -> Any:
            message = SimpleNamespace(content="Made here.", function_call=None)
            return SimpleNamespace(choices=[SimpleNamespace(message=message)], model=self.model)

        def message_retrieval(self, response: Any) -> list[str]:
            return [choice.message.content for choice in response.choices]

        def cost(self, response: Any) -> float:
            response.cost = 0.0
            return 0.0

        @staticmethod
        def get_usage(response: Any) -> dict[str, Any]:
            return {}

    create = OwnClient.create
    entry = {"model": "own", "model_client_cls": "OwnClient"}
    helper = autogen.ConversableAgent(
        "helper", llm_config={"config_list": [entry], "cache_seed": None}
    )
    helper.register_model_client(model_client_cls=OwnClient)
    user = autogen.ConversableAgent("user", llm_config=False, human_input_mode="NEVER")
    user.initiate_chat(helper, message="Hello?", max_turns=1)
    (span,) = recording.of_kind(SpanKind.LLM)
    assert span.model == "own"
    assert span.output == "Made here."
    recording.check_owner("helper")
    autolog(disable=True)
    assert OwnClient.create is create


def test_chats_in_a_queue_that_was_imported_before_are_one_trace(recording: Recording) -> None:
    autolog(disable=True)
    module = ModuleType("a_program")
    module.initiate_chats = autogen.initiate_chats  # type: ignore[attr-defined]
    sys.modules["a_program"] = module
    autolog()
    try:
        one = autogen.ConversableAgent("one", llm_config=False, human_input_mode="NEVER")
        two = autogen.ConversableAgent("two", llm_config=False, human_input_mode="NEVER")
        chat = {"sender": one, "recipient": two, "message": "Hello?", "max_turns": 1}
        module.initiate_chats([chat, {**chat, "message": "Again?"}])
    finally:
        del sys.modules["a_program"]
    assert recording.root.name == "initiate_chats"
    recording.check_structure()
