"""The Blu-ray question, answered in an AG2 chat: one agent asks for tools, the other runs them."""

from autogen import ConversableAgent
from bluray import (
    INSTRUCTIONS,
    QUESTION,
    calculate,
    convert_units,
    model,
    search_encyclopedia,
    show,
)

import pellucid


def main() -> None:
    pellucid.init(experiment="bluray-ag2")
    pellucid.autolog()
    with model() as access:
        config = {"model": access.name, "base_url": access.base_url, "api_key": access.api_key}
        engineer = ConversableAgent(
            "engineer",
            system_message=INSTRUCTIONS,
            llm_config={"config_list": [config], "cache_seed": None},
            human_input_mode="NEVER",
        )
        asker = ConversableAgent(
            "asker",
            llm_config=False,
            human_input_mode="NEVER",
            is_termination_msg=lambda message: not message.get("tool_calls"),
        )
        for tool in (search_encyclopedia, calculate, convert_units):
            engineer.register_for_llm(description=tool.__doc__)(tool)
            asker.register_for_execution()(tool)
        result = asker.initiate_chat(engineer, message=QUESTION, max_turns=12, silent=True)
        show(result.chat_history[-1]["content"])


if __name__ == "__main__":
    main()
