"""Jobs on a Ray cluster: the address is checked first, and one that loses a node ends with a single process's bytes."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rnn2vec import RNN2VecError, build_zoo, zoo_recipe
from rnn2vec.cluster import require_cluster
from rnn2vec.parallel import run_jobs


@pytest.fixture
def closed_port() -> int:
    """A port of this machine where nothing listens."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@pytest.fixture
def ray() -> Any:
    """The module, if it is installed."""
    return pytest.importorskip("ray")


class Never:
    """A job that is never carried out here."""

    def run(self, on_progress: Callable[[int, str], None]) -> None:
        raise AssertionError("a job was started without a cluster")


@pytest.mark.parametrize(
    "address",
    ["nonsense", "", "host:", ":6379", "host:port", "host:0", "host:70000", "http://host:6379", "a b:1", "[::1:6379"],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(RNN2VecError, match=r"is HOST:PORT.*got"):
        require_cluster(address)


def test_a_place_that_does_not_answer_is_refused_within_seconds(
    closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RNN2VecError, match=f"127.0.0.1:{closed_port} does not.*refused"):
        require_cluster(f"127.0.0.1:{closed_port}")
    with pytest.raises(RNN2VecError, match="takes connections"):
        require_cluster(f"ray://127.0.0.1:{closed_port}")
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{closed_port}")
    with pytest.raises(RNN2VecError, match="takes connections"):
        require_cluster("auto")
    monkeypatch.setattr("rnn2vec.cluster.CONNECTION_SECONDS", 0.5)
    found = threading.Event()
    monkeypatch.setattr(socket, "create_connection", lambda *arguments: found.wait(60) and socket.socket())
    start = time.monotonic()
    with pytest.raises(RNN2VecError, match="no answer"):
        require_cluster("10.255.255.1:6379")
    assert time.monotonic() - start < 5
    found.set()


def test_a_place_that_answers_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        require_cluster(f"127.0.0.1:{port}")
        require_cluster(f"ray://localhost:{port}")


@pytest.mark.filterwarnings("ignore")
def test_a_wrong_address_is_refused_within_seconds(ray: Any, closed_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    for address in (f"127.0.0.1:{closed_port}", "nonsense", "auto"):
        start = time.monotonic()
        with pytest.raises(RNN2VecError, match="Ray cluster"):
            run_jobs([Never()], ray=address)
        assert time.monotonic() - start < 10
    assert not ray.is_initialized()


@pytest.mark.filterwarnings("ignore")
def test_a_cluster_that_loses_a_node_builds_the_same_zoo(
    ray: Any, tmp_path: Path, file_bytes: Callable[[Path], dict[str, bytes]]
) -> None:
    from ray.cluster_utils import Cluster

    sizes = {"models": 64, "steps": 400, "snapshots": (0, 400), "models_per_shard": 8}
    recipe = zoo_recipe("formal-languages", "demo", traces=10, evaluation_strings=50, **sizes)
    build_zoo(recipe, tmp_path / "one")
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    lost = cluster.add_node(num_cpus=1)
    written: list[int] = []

    def shards() -> int:
        return len(list((tmp_path / "ray").rglob("*.safetensors")))

    def lose() -> None:
        while shards() < 4:
            time.sleep(0.05)
        cluster.remove_node(lost, allow_graceful=False)
        written.append(shards())

    try:
        threading.Thread(target=lose, daemon=True).start()
        build_zoo(recipe, tmp_path / "ray", ray=cluster.address)
    finally:
        cluster.shutdown()
    assert 4 <= written[0] < 16  # killed midway
    assert file_bytes(tmp_path / "ray") == file_bytes(tmp_path / "one")
