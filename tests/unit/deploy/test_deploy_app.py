import asyncio
import contextlib
import dataclasses
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pydantic
import pytest

from pellucid.core.errors import InvalidInput, NotFound
from pellucid.core.snapshot import EntryPoint
from pellucid.deploy.app import AgentApp, Served, is_loopback_host
from pellucid.deploy.entry import Entry, load_entry

SERVED = Served(run_id="a" * 32, run="e@12", experiment="e", snapshot_id="b" * 64)


@contextlib.asynccontextmanager
async def serving(function: Callable[..., Any], **options: Any) -> AsyncIterator[httpx.AsyncClient]:
    app = AgentApp(Entry(function, function.__name__), SERVED, **options)
    transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


def events(text: str) -> list[tuple[str, Any]]:
    found = []
    for block in text.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines())
        found.append((fields.get("event", ""), json.loads(fields["data"])))
    return found


async def test_every_kind_of_function_answers() -> None:
    def plain(question: str, k: int = 5) -> str:
        return f"{question} {k} {threading.current_thread().name[:14]}"

    async def later(question: str, k: int = 5) -> dict[str, int]:
        await asyncio.sleep(0)
        return {question: k}

    def steps(question: str) -> Iterator[str]:
        yield from (question, "!")

    async def later_steps(question: str) -> AsyncIterator[int]:
        for number in range(2):
            yield number

    for function, output in (
        (plain, "why 5 pellucid-agent"),
        (later, {"why": 5}),
        (steps, "why!"),
        (later_steps, [0, 1]),
    ):
        async with serving(function) as client:
            for body in ({"inputs": {"question": "why"}}, {"question": "why"}):
                answer = await client.post("/invocations", json=body)
                assert answer.status_code == 200, answer.text
                assert answer.json()["output"] == output
                assert answer.json()["run_id"] == SERVED.run_id


async def test_pieces_stream_as_they_come_with_a_failure_at_their_end() -> None:
    def steps(fail: bool = False) -> Iterator[str]:
        yield "a"
        if fail:
            raise ValueError("no discs")
        yield "b"

    async with serving(steps) as client:
        answer = await client.post("/invocations", json={"inputs": {}, "stream": True})
        assert answer.headers["content-type"] == "text/event-stream"
        names = [(name, data.get("delta")) for name, data in events(answer.text)]
        assert names == [("", "a"), ("", "b"), ("end", None)]
        failing = await client.post(
            "/invocations", json={"inputs": {"fail": True}}, headers={"Accept": "text/event-stream"}
        )
        name, data = events(failing.text)[-1]
        assert (name, data["detail"]) == ("error", "ValueError: no discs")


async def test_arguments_are_converted_by_their_types() -> None:
    @dataclasses.dataclass
    class Options:
        k: int

    class Model(pydantic.BaseModel):
        rate: float

    def typed(options: Options, model: Model, untyped: Any = None) -> Any:
        return [options, model, untyped]

    async with serving(typed) as client:
        inputs = {"options": {"k": 1}, "model": {"rate": 0.5}, "untyped": [1]}
        answer = await client.post("/invocations", json={"inputs": inputs})
        assert answer.json()["output"] == [{"k": 1}, {"rate": 0.5}, [1]]
        for wrong in (
            {**inputs, "options": {"k": "x"}},
            {**inputs, "model": {}},
            {"options": {"k": 1}},
        ):
            assert (await client.post("/invocations", json={"inputs": wrong})).status_code == 400


async def test_what_is_no_call_is_refused() -> None:
    def plain() -> str:
        return "x"

    async with serving(plain) as client:
        json_type = {"Content-Type": "application/json"}
        post = client.post
        assert (await post("/invocations", content=b"{}")).status_code == 415
        assert (await post("/invocations", content=b"{", headers=json_type)).status_code == 400
        deep = b"[" * 100_000
        assert (await post("/invocations", content=deep, headers=json_type)).status_code == 400
        assert (await post("/invocations", json=[1])).status_code == 400
        assert (await client.get("/invocations")).status_code == 404
        assert (await client.get("/health", headers={"Host": "evil.example"})).status_code == 403
        assert (await client.get("/health")).json()["run"] == "e@12"


async def test_a_failure_is_told_without_its_traceback() -> None:
    def fails() -> str:
        raise RuntimeError("no shelf")

    async with serving(fails) as client:
        answer = await client.post("/invocations", json={"inputs": {}})
        assert (answer.status_code, answer.json()["detail"]) == (500, "RuntimeError: no shelf")
        assert "Traceback" not in answer.text


async def test_a_key_is_asked_for() -> None:
    def plain() -> str:
        return "x"

    async with serving(plain, api_key="k1") as client:
        body: dict[str, Any] = {"inputs": {}}
        assert (await client.post("/invocations", json=body)).status_code == 401
        right = {"Authorization": "Bearer k1", "Host": "agent.example.org"}
        assert (await client.post("/invocations", json=body, headers=right)).status_code == 200
        assert (await client.get("/health")).status_code == 200


async def test_calls_beyond_the_limit_wait_and_then_are_refused() -> None:
    running, most, lock, may_end = 0, 0, threading.Lock(), threading.Event()

    def slow() -> str:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        may_end.wait(60)
        with lock:
            running -= 1
        return "x"

    async with serving(slow, concurrency=2) as client:
        body: dict[str, Any] = {"inputs": {}}
        calls = [asyncio.create_task(client.post("/invocations", json=body)) for _ in range(6)]
        while sum(call.done() for call in calls) < 2:
            await asyncio.sleep(0.01)
        may_end.set()
        answers = await asyncio.gather(*calls)
    codes = sorted(answer.status_code for answer in answers)
    assert codes == [200, 200, 200, 200, 503, 503]
    assert most == 2
    assert all(a.headers["retry-after"] for a in answers if a.status_code == 503)


def test_the_entry_point_is_found_where_its_module_was_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.path", [*__import__("sys").path])
    package = tmp_path / "src" / "deployed_package"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "agent.py").write_text("class Agent:\n    @staticmethod\n    def run(): return 7\n")
    file = "src/deployed_package/agent.py"
    entry = EntryPoint(module="deployed_package.agent", name="Agent.run", file=file)
    assert load_entry(tmp_path, entry).function() == 7
    with pytest.raises(NotFound):
        load_entry(tmp_path, EntryPoint(module="deployed_package.agent", name="no", file=file))
    with pytest.raises(InvalidInput):
        load_entry(tmp_path, EntryPoint(module="agent", name="no", file="../../agent.py"))


def test_loopback_has_many_names() -> None:
    assert all(map(is_loopback_host, ("localhost", "127.0.0.1", "127.1.2.3", "::1", "LOCALHOST")))
    assert not any(map(is_loopback_host, ("0.0.0.0", "evil.example", "10.0.0.1", "localhost.evil")))
