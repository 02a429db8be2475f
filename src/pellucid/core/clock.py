"""Time as integers: nanoseconds since the Unix epoch."""

import time
from collections.abc import Callable

Clock = Callable[[], int]
"""Returns nanoseconds since the Unix epoch; an argument, so that tests can set the time."""

now_ns: Clock = time.time_ns
