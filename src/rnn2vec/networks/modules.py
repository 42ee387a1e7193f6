"""Any torch modules that map sequences to sequences, as networks: slow, and differentiable."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from jaxtyping import Float, Integer
from torch import Tensor, nn

from rnn2vec.errors import RNN2VecError
from rnn2vec.fields import counted
from rnn2vec.interface import Interface, Numbers, Tokens
from rnn2vec.networks.replay import TOLERANCE, History, replay
from rnn2vec.randomness import generator
from rnn2vec.rows import Rows, row_numbers

CHECKED_STEPS = 8
"""Of the sequences that a module is checked on."""
INFERRED_RANGE = (-1.0, 1.0)
"""Of the numbers that modules read, where nobody said."""


class Modules:
    """Torch modules, each called with a batch of sequences.

    Args:
        modules: N of them. A module takes ``[B, T, X]`` floats or ``[B, T]`` tokens, the batch first, and returns
            ``[B, T, Y]``, alone or first in a tuple; it starts from its initial state at every call.
        interface: what goes in and what comes out. If it is not said, the first module is run to find the sizes:
            inputs are tokens where it has an embedding, else numbers in :data:`INFERRED_RANGE`; outputs are numbers.

    Attributes:
        modules: as given.
        differentiable: always.

    Raises:
        RNN2VecError: if there are none, one is no module, the interface is not said and cannot be found, or what a
            module says to a sequence depends on what else is in the batch: the time comes first, or it is random.
    """

    differentiable = True

    def __init__(self, modules: Iterable[nn.Module], interface: Interface | None = None) -> None:
        if isinstance(modules, nn.Module):
            raise RNN2VecError(f"networks are a list of modules; got one {type(modules).__name__}: [module]")
        self.modules = tuple(modules)
        for module in self.modules:
            if not isinstance(module, nn.Module):
                raise RNN2VecError(f"each of the networks is a torch module; got {type(module).__name__}")
        if not self.modules:
            raise RNN2VecError("networks are at least one; got no modules")
        self.interface = infer_interface(self.modules[0]) if interface is None else interface
        for module in self.modules:
            _require_own_answers(module, self.interface)

    @property
    def dtype(self) -> torch.dtype:
        """Of the first module's parameters; float32 if it has none."""
        return next((p.dtype for p in self.modules[0].parameters() if p.is_floating_point()), torch.float32)

    @property
    def device(self) -> torch.device:
        """Likewise; the CPU if it has none."""
        return next((p.device for p in self.modules[0].parameters()), torch.device("cpu"))

    def __repr__(self) -> str:
        return f"Modules({counted(len(self), 'network')}: {self.interface})"

    def __len__(self) -> int:
        return len(self.modules)

    def __getitem__(self, rows: Rows) -> Modules:
        """Some modules, the very same objects."""
        chosen = object.__new__(Modules)  # what was checked is not checked again
        chosen.modules = tuple(self.modules[row] for row in row_numbers(rows, len(self)))
        chosen.interface = self.interface
        return chosen

    def run(
        self, inputs: Float[Tensor, "N B T X"] | Integer[Tensor, "N B T"], state: History | None = None
    ) -> tuple[Float[Tensor, "N B T Y"], History]:
        """Run every module on its own batch of sequences, see :meth:`Networks.run`.

        Mixtures of tokens ``[N, B, T, X]`` go to modules as they are: one with an embedding cannot read them.

        Raises:
            RNN2VecError: if a module returns anything but ``[B, T, Y]``, fails, or is no function of the past.
        """
        if len(inputs) != len(self):
            raise RNN2VecError(f"inputs have a batch for each of {len(self)} networks; got {list(inputs.shape)}")
        return replay(self._run, inputs, state, "modules")

    def _run(self, inputs: Tensor) -> Tensor:
        return torch.stack(
            [_said(module, own, self.interface.outputs.size) for module, own in zip(self.modules, inputs, strict=True)]
        )


def _said(module: nn.Module, inputs: Tensor, size: int) -> Tensor:
    kind = type(module).__name__
    try:
        found: Any = module(inputs)
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        raise RNN2VecError(f"a module reads sequences {list(inputs.shape)}; {kind} does not ({error})") from error
    outputs = found[0] if isinstance(found, (tuple, list)) and found else found
    expected = [*inputs.shape[:2], size]
    if not isinstance(outputs, Tensor) or list(outputs.shape) != expected:
        got = list(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
        raise RNN2VecError(f"a module says an output at every step, {expected}; {kind} returned {got}")
    return outputs


@torch.no_grad()
def _require_own_answers(module: nn.Module, interface: Interface) -> None:
    """Ask one sequence twice, beside others: the answer has to be the same. What cannot be run on a short batch is not
    asked.

    Raises:
        RNN2VecError: if it is not.
    """
    some, read = next(module.parameters(), torch.zeros(())), interface.inputs
    random = generator(0, "modules")
    if isinstance(read, Tokens):
        batches = read.tensor(random.integers(0, read.size, (2, 3, CHECKED_STEPS))).to(some.device)
    else:
        low, high = INFERRED_RANGE if read.low is None or read.high is None else read.range
        batches = torch.from_numpy(random.uniform(low, high, (2, 3, CHECKED_STEPS, read.size))).to(some)
    batches[1, 1] = batches[0, 1]
    try:
        first, second = (_said(module, batch, interface.outputs.size)[1] for batch in batches)
    except RNN2VecError:  # said when it is run
        return
    if first.isfinite().all() and float((first - second).abs().amax()) > TOLERANCE * float(first.abs().amax()):
        raise RNN2VecError(
            "what a module says to a sequence does not depend on the rest of the batch; that of "
            f"{type(module).__name__} does: batch_first=True, where it takes the time first; module.eval(), where it "
            "has dropout or batch norm"
        )


@torch.no_grad()
def infer_interface(module: nn.Module) -> Interface:
    """What a module reads and says, found by running it on short sequences of every size that its layers suggest.

    Raises:
        RNN2VecError: if it runs on none, or says no output at every step.
    """
    some = next((p for p in module.parameters() if p.is_floating_point()), torch.zeros(()))
    tokens = [part.num_embeddings for part in module.modules() if isinstance(part, nn.Embedding)]
    sizes = [
        size
        for part in module.modules()
        if (size := getattr(part, "input_size", getattr(part, "in_features", getattr(part, "in_channels", None))))
    ]
    trials: list[tuple[Tokens | Numbers, Tensor]] = [
        (Tokens(size), torch.zeros(2, 5, dtype=torch.long, device=some.device)) for size in tokens
    ]
    low, high = INFERRED_RANGE
    trials += [(Numbers(size, low, high), some.new_zeros(2, 5, size)) for size in dict.fromkeys(sizes)]
    for inputs, example in trials:
        try:
            found: Any = module(example)
        except (RuntimeError, TypeError, ValueError, IndexError):
            continue
        outputs = found[0] if isinstance(found, (tuple, list)) and found else found
        if isinstance(outputs, Tensor) and outputs.ndim == 3 and outputs.shape[:2] == (2, 5):
            return Interface(inputs, Numbers(outputs.shape[2]))
    raise RNN2VecError(
        f"a module maps sequences [B, T, X] or tokens [B, T] to [B, T, Y]; {type(module).__name__} could not be run on "
        "any that its layers suggest: say its interface, Modules(modules, Interface(...))"
    )
