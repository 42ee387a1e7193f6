"""Jobs on a Ray cluster of two nodes, one of which is killed midway: the bytes are those of a single process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rnn2vec import build_zoo, zoo_recipe

pytest.importorskip("ray")
pytestmark = pytest.mark.filterwarnings("ignore")


def test_a_cluster_that_loses_a_node_builds_the_same_zoo(
    tmp_path: Path, file_bytes: Callable[[Path], dict[str, bytes]]
) -> None:
    from ray.cluster_utils import Cluster

    sizes = {"models": 64, "steps": 400, "snapshots": (0, 400), "models_per_shard": 8}
    recipe = zoo_recipe("formal-languages", "demo", rollouts=10, evaluation_strings=50, **sizes)
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
