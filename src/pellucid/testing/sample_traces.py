"""Traces for the pages to show, as OTLP JSON in our own and OpenTelemetry's names."""

import base64
import io
import itertools
import json
import time
from typing import Any

MS = 1_000_000
_OK, _ERROR = 1, 2
_numbers = itertools.count(1)


def new_trace_id() -> str:
    """Return an id that no other sample has."""
    return f"{time.time_ns():016x}{next(_numbers):016x}"


class Sample:
    """One trace under construction; `add` returns a span's id."""

    def __init__(self, *, experiment: str = "bluray-agent", age_s: float = 60.0) -> None:
        self.trace_id = new_trace_id()
        self.start_ns = time.time_ns() - int(age_s * 1e9)
        self.spans: list[dict[str, Any]] = []
        self._experiment = experiment

    def add(
        self,
        name: str,
        kind: str,
        at_ms: float,
        ms: float,
        *,
        parent: str = "",
        status: int = 0,
        events: list[dict[str, Any]] | None = None,
        dropped: int = 0,
        message: str = "",
        attributes: dict[str, Any] | None = None,
        **named: Any,
    ) -> str:
        """Add a span `at_ms` after the trace's start; `__` in an attribute's name is a dot."""
        span_id = f"{next(_numbers):016x}"
        every = {key.replace("__", "."): value for key, value in named.items()}
        every |= attributes or {}
        every |= {"pellucid.kind": kind, "pellucid.experiment": self._experiment}
        start = self.start_ns + int(at_ms * MS)
        self.spans.append(
            {
                "traceId": self.trace_id,
                "spanId": span_id,
                "parentSpanId": parent,
                "name": name,
                "startTimeUnixNano": str(start),
                "endTimeUnixNano": str(start + int(ms * MS)),
                "status": {"code": status, "message": message},
                "attributes": [_attribute(key, value) for key, value in every.items()],
                "events": events or [],
                "droppedAttributesCount": dropped,
            }
        )
        return span_id

    def request(self) -> dict[str, Any]:
        """Return the body of an OTLP request."""
        scope = {"scope": {"name": "samples", "version": "1"}, "spans": self.spans}
        resource = {"attributes": [_attribute("service.name", "bluray-agent")]}
        return {"resourceSpans": [{"resource": resource, "scopeSpans": [scope]}]}

    def exception(self, at_ms: float, kind: str, text: str) -> dict[str, Any]:
        """Return an exception event with a stack trace of two frames."""
        stack = (
            "Traceback (most recent call last):\n"
            '  File "/srv/agent/tools/wiki.py", line 41, in wiki_lookup\n'
            "    response.raise_for_status()\n"
            '  File "/venv/lib/python3.11/site-packages/httpx/_models.py", line 829, in raise_for\n'
            "    raise HTTPStatusError(message, request=request, response=self)\n"
            f"{kind}: {text}\n"
        )
        return {
            "name": "exception",
            "timeUnixNano": str(self.start_ns + int(at_ms * MS)),
            "attributes": [
                _attribute("exception.type", kind),
                _attribute("exception.message", text),
                _attribute("exception.stacktrace", stack),
            ],
        }


def _attribute(key: str, value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"key": key, "value": {"boolValue": value}}
    if isinstance(value, int):
        return {"key": key, "value": {"intValue": str(value)}}
    if isinstance(value, float):
        return {"key": key, "value": {"doubleValue": value}}
    text = value if isinstance(value, str) else json.dumps(value)
    return {"key": key, "value": {"stringValue": text}}


QUESTION = (
    "How many Blu-ray discs would it take to store all of English Wikipedia's text and images, "
    "and how tall would the stack be?"
)
ANSWER = (
    "About **8,568 dual-layer (50 GB) discs**. Without cases the stack would be **10.28 m** tall, "
    "roughly a three-storey building. Text is only 24.05 GB of it; media are 428.36 TB [1][3].\n\n"
    "- 428,384 GB / 50 GB per disc = 8,567.7, rounded up\n"
    "- 8,568 × 1.2 mm = 10.28 m\n\nAssumed: `1 TB = 1,000 GB`, no file-system overhead."
)


def _text(role: str, content: str) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": content}]}


def _call(call_id: str, name: str, **arguments: Any) -> dict[str, Any]:
    return {"type": "tool_call", "id": call_id, "name": name, "arguments": arguments}


def _returned(call_id: str, response: Any) -> dict[str, Any]:
    part = {"type": "tool_call_response", "id": call_id, "response": response}
    return {"role": "tool", "parts": [part]}


def picture() -> str:
    """Return a small PNG as a data URL: a stack of discs beside a house."""
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (512, 512), "#cfe3f2")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 400, 512, 512), fill="#9bb28a")
    for level in range(40):
        draw.ellipse((90, 380 - level * 8, 200, 400 - level * 8), fill="#b9c6d8", outline="#8796ad")
    draw.rectangle((280, 120, 440, 400), fill="#e2c793")
    for row in range(3):
        for column in range(3):
            x, y = 300 + column * 46, 145 + row * 80
            draw.rectangle((x, y, x + 28, y + 40), fill="#3d5068")
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _llm(model: str, tokens_in: int, tokens_out: int, **more: Any) -> dict[str, Any]:
    return {
        "gen_ai__operation__name": "chat",
        "gen_ai__provider__name": "openai",
        "gen_ai__request__model": model,
        "gen_ai__usage__input_tokens": tokens_in,
        "gen_ai__usage__output_tokens": tokens_out,
    } | more


_CHUNKS = [
    ("wikipedia-size", 0.912, "English Wikipedia's text is 24.05 GB compressed, without media."),
    ("commons-media", 0.874, "Wikimedia Commons held 428.36 TB of media files in 2023."),
    ("bluray-layers", 0.803, "A dual-layer Blu-ray disc holds 50 GB; a single-layer disc 25 GB."),
    ("bluray-thickness", 0.741, "Optical discs are 1.2 mm thick and 120 mm across."),
    ("dvd-capacity", 0.522, "A single-layer DVD holds 4.7 GB, a dual-layer one 8.5 GB."),
    ("eiffel-tower", 0.214, "The Eiffel Tower is 330 m tall to its tip."),
]


def bluray_trace(*, age_s: float = 60.0, fails: bool = False) -> Sample:
    """Return an agent's trace with every kind of span, a tool that failed and a picture."""
    sample = Sample(age_s=age_s)
    root = sample.add(
        "bluray_agent",
        "AGENT",
        0,
        41_800,
        gen_ai__agent__name="bluray_agent",
        pellucid__input=QUESTION,
        pellucid__output="" if fails else ANSWER,
        pellucid__tags={"env": "prod", "demo.model": "scripted"},
        gen_ai__conversation__id="chat-7",
        user__id="u1",
        status=_ERROR if fails else _OK,
        message="wiki_lookup gave up after 3 tries" if fails else "",
        events=[sample.exception(41_700, "RuntimeError", "wiki_lookup gave up")] if fails else None,
    )
    guard = sample.add("input_guardrail", "GUARDRAIL", 20, 610, parent=root)
    sample.add("moderate", "LLM", 40, 560, parent=guard, **_llm("gpt-4o-mini", 184, 3))
    plan = sample.add("plan", "CHAIN", 700, 2_300, parent=root, pellucid__input={"question": "…"})
    sample.add(
        "draft plan",
        "LLM",
        740,
        2_200,
        parent=plan,
        pellucid__ttft_ns=420 * MS,
        **_llm("gpt-4o", 912, 164, gen_ai__request__temperature=0.2),
        gen_ai__input__messages=[_text("user", QUESTION)],
        gen_ai__output__messages=[_text("assistant", "1. Sizes\n2. Discs\n3. Height")],
    )
    for number, query in enumerate(("size of English Wikipedia", "Commons media size")):
        _retrieval(sample, root, 3_000 + number * 120, query)
    _chat(sample, root, fails=fails)
    if not fails:
        _finish(sample, root)
    return sample


def _retrieval(sample: Sample, root: str, at_ms: float, query: str) -> None:
    documents = [
        {"id": name, "score": score, "text": text, "metadata": {"section": "facts", "tokens": 96}}
        for name, score, text in _CHUNKS
    ]
    span = sample.add(
        "wiki_retriever",
        "RETRIEVER",
        at_ms,
        1_500,
        parent=root,
        pellucid__input={"question": query, "k": 6},
        pellucid__documents=documents,
    )
    sample.add("embed query", "EMBEDDING", at_ms, 210, parent=span, **_llm("3-small", 9, 0))
    sample.add("vector_search", "CHAIN", at_ms + 220, 180, parent=span)
    sample.add(
        "rerank",
        "RERANKER",
        at_ms + 420,
        950,
        parent=span,
        pellucid__input_documents=list(reversed(documents)),
        pellucid__documents=documents[:4],
    )


def _chat(sample: Sample, root: str, *, fails: bool) -> None:
    chat = sample.add("group_chat", "AGENT", 4_700, 22_600, parent=root)
    first = sample.add("Researcher", "AGENT", 4_750, 8_500, parent=chat)
    sample.add("choose source", "LLM", 4_800, 1_700, parent=first, **_llm("gpt-4o", 1_204, 96))
    sample.add(
        "wiki_lookup",
        "TOOL",
        6_600,
        2_000,
        parent=first,
        status=_ERROR,
        message="429 Too Many Requests",
        gen_ai__tool__name="wiki_lookup",
        gen_ai__tool__call__arguments={"title": "Size of Wikipedia", "retries": 3},
        events=[sample.exception(8_500, "httpx.HTTPStatusError", "429 Too Many Requests")],
    )
    if fails:
        return
    sample.add(
        "wiki_lookup",
        "TOOL",
        9_000,
        740,
        parent=first,
        gen_ai__tool__name="wiki_lookup",
        gen_ai__tool__call__arguments={"title": "Size of Wikipedia", "retries": 2},
        gen_ai__tool__call__result={"title": "Size of Wikipedia", "gigabytes": 24.05},
    )
    sample.add("summarise sources", "LLM", 9_800, 3_400, parent=first, **_llm("gpt-4o", 2_410, 310))
    second = sample.add("Engineer", "AGENT", 13_300, 5_600, parent=chat)
    sample.add("set up sums", "LLM", 13_350, 2_000, parent=second, **_llm("gpt-4o", 1_511, 64))
    for number, (expression, result) in enumerate(
        (("(428360 + 24.05) / 50", 8567.681), ("8568 * 1.2 / 1000", 10.2816))
    ):
        sample.add(
            "calculator",
            "TOOL",
            15_400 + number * 8,
            4 + number,
            parent=second,
            gen_ai__tool__name="calculator",
            gen_ai__tool__call__id=f"call_8K{'qr'[number]}",
            gen_ai__tool__call__arguments={"expression": expression},
            gen_ai__tool__call__result=result,
        )
    _answer_call(sample, second)
    third = sample.add("Critic", "AGENT", 19_000, 4_600, parent=chat)
    sample.add(
        "find weak points", "LLM", 19_050, 1_300, parent=third, **_llm("gpt-4o-mini", 980, 120)
    )
    sample.add("Engineer", "AGENT", 23_700, 3_500, parent=chat)


def _answer_call(sample: Sample, parent: str) -> None:
    system = (
        "You are Engineer in a group chat of four assistants. Work in exact figures. "
        "Call calculator for every sum, never work it out in your head. " * 4
    )
    sample.add(
        "answer with figures",
        "LLM",
        15_500,
        3_400,
        parent=parent,
        pellucid__ttft_ns=560 * MS,
        **_llm("gpt-4o", 1_874, 148, gen_ai__usage__cache_read__input_tokens=1_280),
        gen_ai__request__temperature=0.2,
        gen_ai__request__max_tokens=800,
        gen_ai__request__seed=52,
        gen_ai__system_instructions=[{"type": "text", "content": system}],
        gen_ai__input__messages=[
            _text("user", "English Wikipedia's text is 24.05 GB compressed [1]. How many discs?"),
            {
                "role": "assistant",
                "parts": [
                    {"type": "text", "content": "Two sums: the total in GB over 50, then height."},
                    _call("call_8Kq", "calculator", expression="(428360 + 24.05) / 50"),
                    _call("call_8Kr", "calculator", expression="8568 * 1.2 / 1000"),
                ],
            },
            _returned("call_8Kq", 8567.681),
            _returned("call_8Kr", 10.2816),
        ],
        gen_ai__output__messages=[
            {
                "role": "assistant",
                "finish_reason": "stop",
                "parts": [{"type": "text", "content": ANSWER}],
            }
        ],
        gen_ai__tool__definitions=[
            {"type": "function", "name": "calculator", "description": "Evaluate an expression"}
        ],
    )


def _finish(sample: Sample, root: str) -> None:
    sample.add(
        "synthesize",
        "LLM",
        27_500,
        5_300,
        parent=root,
        pellucid__ttft_ns=600 * MS,
        **_llm("gpt-4o", 3_120, 402),
        gen_ai__output__messages=[_text("assistant", ANSWER)],
    )
    sample.add(
        "draw_stack",
        "IMAGE",
        27_500,
        13_100,
        parent=root,
        gen_ai__request__model="gpt-image-1",
        pellucid__input={"prompt": "A stack of 8,568 discs beside a three-storey building"},
        pellucid__attachments=[{"uri": picture(), "media_type": "image/png", "name": "stack.png"}],
        pellucid__cost_usd=0.042,
    )
    sample.add("output_guardrail", "GUARDRAIL", 40_600, 1_150, parent=root)


def large_trace(count: int, *, age_s: float = 30.0) -> Sample:
    """Return a trace of `count` spans, five levels deep, with a failure far down."""
    sample = Sample(age_s=age_s)
    total = count * 2.0
    root = sample.add("batch_agent", "AGENT", 0, total + 10, pellucid__input=f"Do {count} things")
    parents = [root]
    for number in range(1, count):
        if number % 50 == 1:
            step = sample.add("step", "CHAIN", number * 2, 100, parent=root)
            parents = [root, step]
        elif number % 10 == 2:
            agent = sample.add("worker", "AGENT", number * 2, 18, parent=parents[1])
            parents = [*parents[:2], agent]
        elif number == count * 4 // 5 + 7:
            sample.add(
                "lookup",
                "TOOL",
                number * 2,
                1.5,
                parent=parents[-1],
                status=_ERROR,
                message="no such page",
            )
        else:
            kind = ("LLM", "TOOL", "RETRIEVER", "EMBEDDING")[number % 4]
            sample.add(f"{kind.lower()} {number}", kind, number * 2, 1.8, parent=parents[-1])
    return sample


HOSTILE = '<img src=x onerror="window.pwned=1"><script>window.pwned=1</script>'
HOSTILE_MARKDOWN = (
    f"**bold** {HOSTILE}\n\n[click](javascript:window.pwned=1) [x](data:text/html,<script>)\n\n"
    "![i](https://example.com/x.png)\n\n| a | b |\n|---|---|\n"
    "| <svg onload=window.pwned=1> | 2 |"
)


def hostile_trace() -> Sample:
    """Return a trace whose every text tries to become markup."""
    sample = Sample(experiment="hostile <b>", age_s=20)
    root = sample.add(
        f"root {HOSTILE}",
        "AGENT",
        0,
        900,
        pellucid__input=HOSTILE,
        pellucid__output=HOSTILE_MARKDOWN,
        pellucid__tags={HOSTILE: HOSTILE, "plain": ""},
        gen_ai__conversation__id=HOSTILE,
        attributes={HOSTILE: HOSTILE},
    )
    _hostile_chat(sample, root)
    sample.add(
        "tool",
        "TOOL",
        420,
        100,
        parent=root,
        status=_ERROR,
        message=HOSTILE,
        gen_ai__tool__name=HOSTILE,
        gen_ai__tool__call__arguments={HOSTILE: HOSTILE},
        gen_ai__tool__call__result={"html": HOSTILE},
        events=[sample.exception(430, HOSTILE, HOSTILE)],
    )
    sample.add(
        "search",
        "RETRIEVER",
        530,
        100,
        parent=root,
        pellucid__documents=[
            {"id": HOSTILE, "text": HOSTILE, "score": 0.5, "metadata": {"h": HOSTILE}}
        ],
    )
    return sample


def _hostile_chat(sample: Sample, parent: str) -> None:
    sample.add(
        f"llm {HOSTILE}",
        "LLM",
        10,
        400,
        parent=parent,
        gen_ai__request__model=HOSTILE,
        gen_ai__input__messages=[
            _text("user", HOSTILE_MARKDOWN),
            {"role": HOSTILE, "parts": [_call(HOSTILE, HOSTILE, **{"a": HOSTILE})]},
            _returned(HOSTILE, HOSTILE),
            {
                "role": "user",
                "parts": [
                    {
                        "type": "image",
                        "uri": "javascript:window.pwned=1",
                        "media_type": "image/png",
                    },
                    {"type": "file", "uri": "data:text/html,<script>window.pwned=1</script>"},
                ],
            },
        ],
        gen_ai__output__messages=[_text("assistant", HOSTILE_MARKDOWN)],
    )
