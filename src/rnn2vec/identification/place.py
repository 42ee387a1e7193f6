"""Place: what a box that nobody knows was trained to do, read from the z of an encoder that asks it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rnn2vec.encoders import Encoder
from rnn2vec.encoders.forms import AskingEncoder
from rnn2vec.errors import RNN2VecError
from rnn2vec.identification.asked import Asked
from rnn2vec.identification.found import Candidate, Identification
from rnn2vec.identification.posterior import Posterior, Told


def task_name(columns: Sequence[str], values: Sequence[Any]) -> str:
    """What a task is called by its columns, such as "mb 2, mc -1"."""
    return ", ".join(f"{column} {value}" for column, value in zip(columns, values, strict=True))


def place(box: Any, encoder: Encoder, among: Sequence[Sequence[Any]], columns: Sequence[str]) -> Identification:
    """Which of the known tasks a box was trained on, by somebody else: another network, cell, size or seed.

    The encoder asks the box its own questions, and the labels of its zoo tell from z how likely each task is: the
    product of the calibrated probabilities of its columns. What is left is the probability that it is none of
    these; a box unlike all networks that the encoder knows is none of them: by z, and where networks do not write
    strings, by what it answers to questions of the zoo (:mod:`rnn2vec.evaluation.imitation`). Of each question a
    probing encoder asks all of its sequences the next step, by all that was answered; they are the transcript. A
    box that cannot be asked several at once is asked their beginnings again and again, which its counts of
    questions and letters say.

    Args:
        box: see :func:`rnn2vec.identification.box.box_of`; it answers with numbers, or with all probabilities.
        encoder: one that asks, with knowledge of these columns (:func:`rnn2vec.load_encoder`).
        among: the known tasks, a value of each column for each of N networks; those of the same values are one.
        columns: names of the columns, classes that the encoder knows.

    Returns:
        Tasks as candidates, each with the row of the first network that has it.

    Raises:
        RNN2VecError: if the encoder does not ask or does not know a column or a value, or the box fails.
    """
    if not isinstance(encoder, AskingEncoder) or encoder.knowledge is None:
        raise RNN2VecError(
            f"a box is placed by an encoder that asks and knows the labels of its zoo; the {encoder.name} encoder "
            f"{'knows none' if isinstance(encoder, AskingEncoder) else 'reads weights'}: use formal-languages, or "
            "what `rnn2vec pretrain --encoder interactive` wrote of a zoo with labels"
        )
    tasks = [tuple(values) for values in among]
    if not tasks or not columns or any(len(task) != len(columns) for task in tasks):
        raise RNN2VecError("a box is placed among tasks, one at least, by columns, one at least, a value of each")
    for name, values in zip(columns, zip(*tasks, strict=True), strict=True):
        own = encoder.knowledge.classes(name)
        if unknown := set(values) - set(own):
            raise RNN2VecError(
                f"a box is placed among tasks that the encoder knows; of {name} it knows {', '.join(map(str, own))}, "
                f"not {', '.join(sorted(map(str, unknown)))}: leave networks of these out"
            )
    asked = Asked(box, encoder.interface)
    try:
        z = encoder.encode(asked)
        assert asked.asked is not None
        strings = list(zip(asked.asked.inputs[0].numpy(), asked.asked.outputs[0].numpy(), strict=True))
        # to write strings, it would be asked their beginnings again and again
        known = bool(encoder.knowledge(z, None if encoder.interface.writes else asked)["known"][0])
    finally:
        asked.box.end()
    chances = [encoder.knowledge.chances(name, z) for name in columns]
    likely: dict[str, Candidate] = {}
    for row, task in enumerate(tasks):
        name = task_name(columns, task)
        if name not in likely:
            each = [own[value][0] for own, value in zip(chances, task, strict=True)]
            likely[name] = Candidate(row, name, float(np.prod(each)) * known)
    candidates = tuple(sorted(likely.values(), key=lambda each: -each.probability))
    total = sum(each.probability for each in candidates)
    posterior = Posterior(np.array([each.probability for each in candidates]), max(0.0, 1.0 - total))
    return Identification(
        candidates,
        posterior.none,
        asked.box.questions,
        asked.box.letters,
        tuple(Told(question, answer) for question, answer in strings),
        "all questions of the encoder are asked" if known else "it is unlike all networks that the encoder knows",
        False,
        (),
        (posterior.bits,),
        (posterior.none,),
    )
