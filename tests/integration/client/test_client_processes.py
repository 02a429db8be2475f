"""Forks, worker pools, kills and other people's providers, each in a program of its own."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pellucid.client.spool import drain
from pellucid.testing.collector import Collector, Received, decode

SETUP = """
import multiprocessing, os, sys, threading, time
import pellucid
pellucid.init(experiment="processes")
"""


def start(code: str, url: str, spool: Path, **env: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", SETUP + code],
        env=os.environ | {"PELLUCID_URL": url, "PELLUCID_SPOOL_DIR": str(spool)} | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(code: str, collector: Collector, spool: Path, **env: str) -> list[Received]:
    """Run a program and return all its final spans, those still in the spool included.

    What a busy server answered too late is in both: as one and the same span, which counts once.
    """
    process = start(code, collector.url, spool, **env)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    spooled: list[Received] = []

    def post(path: str, body: bytes, headers: dict[str, str]) -> int:
        spooled.extend(span for span in decode(headers, body) if not span.pending)
        return 200

    drain(spool, [collector.url], post)
    found = collector.spans()
    known = {span.span_id for span in found}
    return found + [span for span in spooled if span.span_id not in known]


def names(spans: list[Received]) -> list[str]:
    return sorted(span.name for span in spans)


def test_a_forked_child_sends_its_own_spans_and_nothing_twice(
    collector: Collector, tmp_path: Path
) -> None:
    spans = run(
        """
for n in range(20):
    with pellucid.span("before"): pass
with pellucid.span("around"):
    pid = os.fork()
    if pid == 0:
        with pellucid.span("child"): pass
if pid == 0:
    pellucid.flush()
    os._exit(0)
os.waitpid(pid, 0)
with pellucid.span("after"): pass
""",
        collector,
        tmp_path,
    )
    assert names(spans) == ["after", "around", *["before"] * 20, "child"]
    around = next(span for span in spans if span.name == "around")
    child = next(span for span in spans if span.name == "child")
    assert child.parent_id == around.span_id


def test_a_child_that_exits_as_usual_loses_nothing(collector: Collector, tmp_path: Path) -> None:
    spans = run(
        """
with pellucid.span("parent"): pass
pellucid.flush()
if os.fork() == 0:
    for n in range(50):
        with pellucid.span("child"): pass
    sys.exit(0)
os.wait()
""",
        collector,
        tmp_path,
    )
    assert names(spans) == [*["child"] * 50, "parent"]


def test_a_forked_child_that_ends_at_once_loses_nothing(
    collector: Collector, tmp_path: Path
) -> None:
    spans = run(
        """
with pellucid.span("around"):
    pid = os.fork()
    if pid == 0:
        with pellucid.span("child"): pass
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
""",
        collector,
        tmp_path,
    )
    assert set(names(spans)) == {"around", "child"}


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_worker_processes_lose_nothing(collector: Collector, tmp_path: Path, method: str) -> None:
    (tmp_path / "jobs.py").write_text(
        "import pellucid\n"
        "pellucid.init(experiment='processes')\n"
        "@pellucid.trace\n"
        "def job(n): return n\n"
    )
    spans = run(
        f"""
sys.path.insert(0, {str(tmp_path)!r})
import jobs
from concurrent.futures import ProcessPoolExecutor
context = multiprocessing.get_context({method!r})
with pellucid.span("parent"): pass
process = context.Process(target=jobs.job, args=(7,))
process.start(); process.join()
with ProcessPoolExecutor(2, mp_context=context) as pool:
    assert sorted(pool.map(jobs.job, range(20))) == list(range(20))
with context.Pool(2) as pool:
    assert pool.map(jobs.job, range(20)) == list(range(20))
""",
        collector,
        tmp_path,
        PYTHONPATH=str(tmp_path),
    )
    # A pool kills its workers, maybe between a server's answer and the removal of the file: such
    # a span comes twice, as one and the same.
    unique = {span.span_id: span for span in spans}
    assert names(list(unique.values())) == [*["job"] * 41, "parent"]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_process_pools_keep_the_parent_of_each_task(
    collector: Collector, tmp_path: Path, method: str
) -> None:
    (tmp_path / "jobs.py").write_text(
        "import pellucid\n"
        "pellucid.init(experiment='processes')\n"
        "@pellucid.trace\n"
        "def job(n): return n\n"
    )
    spans = run(
        f"""
sys.path.insert(0, {str(tmp_path)!r})
import jobs
from concurrent.futures import ProcessPoolExecutor
context = multiprocessing.get_context({method!r})
with ProcessPoolExecutor(1, mp_context=context) as pool:
    for name in ("a", "b"):
        with pellucid.session("chat", tags={{"name": name}}), pellucid.span(name):
            assert list(pool.map(jobs.job, [1])) == [1]
    assert pool.submit(jobs.job, 3).result() == 3
""",
        collector,
        tmp_path,
        PYTHONPATH=str(tmp_path),
    )
    by_id = {span.span_id: span for span in spans}
    assert len(by_id) == 5
    jobs = {
        by_id[span.parent_id].name if span.parent_id else "": span
        for span in by_id.values()
        if span.name == "job"
    }
    assert set(jobs) == {"a", "b", ""}
    assert jobs["b"].attributes["gen_ai.conversation.id"] == "chat"
    assert jobs["b"].attributes["pellucid.tags"] == '{"name":"b"}'
    assert jobs["b"].trace_id == by_id[jobs["b"].parent_id].trace_id


def test_a_fork_while_the_threads_are_at_work(collector: Collector, tmp_path: Path) -> None:
    spans = run(
        """
def produce(name, count):
    for n in range(count):
        with pellucid.span(name, input="x" * 1500): pass
thread = threading.Thread(target=produce, args=("parent", 3000))
thread.start()
children = []
for n in range(5):
    time.sleep(0.02)
    pid = os.fork()
    if pid == 0:
        produce("child", 100)
        sys.exit(0)
    children.append(pid)
thread.join()
for pid in children: os.waitpid(pid, 0)
""",
        collector,
        tmp_path,
    )
    found = names(spans)
    assert found.count("child") == 500
    assert found.count("parent") == 3000
    assert len({span.span_id for span in spans}) == 3500


def test_a_killed_program_loses_at_most_its_last_moment(
    collector: Collector, tmp_path: Path
) -> None:
    process = start(
        """
for n in range(10_000):
    with pellucid.span("s", attributes={"n": n}): pass
    if n == 500:
        print("half", flush=True)
    time.sleep(0.002)
""",
        collector.url,
        tmp_path,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "half\n"
    collector.wait(501)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=300)
    found = sorted(span.attributes["n"] for span in collector.spans())
    assert found == list(range(len(found)))
    assert len(found) > 500


def test_a_killed_program_leaves_its_open_span_as_running(
    collector: Collector, tmp_path: Path
) -> None:
    process = start(
        """
with pellucid.span("stuck", input="why"):
    time.sleep(60)
""",
        collector.url,
        tmp_path,
    )
    (pending,) = collector.wait(1, pending=True)
    process.kill()
    process.communicate(timeout=300)
    assert pending.name == "stuck"
    assert pending.attributes["pellucid.input"] == "why"
    assert collector.spans() == []


def test_an_existing_provider_gets_a_processor_added(collector: Collector, tmp_path: Path) -> None:
    process = subprocess.run(
        [
            sys.executable,
            "-c",
            """
import pellucid
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
theirs = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(theirs))
trace.set_tracer_provider(provider)
for _ in range(3):
    pellucid.init(experiment="e")
assert trace.get_tracer_provider() is provider
with pellucid.span("both") as span:
    for n in range(200):
        span.set_attribute(f"a{n}", n)
with pellucid.span("more") as span:
    for n in range(200):
        span.set_attribute(f"a{n}", n)
assert [s.name for s in theirs.get_finished_spans()] == ["both", "more"]
assert pellucid.flush(60)
""",
        ],
        env=os.environ | {"PELLUCID_URL": collector.url, "PELLUCID_SPOOL_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert process.returncode == 0, process.stderr
    assert names(collector.spans()) == ["both", "more"]
    assert process.stderr.count("lost 7") == 1
    assert "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT" in process.stderr


def test_a_given_provider_is_used_instead(collector: Collector, tmp_path: Path) -> None:
    spans = run(
        """
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
provider = TracerProvider(resource=Resource.create({"service.name": "mine"}))
pellucid.init(experiment="given", provider=provider)
with pellucid.span("s"): pass
""",
        collector,
        tmp_path,
    )
    assert [span.resource["service.name"] for span in spans] == ["mine"]
    assert spans[0].attributes["pellucid.experiment"] == "given"
    assert "pellucid.experiment" not in spans[0].resource


def test_a_processor_that_raises_disturbs_nobody(collector: Collector, tmp_path: Path) -> None:
    run(
        """
import logging
logging.disable()
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
class Broken(SpanProcessor):
    def on_start(self, span, parent_context=None): raise RuntimeError("start")
    def on_end(self, span): raise RuntimeError("end")
provider = TracerProvider()
provider.add_span_processor(Broken())
pellucid.init(provider=provider)
@pellucid.trace
def double(n): return 2 * n
@pellucid.trace
def stream(): yield 1
with pellucid.span("s") as span:
    span.set_output(double(2))
assert double(3) == 6
assert list(stream()) == [1]
""",
        collector,
        tmp_path,
    )
