"""The state of an unfinished training on disk, from which it goes on bit for bit."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from rnn2vec.errors import RNN2VecError
from rnn2vec.files import read_record, write_record

CHECKPOINT = "checkpoint.safetensors"
CHECKPOINT_SECONDS = 30.0
_MOMENTS = ("step", "exp_avg", "exp_avg_sq")


@dataclasses.dataclass
class Progress:
    """How far a training is.

    Attributes:
        step: steps done.
        seconds: wall time they took.
        history: entries so far, see :class:`rnn2vec.emulation.pretrain.Pretrained`.
        recent: training losses since the last entry.
    """

    step: int = 0
    seconds: float = 0.0
    history: list[dict[str, float]] = dataclasses.field(default_factory=list)
    recent: list[float] = dataclasses.field(default_factory=list)


class Checkpoint:
    """A file that keeps parameters, optimiser moments and progress of a training; without a path, nothing is kept.

    Args:
        path: the file.
        identity: what the training is a function of, JSON-serialisable; one goes on only from its own checkpoint.
        modules: everything that is trained.
        optimizer: an AdamW over the parameters of ``modules``.
    """

    def __init__(
        self, path: Path | None, identity: dict[str, Any], modules: nn.Module, optimizer: torch.optim.Optimizer
    ) -> None:
        self.path, self.modules, self.optimizer = path, modules, optimizer
        self.identity = json.loads(json.dumps(identity))
        self._saved = time.monotonic()

    def resume(self) -> Progress:
        """Take up where the file left off; if there is none, start afresh and write one.

        Raises:
            RNN2VecError: if the file is damaged, belongs to another training or version, or cannot be written.
        """
        if self.path is None:
            return Progress()
        if not self.path.exists():
            self._save(self.path, Progress())  # whatever keeps it from being written is better known now
            return Progress()
        tensors, record = read_record(self.path)
        if record.get("identity") != self.identity:
            raise RNN2VecError(
                f"{self.path} belongs to an unfinished training with another zoo, encoder, recipe or seed: repeat its "
                "command, or choose another directory"
            )
        try:
            self._restore({name: torch.from_numpy(array) for name, array in tensors.items()})
            return Progress(**record["progress"])
        except (RuntimeError, KeyError, TypeError, ValueError) as error:  # whole, but of other code
            raise RNN2VecError(
                f"a checkpoint fits the training that goes on from it; {self.path} does not ({error}): finish it with "
                "the version that wrote it, or remove it to start afresh"
            ) from error

    def _restore(self, arrays: dict[str, Tensor]) -> None:
        self.modules.load_state_dict({name[7:]: array for name, array in arrays.items() if name.startswith("module.")})
        state = self.optimizer.state_dict()
        state["state"] = {
            index: {name: arrays[f"moment.{index}.{name}"] for name in _MOMENTS}
            for index in range(len(state["param_groups"][0]["params"]))
            if f"moment.{index}.step" in arrays
        }
        self.optimizer.load_state_dict(state)

    def keep(self, progress: Progress, finished: bool) -> None:
        """Write the file if the training is finished or the last time was half a minute ago."""
        if self.path is not None and (finished or time.monotonic() - self._saved > CHECKPOINT_SECONDS):
            self._save(self.path, progress)
            self._saved = time.monotonic()

    def _save(self, path: Path, progress: Progress) -> None:
        tensors = {f"module.{name}": tensor.numpy() for name, tensor in self.modules.state_dict().items()}
        for index, moments in self.optimizer.state_dict()["state"].items():
            tensors |= {f"moment.{index}.{name}": moments[name].numpy() for name in _MOMENTS}
        write_record(path, tensors, {"identity": self.identity, "progress": dataclasses.asdict(progress)})
