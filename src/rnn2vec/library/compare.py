"""Compare: do two networks compute the same function?"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Float, Integer

from rnn2vec.errors import RNN2VecError
from rnn2vec.interface import Interface
from rnn2vec.library.collection import OnProgress
from rnn2vec.library.differences import Differences
from rnn2vec.library.pair import Pair
from rnn2vec.library.worst_input import BUDGET, WorstInput, worst_input
from rnn2vec.networks import Networks
from rnn2vec.networks.behaviour import unit_of
from rnn2vec.networks.questions import beginning, first_tokens, start_tokens, written
from rnn2vec.networks.stimuli import stimuli


@dataclasses.dataclass(frozen=True)
class Comparison:
    """How far two networks are apart.

    Attributes:
        interface: what both read and say.
        inputs: what both read, ``[R, T]`` or ``[R, T, X]``.
        traces: differences on these inputs.
        worst: the input on which they were seen to differ most; a lower bound.
    """

    interface: Interface
    inputs: Integer[np.ndarray, "R T"] | Float[np.ndarray, "R T X"]
    traces: Differences
    worst: WorstInput

    def __repr__(self) -> str:
        found = f"mean {self.traces.mean:.4g}, largest {self.largest:.4g} ({self.interface.outputs.measure})"
        return f"Comparison({found})"

    @property
    def largest(self) -> float:
        """The largest difference that was seen at any step."""
        return max(self.traces.largest, self.worst.difference)

    def to_dict(self) -> dict[str, Any]:
        """As a JSON-serialisable dictionary."""
        worst = {field.name: getattr(self.worst, field.name) for field in dataclasses.fields(self.worst)}
        plain = {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in worst.items()}
        return {
            "interface": self.interface.to_dict(),
            "measure": self.interface.outputs.measure,
            "sequences": self.inputs.shape[0],
            "steps": self.inputs.shape[1],
            "largest": self.largest,
            "traces": self.traces.to_dict(),
            "worst_input": plain,
        }


def compare(
    a: Networks,
    b: Networks,
    inputs: Integer[np.ndarray, "R T"] | Float[np.ndarray, "R T X"] | None = None,
    *,
    seed: int = 0,
    budget: int = BUDGET,
    on_progress: OnProgress = lambda amount, note: None,
) -> Comparison:
    """Ask two networks the same, and search for the input on which they differ most.

    Differences are the interface's own: total variation of probabilities, or root mean square differences of numbers in
    units of the spread of A's outputs on these inputs. Networks of different cells and sizes, and black boxes, are
    compared alike.

    Args:
        a: one network.
        b: one network with the same interface.
        inputs: what both read, ``[R, T]`` tokens or ``[R, T, X]`` numbers; stimuli by default, see :func:`observed`.
        seed: of the stimuli and the search.
        budget: steps that each network reads in the search, about; 0 leaves the search out.
        on_progress: called as ``on_progress(steps, note)`` while searching.

    Raises:
        RNN2VecError: if either is not one network, their interfaces differ, the inputs are none of theirs, or answers
            are not finite.
    """
    if budget < 0:
        raise RNN2VecError(f"a budget is the steps that each network reads in the search, 0 or more; got {budget}")
    pair = Pair(a, b)
    asked = observed(a, b, seed) if inputs is None else np.asarray(inputs)
    said_a, said_b = pair.answers(asked)
    pair = dataclasses.replace(pair, unit=unit_of(pair.interface, said_a[None]))
    found = worst_input(pair, asked, budget, seed, on_progress)
    return Comparison(pair.interface, asked, Differences.of(pair, said_a, said_b), found)


def observed(a: Networks, b: Networks, seed: int = 0) -> np.ndarray:
    """What two networks read where nobody brought inputs: stimuli, see :mod:`rnn2vec.networks.stimuli`; of networks
    that predict their next token, also as many strings that A writes.
    """
    interface = Pair(a, b).interface
    made = stimuli(interface.inputs, seed)
    if not interface.writes:
        return made
    first = first_tokens(start_tokens([a], seed), len(made))
    return np.concatenate([beginning(made, first), written(a, first, seed)[0]])
