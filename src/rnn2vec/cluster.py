"""Independent jobs on a Ray cluster: the same functions, on the cores of many machines that share their folders."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from rnn2vec.errors import RNN2VecError

RETRIES = 10
"""How often a job is started again after its machine was lost; it goes on from what it had written."""

CONNECTION_SECONDS = 5.0
"""How long a cluster may take to accept a connection."""


def run_on_ray(jobs: Sequence[Any], address: str, on_progress: Callable[[int, int, str], None]) -> list[Any]:
    """Run all jobs on a Ray cluster, a core each; see :func:`rnn2vec.parallel.run_jobs`.

    Ray decides what runs where, and starts a job again whose machine was lost.

    Raises:
        RNN2VecError: if Ray is not installed, or the address is none or nothing answers there. Otherwise whatever a
            job raises; those still running are then cancelled.
    """
    require_ray(address)
    import ray
    from ray.util.queue import Queue
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    ours = not ray.is_initialized()
    if ours:
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
            raise RNN2VecError(
                f"no Ray cluster answers at {address!r} ({error}): start one with `ray start`"
            ) from error
    try:
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        messages = Queue(actor_options={"num_cpus": 0, "scheduling_strategy": here})  # other machines may be lost
        task = ray.remote(num_cpus=1, max_retries=RETRIES)(_run_job)
        started = [task.remote(index, job, messages) for index, job in enumerate(jobs)]
        pending = list(started)
        try:
            while pending:
                done, pending = ray.wait(pending, timeout=0.2)
                while not messages.empty():
                    on_progress(*messages.get())
                ray.get(done)
        except BaseException:
            for reference in pending:
                ray.cancel(reference, force=True)
            raise
        while not messages.empty():
            on_progress(*messages.get())
        return list(ray.get(started))
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, RNN2VecError):
            raise RNN2VecError(str(error.cause)) from error
        raise
    except ray.exceptions.RayError as error:
        raise RNN2VecError(f"the Ray cluster failed ({error}): the same command goes on where it stopped") from error
    finally:
        if ours:
            ray.shutdown()


def require_ray(address: str) -> None:
    """Refuse to do without Ray, or with an address that takes no connection; to be called before anything is written.

    Raises:
        RNN2VecError: if Ray is not installed; otherwise see :func:`require_cluster`.
    """
    try:
        import ray
    except ImportError as error:
        raise RNN2VecError("--ray needs Ray, an optional extra: pip install 'rnn2vec[ray]'") from error
    if not ray.is_initialized():
        require_cluster(address)


def require_cluster(address: str) -> None:
    """Refuse an address that takes no connection; Ray itself tries for minutes, and may then end the process.

    What takes one but is not Ray, or a cluster that ``auto`` finds although it was killed, is not told apart.

    Args:
        address: ``HOST:PORT``, perhaps after ``ray://``, or ``auto``: what ``RAY_ADDRESS`` says, else what Ray itself
            finds on this machine, which is not tried here.

    Raises:
        RNN2VecError: if the address is none of these or takes no connection within :data:`CONNECTION_SECONDS`.
    """
    if address == "auto":
        address = os.environ.get("RAY_ADDRESS") or "auto"
        if address == "auto":
            return
    host, port = _host_and_port(address)
    failures = ["no answer"]

    def connect() -> None:
        try:
            socket.create_connection((host, port), CONNECTION_SECONDS).close()
            failures.clear()
        except OSError as error:
            failures[0] = error.strerror or str(error)

    thread = threading.Thread(target=connect, daemon=True)  # looking up a name knows no time limit
    thread.start()
    thread.join(CONNECTION_SECONDS)
    failed = list(failures)  # the thread may yet go on
    if failed:
        raise RNN2VecError(
            f"a Ray cluster takes connections at its address; {address} does not ({failed[0]}): start one with "
            "`ray start --head`, which says its address"
        )


def _host_and_port(address: str) -> tuple[str, int]:
    place = address.removeprefix("ray://")
    try:
        parts = urlsplit(f"//{place}")
        host, port = parts.hostname, parts.port
    except ValueError:  # a port that is no number, brackets that do not match
        host, port = None, None
    if not host or not port or any(sign in place for sign in "/?#@ "):
        raise RNN2VecError(
            f"the address of a Ray cluster is HOST:PORT, such as 10.0.0.1:6379, or auto; got {address!r}"
        )
    return host, port


def _run_job(index: int, job: Any, messages: Any) -> Any:
    import torch

    torch.set_num_threads(1)
    return job.run(lambda amount, note: messages.put((index, amount, note)))
