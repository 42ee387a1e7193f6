"""The answers encoder: fixed questions, and principal components of what networks say to them. Nothing is trained.

It is the baseline of every learned encoder: whatever they add is to be seen beside it.
"""

from __future__ import annotations

from typing import Self

import numpy as np
import torch
from jaxtyping import Float, Integer
from torch import Tensor

from rnn2vec.encoders.forms import AskingEncoder
from rnn2vec.encoders.parts import float32_on, normal_parameter
from rnn2vec.errors import RNN2VecError
from rnn2vec.fields import counted
from rnn2vec.interface import Interface
from rnn2vec.interface.numbers import ordinary
from rnn2vec.networks import Networks
from rnn2vec.networks.behaviour import as_questions
from rnn2vec.networks.free_run import free_run
from rnn2vec.networks.stimuli import stimuli

SEQUENCES = 16
"""Questions that are asked, of those offered."""
MOST_FITTED = 2048
"""Networks that components are fitted to; evenly spread, if there are more."""
MOST_NUMBERS = 2**27
"""Of all the answers that components are fitted to."""
FEW = 256
"""Networks up to which components are exact, and take less time so."""
MOST_AT_ONCE = 2**22
"""Of the answers of networks that are asked at once."""
CONSTANT = 0.01
"""The last coordinate of every network, in units of the others' root mean square length. It gives networks that answer
like the mean of all one direction, where without it rounding would."""


class AnswersEncoder(AskingEncoder):
    """z from the answers to fixed questions, centred and projected on their principal components over a zoo.

    Answers are probabilities, or numbers at each network's own level, so that loudness does not tell networks apart.
    Networks that predict their next token also run freely from the starts of the questions, fed their own likeliest
    answer. Before :meth:`start`, questions are stimuli, and components a random projection.

    Args:
        interface: of the networks; it reads all whose inputs and outputs are of these kinds and sizes.
        embedding_size: Z, of which the last coordinate is constant before vectors are scaled to unit length.
        sequences: R, questions.
        steps: T, of each.
    """

    name = "answers"
    learns = False

    questions: Tensor
    units: Tensor
    mean: Tensor
    components: Tensor
    constant: Tensor

    def __init__(self, interface: Interface, embedding_size: int = 16, sequences: int = 16, steps: int = 64) -> None:
        super().__init__(interface, embedding_size, {"sequences": sequences, "steps": steps})
        self._make_room(sequences, steps)
        if not self.questions.is_meta:
            self.questions.copy_(torch.from_numpy(stimuli(interface.inputs, 0, sequences, steps).astype(np.float32)))
        answers = len(self.mean)
        self.components = normal_parameter(embedding_size - 1, answers, deviation=answers**-0.5).detach()

    def _make_room(self, sequences: int, steps: int) -> None:
        """Questions of this size, and all that depends on it."""
        read, said = self.interface.inputs, self.interface.outputs.size
        answers = (2 if self.interface.writes else 1) * sequences * steps * said
        # weights are saved as floats, tokens as well
        self.register_buffer(
            "questions", torch.zeros((sequences, steps) if read.drawn else (sequences, steps, read.size))
        )
        self.register_buffer("units", torch.ones(sequences, 1, said))
        self.register_buffer("mean", torch.zeros(answers))
        self.register_buffer("components", torch.zeros(self.embedding_size - 1, answers))
        self.register_buffer("constant", torch.full((1,), CONSTANT))

    @classmethod
    def fitted(
        cls,
        networks: Networks,
        questions: Integer[np.ndarray, "K T"] | Float[np.ndarray, "K T X"],
        embedding_size: int = 16,
    ) -> Self:
        """An encoder for networks like these.

        Args:
            networks: N of them, that components are fitted to.
            questions: ``[K, T]`` tokens or ``[K, T, X]`` numbers; of more than 16, as many are asked, evenly spread.
            embedding_size: Z.

        Raises:
            RNN2VecError: if the questions are none of the networks' inputs.
        """
        encoder = cls(networks.interface, embedding_size)
        encoder.start(networks, questions)
        return encoder.eval()

    @torch.no_grad()
    @float32_on("cpu")
    def start(self, networks: Networks, sequences: Integer[np.ndarray, "K T"] | Float[np.ndarray, "K T X"]) -> None:
        """Ask networks, and fit components to what they answer; the questions are some of these sequences.

        Raises:
            RNN2VecError: if the sequences are none of the networks' inputs, or answers are not finite.
        """
        self.check_readable(networks)
        sequences = as_questions(self.interface.inputs, sequences)
        _, first = np.unique(sequences, axis=0, return_index=True)
        sequences = sequences[np.sort(first)]  # none of them twice
        asked = sequences[np.linspace(0, len(sequences) - 1, min(SEQUENCES, len(sequences))).astype(int)]
        answers = self.interface.outputs.size * asked.size * (2 if self.interface.writes else 1)
        count = min(len(networks), MOST_FITTED, max(self.embedding_size, MOST_NUMBERS // answers))
        rows = np.linspace(0, len(networks) - 1, count).astype(int)
        chosen = networks[rows]
        like = self.mean
        self.options |= {"sequences": len(asked), "steps": asked.shape[1]}
        self._make_room(len(asked), asked.shape[1])
        self.to(like)
        self.questions.copy_(torch.from_numpy(asked.astype(np.float32)))
        self._fit(chosen, rows)

    def _units(self, heard: np.ndarray, numbers: np.ndarray) -> Tensor:
        """The spread ``[R, 1, Y]`` of what was heard in answer to each question, over ordinary networks and steps.

        Args:
            heard: ``[N, D]``.
            numbers: what a message calls each of the networks, ``[N]``.
        """
        own = heard.reshape(len(heard), -1, *self.questions.shape[:2], self.interface.outputs.size)[:, 0]
        means, variances = np.empty((2, len(own), own.shape[1], own.shape[3]))  # [N, R, Y]
        for rows in self._batches(len(own)):
            said = own[rows].astype(np.float64)
            with np.errstate(invalid="ignore"):  # what is infinite is refused
                means[rows], variances[rows] = said.mean(2), said.var(2)
        if not (finite := np.isfinite(variances).all((1, 2))).all():
            wrong = ", ".join(map(str, numbers[~finite][:5]))
            raise RNN2VecError(
                f"answers are finite numbers; those of {counted(int((~finite).sum()), 'network')} of {len(own)} are "
                f"not, such as number {wrong}, counted from 0: take them out"
            )
        kept = ordinary(means.mean(1), variances.mean(1) + means.var(1))[:, None]
        mean = means.mean(0, where=kept)
        spread = np.sqrt((variances + np.square(means - mean)).mean(0, where=kept))
        varying = spread > 1e-6 * np.abs(mean).clip(min=1e-6)
        return torch.from_numpy(np.where(varying, spread, 1.0)[:, None].astype(np.float32))

    def _batches(self, count: int) -> list[slice]:
        size = max(1, MOST_AT_ONCE // len(self.mean))
        return [slice(start, min(start + size, count)) for start in range(0, count, size)]

    def _fit(self, networks: Networks, numbers: np.ndarray) -> None:
        """Mean and principal components of all that networks say."""
        from sklearn.decomposition import PCA  # slow to import
        from threadpoolctl import threadpool_limits

        answers = np.empty((len(networks), len(self.mean)), dtype=np.float32)
        for rows in self._batches(len(networks)):
            answers[rows] = self._heard(networks[rows]).cpu().numpy()
        self.units.copy_(self._units(answers, numbers))
        for rows in self._batches(len(networks)):
            answers[rows] = self._levelled(torch.from_numpy(answers[rows]).to(self.units)).cpu().numpy()
        self.mean.copy_(torch.from_numpy(answers.mean(0, dtype=np.float64)))
        answers -= self.mean.cpu().numpy()
        length = float(np.sqrt(np.mean([np.dot(row, row) for row in answers])))
        rank = min(self.embedding_size - 1, len(answers) - 1, answers.shape[1])
        if rank and length > 1e-6 * float(self.mean.norm()):  # else they answer alike, but for rounding
            solver = "full" if len(answers) <= FEW else "randomized"
            with threadpool_limits(1, "blas"):  # a second's work at most, and beside others threads wait for each other
                found = PCA(rank, copy=False, svd_solver=solver, iterated_power=7, random_state=0).fit(answers)
            kept = found.singular_values_ > 1e-5 * found.singular_values_[0]
            self.components[:rank].copy_(torch.from_numpy(np.where(kept[:, None], found.components_, 0.0)))
        else:
            length = 1.0
        self.constant.fill_(CONSTANT * length)

    def _asked(self) -> Tensor:
        asked = self.interface.inputs.tensor(self.questions.cpu().numpy()).to(self.questions.device)
        return asked.to(self.questions.dtype) if asked.is_floating_point() else asked

    def _heard(self, networks: Networks) -> Tensor:
        """Everything networks say, as it is: ``[N, D]``."""
        outputs, asked = self.interface.outputs, self._asked()
        said = [networks.run(asked.expand(len(networks), *asked.shape))[0]]
        if self.interface.writes:
            sequences, steps = self.questions.shape
            lengths = 1 + torch.arange(sequences, device=self.questions.device) * (steps // 2) // sequences
            said.append(free_run(networks, asked, lengths)[1])
        return torch.cat([outputs.answers(own).flatten(1) for own in said], 1)

    def _levelled(self, heard: Tensor) -> Tensor:
        """The same on one level."""
        parts = heard.unflatten(1, (-1, *self.questions.shape[:2], self.interface.outputs.size))
        return self.interface.outputs.levelled(parts, self.units).flatten(1)

    def read(self, networks: Networks) -> Float[Tensor, "N D"]:
        """Everything networks say, on one level: ``[N, D]``."""
        return self._levelled(self._heard(networks))

    def represent(self, networks: Networks) -> Float[Tensor, "N Z"]:
        found = (self.read(networks) - self.mean) @ self.components.T
        return torch.cat([found, self.constant.expand(len(found), 1)], 1)
