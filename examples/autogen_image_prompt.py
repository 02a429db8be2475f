"""Two AutoGen agents improve an image prompt; the run's gallery shows which prompt drew what.

A painter writes a prompt, an image model draws it, a critic gives points and says what is missing,
and so on until nothing is. Every attempt is logged with its picture, prompt and points; afterwards
`search_runs` and the gallery find the best one.
"""

import asyncio
import base64
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

import openai
from autogen_agentchat.agents import AssistantAgent
from autogen_ext.models.openai import OpenAIChatCompletionClient
from bluray import ModelAccess

import pellucid
from pellucid.demo.scripted_image_agents import SUBJECT, scripted_image_server

PAINTER = (
    "You write prompts for an image model. Keep what was good, add what the critic missed, and "
    "reply with one line: PROMPT: …"
)
CRITIC = (
    "You are a strict critic of pictures. Reply with SCORE: and a number from 0 to 10, then with "
    "'Missing: …', the two most important things that the prompt does not ask for."
)
ATTEMPTS = 6
GOOD_ENOUGH = 10


async def improve(access: ModelAccess, image_model: str) -> None:
    """Let the two agents talk until the critic is content, and log every attempt."""
    chat = OpenAIChatCompletionClient(
        model=access.name, base_url=access.base_url, api_key=access.api_key
    )
    images = openai.AsyncOpenAI(base_url=access.base_url, api_key=access.api_key)
    painter = AssistantAgent("painter", chat, system_message=PAINTER)
    critic = AssistantAgent("critic", chat, system_message=CRITIC)
    task = f"Draw this: {SUBJECT}."
    for attempt in range(1, ATTEMPTS + 1):
        prompt = await ask(painter, task)
        picture = await images.images.generate(
            model=image_model, prompt=prompt.removeprefix("PROMPT: "), size="256x256"
        )
        verdict = await ask(critic, f"This drew the picture:\n{prompt}")
        found = re.search(r"SCORE: *(\d+)", verdict)
        points = int(found[1]) if found else 0
        pellucid.log_metric("points", points, step=attempt)
        pellucid.log_image(
            base64.b64decode((picture.data or [])[0].b64_json or ""),
            key="attempt",
            prompt=prompt.removeprefix("PROMPT: "),
            step=attempt,
            model=image_model,
            metadata={"points": points, "verdict": verdict},
        )
        print(f"attempt {attempt}: {points} points for {prompt.removeprefix('PROMPT: ')}")
        if points >= GOOD_ENOUGH:
            break
        task = f"{prompt}\nThe critic says:\n{verdict}"
    await chat.close()
    await images.close()


async def ask(agent: AssistantAgent, task: str) -> str:
    """Return what an agent answers."""
    result = await agent.run(task=task)
    return result.messages[-1].to_text()


@contextmanager
def model() -> Iterator[ModelAccess]:
    """Yield the real model that the environment names, else the scripted one."""
    base_url, key = os.environ.get("OPENAI_BASE_URL"), os.environ.get("OPENAI_API_KEY")
    if base_url or key:
        yield ModelAccess(os.environ.get("OPENAI_MODEL", "gpt-4o-mini"), base_url, key or "none")
        return
    with scripted_image_server() as server:
        yield ModelAccess("gpt-4o-mini", server.base_url, "scripted")


async def main() -> None:
    pellucid.init(experiment="image-prompts")
    pellucid.autolog()
    image_model = os.environ.get("OPENAI_IMAGE_MODEL", "gpt-image-1")
    with model() as access:
        params = {"model": access.name, "image_model": image_model, "subject": SUBJECT}
        async with pellucid.start_run("painter and critic", params=params) as run:
            run.log_prompt("painter", PAINTER)
            run.log_prompt("critic", CRITIC)
            await improve(access, image_model)
        print(f"The gallery: {run.url}")


if __name__ == "__main__":
    asyncio.run(main())
