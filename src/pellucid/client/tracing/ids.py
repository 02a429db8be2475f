"""Ids of spans and traces that leave the program's own random numbers alone.

OpenTelemetry's default generator draws from the `random` module: a program that seeds it would get
other numbers when it is traced, and the same trace ids in every run.
"""

import os
import random

from opentelemetry.sdk.trace.id_generator import IdGenerator

_random = random.Random()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_random.seed)


class OwnIds(IdGenerator):
    """Random ids from a source of our own."""

    def generate_span_id(self) -> int:
        """Return an id of 64 bits that is not 0."""
        return _random.getrandbits(64) or 1

    def generate_trace_id(self) -> int:
        """Return an id of 128 bits that is not 0."""
        return _random.getrandbits(128) or 1
