"""How probing encoders learn to identify tree walkers: recipes for every kind of interrogator and size of class."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, ClassVar

from rnn2vec.errors import RNN2VecError
from rnn2vec.interrogation.tree_walk import depth_of
from rnn2vec.interrogation.values import real_number, whole_number
from rnn2vec.theory.class_sizes import distinct_sizes

INTERROGATORS: dict[str, tuple[str, dict[str, Any]]] = {
    "noninteractive": ("noninteractive", {}),
    "interactive": ("interactive", {}),
    "interactive, echo": ("interactive", {"feedback": "echo"}),
}
"""By name, the encoder and its options. Echo: a question starts from the network's own last answer."""
LARGEST = 1024
"""Functions in a class, at most: the weights of the networks grow with their number times its squared logarithm."""


@dataclasses.dataclass(frozen=True)
class GapRecipe:
    """How one encoder learns to identify the functions of one class.

    Questions are single letters, drawn while learning, so no gradient tells what another letter would have brought:
    they are learned by the policy gradient: a question is reinforced by how far the identification loss after it, and,
    discounted, after later ones, lies below what a critic expected. The horizon grows: later questions are learned on
    top of earlier ones.

    Attributes:
        questions: letters asked.
        steps: gradient steps.
        copies: interrogations at once, at least; every function has as many.
        learning_rate: of AdamW; rises over 20 steps, then falls as a cosine.
        table_speed: how much faster the fixed part of the questions learns, a table of logits. Where it is all there is
            to a question, a step of a weight's size would take forever; where it is not, its haste would forestall what
            answers could teach.
        discount: how much of the next question's reward counts for the one before. A fixed sequence must sometimes
            return to the root, which pays only later; with answers to go by, every question pays at once.
        entropy: bonus for an undecided questioner, full while the horizon grows, then falling to 0: one that has made
            up its mind before answers tell it anything never learns to heed them.
        growth: share of the steps over which the horizon grows, below 1.
        core_size: hidden units of the encoder's core LSTM and of its MLPs.
        embedding_size: length of z.
        confidence: logit by which the networks' answers stand out.
        clip: what the norm of the gradient is clipped to, the same for all.

    Raises:
        RNN2VecError: if one of them is no number, or out of range.
    """

    questions: int
    steps: int = 1000
    copies: int = 512
    learning_rate: float = 3e-3
    table_speed: float = 1.0
    discount: float = 0.0
    entropy: float = 0.3
    growth: float = 0.7
    core_size: int = 128
    embedding_size: int = 64
    confidence: float = 10.0
    clip: ClassVar[float] = 1.0

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            number = whole_number if field.type == "int" else real_number  # annotations are text here
            object.__setattr__(self, field.name, number(getattr(self, field.name), field.name))
        if self.questions < 1 or self.steps < 1:
            raise RNN2VecError(f"an encoder asks and learns at least once; got {self.questions} and {self.steps}")
        if min(self.copies, self.core_size, self.embedding_size) < 1:
            raise RNN2VecError(
                f"copies, core_size and embedding_size are at least 1; got {self.copies}, {self.core_size} and "
                f"{self.embedding_size}"
            )
        if not (0 < self.learning_rate < math.inf and 0 <= self.table_speed < math.inf):
            raise RNN2VecError(
                f"an encoder learns at finite rates above 0; got {self.learning_rate} and a table_speed of "
                f"{self.table_speed}"
            )
        if not (0 <= self.discount <= 1 and 0 <= self.entropy < math.inf):
            raise RNN2VecError(
                f"discount lies in 0..1 and entropy is finite, 0 or more; got {self.discount} and {self.entropy}"
            )
        if not 0 < self.growth < 1:
            raise RNN2VecError(f"the horizon grows over a share of the steps within 0..1; got {self.growth}")

    def learning_rate_at(self, step: int) -> float:
        """Learning rate of a step, counted from 0; of the table of questions, before its own speed."""
        return self.learning_rate * min(1.0, (step + 1) / 20) * (0.5 + 0.5 * math.cos(math.pi * (step / self.steps)))

    def horizon_at(self, step: int) -> int:
        """Questions asked in a step."""
        return min(self.questions, 1 + int(step / self.steps / self.growth * self.questions))

    def entropy_at(self, step: int) -> float:
        """Bonus for an undecided questioner in a step."""
        return self.entropy * min(1.0, (1 - step / self.steps) / (1 - self.growth))


@dataclasses.dataclass(frozen=True)
class Interrogator:
    """An encoder that is to learn to identify the functions of one class.

    Attributes:
        name: one of :data:`INTERROGATORS`.
        size: functions in the class.
        recipe: how it learns.
    """

    name: str
    size: int
    recipe: GapRecipe


def gap_recipes(sizes: Sequence[int], most: int = 24, steps: int = 1000) -> list[Interrogator]:
    """Every interrogator on every class.

    Interactive encoders ask as many questions as the optimum needs and two more; fixed ones as many as theirs needs, or
    ``most``.

    Raises:
        RNN2VecError: if there is no size, or one is no power of two, is given twice or exceeds :data:`LARGEST`; or if
            ``most`` or ``steps`` is below 1.
    """
    sizes, most = distinct_sizes(sizes, LARGEST), whole_number(most, "most")
    jobs = []
    for size in sizes:
        depth = depth_of(size)
        for name, (encoder, _) in INTERROGATORS.items():
            fixed = encoder == "noninteractive"
            asked = min(most, depth * size // 2) if fixed else depth + 2
            recipe = GapRecipe(asked, steps)
            if fixed:
                recipe = dataclasses.replace(recipe, discount=0.5, table_speed=20.0, entropy=0.03)
            jobs.append(Interrogator(name, size, recipe))
    return jobs


def checked_seed(seed: int) -> int:
    """A seed that torch takes as well.

    Raises:
        RNN2VecError: if it is no whole number in 0..2**63 - 1.
    """
    seed = whole_number(seed, "seed")
    if not 0 <= seed < 2**63:
        raise RNN2VecError(f"seeds lie in 0..2**63 - 1; got {seed}")
    return seed
