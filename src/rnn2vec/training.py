"""The one loop that trains: steps of a given loss, checkpoints from which it goes on bit for bit, no divergence unseen.

It knows nothing of what is trained: callers bring modules, an optimiser and the loss of every step.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from rnn2vec.adamw import MOMENTS, AdamW
from rnn2vec.allocation import keep_freed_memory
from rnn2vec.errors import RNN2VecError
from rnn2vec.files import read_record, write_record
from rnn2vec.threads import on_threads

CHECKPOINT = "checkpoint.safetensors"
CHECKPOINT_SECONDS = 30.0
OTHER_SEED = "choose another seed"


@dataclasses.dataclass
class Progress:
    """How far a training is.

    Attributes:
        step: steps done.
        seconds: wall time they took.
        notes: what the caller keeps of them, JSON-serialisable.
    """

    step: int = 0
    seconds: float = 0.0
    notes: dict[str, Any] = dataclasses.field(default_factory=dict)


class Schedule(Protocol):
    """How a training goes; recipes are schedules."""

    @property
    def steps(self) -> int:
        """How many."""

    @property
    def clip(self) -> float:
        """What the norm of the gradient is clipped to."""

    def learning_rate_at(self, step: int) -> float:
        """Learning rate of a step, counted from 0."""


def train(
    training: str,
    modules: Sequence[nn.Module],
    optimizer: AdamW,
    schedule: Schedule,
    loss_at: Callable[[int], Tensor],
    checkpoint: Path | None,
    identity: Mapping[str, Any],
    on_progress: Callable[[int, str], None] | None = None,
    *,
    after: Callable[[Progress, float], str] = lambda progress, loss: f"loss {loss:.3f}",
    apart: bool = False,
    generator: torch.Generator | None = None,
    remedy: str = OTHER_SEED,
) -> Progress:
    """Train modules in place: take all steps of a schedule, or those that a checkpoint lacks.

    Args:
        training: its name in messages.
        modules: all that is trained; they are put in training mode.
        optimizer: over their parameters.
        schedule: steps, learning rates and clipping.
        loss_at: loss of a step, counted from 0; a function of the modules, the step and ``generator`` alone.
        checkpoint: a file that keeps the state every half minute; a training interrupted goes on from it, bit for bit.
        identity: what the training is a function of, JSON-serialisable; one goes on only from its own checkpoint.
        on_progress: called as ``on_progress(steps done, note)``.
        after: called after every step with its loss; adds to the notes of the progress, and returns the note to report.
        apart: clip the gradient of each module by itself, not of all together.
        generator: what ``loss_at`` draws from, if it does not seed its draws by the step.
        remedy: what to do if it diverges.

    Raises:
        RNN2VecError: if the checkpoint is damaged or belongs to another training, or the training diverges.
    """
    keep_freed_memory()
    groups = [own.parameters() for own in modules] if apart else [optimizer.parameters]
    clipped = [list(group) for group in groups]
    kept = Checkpoint(checkpoint, identity, nn.ModuleList(modules), optimizer, generator)
    progress = kept.resume()
    start = time.monotonic() - progress.seconds
    if on_progress and progress.step:
        on_progress(progress.step, "resumed")
    for module in modules:
        module.train()
    for step in range(progress.step, schedule.steps):
        loss = loss_at(step)
        require_finite(loss, training, f"at step {step} its loss", remedy)
        optimizer.zero_grad()
        with on_threads(torch.get_num_threads()):  # the pass may change them
            loss.backward()
        for group in clipped:
            nn.utils.clip_grad_norm_(group, schedule.clip)
        optimizer.step(schedule.learning_rate_at(step))
        if step + 1 == schedule.steps:  # there is no next loss to tell
            for weight in optimizer.parameters:
                require_finite(weight, training, "after its last step a weight", remedy)
        progress.step, progress.seconds = step + 1, time.monotonic() - start
        note = after(progress, float(loss.detach()))
        kept.keep(progress, finished=step + 1 == schedule.steps)
        if on_progress:
            on_progress(1, note)
    progress.seconds = time.monotonic() - start
    return progress


def require_finite(numbers: Any, training: str, what: str, remedy: str = OTHER_SEED) -> None:
    """Refuse a training that diverged, so that nothing is made of it.

    Args:
        numbers: a number, an array or a tensor that its modules computed.
        training: its name.
        what: that of the numbers.
        remedy: what to do.

    Raises:
        RNN2VecError: unless all are finite.
    """
    if not torch.as_tensor(numbers).isfinite().all():
        raise RNN2VecError(f"{training} diverged: {what} is not finite; {remedy}")


class Checkpoint:
    """A file that keeps parameters, optimiser moments and progress of a training; without a path, nothing is kept.

    Args:
        path: the file.
        identity: what the training is a function of, JSON-serialisable; one goes on only from its own checkpoint.
        modules: everything that is trained.
        optimizer: over the parameters of ``modules``.
        generator: what else has a state, if anything.
    """

    def __init__(
        self,
        path: Path | None,
        identity: Mapping[str, Any],
        modules: nn.Module,
        optimizer: AdamW,
        generator: torch.Generator | None = None,
    ) -> None:
        self.path, self.modules, self.optimizer, self.generator = path, modules, optimizer, generator
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
        found = record.get("identity")
        if found != self.identity:
            found = found if isinstance(found, dict) else {}
            changed = [name for name in self.identity | found if found.get(name) != self.identity.get(name)]
            raise RNN2VecError(
                f"{self.path} belongs to an unfinished training with another {' and '.join(changed)}: repeat its "
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
        for index, moments in enumerate(self.optimizer.moments):
            if f"moment.{index}.step" not in arrays:
                continue  # an earlier version kept none before the first step
            for name in MOMENTS:
                kept = arrays[f"moment.{index}.{name}"]
                if kept.shape != moments[name].shape:
                    raise ValueError(f"moment.{index}.{name} has the shape {list(kept.shape)}")
                moments[name].copy_(kept)
        if self.generator is not None:
            self.generator.set_state(arrays["generator"])

    def keep(self, progress: Progress, finished: bool) -> None:
        """Write the file if the training is finished or the last time was half a minute ago."""
        if self.path is not None and (finished or time.monotonic() - self._saved > CHECKPOINT_SECONDS):
            self._save(self.path, progress)
            self._saved = time.monotonic()

    def _save(self, path: Path, progress: Progress) -> None:
        tensors = {f"module.{name}": tensor.numpy() for name, tensor in self.modules.state_dict().items()}
        for index, moments in enumerate(self.optimizer.moments):
            tensors |= {f"moment.{index}.{name}": moments[name].numpy() for name in MOMENTS}
        if self.generator is not None:
            tensors["generator"] = self.generator.get_state().numpy()
        write_record(path, tensors, {"identity": self.identity, "progress": dataclasses.asdict(progress)})
