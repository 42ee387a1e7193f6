"""Mealy machines as recurrent networks: weights that are written down, not trained."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from rnn2vec.architecture import Architecture
from rnn2vec.errors import RNN2VecError
from rnn2vec.interface import Classes, Interface, Tokens
from rnn2vec.interrogation.mealy_machine import MealyMachine
from rnn2vec.interrogation.values import listed, real_number
from rnn2vec.networks import Population

LARGEST = 2**31
"""Weights of all networks together."""


def realise(machines: Sequence[MealyMachine], confidence: float = 10.0) -> Population:
    """One Elman network with ReLU for each machine, which answers every letter as the machine does, for ever.

    A hidden unit stands for a state and the letter read in it: it is 1 at the step where that happens, else 0. It is
    the ReLU of an AND, "the unit of some transition into this state was 1" plus "this is the letter" minus 1, and so
    all activations are exactly 0 or 1. One more unit is 1 from the first step on; as long as it is 0, the machine is in
    its first state. Outputs are ``confidence`` for the machine's answer and 0 for all others. Machines have one
    alphabet, also for their answers, so that an answer can be the next letter; states that a smaller machine lacks are
    units that stay 0.

    Args:
        machines: N machines with one alphabet of A letters, and S states at most.
        confidence: logit of the answer, above 0.

    Returns:
        N networks with A inputs, ``S * A + 1`` hidden units and at least A outputs; float32.

    Raises:
        RNN2VecError: if there are none, their alphabets differ, ``confidence`` is not above 0 and finite in float32, or
            there would be more than :data:`LARGEST` weights.
    """
    machines, confidence = _listed(machines), real_number(confidence, "confidence")
    alphabets = {machine.num_letters for machine in machines}
    if len(alphabets) != 1:
        raise RNN2VecError(f"networks of one population read one alphabet; got machines of {sorted(alphabets)} letters")
    if not 0 < torch.tensor(confidence, dtype=torch.float32) < math.inf:
        raise RNN2VecError(
            f"confidence is the logit of an answer, above the others' 0 and finite in float32; got {confidence}"
        )
    letters, states = alphabets.pop(), max(machine.num_states for machine in machines)
    answers = 1 + max(answer for machine in machines for row in machine.answers for answer in row)
    architecture = Architecture.stack("elman", letters, states * letters + 1, 1, max(letters, answers), "relu")
    if len(machines) * architecture.num_parameters > LARGEST:
        raise RNN2VecError(
            f"networks have at most {LARGEST:,} weights in all; {len(machines)} machines of {states} states, {letters} "
            f"letters and answers up to {answers - 1} take {len(machines) * architecture.num_parameters:,}"
        )
    started = architecture.widest - 1
    weights = {name: torch.zeros(len(machines), *shape) for name, shape in architecture.parameter_shapes().items()}
    reads, follows, bias = (weights[f"{name}_l0"] for name in ("weight_ih", "weight_hh", "bias_ih"))
    for network, machine in enumerate(machines):
        bias[network, started] = 1.0
        for state in range(machine.num_states):
            for letter in range(letters):
                unit = state * letters + letter
                reads[network, unit, letter] = 1.0
                if state == 0:
                    follows[network, unit, started] = -1.0  # before the first step it is in state 0 all the same
                else:
                    bias[network, unit] = -1.0
                next_state = machine.next_states[state][letter]
                follows[network, next_state * letters : (next_state + 1) * letters, unit] = 1.0
                weights["linear.weight"][network, machine.answers[state][letter], unit] = confidence
    return Population(architecture, weights, Interface(Tokens(letters), Classes(architecture.output_size)))


def _listed(machines: Sequence[MealyMachine]) -> list[MealyMachine]:
    try:
        own = listed(machines)
    except TypeError as error:
        raise RNN2VecError(f"Mealy machines are given as a list; {error}") from error
    for machine in own:
        if not isinstance(machine, MealyMachine):
            raise RNN2VecError(f"Mealy machines are given as a list of them; got {machine!r}")
    return own
