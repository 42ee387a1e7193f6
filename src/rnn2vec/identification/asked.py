"""A black box as a network: what encoders and everything else that asks networks can ask."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from rnn2vec.errors import RNN2VecError
from rnn2vec.identification.answer_models import answer_model
from rnn2vec.identification.box import box_of
from rnn2vec.interface import Interface
from rnn2vec.networks.replay import History, replay
from rnn2vec.rows import Rows, row_numbers

LEAST = 1e-8
"""Of a probability, where its logarithm is read."""


class Asked:
    """One black box, asked as a network is: sequences in, outputs out.

    A box that reads tokens takes one at a time: where it is asked a mixture, as probing encoders ask, it is asked the
    likeliest. All sequences begin anew: to go on with one, a box is asked all of it again, longer.

    Args:
        box: see :func:`rnn2vec.identification.box.box_of`; it answers with numbers, or with all probabilities.
        interface: what goes in and what comes out.

    Attributes:
        box: as it is asked, with its counts of questions and letters.
        interface: as given.
        asked: what it was asked and answered when it was asked last, with all that was before in these sequences.
        differentiable: never.
    """

    differentiable = False
    dtype = torch.float32
    device = torch.device("cpu")

    def __init__(self, box: Any, interface: Interface) -> None:
        self.box, self.interface = box_of(box).anew(), interface
        self.asked: History | None = None
        self._model = answer_model("full", interface, torch.ones(interface.outputs.size))

    def __len__(self) -> int:
        return 1

    def __getitem__(self, rows: Rows) -> Asked:
        """The box itself: no other row is there."""
        if row_numbers(rows, 1).tolist() != [0]:
            raise RNN2VecError(f"a box is one network; rows are 0 alone, got {rows}")
        return self

    def run(self, inputs: Tensor, state: History | None = None) -> tuple[Tensor, History]:
        """Ask it every sequence of ``[1, B, T, X]`` or ``[1, B, T]``, see :meth:`Networks.run`. No gradient passes.

        Raises:
            RNN2VecError: if it fails, answers anything but ``[T, Y]`` finite numbers (probabilities, of classes), or
                answers the same beginning in two ways.
        """
        answers, self.asked = replay(self._answers, self._askable(inputs), state, "the box")
        # of probabilities the logarithms: what outputs of classes are
        outputs = answers.clamp(min=LEAST).log() if self.interface.outputs.kind == "classes" else answers
        return outputs, self.asked

    def _askable(self, inputs: Tensor) -> Tensor:
        return inputs.argmax(-1) if self.interface.inputs.drawn and inputs.is_floating_point() else inputs

    def _answers(self, questions: Tensor) -> Tensor:
        asked = questions[0].detach().cpu().numpy()
        asked = asked.astype(np.int64 if self.interface.inputs.drawn else np.float32)
        said = [self._model.read(self.box.ask(question), len(question)) for question in asked]
        return torch.from_numpy(np.stack(said).astype(np.float32))[None]
