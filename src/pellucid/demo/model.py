"""The agent's model: the ordinary `openai` client, with one Pellucid span around every call.

This file shows how model calls are traced by hand. `pellucid.autolog()` would do the same
without a line of it; by hand you see what a span can hold.
"""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import openai

import pellucid

Message = dict[str, Any]
"""A chat message as the `openai` client takes it."""


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """Which model does what, and what every chat request asks for besides its messages."""

    provider: str
    chat: str
    embedding: str
    image: str
    parameters: dict[str, Any] = field(default_factory=dict)


class Model:
    """Chat, embeddings and images of one OpenAI-compatible provider, traced."""

    def __init__(self, client: openai.OpenAI, settings: ModelSettings) -> None:
        self._client = client
        self._settings = settings

    def ask(self, step: str, messages: Sequence[Message], **parameters: Any) -> Message:
        """Ask for one reply; `parameters` go to the API as they are, `tools` included.

        Returns the assistant's message, which may hold `tool_calls`.
        """
        parameters = self._settings.parameters | parameters
        with pellucid.span(step, kind="LLM") as span:
            self._describe(span, messages, parameters)
            completion = self._client.chat.completions.create(
                model=self._settings.chat, messages=list[Any](messages), **parameters
            )
            choice = completion.choices[0]
            reply: Message = choice.message.model_dump(
                include={"role", "content", "tool_calls"}, exclude_none=True
            )
            span.set_messages(output=[reply | {"finish_reason": choice.finish_reason}])
            span.set_attribute("gen_ai.response.model", completion.model)
            span.set_finish_reason(choice.finish_reason)
            _set_usage(span, completion.usage)
            return reply

    def stream(
        self,
        step: str,
        messages: Sequence[Message],
        on_text: Callable[[str], None],
    ) -> str:
        """Ask for a reply in words, hand on each piece as it comes, and return it whole."""
        parameters: dict[str, Any] = self._settings.parameters
        with pellucid.span(step, kind="LLM") as span:
            self._describe(span, messages, parameters)
            pieces: list[str] = []
            finish = "stop"
            with self._client.chat.completions.create(
                model=self._settings.chat,
                messages=list[Any](messages),
                stream=True,
                stream_options={"include_usage": True},
                **parameters,
            ) as chunks:
                for chunk in chunks:
                    _set_usage(span, chunk.usage)
                    for choice in chunk.choices:
                        finish = choice.finish_reason or finish
                        if choice.delta.content:
                            span.set_first_token()
                            pieces.append(choice.delta.content)
                            on_text(choice.delta.content)
            text = "".join(pieces)
            span.set_messages(
                output=[{"role": "assistant", "content": text, "finish_reason": finish}]
            )
            span.set_finish_reason(finish)
            return text

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Return one vector a text. A single text, a query, is traced; an index build is not."""
        if len(texts) > 1:
            return self._embed(texts).vectors
        with pellucid.span("embed query", kind="EMBEDDING", input=texts[0]) as span:
            span.set_model(self._settings.embedding, self._settings.provider)
            found = self._embed(texts)
            span.set_usage(input=found.input_tokens)
            span.set_output({"vectors": 1, "dimensions": len(found.vectors[0])})
            return found.vectors

    def draw(self, prompt: str) -> bytes:
        """Return a picture of what `prompt` describes, as a PNG file."""
        with pellucid.span("draw picture", kind="IMAGE", input=prompt) as span:
            size = "1024x1024"
            span.set_model(self._settings.image, self._settings.provider, size=size, n=1)
            drawn = self._client.images.generate(
                model=self._settings.image, prompt=prompt, size=size, n=1
            )
            picture = base64.b64decode((drawn.data or [])[0].b64_json or "")
            span.add_attachment(picture, name="stack.png", media_type="image/png")
            span.set_output({"images": 1, "size": size, "size_bytes": len(picture)})
            usage: Any = getattr(drawn, "usage", None)
            if hasattr(usage, "output_tokens"):  # clients before 1.76 do not know of it
                tokens = usage.output_tokens
                span.set_usage(input=usage.input_tokens, output=tokens, image=tokens)
            return picture

    def _describe(
        self, span: pellucid.Span, messages: Sequence[Message], parameters: dict[str, Any]
    ) -> None:
        """Note what is about to be asked, so that it is seen even where the call fails."""
        shown = {name: value for name, value in parameters.items() if name != "tools"}
        span.set_model(self._settings.chat, self._settings.provider, **shown)
        span.set_messages(input=messages)
        if "tools" in parameters:
            span.set_tools(parameters["tools"])

    def _embed(self, texts: Sequence[str]) -> "_Embedded":
        reply = self._client.embeddings.create(model=self._settings.embedding, input=list(texts))
        return _Embedded([item.embedding for item in reply.data], reply.usage.prompt_tokens)


@dataclass(frozen=True)
class _Embedded:
    vectors: list[list[float]]
    input_tokens: int


def _set_usage(span: pellucid.Span, usage: Any) -> None:
    """Note tokens; an OpenAI-compatible server may leave out the details, or all of it."""
    if usage is None:
        return
    cached = getattr(usage.prompt_tokens_details, "cached_tokens", None)
    reasoning = getattr(usage.completion_tokens_details, "reasoning_tokens", None)
    span.set_usage(
        input=usage.prompt_tokens,
        output=usage.completion_tokens,
        cache_read=cached or None,
        reasoning=reasoning or None,
    )
