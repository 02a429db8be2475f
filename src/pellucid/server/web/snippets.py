"""What to paste to get a first trace in, for the empty home page."""

import re
from typing import NamedTuple

_TOKEN = re.compile(
    r"""(?P<jc>\#[^\n]*)|(?P<js>"[^"\n]*"|'[^'\n]*')|(?P<jl>@[\w.]+)"""
    r"""|(?P<kw>\b(?:import|from|def|return|with|as|async|await|export)\b)"""
)


class Piece(NamedTuple):
    """A stretch of code in one ink; `ink` is a class of `app.css`, or empty."""

    ink: str
    text: str


class Snippet(NamedTuple):
    """One way to send traces."""

    key: str
    label: str
    code: str

    @property
    def pieces(self) -> list[Piece]:
        """The code, cut by ink."""
        return tint(self.code)


def tint(code: str) -> list[Piece]:
    """Cut code into comments, strings, decorators, keywords and the rest."""
    pieces = []
    at = 0
    for match in _TOKEN.finditer(code):
        pieces.append(Piece("", code[at : match.start()]))
        pieces.append(Piece(match.lastgroup or "", match.group()))
        at = match.end()
    pieces.append(Piece("", code[at:]))
    return [piece for piece in pieces if piece.text]


def list_snippets(url: str, *, experiment: str = "my-agent", is_default_url: bool) -> list[Snippet]:
    """Return the ways in, for a server at `url`; the default address need not be written."""
    target = "" if is_default_url else f', url="{url}"'
    return [
        Snippet(
            "python",
            "Python",
            f"""import pellucid

pellucid.init(experiment="{experiment}"{target})

@pellucid.trace
def answer(question: str) -> str:
    return agent.run(question)

answer("How many Blu-ray discs would hold all of English Wikipedia?")
""",
        ),
        Snippet(
            "autolog",
            "Agent frameworks",
            f"""import pellucid

pellucid.init(experiment="{experiment}"{target})
pellucid.autolog()  # AutoGen, LlamaIndex, LangGraph, DSPy, OpenAI …

# your agent, unchanged
""",
        ),
        Snippet(
            "otlp",
            "OpenTelemetry",
            f"""export OTEL_EXPORTER_OTLP_ENDPOINT={url}
export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf
export OTEL_RESOURCE_ATTRIBUTES=pellucid.experiment={experiment}
opentelemetry-instrument python agent.py
""",
        ),
        Snippet(
            "curl",
            "curl",
            f"""# One span as OTLP JSON, to see that the way is open
curl {url}/v1/traces -H 'Content-Type: application/json' -d '{{
  "resourceSpans": [{{"scopeSpans": [{{"spans": [{{
    "traceId": "'$(openssl rand -hex 16)'", "spanId": "'$(openssl rand -hex 8)'",
    "name": "hello", "startTimeUnixNano": "'$(date +%s%N)'", "endTimeUnixNano": "'$(date +%s%N)'"
  }}]}}]}}]}}'
""",
        ),
    ]
