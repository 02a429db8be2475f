"""What the scripted model says to two agents that improve an image prompt.

The painter adds what the critic missed; the critic looks for five things in the prompt that drew
the picture, names the first two that are missing, and gives two points for each that is there.
"""

import re

from pellucid.demo.model_server import ModelRequest, Rule, ScriptedModelServer

SUBJECT = "A stack of Blu-ray discs that holds all of Wikipedia"
WISHES = {
    "to scale": "drawn to scale with a person beside it",
    "labelled": "its height labelled in metres",
    "light": "in soft morning light",
    "plain": "before a plain grey wall",
    "photograph": "as a sharp photograph",
}
"""What the critic looks for → what the painter adds for it."""
_MISSING = re.compile(r"Missing: ([^\n.]+)")
_PROMPT = re.compile(r"PROMPT: (.+)")


def paint(request: ModelRequest) -> str:
    """Reply as the painter: the last prompt with what the critic missed."""
    prompts = [prompt for prompt in _PROMPT.findall(request.text) if prompt != "…"]
    prompt = prompts[-1] if prompts else SUBJECT
    missing = _MISSING.findall(request.text)
    wanted = [word.strip() for word in missing[-1].split(",")] if missing else []
    added = [WISHES[word] for word in wanted if word in WISHES and WISHES[word] not in prompt]
    return f"PROMPT: {', '.join([prompt, *added])}"


def judge(request: ModelRequest) -> str:
    """Reply as the critic: points, and what is missing."""
    prompts = _PROMPT.findall(request.text)
    prompt = prompts[-1] if prompts else ""
    missing = [word for word in WISHES if word not in prompt]
    points = 2 * (len(WISHES) - len(missing))
    told = f"Missing: {', '.join(missing[:2])}." if missing else "Nothing is missing."
    return f"SCORE: {points}\n{told}"


SCRIPT = [Rule(judge, system="strict critic"), Rule(paint)]


def scripted_image_server() -> ScriptedModelServer:
    """Return a model server that plays painter and critic, and paints."""
    return ScriptedModelServer(SCRIPT, aliases={"gpt-4o-mini": "gpt-4o-mini-2024-07-18"})
