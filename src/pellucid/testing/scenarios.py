"""Scenarios: small programs of a framework, a script for their model, and what a trace must show.

    cases = Cases("ag2", needs=("autogen",))

    @cases.add(
        script=[Rule(Call("add", {"a": 2, "b": 3}), offers="add", times=1), "It is 5."],
        input="2 and 3?",
        output="It is 5.",
        agents=("helper",),
        tools=(Called("add", {"a": 2, "b": 3}, "5"),),
    )
    def a_tool(url: str) -> None: ...

A scenario runs twice in this process, first untraced, then below `autolog()`; the scripted model's
own log of both runs is the oracle. `pellucid.testing.scoring` counts what the trace shows of it.
Scripts, faults and the server are those of `pellucid.demo.model_server`.
"""

import asyncio
import contextlib
import gc
import importlib.util
import inspect
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

from pellucid.testing.conformance import Recording, record

_RANDOM = re.compile(
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b[0-9a-f]{32}\b|\b0x[0-9a-f]+\b|127\.0\.0\.1:\d+"
)


class ServedCall(Protocol):
    """One request as the scripted model logs it."""

    path: str
    model: str
    request: dict[str, Any]
    stream: bool
    status: int
    text: str | None
    tool_calls: list[dict[str, Any]]
    input_tokens: int
    output_tokens: int
    complete: bool
    first_token_ns: int | None
    ended_ns: int | None


@dataclass(frozen=True)
class Called:
    """A tool call that some TOOL span must show; None is anything, `result` is searched."""

    name: str
    arguments: Any = None
    result: str | None = None


@dataclass(frozen=True)
class Failed:
    """A span that must have failed with its exception; `name` is a pattern searched in its name."""

    kind: str
    name: str = ""
    up_to: str = ""
    """The highest ancestor, a pattern, that the failure reached; `*` is the root, "" none."""


@dataclass(frozen=True)
class Below:
    """A span (`kind` and a pattern of its name) that must stand somewhere below another."""

    kind: str
    name: str
    above: str
    """A pattern of the ancestor's name; "" for a span that need not be below any."""
    times: int = 1
    """At least so many."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One scenario. What is empty or None is not asked for."""

    name: str
    run: Callable[[str], Any]
    """Is given the model's base URL; a function or a coroutine function."""
    script: Any
    since: str = ""
    """`distribution>=version` without which it cannot run."""
    faults: Sequence[Any] = ()
    token_delay_s: float = 0.0
    latency_s: float = 0.0
    traces: int = 1
    input: str | None = None
    """Searched in the first root's input."""
    output: str | None = None
    """Searched in the last root's output."""
    agents: tuple[str, ...] = ()
    """AGENT spans that must be there, and none else but `others`."""
    others: tuple[str, ...] = ()
    owners: Mapping[str, str] = field(default_factory=dict)
    """Pattern in the system text of a model call → the AGENT that must be nearest above it.

    Where no pattern matches, any agent will do; not asked for without `agents`."""
    tools: tuple[Called, ...] = ()
    """Every tool call; a TOOL span more is one too many."""
    documents: tuple[tuple[str, float | None], ...] = ()
    """Text (searched) and score of what retrieval spans must show."""
    failed: tuple[Failed, ...] = ()
    stages: tuple[Below, ...] = ()
    session: str | bool = False
    """The root's session; True is any."""
    sessions: int | None = None
    """How many sessions the traces are of."""
    manual: str = ""
    """A span of the program's own, and the tool that it must be below."""
    manual_tool: str = ""
    raises: str = ""
    """A pattern of the error that ends the program."""
    left_streams: int = 0
    """How many streams the program leaves half-way: their usage is never sent."""
    unheard: int = 0
    """How many answers, the last, the program does not wait for: as if they had not been served."""
    parallel: bool = False
    """Whether the order of its requests and lines may differ from run to run."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one case did, untraced and traced."""

    case: Case
    recording: Recording
    served: Sequence[ServedCall]
    printed: tuple[str, str]
    """Untraced, traced."""
    asked: tuple[list[str], list[str]]


class Cases:
    """The scenarios of one framework."""

    def __init__(self, framework: str, *, needs: Sequence[str]) -> None:
        self.framework = framework
        self.needs = tuple(needs)
        """Modules without which none of them runs."""
        self._cases: list[Case] = []

    def add(
        self, *, script: Any, **expected: Any
    ) -> Callable[[Callable[[str], Any]], Callable[[str], Any]]:
        """Return a decorator that makes a function a case; `expected` is as of `Case`."""

        def added(run: Callable[[str], Any]) -> Callable[[str], Any]:
            name = run.__name__.replace("_", " ")
            self._cases.append(Case(name=name, run=run, script=script, **expected))
            return run

        return added

    @property
    def runnable(self) -> bool:
        """Whether what they need is installed."""
        return all(_is_installed(name) for name in self.needs)

    def __iter__(self) -> Iterator[Case]:
        """Yield the cases that the installed versions can run."""
        return (case for case in self._cases if _has(case.since))


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # its package
        return False


def _has(since: str) -> bool:
    if not since:
        return True
    distribution, _, version = since.partition(">=")
    return _numbers(metadata.version(distribution)) >= _numbers(version)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


def load_cases(path: Path) -> Cases:
    """Return the `cases` of a file of scenarios, whose frameworks are imported as they run."""
    spec = importlib.util.spec_from_file_location(f"scenarios_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    cases: Cases = module.cases
    return cases


class _Stdout(io.TextIOBase):
    """What every run prints to: frameworks keep the `sys.stdout` that they were imported under."""

    def __init__(self) -> None:
        self._out = io.StringIO()

    def begin(self) -> io.StringIO:
        """Return where what is printed from now on goes."""
        self._out = io.StringIO()
        return self._out

    def write(self, text: str) -> int:
        return self._out.write(text)

    def writable(self) -> bool:
        return True


_STDOUT = _Stdout()


@contextlib.contextmanager
def played(
    case: Case, *, serve: Callable[..., Any], autolog: Callable[..., object]
) -> Iterator[Outcome]:
    """Run a case untraced and traced; inside the block, its recording can be read.

    `serve` is `ScriptedModelServer`, `autolog` turns tracing on, and off by `disable=True`.
    """
    gc.freeze()  # what is older need not be looked at whenever leftovers are collected
    printed, log = _run(case, serve)
    with record() as recording:
        autolog()
        try:
            traced, traced_log = _run(case, serve)
        finally:
            autolog(disable=True)
            gc.unfreeze()
        yield Outcome(
            case=case,
            recording=recording,
            served=traced_log[: len(traced_log) - case.unheard],
            printed=(printed, traced),
            asked=(_asked(case, log), _asked(case, traced_log)),
        )


def _run(case: Case, serve: Callable[..., Any]) -> tuple[str, Sequence[ServedCall]]:
    out = _STDOUT.begin()
    with serve(
        script=case.script,
        faults=case.faults,
        token_delay_s=case.token_delay_s,
        latency_s=case.latency_s,
    ) as server:
        with contextlib.redirect_stdout(_STDOUT):
            try:
                result = case.run(server.base_url)
                if inspect.isawaitable(result):
                    asyncio.run(_awaited(result))
            except Exception as error:
                if not case.raises or re.search(case.raises, str(error)) is None:
                    raise
                print(f"{type(error).__name__}: {error}")
            else:
                assert not case.raises, f"{case.name}: nothing was raised"
            gc.collect()
        printed = _RANDOM.sub("ID", out.getvalue())
        if case.parallel:
            printed = "\n".join(sorted(printed.splitlines()))
        return printed, list(server.log)


async def _awaited(result: Any) -> Any:
    return await result


def _asked(case: Case, log: Sequence[ServedCall]) -> list[str]:
    asked = [
        _RANDOM.sub(
            "ID",
            json.dumps(
                [call.path, {k: v for k, v in call.request.items() if k != "stream_options"}],
                sort_keys=True,
            ),
        )
        for call in log
    ]
    return sorted(asked) if case.parallel else asked
