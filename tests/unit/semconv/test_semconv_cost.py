from datetime import UTC, date, datetime
from pathlib import Path

import msgspec
import pytest

from pellucid.core.errors import InvalidInput
from pellucid.core.span import Span, SpanKind, Tokens
from pellucid.semconv.cost import Price, PriceTable

TABLE = PriceTable.load()


def _ns(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) * 1_000_000_000


def _span(
    model: str | None, tokens: Tokens, provider: str | None = None, day: str = "2026-01-31"
) -> Span:
    return Span(
        trace_id="1" * 32,
        span_id="2" * 16,
        start_ns=_ns(day),
        duration_ns=1,
        kind=SpanKind.LLM,
        model=model,
        provider=provider,
        tokens=tokens,
    )


MILLION = Tokens(input=1_000_000)


@pytest.mark.parametrize(
    ("model", "provider", "dollars"),
    [
        ("gpt-4o-mini", "openai", 0.15),
        ("gpt-4o-mini-2024-07-18", "openai", 0.15),
        ("openai/gpt-4o-mini", None, 0.15),
        ("azure/gpt-4o-mini", "azure.ai.openai", 0.15),
        ("GPT-4o-mini", "OpenAI", 0.15),
        ("gpt-4o-2024-05-13", "openai", 5),
        ("gpt-4.1", None, 2),
        ("claude-sonnet-4-5", "anthropic", 6),
        ("claude-sonnet-4-5-20250929", "anthropic", 6),
        ("claude-3-5-haiku-latest", "anthropic", 0.8),
        ("claude-3-5-haiku@20241022", "gcp.vertex_ai", 0.8),
        ("us.anthropic.claude-3-5-haiku-20241022-v1:0", "aws.bedrock", 0.8),
        ("openrouter/anthropic/claude-opus-4.5", "openrouter", 5),
        ("models/gemini-2.5-flash", "gemini", 0.3),
        ("gemini-2.5-flash-001", "google", 0.3),
        ("gemini-2.5-flash-preview-05-20", "google_genai", 0.3),
        ("mistral-large-2411", "mistral", 2),
        ("embed-v4.0", "cohere", 0.12),
        ("text-embedding-3-small", "openai", 0.02),
        ("text-embedding-3-small", "openaiembedding", 0.02),
        ("amazon.nova-lite-v1:0", "aws.bedrock", 0.06),
        ("openai/gpt-oss-20b", "groq", 0.075),
    ],
)
def test_models_are_found_by_the_names_they_go_by(
    model: str, provider: str | None, dollars: float
) -> None:
    assert TABLE.estimate(_span(model, MILLION, provider)) == pytest.approx(dollars)


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("gpt-4o-mini-of-ours", "openai"),
        ("gpt-4o-audio-preview", "openai"),
        ("my-model", None),
        ("mistral-small-latest", "ollama"),
        ("llama-3.3-70b-versatile", "together"),
        ("gpt-9", "openai"),
        ("gpt-4o" + "-2024" * 100_000, "openai"),
        ("", None),
        (None, "openai"),
    ],
)
def test_an_unknown_model_has_no_invented_cost(model: str | None, provider: str | None) -> None:
    assert TABLE.estimate(_span(model, MILLION, provider)) is None


def test_every_kind_of_token_has_its_price() -> None:
    tokens = Tokens(
        input=1_000, output=500, cache_read=600, cache_write=100, reasoning=200, image=0
    )
    expected = (300 * 3 + 600 * 0.3 + 100 * 3.75 + 500 * 15) / 1e6
    assert TABLE.estimate(_span("claude-sonnet-4-5", tokens)) == pytest.approx(expected)
    reasoned = Price(model="m", date=date(2026, 1, 1), input=1, output=2, reasoning=3, image=40)
    table = PriceTable([reasoned])
    used = Tokens(input=10, output=100, reasoning=30, image=50)
    assert table.estimate(_span("m", used)) == pytest.approx((10 + 20 * 2 + 30 * 3 + 50 * 40) / 1e6)


def test_long_inputs_cost_what_they_cost() -> None:
    long = Tokens(input=300_000, output=10)
    expected = (300_000 * 2.5 + 10 * 15) / 1e6
    assert TABLE.estimate(_span("gemini-2.5-pro", long)) == pytest.approx(expected)


def test_a_price_holds_from_its_date_on() -> None:
    before = TABLE.estimate(_span("o3", MILLION, day="2025-06-09"))
    after = TABLE.estimate(_span("o3", MILLION, day="2025-06-10"))
    long_before = TABLE.estimate(_span("o3", MILLION, day="2020-01-01"))
    assert (before, after, long_before) == (10, 2, 10)


def test_a_reported_cost_and_no_usage_are_not_estimated() -> None:
    span = _span("gpt-4o-mini", MILLION)
    assert TABLE.estimate(msgspec.structs.replace(span, cost_usd=0.5)) is None
    assert TABLE.estimate(msgspec.structs.replace(span, cost_usd=0.0)) is None
    assert TABLE.estimate(_span("gpt-4o-mini", Tokens())) is None


def test_output_without_a_price_is_not_estimated() -> None:
    span = _span("text-embedding-3-small", Tokens(input=1, output=1))
    assert TABLE.estimate(span) is None


def test_the_users_file_comes_first(tmp_path: Path) -> None:
    own = tmp_path / "prices.json"
    own.write_text(
        '{"prices": [{"model": "gpt-4o-mini", "date": "2026-01-01", "input": 9, "output": 9},'
        ' {"model": "house-*", "provider": "vllm", "date": "2026-01-01", "input": 1, "output": 2}]}'
    )
    table = PriceTable.load(own)
    assert table.estimate(_span("gpt-4o-mini", MILLION, "openai")) == 9
    assert table.estimate(_span("house-7b", MILLION, "vllm")) == 1
    assert table.estimate(_span("house-7b", MILLION, "other")) is None
    assert table.estimate(_span("gpt-4o", MILLION)) == 2.5


@pytest.mark.parametrize(
    "text", ["", "[]", '{"prices": [{"model": "m"}]}', '{"prices": [{"modle": 1}]}', "\xff"]
)
def test_a_wrong_file_says_what_is_wrong(tmp_path: Path, text: str) -> None:
    own = tmp_path / "prices.json"
    own.write_bytes(text.encode("latin-1"))
    with pytest.raises(InvalidInput, match="dollars per million"):
        PriceTable.load(own)
    with pytest.raises(InvalidInput, match="cannot be read"):
        PriceTable.load(tmp_path / "missing.json")


def test_the_shipped_table_is_in_order() -> None:
    raw = Path(__file__).parents[3] / "src/pellucid/semconv/prices.json"
    prices = msgspec.json.decode(raw.read_bytes())["prices"]
    keys = [(price["provider"], price["model"], price["date"]) for price in prices]
    assert keys == sorted(keys)
    assert len(keys) == len(set(keys))
    for price in prices:
        assert price["source"].startswith("https://")
        assert price["input"] > 0
        assert price.get("cache_read", 0) <= price["input"]
