"""Independent jobs side by side, one process each, with their progress reported to the caller."""

from __future__ import annotations

import contextlib
import dataclasses
import multiprocessing
import os
import signal
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait as wait_for
from typing import Any, Protocol, TypeVar

import torch

from rnn2vec.errors import RNN2VecError

OnProgress = Callable[[int, int, str], None]
"""Called as ``on_progress(job, amount, note)`` whenever ``amount`` more units of job number ``job`` are done."""


Result = TypeVar("Result", covariant=True)


class Job(Protocol[Result]):
    """A piece of work: an object that holds what it needs, picklable if there are several workers."""

    def run(self, on_progress: Callable[[int, str], None]) -> Result:
        """Do the work, and call ``on_progress(amount, note)`` as it goes."""
        ...


def run_jobs(
    jobs: Sequence[Job[Result]], workers: int = 1, on_progress: OnProgress | None = None, ray: str | None = None
) -> list[Result]:
    """Run all jobs and return their results in the order of the jobs.

    Args:
        jobs: see :class:`Job`.
        workers: processes. With one, everything runs here. With more, they share the threads that would compute here,
            one each at least; a script that asks for them must guard its entry with ``if __name__ == "__main__"``.
        on_progress: told of progress. What workers warn of is passed on, each warning once.
        ray: address of a Ray cluster, or ``auto`` for the one this machine belongs to; its cores then take the place of
            the workers, and paths that jobs read and write must be the same folders on all its machines.

    Raises:
        Whatever a job raises; jobs still running are then ended.
    """
    on_progress = on_progress or (lambda job, amount, note: None)
    if ray:
        from rnn2vec.cluster import run_on_ray  # an optional extra

        return run_on_ray(jobs, ray, on_progress)
    threads = max(1, torch.get_num_threads() // max(1, workers))  # whatever jobs are left: numbers may depend on it
    workers = min(workers, len(jobs))
    if workers <= 1:
        return [job.run(_inline(on_progress, index)) for index, job in enumerate(jobs)]
    context = multiprocessing.get_context("spawn")
    messages = context.SimpleQueue()  # what is put is in the pipe at once: a job's last words are there when it ends
    others = set(multiprocessing.active_children())
    with ProcessPoolExecutor(
        workers, mp_context=context, initializer=_start_worker, initargs=(messages, threads)
    ) as pool:
        try:
            with _interrupts_later():  # workers start here, and inherit that Ctrl-C does not reach them
                futures = [pool.submit(_run_in_worker, index, job) for index, job in enumerate(jobs)]
            pending: set[Future[Any]] = set(futures)
            while pending:
                done, pending = wait(pending, timeout=0.1, return_when=FIRST_COMPLETED)
                _drain(messages, on_progress)
                for future in done:
                    future.result()
        except BrokenProcessPool as error:
            raise RNN2VecError(
                "a worker process ended before its job, perhaps for lack of memory: use fewer workers"
            ) from error
        except BaseException:
            # The pool gives up all jobs once a worker is gone; those cancelled here would make its thread fail.
            for child in set(multiprocessing.active_children()) - others:
                child.terminate()
            raise
    _drain(messages, on_progress)
    return [future.result() for future in futures]


@contextlib.contextmanager
def _interrupts_later() -> Iterator[None]:
    """Let Ctrl-C wait until the end, where the system knows how; processes that start meanwhile never see it."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    noted: list[int] = []
    handler = signal.getsignal(signal.SIGINT)
    # A mask is this thread's alone. What another thread receives, Python handles in the main thread: noted there, too.
    noting = threading.current_thread() is threading.main_thread() and callable(handler)
    if noting:
        signal.signal(signal.SIGINT, lambda number, frame: noted.append(number))
    try:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
    finally:
        if noting:
            signal.signal(signal.SIGINT, handler)
        if noted:
            signal.raise_signal(signal.SIGINT)


def _inline(on_progress: OnProgress, index: int) -> Callable[[int, str], None]:
    return lambda amount, note: on_progress(index, amount, note)


@dataclasses.dataclass(frozen=True)
class _Warning:
    """A warning on its way from a worker."""

    text: str
    category: type[Warning]
    filename: str
    line: int


_shown: dict[Any, Any] = {}  # warnings of workers that this process has passed on: each once, however many had it


def _drain(messages: Any, on_progress: OnProgress) -> None:
    while not messages.empty():
        message = messages.get()
        if isinstance(message, _Warning):
            warnings.warn_explicit(message.text, message.category, message.filename, message.line, registry=_shown)
        else:
            on_progress(*message)


_messages: Any = None  # a worker process's way back to its parent, set once when it starts


def _start_worker(messages: Any, threads: int) -> None:
    global _messages
    _messages = messages
    threading.Thread(target=_end_with_parent, daemon=True).start()
    warnings.showwarning = _pass_on
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for its parent, which ends it and explains
    torch.set_num_threads(threads)


def _pass_on(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, file: Any = None, line: Any = None
) -> None:
    _messages.put(_Warning(str(message), category, filename, lineno))


def _end_with_parent() -> None:
    """End this process once its parent is gone, perhaps killed: its job is for whoever runs the command again."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for([parent.sentinel])
        os._exit(1)


def _run_in_worker(index: int, job: Job[Any]) -> Any:
    return job.run(lambda amount, note: _messages.put((index, amount, note)))
