"""Reading many small files: ``read_checkpoint``, and a whole import, beside ``torch.load`` and ``nn.LSTM``.

python benchmarks/import_files.py [--files 10000]

The last line is JSON: files a second of each, and their ratio in one run, the median of alternations.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import safetensors.torch
import torch
from torch import nn

from rnn2vec import import_zoo
from rnn2vec.checkpoints.folders import found, read_all

HIDDEN = 8
ALTERNATIONS = 3


def write_files(folder: Path, count: int) -> None:
    """The same networks as safetensors and as torch.save writes them."""
    for kind in ("safetensors", "pt"):
        (folder / kind).mkdir()
    for number in range(count):
        state = _Network().state_dict()
        (folder / "safetensors" / f"net{number}.safetensors").write_bytes(safetensors.torch.save(state))
        torch.save(state, folder / "pt" / f"net{number}.pt")


class _Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.LSTM(2, HIDDEN)
        self.top = nn.Linear(HIDDEN, 1)


def read(folder: Path) -> None:
    """What an import does before it writes."""
    outcomes = read_all(found([folder / "safetensors"]), {})
    if refused := [outcome for outcome in outcomes if outcome.refused]:
        raise SystemExit(f"{len(refused)} files were refused: {refused[0].refused}")


def load(folder: Path) -> None:
    """What anyone would write who knows the class."""
    for path in sorted((folder / "pt").iterdir()):
        _Network().load_state_dict(torch.load(path, weights_only=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    files = parser.parse_args().files
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_files(folder, files)
        seconds: dict[str, list[float]] = {"read": [], "torch": []}
        for _ in range(ALTERNATIONS):
            for what, call in (("read", read), ("torch", load)):
                begun = time.perf_counter()
                call(folder)
                seconds[what].append(time.perf_counter() - begun)
                print(f"{what}: {files / seconds[what][-1]:.0f} files a second", flush=True)
        begun = time.perf_counter()
        zoo = import_zoo([folder / "safetensors"], folder / "zoo")
        whole = time.perf_counter() - begun
        assert len(zoo) == files
    ratio = statistics.median(torch_ / own for own, torch_ in zip(seconds["read"], seconds["torch"], strict=True))
    rates = {what: round(files / statistics.median(own)) for what, own in seconds.items()}
    print(
        json.dumps(
            {
                "files": files,
                "a_second": rates,
                "read_over_torch": round(ratio, 2),
                "import_seconds": round(whole, 1),
                "threads": torch.get_num_threads(),
            }
        )
    )


if __name__ == "__main__":
    main()
