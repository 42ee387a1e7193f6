"""The state of an unfinished pretraining on disk, from which it goes on bit for bit."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from rnn2vec.errors import RNN2VecError
from rnn2vec.files import write_atomically

CHECKPOINT = "checkpoint.safetensors"
_MOMENTS = ("step", "exp_avg", "exp_avg_sq")


@dataclasses.dataclass
class Progress:
    """How far a pretraining is.

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


def save_checkpoint(
    path: Path, identity: dict[str, Any], progress: Progress, modules: nn.Module, optimizer: torch.optim.Optimizer
) -> None:
    """Write parameters, optimiser moments and progress, atomically.

    Args:
        path: the file.
        identity: what the pretraining is a function of, JSON-serialisable; :func:`load_checkpoint` insists on the same.
        progress: how far it is.
        modules: everything that is trained.
        optimizer: an AdamW over the parameters of ``modules``.
    """
    tensors = {f"module.{name}": tensor.contiguous() for name, tensor in modules.state_dict().items()}
    for index, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"moment.{index}.{name}": moments[name].clone() for name in _MOMENTS}
    record = {"identity": json.dumps(identity, sort_keys=True), "progress": json.dumps(dataclasses.asdict(progress))}
    write_atomically(path, safetensors.torch.save(tensors, record))


def load_checkpoint(
    path: Path, identity: dict[str, Any], modules: nn.Module, optimizer: torch.optim.Optimizer
) -> Progress:
    """Take up where :func:`save_checkpoint` left off; a fresh start if there is no such file.

    Raises:
        RNN2VecError: if the file is damaged or belongs to another pretraining.
    """
    if not path.exists():
        return Progress()
    try:
        with safetensors.safe_open(path, "pt") as file:
            record = file.metadata() or {}
            tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if record["identity"] != json.dumps(identity, sort_keys=True):
            raise RNN2VecError(
                f"{path} belongs to an unfinished pretraining with another zoo, encoder, recipe or seed: repeat its "
                "command, or choose another directory"
            )
        modules.load_state_dict({name[7:]: tensor for name, tensor in tensors.items() if name.startswith("module.")})
        state = optimizer.state_dict()
        state["state"] = {
            index: {name: tensors[f"moment.{index}.{name}"] for name in _MOMENTS}
            for index in range(len(state["param_groups"][0]["params"]))
            if f"moment.{index}.step" in tensors
        }
        optimizer.load_state_dict(state)
        return Progress(**json.loads(record["progress"]))
    except (safetensors.SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        if isinstance(error, RNN2VecError):
            raise
        raise RNN2VecError(f"{path} is damaged ({error}): remove it to start afresh") from error
