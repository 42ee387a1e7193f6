"""The training loop: updates, clipping, checkpoints from which it goes on bit for bit, and refusal of divergence."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from rnn2vec import RNN2VecError
from rnn2vec.adamw import AdamW
from rnn2vec.files import read_record, write_record
from rnn2vec.training import Progress, train

IDENTITY = {"recipe": {"steps": 6}, "seed": 0}
Stop = Callable[[int, str], None]


@dataclasses.dataclass(frozen=True)
class Schedule:
    """Falling learning rates."""

    steps: int = 6
    clip: float = 0.1

    def learning_rate_at(self, step: int) -> float:
        """Of a step, counted from 0."""
        return 0.1 / (step + 1)


@pytest.fixture(autouse=True)
def kept_at_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rnn2vec.training.CHECKPOINT_SECONDS", 0.0)


def stop_at(step: int) -> Stop:
    """A report that interrupts at a step, counted from 1."""
    done = 0

    def on_progress(amount: int, note: str) -> None:
        nonlocal done
        done += amount
        if done == step:
            raise KeyboardInterrupt

    return on_progress


def layers() -> list[nn.Module]:
    """Two small modules."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return [nn.Linear(3, 4), nn.Linear(4, 1)]


def faster(modules: list[nn.Module], scale: float = 2.0) -> AdamW:
    """An optimiser that trains the second module faster."""
    scales = [factor for module, factor in zip(modules, (1.0, scale), strict=True) for _ in module.parameters()]
    return AdamW([weight for module in modules for weight in module.parameters()], 0.01, scales=scales)


def trained(
    modules: list[nn.Module],
    checkpoint: Path | None = None,
    on_progress: Stop | None = None,
    identity: dict[str, Any] = IDENTITY,
    **options: Any,
) -> Progress:
    """Train on random numbers, drawn from a generator of one's own that a checkpoint keeps."""
    draws = torch.Generator().manual_seed(1)

    def loss_at(step: int) -> Tensor:
        return modules[1](modules[0](torch.randn(5, 3, generator=draws)).tanh()).square().mean() * (step + 1)

    def note(progress: Progress, loss: float) -> str:
        progress.notes.setdefault("losses", []).append(loss)
        return f"{len(progress.notes['losses'])}"

    options = {"generator": draws, "after": note} | options
    optimizer = options.pop("optimizer", None) or faster(modules)
    loss_at = options.pop("loss_at", loss_at)
    schedule = options.pop("schedule", Schedule())
    return train("a test", modules, optimizer, schedule, loss_at, checkpoint, identity, on_progress, **options)


def weights(modules: list[nn.Module]) -> list[Tensor]:
    return [weight.detach() for module in modules for weight in module.parameters()]


@pytest.mark.parametrize("apart", [False, True])
def test_a_step_is_that_of_torch(apart: bool) -> None:
    found, expected = layers(), layers()
    inputs = torch.randn(5, 3, generator=torch.Generator().manual_seed(3))
    schedule = Schedule(steps=3)
    optimizers = [torch.optim.AdamW(weights.parameters()) for weights in expected]
    for step in range(3):
        expected[1](expected[0](inputs)).square().mean().backward()
        for part in [expected[:1], expected[1:]] if apart else [expected]:
            nn.utils.clip_grad_norm_([weight for module in part for weight in module.parameters()], schedule.clip)
        for optimizer, scale in zip(optimizers, (1.0, 2.0), strict=True):
            optimizer.param_groups[0]["lr"] = scale * schedule.learning_rate_at(step)
            optimizer.step()
            optimizer.zero_grad()
    trained(found, loss_at=lambda step: found[1](found[0](inputs)).square().mean(), schedule=schedule, apart=apart)
    for own, other in zip(weights(found), weights(expected), strict=True):
        assert torch.equal(own, other)


def test_an_interrupted_training_goes_on_bit_for_bit(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    whole = layers()
    expected = trained(whole)
    for step in (2, 5):
        with pytest.raises(KeyboardInterrupt):
            trained(layers(), path, stop_at(step))
    told: list[tuple[int, str]] = []
    parts = layers()
    found = trained(parts, path, lambda *what: told.append(what))
    assert told == [(5, "resumed"), (1, "6")]
    assert (found.step, found.notes) == (6, expected.notes)
    assert all(map(torch.equal, weights(parts), weights(whole)))
    again = layers()
    trained(again, path)  # a finished one does nothing
    assert all(map(torch.equal, weights(again), weights(whole)))


@pytest.mark.parametrize("step", [0, 3, 5])
def test_a_loss_that_is_not_finite_is_refused_and_not_kept(step: int, tmp_path: Path) -> None:
    modules, path = layers(), tmp_path / "checkpoint"

    def loss_at(at: int) -> Tensor:
        return modules[1](modules[0](torch.ones(1, 3))).sum() / (0.0 if at == step else 1.0)

    with pytest.raises(RNN2VecError, match=f"a test diverged: at step {step} its loss is not finite; rest"):
        trained(modules, path, loss_at=loss_at, remedy="rest")
    assert read_record(path)[1]["progress"]["step"] == step
    assert all(weight.isfinite().all() for weight in weights(modules))


def test_a_last_update_that_diverges_is_refused_and_not_kept(tmp_path: Path) -> None:
    """Its loss is finite, its gradient is not; there is no next loss to tell."""
    modules, path = layers(), tmp_path / "checkpoint"

    def loss_at(step: int) -> Tensor:
        total = modules[1](modules[0](torch.ones(1, 3))).sum()
        return (total - total.detach()).abs().sqrt() if step == 5 else total

    with pytest.raises(RNN2VecError, match="a test diverged: after its last step a weight is not finite"):
        trained(modules, path, loss_at=loss_at)
    assert read_record(path)[1]["progress"]["step"] == 5


def begun(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The arrays and the record of a training that was interrupted."""
    with pytest.raises(KeyboardInterrupt):
        trained(layers(), path, stop_at(2))
    return read_record(path)


@pytest.mark.parametrize(
    "spoil", ["shape", "moment shape", "missing moment", "missing generator", "generator", "progress", "earlier"]
)
def test_a_whole_checkpoint_that_does_not_fit_is_refused(spoil: str, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    tensors, record = begun(path)
    if spoil == "shape":
        tensors["module.0.weight"] = tensors["module.0.weight"].reshape(-1)[:1]
    elif spoil == "moment shape":
        tensors["moment.1.exp_avg"] = tensors["moment.1.exp_avg"][:1]
    elif spoil == "missing moment":
        del tensors["moment.3.exp_avg"]
    elif spoil == "missing generator":
        del tensors["generator"]
    elif spoil == "generator":
        tensors["generator"] = tensors["generator"][:5]
    elif spoil == "progress":
        record["progress"]["epoch"] = 1
    else:  # as the version before wrote it
        record["progress"] = {"step": 2, "seconds": 0.1, "history": [], "recent": [0.1, 0.2]}
    write_record(path, tensors, record)
    with pytest.raises(RNN2VecError, match=r"does not \(.*finish it with the version that wrote it, or remove it to"):
        trained(layers(), path)


def test_a_checkpoint_without_moments_begins_with_none(tmp_path: Path) -> None:
    whole, path = layers(), tmp_path / "checkpoint"
    trained(whole)
    with pytest.raises(KeyboardInterrupt):
        trained(layers(), path, loss_at=lambda step: (_ for _ in ()).throw(KeyboardInterrupt))
    tensors, record = read_record(path)
    kept = {name: array for name, array in tensors.items() if not name.startswith("moment")}
    assert len(kept) < len(tensors)
    write_record(path, kept, record)  # as the version before wrote it
    parts = layers()
    trained(parts, path)
    assert all(map(torch.equal, weights(parts), weights(whole)))


def test_weights_without_a_gradient_stay() -> None:
    own, other = ([torch.ones(3, requires_grad=True) for _ in range(2)] for _ in range(2))
    optimizers = (
        AdamW(own, 0.1, 1e-4, [1.0, 3.0]),
        torch.optim.AdamW(
            [{"params": other[:1], "lr": 0.5}, {"params": other[1:], "lr": 1.5}], weight_decay=0.1, eps=1e-4
        ),
    )
    for step in range(4):
        for weights_, optimizer in zip((own, other), optimizers, strict=True):
            optimizer.zero_grad()
            (weights_[0].sum() + (weights_[1].square().sum() if step > 1 else 0)).backward()
        optimizers[0].step(0.5)
        optimizers[1].step()
        assert all(map(torch.equal, own, other))
        assert torch.equal(own[1].detach(), torch.ones(3)) == (step < 2)


def test_torchs_compiler_is_not_imported() -> None:
    code = (
        "import sys, torch; from rnn2vec.adamw import AdamW; w = torch.ones(2, requires_grad=True); "
        "w.sum().backward(); AdamW([w]).step(0.1); print('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


@pytest.mark.parametrize(
    ("identity", "what"),
    [
        ({"recipe": {"steps": 6}, "seed": 1}, "another seed:"),
        ({"recipe": {"steps": 7}, "seed": 1}, "another recipe and seed:"),
        ({"rival": 1, "recipe": {"steps": 6}, "seed": 0}, "another rival:"),
        ({}, "another recipe and seed:"),
    ],
)
def test_a_checkpoint_of_another_training_is_refused(identity: dict[str, Any], what: str, tmp_path: Path) -> None:
    begun(tmp_path / "checkpoint")
    with pytest.raises(RNN2VecError, match=f"belongs to an unfinished training with {what}"):
        trained(layers(), tmp_path / "checkpoint", identity=identity)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x08\x00\x00\x00\x00\x00\x00\x00{       ", "is damaged .*: remove it to start afresh"),
        (
            b"\x08\x00\x00\x00\x00\x00\x00\x00{}      ",
            "an earlier version wrote it: finish it with that version, or rem",
        ),
    ],
    ids=["damaged", "earlier"],
)
def test_a_checkpoint_that_is_no_record_is_named(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "checkpoint.safetensors").write_bytes(content)
    with pytest.raises(RNN2VecError, match=rf"checkpoint.safetensors .*{message}"):
        trained(layers(), tmp_path / "checkpoint.safetensors")


def test_a_checkpoint_that_cannot_be_written_is_known_before_the_first_step(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RNN2VecError, match="cannot write"):
        trained(layers(), tmp_path / "file" / "checkpoint", lambda *what: pytest.fail("a step"))
