"""The stacked weights of a population: tensors by name, which are fixed once and for all."""

from __future__ import annotations

from typing import Any, NoReturn

from torch import Tensor

from rnn2vec.errors import RNN2VecError


class Weights(dict[str, Tensor]):
    """Tensors by name, in torch.nn's order. Values may change in place; which tensors they are is fixed."""

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise RNN2VecError(
            "which tensors a population holds is fixed when it is made, so that their names, shapes and order stay "
            "those of its architecture: make another, Population(architecture, {**population.weights, name: tensor}), "
            "or change values in place, population.weights[name].copy_(tensor)"
        )

    __setitem__ = __delitem__ = __ior__ = pop = popitem = clear = update = setdefault = _refuse

    def __reduce__(self) -> tuple[type[Weights], tuple[dict[str, Tensor]]]:
        return Weights, (dict(self),)
