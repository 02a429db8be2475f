"""Wall time of an evaluation against the ideal, and the overhead of an example.

    python benchmarks/evaluate.py [--server]

The ideal is examples × latency / concurrency. With `--server` a real server runs on this machine,
and every example and score is traced to it; the run's snapshot is of a small project.
"""

import argparse
import asyncio
import os
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pellucid

EXAMPLES, LATENCY_S, CONCURRENCY = 200, 0.05, 10


def blocking(question: str) -> str:
    time.sleep(LATENCY_S)
    return question


async def later(question: str) -> str:
    await asyncio.sleep(LATENCY_S)
    return question


def instant(question: str) -> str:
    return question


def rows(count: int) -> list[dict[str, Any]]:
    return [
        {"inputs": {"question": f"question {n}"}, "expected": f"question {n}"} for n in range(count)
    ]


def measure() -> None:
    scorers = [
        pellucid.scorers.exact_match(),
        pellucid.scorers.token_f1(),
        pellucid.scorers.latency(),
    ]
    ideal = EXAMPLES * LATENCY_S / CONCURRENCY
    for task in (later, blocking):
        report = pellucid.evaluate(task, rows(EXAMPLES), scorers, concurrency=CONCURRENCY)
        ratio = report.wall_s / ideal
        print(f"{task.__name__:9} {report.wall_s:.3f} s, {ratio:.2f} × the ideal {ideal:.2f} s")
    began = time.process_time()
    report = pellucid.evaluate(instant, rows(1000), scorers, concurrency=CONCURRENCY)
    cpu = time.process_time() - began
    print(f"instant   {report.wall_s:.2f} ms an example (wall), {cpu:.2f} ms of this process's CPU")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", action="store_true")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        os.environ["PELLUCID_SPOOL_DIR"] = str(folder / "spool")
        if not parser.parse_args().server:
            os.environ["PELLUCID_ENABLED"] = "0"
        else:
            from pellucid.testing.live import LiveServer

            project, data = folder / "project", folder / "server"
            project.mkdir()
            data.mkdir()
            (project / "agent.py").write_text("# The agent.\n")
            os.environ["PELLUCID_PROJECT_DIR"] = str(project)
            server = LiveServer(data).start()
            stack.callback(server.stop)
            pellucid.init(url=server.url, experiment="benchmark")
        measure()
        pellucid.shutdown()


if __name__ == "__main__":
    main()
