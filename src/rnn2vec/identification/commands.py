"""A command as a black box: it reads a JSON line a question, and writes one an answer."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shlex
import signal
import subprocess
import threading
from types import TracebackType
from typing import Any, Self

import numpy as np

from rnn2vec.errors import RNN2VecError

SECONDS = 60.0
"""That a command may take for an answer."""
LONGEST_WAIT = 1e6
"""Seconds."""
LONGEST = 1 << 28
"""Characters of an answer."""


class Command:
    """A program that is started once and asked line by line: ``{"question": [...]}`` in, ``{"answer": [...]}`` out.

    Args:
        line: the command, as a shell would split it; no shell runs it.
        seconds: that it may take for an answer.

    Raises:
        RNN2VecError: if it cannot be started, or the time is out of range.
    """

    def __init__(self, line: str, seconds: float = SECONDS) -> None:
        self.line, self.seconds = line, seconds
        if not 0.0 <= seconds <= LONGEST_WAIT:
            raise RNN2VecError(f"a command is waited for 0 to {LONGEST_WAIT:g} seconds; got {seconds}")
        try:
            self._process = subprocess.Popen(
                shlex.split(line),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                errors="replace",
                bufsize=1,
                start_new_session=True,  # so that what it starts in turn ends with it
            )
        except (OSError, ValueError, IndexError) as error:
            raise RNN2VecError(
                f"a box is a file of a network, package.module:callable, or a command; {line!r} cannot be started "
                f"({error})"
            ) from error
        self._lines: queue.Queue[str] = queue.Queue()
        self._writer: threading.Thread | None = None
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with contextlib.suppress(OSError, ValueError):
            while line := self._process.stdout.readline(LONGEST):
                self._lines.put(line)
        self._lines.put("")

    def _next(self) -> str:
        """The next line; none of its characters if it has ended, now and ever after."""
        line = self._lines.get(timeout=self.seconds)
        if not line:
            self._lines.put(line)
        return line

    def _write(self, line: str) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError, ValueError):  # it has ended, which its answer says
            self._process.stdin.write(line)
            self._process.stdin.flush()

    def __call__(self, question: np.ndarray) -> Any:
        """The answer to one sequence.

        Raises:
            RNN2VecError: if the command has ended, takes too long, or writes anything else.
        """
        if not self._lines.empty() and (more := self._next()):
            raise RNN2VecError(
                f"a command writes one line for each question that it has read; {self.line!r} wrote another, unasked: "
                f"{more.strip()[:60]!r}"
            )
        asked = json.dumps({"question": question.tolist()}) + "\n"
        # in a thread of its own: a program that does not read would block it
        self._writer = threading.Thread(target=self._write, args=(asked,), daemon=True)
        self._writer.start()
        try:
            line = self._next()
        except queue.Empty as error:
            self.close()
            raise RNN2VecError(
                f"a command answers within {self.seconds:g} seconds; {self.line!r} did not: give it more by --seconds"
            ) from error
        try:
            return json.loads(line)["answer"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            said = f"{line.strip()[:60]!r}" if line.strip() else "nothing, as if it had ended"
            raise RNN2VecError(
                f'a command answers with a line {{"answer": [...]}}; {self.line!r} wrote {said}'
            ) from error

    def close(self) -> None:
        """End it, and all that it started."""
        if hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait()
        streams = (self._process.stdin, self._writer), (self._process.stdout, self._reader)
        for stream, thread in streams:
            if thread is not None:
                thread.join(timeout=1.0)  # longer only where something has left the session and keeps the pipe
            if stream is not None and not (thread is not None and thread.is_alive()):
                with contextlib.suppress(OSError):  # what was not written any more
                    stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
