"""Ctrl-C while modules are imported: one line, at once."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType


@contextlib.contextmanager
def leaving_at_once() -> Iterator[None]:
    """Let Ctrl-C end the process at once, with exit status 130, unless somebody ignores it or has a handler.

    An exception would pass through imports of other packages, some of which make another of it.
    """
    ours = (
        threading.current_thread() is threading.main_thread()  # no other may set a handler
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
    if ours:
        signal.signal(signal.SIGINT, _leave)
    try:
        yield
    finally:
        if ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _leave(number: int, frame: FrameType | None) -> None:
    os.write(2, b"error: interrupted before anything began\n")
    os._exit(130)
