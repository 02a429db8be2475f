"""Which model answers: the scripted one, or a real one if the user names it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import openai

from pellucid.core.errors import PellucidError
from pellucid.demo.model import Model, ModelSettings
from pellucid.demo.scripted_model import SETTINGS, scripted_server

_EMBEDDING_MODEL = "text-embedding-3-small"
_IMAGE_MODEL = "gpt-image-1"


def require_credentials(name: str) -> None:
    """Raise PellucidError where nothing says how the real model `name` is reached."""
    if not os.environ.get("OPENAI_BASE_URL") and not os.environ.get("OPENAI_API_KEY"):
        raise PellucidError(
            f"--model {name} asks for a real model. Set OPENAI_API_KEY, or OPENAI_BASE_URL for a "
            "server that needs no key; without --model the demo brings a scripted model."
        )


@contextmanager
def open_model(name: str | None, *, pace: float = 1.0) -> Iterator[Model]:
    """Yield the real model called `name`, or the scripted one where that is None.

    A real one is reached as the `openai` client does: `OPENAI_API_KEY`, `OPENAI_BASE_URL`; raises
    as `require_credentials` does. `pace` is the scripted model's.
    """
    if name is None:
        with scripted_server(pace=pace) as server:
            # A proxy set in the environment must not get between this process and itself.
            http = openai.DefaultHttpxClient(trust_env=False)
            with openai.OpenAI(
                base_url=server.base_url, api_key="scripted", http_client=http
            ) as client:
                yield Model(client, SETTINGS)
        return
    require_credentials(name)
    settings = ModelSettings(
        provider="openai", chat=name, embedding=_EMBEDDING_MODEL, image=_IMAGE_MODEL
    )
    with openai.OpenAI(api_key=os.environ.get("OPENAI_API_KEY") or "none") as client:
        yield Model(client, settings)
