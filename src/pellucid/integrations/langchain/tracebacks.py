"""Tracebacks without the frames that tracing put into them."""

import os
from types import TracebackType

_INTEGRATIONS = os.path.dirname(os.path.dirname(__file__))
_MAX_CAUSES = 8


def without_our_frames(error: BaseException) -> None:
    """Take our wrappers out of an exception's traceback, so that the program does not see them."""
    found: BaseException | None = error
    for _ in range(_MAX_CAUSES):
        if found is None:
            return
        _clean(found)
        found = found.__cause__ or found.__context__


def _clean(error: BaseException) -> None:
    traceback = error.__traceback__
    while traceback is not None and _is_ours(traceback):
        traceback = traceback.tb_next
    if traceback is None:
        return
    if traceback is not error.__traceback__:
        error.__traceback__ = traceback
    while traceback.tb_next is not None:
        if _is_ours(traceback.tb_next):
            traceback.tb_next = traceback.tb_next.tb_next
        else:
            traceback = traceback.tb_next


def _is_ours(traceback: TracebackType) -> bool:
    return traceback.tb_frame.f_code.co_filename.startswith(_INTEGRATIONS)
