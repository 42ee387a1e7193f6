"""``rnn2vec`` and ``python -m rnn2vec``: the command line, which takes seconds to import."""

import atexit
import contextlib
import os
import signal
import sys
import threading
from types import FrameType


def main() -> None:
    """Run the command line; Ctrl-C ends it in one line from the first moment on."""
    ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # else somebody ignores it, or has a handler
    if ours:
        signal.signal(signal.SIGINT, _leave)
    from rnn2vec.cli import main as command_line

    if ours:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        command_line()
    except SystemExit as ended:
        if isinstance(ended.code, int | None):
            _end(ended.code or 0)
        raise
    _end(0)


def _end(status: int) -> None:
    """Do what Python does at its end, but take nothing apart: with all that torch holds, that takes a second."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # whoever read it may be gone
            stream.flush()
    os._exit(status)


def _leave(number: int, frame: FrameType | None) -> None:
    """End at once. An exception would pass through imports of other packages, some of which make another of it."""
    os.write(2, b"error: interrupted before anything began\n")
    os._exit(130)


if __name__ == "__main__":
    main()
