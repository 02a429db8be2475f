"""The models that judges and scorers ask: OpenAI-compatible endpoints, any callable, LiteLLM."""

import asyncio
import importlib
import importlib.util
import inspect
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any, Protocol

import httpx
import msgspec

from pellucid.core.errors import InvalidInput, PellucidError
from pellucid.evals.calling import ThreadPool, is_async
from pellucid.evals.limits import with_retries

ChatMessage = dict[str, str]
"""`role` and `content`."""

DEFAULT_MODEL = "openai:gpt-4o-mini"
DEFAULT_BASE_URL = "https://api.openai.com/v1"
TIMEOUT_S = 120.0
_RETRY_STATUSES = {408, 409, 429, 500, 502, 503, 504}


class Completion(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a model answered, and what it took."""

    text: str
    model: str | None = None
    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: float | None = None


class Model(Protocol):
    """Something that answers chat messages."""

    name: str

    @property
    def identity(self) -> Any:
        """What tells its answers from another's, for the cache."""
        ...

    async def complete(
        self, messages: Sequence[ChatMessage], schema: Mapping[str, Any] | None
    ) -> Completion:
        """Answer; JSON under `schema` where the model can be held to one."""
        ...


class ModelFailed(PellucidError):
    """A model's endpoint refused or broke; the message says what it answered."""


class OpenAIModel:
    """A model behind an OpenAI-compatible `/chat/completions`.

    `base_url` and `api_key` default to `OPENAI_BASE_URL` and `OPENAI_API_KEY`, read at the call.
    Busy or broken answers are tried again. What an endpoint does not understand (a temperature,
    a JSON schema) is left out after it said so.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        retries: int = 4,
        backoff_s: float = 0.5,
        **parameters: Any,
    ) -> None:
        self.model = model
        self.name = f"openai:{model}"
        self.parameters = {"temperature": 0, **parameters}
        self._base_url = base_url
        self._api_key = api_key
        self._retries = retries
        self._backoff_s = backoff_s
        self._formats = ["json_schema", "json_object", "none"]

    @property
    def identity(self) -> Any:
        """The model, its endpoint and parameters."""
        return [self.name, self.base_url, self.parameters]

    @property
    def base_url(self) -> str:
        """Where it is asked."""
        return (self._base_url or os.environ.get("OPENAI_BASE_URL") or DEFAULT_BASE_URL).rstrip("/")

    async def complete(
        self, messages: Sequence[ChatMessage], schema: Mapping[str, Any] | None
    ) -> Completion:
        """Ask the endpoint. Raises ModelFailed."""
        while True:
            body = {"model": self.model, "messages": list(messages), **self.parameters}
            if schema is not None:
                body |= _response_format(self._formats[0], schema)
            try:
                answer = await self.post("/chat/completions", body)
            except ModelFailed as error:
                if not self._simplify(error, body):
                    raise
            else:
                return _completion(answer, self.model)

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """POST JSON to the endpoint and return what it answered. Raises ModelFailed."""
        key = self._api_key or os.environ.get("OPENAI_API_KEY")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        data = msgspec.json.encode(body)

        async def attempt() -> httpx.Response:
            async with http_client() as client:
                response = await client.post(
                    self.base_url + path,
                    content=data,
                    headers={"Content-Type": "application/json", **headers},
                )
            response.raise_for_status()
            return response

        try:
            response = await with_retries(
                attempt, retries=self._retries, backoff_s=self._backoff_s, retryable=_passing
            )
            return msgspec.json.decode(response.content)
        except httpx.HTTPStatusError as error:
            code, text = error.response.status_code, error.response.text[:500]
            raise ModelFailed(f"{self.base_url} answered {code} for {self.model}: {text}") from None
        except httpx.HTTPError as error:
            why = str(error) or type(error).__name__
            raise ModelFailed(f"{self.base_url} cannot be reached: {why}") from None
        except msgspec.DecodeError:
            raise ModelFailed(f"{self.base_url} answered something that is not JSON.") from None

    def _simplify(self, error: ModelFailed, body: Mapping[str, Any]) -> bool:
        """Leave out what the endpoint says it does not know; tell whether that is worth a try."""
        text = error.message.lower()
        if "answered 400" not in text and "answered 422" not in text:
            return False
        if "temperature" in text and "temperature" in body:
            self.parameters.pop("temperature", None)
            return True
        asked = any(word in text for word in ("response_format", "json_schema", "schema"))
        if asked and "response_format" in body and len(self._formats) > 1:
            self._formats.pop(0)
            return True
        return False


class CallableModel:
    """A function as a model: `f(prompt)`, or `f(messages)` if that is its parameter's name.

    It returns text, or the answer itself as a dict; sync ones run on a thread.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.name = getattr(function, "__qualname__", type(function).__qualname__)
        self._messages = _first_parameter(function) == "messages"

    @property
    def identity(self) -> Any:
        """The function's content."""
        from pellucid.evals.fingerprint import fingerprint

        return fingerprint(self.function)

    async def complete(
        self, messages: Sequence[ChatMessage], schema: Mapping[str, Any] | None
    ) -> Completion:
        """Call the function."""
        prompt = "\n\n".join(message["content"] for message in messages)
        argument: Any = [dict(message) for message in messages] if self._messages else prompt
        if is_async(self.function):
            answer = self.function(argument)
        else:
            answer = await _THREADS.run(lambda: self.function(argument))
        if inspect.isawaitable(answer):
            answer = await answer
        if isinstance(answer, Completion):
            return answer
        text = answer if isinstance(answer, str) else msgspec.json.encode(answer).decode()
        return Completion(text=text, model=self.name)


class LiteLLMModel:
    """Any model that the installed LiteLLM reaches, by its name there."""

    def __init__(self, model: str, **parameters: Any) -> None:
        if importlib.util.find_spec("litellm") is None:
            raise InvalidInput(f"The model litellm:{model} needs LiteLLM: pip install litellm")
        self.model = model
        self.name = f"litellm:{model}"
        self.parameters = parameters
        self.identity = [self.name, parameters]

    async def complete(
        self, messages: Sequence[ChatMessage], schema: Mapping[str, Any] | None
    ) -> Completion:
        """Ask through LiteLLM. Raises ModelFailed."""
        litellm = importlib.import_module("litellm")
        body = dict(self.parameters)
        if schema is not None:
            body |= _response_format("json_schema", schema)
        try:
            answer = await litellm.acompletion(
                model=self.model, messages=list(messages), drop_params=True, **body
            )
        except Exception as error:  # a foreign library's errors have no common base
            raise ModelFailed(f"{self.name}: {error}") from error
        return _completion(answer.model_dump(), self.model)


def as_model(model: Any) -> Model:
    """Make a model of `openai:NAME`, `litellm:NAME`, a callable, or a Model."""
    if isinstance(model, str):
        provider, separator, name = model.partition(":")
        if separator and name and provider == "openai":
            return OpenAIModel(name)
        if separator and name and provider == "litellm":
            return LiteLLMModel(name)
        raise InvalidInput(
            f"model={model!r}: say openai:NAME (any OpenAI-compatible endpoint; OPENAI_BASE_URL "
            "names it), litellm:NAME, or give a callable."
        )
    if hasattr(model, "complete") and hasattr(model, "identity"):
        found: Model = model
        return found
    if callable(model):
        return CallableModel(model)
    raise InvalidInput(f"model={type(model).__name__} is neither a name nor callable.")


@asynccontextmanager
async def http_client() -> AsyncIterator[httpx.AsyncClient]:
    """Give the client of the enclosing `shared_http_client`, or one for this call alone."""
    shared = _SHARED.get()
    if shared is not None and shared.loop is asyncio.get_running_loop():
        yield shared.client()
        return
    async with _new_client() as client:
        yield client


@asynccontextmanager
async def shared_http_client() -> AsyncIterator[None]:
    """Let all calls inside share connections."""
    shared = _Shared()
    token = _SHARED.set(shared)
    try:
        yield
    finally:
        _SHARED.reset(token)
        await shared.close()


class _Shared:
    """A client that is made when first asked for: reading the certificates takes 30 ms."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        """Connections belong to a loop; a scorer on a thread has one of its own."""
        self._client: httpx.AsyncClient | None = None

    def client(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = _new_client()
        return self._client

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()


def _new_client() -> httpx.AsyncClient:
    return httpx.AsyncClient(
        timeout=TIMEOUT_S, limits=httpx.Limits(max_connections=None, max_keepalive_connections=64)
    )


_SHARED: ContextVar[_Shared | None] = ContextVar("pellucid_judge_http", default=None)
_THREADS = ThreadPool()


def _passing(error: Exception) -> bool:
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code in _RETRY_STATUSES
    return isinstance(error, httpx.TransportError)


def _response_format(kind: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    if kind == "json_schema":
        described = {"name": "answer", "strict": True, "schema": dict(schema)}
        return {"response_format": {"type": "json_schema", "json_schema": described}}
    return {"response_format": {"type": "json_object"}} if kind == "json_object" else {}


def _completion(answer: Any, model: str) -> Completion:
    try:
        message = answer["choices"][0]["message"]
        text = message.get("content") or ""
    except (KeyError, IndexError, TypeError):
        raise ModelFailed(f"{model} answered without choices: {str(answer)[:300]}") from None
    if not text and message.get("refusal"):
        raise ModelFailed(f"{model} refused to judge: {message['refusal']}")
    usage = answer.get("usage") or {}
    return Completion(
        text=text,
        model=answer.get("model") or model,
        tokens_in=usage.get("prompt_tokens") or 0,
        tokens_out=usage.get("completion_tokens") or 0,
    )


def _first_parameter(function: Callable[..., Any]) -> str | None:
    try:
        return next(iter(inspect.signature(function).parameters), None)
    except (TypeError, ValueError):
        return None
