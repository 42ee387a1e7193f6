"""AdamW for a stack: options, moments, and the numbers of one step."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from rnn2vec.engine.stack import Stack
from rnn2vec.errors import RNN2VecError
from rnn2vec.fields import number, shown, whole

OneOrEach = float | Float[Tensor, ""] | Float[Tensor, "#N"]
"""An option of an optimiser: one for all networks, or ``[N]``, one each."""


def for_each(name: str, value: float | Tensor, models: int) -> Tensor:
    """An option of an optimiser for each network, ``[N]`` in double precision on the CPU.

    Raises:
        RNN2VecError: if there is neither one nor one for each, or they are not finite.
    """
    try:
        given = torch.as_tensor(value, device="cpu")
        if given.dtype == torch.bool or given.is_complex():
            raise TypeError
        options = (
            given.to(torch.float64)
            if torch.is_tensor(value)
            else torch.as_tensor(value, dtype=torch.float64, device="cpu")
        )
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise RNN2VecError(f"{name} is a number, or a tensor of them; got {shown(value)}") from error
    if options.shape not in ((), (1,), (models,)) or not bool(options.isfinite().all()):
        raise RNN2VecError(f"{name} is one finite number, or one for each of {models} networks; got {value}")
    return options.expand(models)


@dataclasses.dataclass
class AdamW:
    """State and options of :class:`torch.optim.AdamW`, one optimiser for each network of a stack.

    Attributes:
        first: running means of the gradients, named and shaped as the stack's weights.
        second: running means of their squares.
        betas: decay rates of the two.
        epsilon: added to the root of the second.
        weight_decay: one for all networks, or ``[N]``, one each.
        step: training steps done.
        clip: the largest norm that the gradient of a network has, all its trained weights together; a larger one is
            scaled down to it. None for no such bound.
        fixed: names of weights that stay as they are.
    """

    first: dict[str, Tensor]
    second: dict[str, Tensor]
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8
    weight_decay: OneOrEach = 0.01
    step: int = 0
    clip: float | None = None
    fixed: Collection[str] = ()

    @classmethod
    def start(
        cls,
        stack: Stack,
        weight_decay: OneOrEach = 0.01,
        clip: float | None = None,
        fixed: Collection[str] = (),
    ) -> AdamW:
        """The state before the first step: moments of zero."""
        first, second = ({name: torch.zeros_like(w) for name, w in stack.weights.items()} for _ in range(2))
        return cls(first, second, weight_decay=weight_decay, clip=clip, fixed=fixed)

    def decays(self, models: int) -> Float64[Tensor, " N"]:
        """The weight decay of each network, ``[N]`` in double precision on the CPU.

        Raises:
            RNN2VecError: if there is neither one nor one for each, or they are not finite.
        """
        return for_each("weight_decay", self.weight_decay, models)

    def check_fits(self, stack: Stack) -> None:
        """Raise :class:`RNN2VecError` unless the moments are those of a stack's weights, and options in range."""
        if len(self.betas) != 2 or not all(number("each of betas", beta) < 1 for beta in self.betas):
            raise RNN2VecError(f"betas are two numbers from 0 up to 1; got {self.betas}")
        if number("epsilon", self.epsilon) == 0:
            raise RNN2VecError("epsilon is above 0: a gradient of 0 would be divided by 0")
        whole("step", self.step, 0)
        if self.clip is not None and number("clip", self.clip) == 0:
            raise RNN2VecError("clip is above 0: a gradient of norm 0 trains nothing")
        if not set(self.fixed) < set(stack.weights):
            raise RNN2VecError(
                f"fixed weights are some of {', '.join(stack.weights)}, not all; got {', '.join(self.fixed)}"
            )
        for moments in (self.first, self.second):
            if set(moments) != set(stack.weights):
                wrong = ", ".join(sorted(set(moments) ^ set(stack.weights)))
                raise RNN2VecError(f"AdamW's moments are named as the weights; missing or unknown: {wrong}")
            for name, weight in stack.weights.items():
                moment = moments[name]
                if (moment.shape, moment.dtype, moment.device) != (weight.shape, weight.dtype, weight.device):
                    raise RNN2VecError(
                        f"AdamW's moments are shaped as the weights, and of their dtype and device; {name} has "
                        f"{list(weight.shape)} {weight.dtype} {weight.device}, its moment {list(moment.shape)} "
                        f"{moment.dtype} {moment.device}"
                    )
        for tensor in (*stack.weights.values(), *self.first.values(), *self.second.values()):
            if any(size > 1 and stride == 0 for size, stride in zip(tensor.shape, tensor.stride(), strict=True)):
                raise RNN2VecError("what is trained has memory of its own; got an expanded tensor: clone it")
        self.decays(len(stack))
