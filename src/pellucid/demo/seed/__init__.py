"""Bulk data that looks like real agents at work: for screenshots, browser tests and trying out.

    python -m pellucid.demo.seed --url http://127.0.0.1:4380 --traces 200

The same seed and end time give the same traces, ids included.
"""

from pellucid.demo.seed.build import SeededTrace
from pellucid.demo.seed.long import long_trace
from pellucid.demo.seed.stories import seed_traces

__all__ = ["SeededTrace", "long_trace", "seed_traces"]
