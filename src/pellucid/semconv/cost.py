"""What a model call cost, from a dated price table: `prices.json`, or the user's own file.

A price is found by the model's name, exactly or with a date or version behind it
(`gpt-4o-2024-08-06`, `claude-sonnet-4-5@20250929`), never by a mere beginning: an unknown model
has no invented cost. A provider that is known must agree, so a model of the same name that is
served elsewhere costs nothing here either.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from importlib import resources
from pathlib import Path

import msgspec

from pellucid.core.errors import InvalidInput
from pellucid.core.span import Span, Tokens

_PER_TOKEN = 1e-6


class Above(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Other prices for a call whose input is longer than `tokens`."""

    tokens: int
    input: float
    output: float
    cache_read: float | None = None
    cache_write: float | None = None


class Price(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a model costs from `date` on, in dollars per million tokens.

    What is missing costs as the input (caches) or the output (reasoning, images). `model` may end
    in `*`. `provider` "" stands for any.
    """

    model: str
    date: date
    input: float
    output: float | None = None
    cache_read: float | None = None
    cache_write: float | None = None
    reasoning: float | None = None
    image: float | None = None
    above: Above | None = None
    provider: str = ""
    source: str = ""


class PriceFile(msgspec.Struct, frozen=True):
    """A price table as a file."""

    prices: list[Price]
    read: str = ""
    """When the sources were last read."""
    currency: str = "USD per million tokens"


class PriceTable:
    """Prices by model; the user's come before those that ship with Pellucid."""

    def __init__(self, shipped: Iterable[Price], own: Iterable[Price] = ()) -> None:
        self._tables = [_Table(own), _Table(shipped)]
        self._found: dict[tuple[str, str], Sequence[Price]] = {}

    @classmethod
    def load(cls, own_file: Path | None = None) -> "PriceTable":
        """Return the table that ships, with the user's own file before it.

        Raises InvalidInput that says what is wrong with the file.
        """
        shipped = resources.files("pellucid.semconv").joinpath("prices.json").read_bytes()
        own = [] if own_file is None else _read_own(own_file)
        return cls(msgspec.json.decode(shipped, type=PriceFile).prices, own)

    def find(self, model: str, provider: str | None, start_ns: int) -> Price | None:
        """Return what a model cost at a time; the earliest known price, if that is later."""
        key = (model, provider or "")
        if len(model) + len(key[1]) > _LONG_NAME:
            return None
        dated = self._found.get(key)
        if dated is None:
            dated = next((hit for table in self._tables if (hit := table.find(*key))), ())
            if len(self._found) < _MAX_REMEMBERED:
                self._found[key] = dated
        if not dated:
            return None
        if len(dated) == 1:
            return dated[0]
        day = datetime.fromtimestamp(start_ns // 1_000_000_000, UTC).date()
        return next((price for price in reversed(dated) if price.date <= day), dated[0])

    def estimate(self, span: Span) -> float | None:
        """Return what a span's tokens cost in dollars.

        None where the producer reported a cost, where nothing was used, and where the model or
        the price of a kind of token it used is unknown.
        """
        if span.model is None or span.cost_usd is not None or not span.tokens.has_usage:
            return None
        price = self.find(span.model, span.provider, span.start_ns)
        return None if price is None else _cost(span.tokens, price)


_MAX_REMEMBERED = 10_000
_LONG_NAME = 200
"""No model has such a name; and names are remembered."""

_PREFIX = re.compile(
    r"^(?:models/|publishers/[\w.-]+/models/|azure/|bedrock/|vertex_ai/|openrouter/|gemini/"
    r"|(?:us|eu|apac|global)\.(?=[a-z])|(?:anthropic|amazon|cohere|mistral)\.)+"
)
_VERSION = re.compile(
    r"(?:[-@](?:\d{4}-\d{2}-\d{2}|\d{8}|\d{4}|\d{3}|latest|preview(?:-\d{2}-\d{2,4})?|exp"
    r"|v\d+(?::\d+)?|v\d+@\d+)|:\d+)+$"
)
_ALIASES = {
    "azure": "openai",
    "azure.ai.openai": "openai",
    "az.ai.openai": "openai",
    "azure_openai": "openai",
    "openai_responses": "openai",
    "google_genai": "google",
    "google_vertexai": "google",
    "gemini": "google",
    "gcp.gemini": "google",
    "gcp.gen_ai": "google",
    "gcp.vertex_ai": "google",
    "vertex_ai": "google",
    "vertexai": "google",
    "aws.bedrock": "amazon",
    "bedrock": "amazon",
    "bedrock_converse": "amazon",
    "aws": "amazon",
    "mistral_ai": "mistral",
    "mistralai": "mistral",
    "x_ai": "xai",
    "x-ai": "xai",
    "voyageai": "voyage",
}
_RESELLERS = frozenset({"amazon", "google", "openrouter", "litellm"})
"""They serve others' models too, at the makers' prices."""
_FRAMEWORKS = frozenset(
    {
        *("", "langchain", "langgraph", "ag2", "autogen", "crewai", "llamaindex", "agno"),
        *("openaiembedding", "strands-agents", "gcp.vertex.agent", "microsoft.agent_framework"),
    }
)
"""What some instrumentations write for a provider: it says nothing of one."""


class _Table:
    def __init__(self, prices: Iterable[Price]) -> None:
        self._exact: dict[str, list[Price]] = {}
        self._patterns: list[tuple[str, list[Price]]] = []
        begins: dict[str, list[Price]] = {}
        for price in sorted(prices, key=lambda price: price.date):
            name = price.model.lower()
            if name.endswith("*"):
                begins.setdefault(name[:-1], []).append(price)
            else:
                self._exact.setdefault(name, []).append(price)
        self._patterns = sorted(begins.items(), key=lambda item: -len(item[0]))

    def find(self, model: str, provider: str) -> Sequence[Price]:
        """Return a model's prices by date; none where it is not in the table."""
        provider = _ALIASES.get(provider.lower(), provider.lower())
        model = model.replace("%3A", ":")  # as it stands in Bedrock's addresses
        for name in _names_of(model.lower()):
            found = _of_provider(self._exact.get(name, []), provider)
            if found:
                return found
        for name in _names_of(model.lower()):
            for beginning, prices in self._patterns:
                found = _of_provider(prices, provider) if name.startswith(beginning) else []
                if found:
                    return found
        return ()


def _names_of(model: str) -> list[str]:
    """List what a model may be called in the table, the most exact first."""
    plain = _PREFIX.sub("", model)
    names = [model, plain, _VERSION.sub("", plain)]
    maker, _, rest = plain.partition("/")
    if rest and maker:  # LiteLLM, OpenRouter: `openai/gpt-4o`
        names += [rest, _VERSION.sub("", rest), _VERSION.sub("", rest).replace(".", "-")]
    return list(dict.fromkeys(names))


def _of_provider(prices: list[Price], provider: str) -> list[Price]:
    if provider in _FRAMEWORKS or provider in _RESELLERS:
        own = [price for price in prices if price.provider.lower() in (provider, "")]
        makers = list(dict.fromkeys(price.provider for price in prices))
        return own or [price for price in prices if price.provider == makers[0]]
    return [price for price in prices if price.provider.lower() in (provider, "")]


def _cost(tokens: Tokens, price: Price) -> float | None:
    received, sent = price.input, price.output
    read, written = price.cache_read, price.cache_write
    above = price.above
    if above is not None and tokens.input > above.tokens:
        received, sent, read, written = (
            above.input,
            above.output,
            above.cache_read,
            above.cache_write,
        )
    if sent is None and tokens.output:
        return None
    sent = sent or 0.0
    images = min(tokens.image, tokens.output)
    reasoning = min(tokens.reasoning, tokens.output - images)
    plain = max(tokens.input - tokens.cache_read - tokens.cache_write, 0)
    return _PER_TOKEN * (
        plain * received
        + tokens.cache_read * (received if read is None else read)
        + tokens.cache_write * (received if written is None else written)
        + (tokens.output - reasoning - images) * sent
        + reasoning * (sent if price.reasoning is None else price.reasoning)
        + images * (sent if price.image is None else price.image)
    )


def _read_own(path: Path) -> list[Price]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=PriceFile).prices
    except OSError as error:
        raise InvalidInput(
            f"The price file {path} cannot be read: {error.strerror or error}."
        ) from error
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise InvalidInput(
            f"The price file {path} is not right: {error}. It holds "
            '{"prices": [{"model": "mine", "date": "2026-01-31", "input": 0.5, "output": 1.5}]},'
            " in dollars per million tokens."
        ) from error
