"""Whether this process traces, and with which tracer; the hot path reads it at every call."""

from opentelemetry.trace import NoOpTracer, Tracer


class State:
    """`active` is false before `init`, after `shutdown`, and when tracing is turned off."""

    __slots__ = ("active", "tracer")

    def __init__(self) -> None:
        self.active = False
        self.tracer: Tracer = NoOpTracer()


state = State()
