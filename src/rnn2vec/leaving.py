"""Ctrl-C while modules are imported: one line, at once."""

import os
import signal
import threading
from types import FrameType


def leave_at_once() -> None:
    """From now on let Ctrl-C end the process, with exit status 130, unless somebody ignores it or has a handler.

    An exception would pass through imports of other packages, some of which make another of it.
    """
    first = threading.current_thread() is threading.main_thread()  # no other may set a handler
    if first and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave)


def raise_again() -> None:
    """From now on let it be an exception again, as work that goes on later needs it."""
    if signal.getsignal(signal.SIGINT) is _leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _leave(number: int, frame: FrameType | None) -> None:
    os.write(2, b"error: interrupted before anything began\n")
    os._exit(130)
