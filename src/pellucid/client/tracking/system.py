"""How busy the machine is while a run goes on, as metrics of the run."""

import os
import shutil
import subprocess
import threading
import time
from pathlib import Path
from typing import NamedTuple

from pellucid.client.tracking.run import ActiveRun
from pellucid.core.run import RunStatus

INTERVAL_S = 10.0
_GPU_FIELDS = ("utilization.gpu", "memory.used", "memory.total")


class _Cpu(NamedTuple):
    busy: float
    total: float
    own: float
    at: float


class SystemMetrics:
    """A thread that logs `system.*` until the run ends."""

    def __init__(self, run: ActiveRun, *, interval_s: float = INTERVAL_S) -> None:
        self._run = run
        self._interval_s = interval_s
        self._stop = threading.Event()

    def start(self) -> None:
        """Begin."""
        threading.Thread(target=self._loop, name="pellucid-system", daemon=True).start()

    def _loop(self) -> None:
        step = 0
        before = _read_cpu()
        while not self._stop.wait(min(self._interval_s, 1.0) if step == 0 else self._interval_s):
            if self._run.status is not RunStatus.RUNNING:
                return
            now = _read_cpu()
            self._run.log_metrics({**_cpu(before, now), **_memory(), **_gpus()}, step)
            before = now
            step += 1


def _cpu(before: _Cpu, now: _Cpu) -> dict[str, float]:
    elapsed = max(now.at - before.at, 1e-9)
    values = {"system.process_cpu_percent": 100 * (now.own - before.own) / elapsed}
    if now.total > before.total:
        share = (now.busy - before.busy) / (now.total - before.total)
        values["system.cpu_percent"] = 100 * share
    return values


def _read_cpu() -> _Cpu:
    own = os.times()
    busy = total = 0.0
    try:
        ticks = [float(n) for n in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        total, busy = sum(ticks), sum(ticks) - ticks[3] - ticks[4]
    except (OSError, ValueError, IndexError):
        pass  # Not Linux: only the process's own figures.
    return _Cpu(busy, total, own.user + own.system, time.monotonic())


def _memory() -> dict[str, float]:
    values: dict[str, float] = {}
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        values["system.process_memory_mb"] = pages * os.sysconf("SC_PAGE_SIZE") / 1e6
        info = dict(
            line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines() if line
        )
        total, free = (float(info[name].split()[0]) for name in ("MemTotal", "MemAvailable"))
        values["system.memory_percent"] = 100 * (1 - free / total)
    except (OSError, ValueError, KeyError, IndexError):
        pass  # Not Linux.
    return values


def _gpus() -> dict[str, float]:
    program = shutil.which("nvidia-smi")
    if program is None:
        return {}
    command = [program, f"--query-gpu={','.join(_GPU_FIELDS)}", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return {}
    values: dict[str, float] = {}
    for number, line in enumerate(answer.stdout.splitlines()):
        try:
            busy, used, total = (float(cell) for cell in line.split(","))
        except ValueError:
            continue
        values[f"system.gpu{number}_percent"] = busy
        values[f"system.gpu{number}_memory_percent"] = 100 * used / total
    return values
