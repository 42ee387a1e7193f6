"""A command as a black box: it reads a JSON line a question, and writes one an answer."""

from __future__ import annotations

import contextlib
import json
import queue
import shlex
import subprocess
import threading
from types import TracebackType
from typing import Any, Self

import numpy as np

from rnn2vec.errors import RNN2VecError

SECONDS = 60.0
"""That a command may take for an answer."""
LONGEST = 1 << 28
"""Characters of an answer."""


class Command:
    """A program that is started once and asked line by line: ``{"question": [...]}`` in, ``{"answer": [...]}`` out.

    Args:
        line: the command, as a shell would split it; no shell runs it.
        seconds: that it may take for an answer.

    Raises:
        RNN2VecError: if it cannot be started.
    """

    def __init__(self, line: str, seconds: float = SECONDS) -> None:
        self.line, self.seconds = line, seconds
        try:
            self._process = subprocess.Popen(
                shlex.split(line), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
            )
        except (OSError, ValueError, IndexError) as error:
            raise RNN2VecError(
                f"a box is a file of a network, package.module:callable, or a command; {line!r} cannot be started "
                f"({error})"
            ) from error
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        while line := self._process.stdout.readline(LONGEST):
            self._lines.put(line)
        self._lines.put("")

    def __call__(self, question: np.ndarray) -> Any:
        """The answer to one sequence.

        Raises:
            RNN2VecError: if the command has ended, takes too long, or writes anything else.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"question": question.tolist()}) + "\n")
            self._process.stdin.flush()
            line = self._lines.get(timeout=self.seconds)
        except queue.Empty as error:
            self.close()
            raise RNN2VecError(
                f"a command answers within {self.seconds:g} seconds; {self.line!r} did not: give it more by --seconds"
            ) from error
        except OSError as error:
            raise RNN2VecError(f"the command {self.line!r} takes no more questions ({error})") from error
        try:
            return json.loads(line)["answer"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            said = f"{line.strip()[:60]!r}" if line.strip() else "nothing, as if it had ended"
            raise RNN2VecError(
                f'a command answers with a line {{"answer": [...]}}; {self.line!r} wrote {said}'
            ) from error

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):  # what was not written any more
                    stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
