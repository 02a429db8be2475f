"""What wakes the background thread, from anywhere: also a signal handler or a finaliser."""

import threading


class Bell:
    """A `threading.Event` for one listener, whose `ring` cannot deadlock with itself.

    An Event's `set` holds a lock over several steps of Python. A signal handler, or a generator
    that is collected between two of them, may end a span in the same thread and set it again.
    """

    def __init__(self) -> None:
        self._silence = threading.Lock()  # released by `ring`, in one step
        self._silence.acquire()

    def ring(self) -> None:
        """Wake the listener now, or as soon as it waits."""
        try:
            self._silence.release()
        except RuntimeError:
            return  # It rings already.

    def rings(self) -> bool:
        """Tell whether it was rung and nobody has heard it yet."""
        return not self._silence.locked()

    def wait(self, timeout_s: float) -> bool:
        """Wait for it, at most so long, and hush it; return whether it rang."""
        return self._silence.acquire(timeout=timeout_s)

    def hush(self) -> None:
        """Forget that it was rung."""
        self._silence.acquire(blocking=False)
