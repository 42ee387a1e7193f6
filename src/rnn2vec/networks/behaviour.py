"""Behaviour: what networks answer to the same questions, and how far two of them are apart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rnn2vec.errors import RNN2VecError
from rnn2vec.interface import Interface, Numbers, Tokens
from rnn2vec.networks import Networks

MOST_NUMBERS = 2**24
"""Of the answers that are in memory at once."""


def batches(networks: Networks, questions: np.ndarray) -> Iterator[slice]:
    """Rows of N networks whose answers to questions ``[R, T]`` or ``[R, T, X]`` are in memory at once."""
    each = int(np.prod(questions.shape[:2])) * networks.interface.outputs.size
    size = max(1, MOST_NUMBERS // each)
    return (slice(start, min(start + size, len(networks))) for start in range(0, len(networks), size))


def as_questions(inputs: Tokens | Numbers, questions: Any) -> np.ndarray:
    """Questions for networks that read such inputs, ``[R, T]`` or ``[R, T, X]``, from an array, a tensor or lists.

    Raises:
        RNN2VecError: if they are none.
    """
    try:
        array = np.asarray(questions.detach().cpu() if isinstance(questions, Tensor) else questions)
    except (TypeError, ValueError, RuntimeError) as error:
        raise RNN2VecError(f"questions are one array of sequences of one length; got others ({error})") from error
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if inputs.stored.kind == "f" and array.dtype.kind in "iu":
        array = array.astype(inputs.stored)
    wanted = "[R, T]" if inputs.drawn else f"[R, T, {inputs.size}]"
    sizes = () if inputs.drawn else (inputs.size,)
    if array.ndim != 2 + len(sizes) or 0 in array.shape or array.shape[2:] != sizes:
        raise RNN2VecError(
            f"questions for networks that read {inputs} are an array {wanted}; got {type(questions).__name__} of the "
            f"shape {list(array.shape)}"
        )
    if problem := inputs.problem(array):
        raise RNN2VecError(f"questions are inputs of the networks: {problem}; got others")
    return array


def as_inputs(networks: Networks, questions: np.ndarray) -> Tensor:
    """Questions ``[R, T]`` or ``[R, T, X]`` as tensors that networks read, with their dtype and on their device.

    Raises:
        RNN2VecError: if the questions are none of the networks' inputs.
    """
    inputs = networks.interface.inputs
    asked = inputs.tensor(as_questions(inputs, questions)).to(networks.device)
    return asked.to(networks.dtype) if asked.is_floating_point() else asked


@torch.no_grad()
def answers_of(networks: Networks, questions: np.ndarray) -> Tensor:
    """What N networks answer to the same questions.

    Args:
        networks: N of them; all answers are in memory at once, see :func:`batches`.
        questions: ``[R, T]`` tokens or ``[R, T, X]`` numbers.

    Returns:
        ``[N, R, T, Y]``, as the interface reads answers: probabilities, or numbers.

    Raises:
        RNN2VecError: if the questions are none of the networks' inputs, or an answer is not finite.
    """
    asked = as_inputs(networks, questions)
    outputs, _ = networks.run(asked.expand(len(networks), *asked.shape))
    answers = networks.interface.outputs.answers(outputs)
    finite = answers.isfinite().flatten(1).all(1)
    if not finite.all():
        raise RNN2VecError(
            f"answers are finite numbers; those of network {int(finite.logical_not().nonzero()[0])} of "
            f"{len(networks)} are not: take it out"
        )
    return answers


def unit_of(interface: Interface, answers: Tensor) -> Tensor:
    """The unit of differences, ``[Y]``, from answers ``[N, ..., Y]`` of all networks that are compared."""
    return interface.outputs.units(len(answers), [answers.double().cpu().numpy()])[1]


def distance(interface: Interface, answers: Tensor, others: Tensor, unit: Tensor) -> Tensor:
    """How far answers ``[..., R, T, Y]`` are apart, ``[...]``: the interface's own measure, a mean over questions and
    steps. It is a metric; of total variation, at most 1.
    """
    return interface.outputs.difference(answers, others, unit).mean((-2, -1))


def difference(interface: Interface, answers: Tensor, others: Tensor, unit: Tensor) -> Tensor:
    """How different two networks are, ``[...]``, by their answers ``[..., R, T, Y]``: their :func:`distance`, and of
    two that are quieter than the spread of all, their distance in units of the louder one's level. 0 is the same.
    """
    return distance(interface, answers, others, unit) / interface.outputs.scale(answers, others, unit)
