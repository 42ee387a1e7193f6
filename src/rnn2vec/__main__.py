"""``rnn2vec`` and ``python -m rnn2vec``: the command line."""

import atexit
import contextlib
import os
import sys
import threading

from rnn2vec.leaving import leave_at_once


def main() -> None:
    """Run the command line; Ctrl-C ends it in one line from the first moment on."""
    leave_at_once()  # until a command is imported
    from rnn2vec.cli import main as command_line

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


if __name__ == "__main__":
    main()
