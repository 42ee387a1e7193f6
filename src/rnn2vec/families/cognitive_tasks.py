"""Zoos of networks that do cognitive tasks, as neuroscience trains them: leaky, Elman or gated, numbers in and out."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from rnn2vec.architecture import Architecture
from rnn2vec.engine import hidden_states
from rnn2vec.engine.noise import Noise, is_defined
from rnn2vec.engine.optimizer import AdamW
from rnn2vec.errors import RNN2VecError
from rnn2vec.families.family import Column, Emulate, Family, Property, Reading, Words
from rnn2vec.families.pretraining import LEARNS, asks
from rnn2vec.families.recipe import TRACES_KEY, Recipe
from rnn2vec.families.task_set import TaskSet
from rnn2vec.fields import make_plain, number, sequence, shown, whole
from rnn2vec.interface import Interface, Numbers
from rnn2vec.networks import Population
from rnn2vec.networks.dimensions import dimensions
from rnn2vec.networks.slow_points import slow_points, visited_states
from rnn2vec.randomness import generator
from rnn2vec.tasks.cognitive import TASKS
from rnn2vec.tasks.cognitive.trials import INPUTS, KIND, OUTPUTS, PARAMETERS, STEPS, CognitiveTask

NAME = "cognitive-tasks"
RANGE = 1.5
"""Inputs lie in -1.5..1.5, but for rare noise: what questions may be."""
CLONE_TRIALS = 50
"""Trials that the emulator does for each network."""
SEARCHES, VISITS = 64, 6
"""For slow points, of each network, and steps of a trial at which one may start, evenly spread."""
NEAR_IDENTITY = {("elman", "tanh"): 1 / 3, ("elman", "relu"): 1 / 3, ("leaky", "softplus"): 3.0}
"""Cells whose recurrent weights begin near the identity, and what their learning rate is times that of the others."""
BESIDE_IDENTITY = 0.3
"""Of the usual random weights, what such a network has beside the identity at first."""
KINDS = {kind.name: kind for kind in TASKS}


@dataclasses.dataclass(frozen=True)
class CognitiveTasks(TaskSet):
    """Cognitive tasks of several kinds, each with the parameters of its grid.

    Attributes:
        kinds: names of the kinds of tasks.
        noise: standard deviation of what is added to every input at every step.
    """

    kinds: tuple[str, ...] = tuple(KINDS)
    noise: float = 0.05

    family: ClassVar[str] = NAME
    task_columns: ClassVar[tuple[str, ...]] = (KIND, *PARAMETERS)
    metric_columns: ClassVar[tuple[str, ...]] = ("accuracy", "loss", "dimensions", "slow_points")
    learnt_accuracy: ClassVar[float] = 0.8

    def __post_init__(self) -> None:
        kinds = sequence("kinds", self.kinds)
        if not kinds or len(set(map(str, kinds))) < len(kinds) or not set(map(str, kinds)) <= KINDS.keys():
            raise RNN2VecError(f"kinds of tasks are some of {', '.join(KINDS)}, each once; got {shown(list(kinds))}")
        make_plain(self, "kinds", kinds)
        make_plain(self, "noise", number("noise", self.noise))

    @property
    def interface(self) -> Interface:
        """The same channels for every task."""
        return Interface(Numbers(len(INPUTS), -RANGE, RANGE), Numbers(len(OUTPUTS)))

    @property
    def trace_shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """A trial and the answers at every step."""
        return (STEPS, len(INPUTS)), (STEPS, len(OUTPUTS))

    def fetch_data(self) -> None:
        """Trials are drawn, and need none."""

    def task_from(self, parameters: Mapping[str, Any]) -> CognitiveTask:
        kind = TASKS[_whole(KIND, parameters[KIND], 0, len(TASKS) - 1)]
        set_size, delay = (_whole(name, parameters[name], 0) for name in ("set_size", "delay"))
        return kind(set_size, delay, float(parameters["strength"]), self.noise)

    def ood_tasks(self, tasks: np.ndarray, order: np.ndarray) -> np.ndarray:
        """Of each kind, the 15 % with the largest parameters, each counted by its rank in the grid; of several at
        least one.
        """
        held_out = []
        for kind in np.unique(tasks[:, 0]):
            grid, own = TASKS[int(kind)].grid, order[tasks[order, 0] == kind]
            ranks = [np.searchsorted(values, tasks[own, 1 + at]) / len(values) for at, values in enumerate(grid)]
            count = max(round(0.15 * len(own)), int(len(own) > 1))
            held_out.append(own[np.argsort(-np.sum(ranks, axis=0), kind="stable")][:count])
        return np.concatenate(held_out)


@dataclasses.dataclass(frozen=True)
class CognitiveRecipe(Recipe):
    """A zoo of networks, each trained on one cognitive task. See :class:`Recipe` for the other fields.

    The loss is the squared error in the steps that count. A snapshot's traces are trials with the answers, without
    noise in the recurrent layers. Its accuracy is the performance in such trials as the literature of its task
    measures it, its dimensions the participation ratio of its hidden states: (sum of l)^2 / sum of l^2 over the
    eigenvalues l of their covariance. Its slow points are counted under the input of a delay, in which nothing
    happens, by searches from states that it visits; see :mod:`rnn2vec.networks.slow_points`.

    Attributes:
        task_set: the tasks.
        recurrent_noise: standard deviation, of cells for which noise is defined; see :mod:`rnn2vec.engine.noise`.
        clip: largest norm of a network's gradient.
        evaluation_trials: trials that a snapshot is measured in.
    """

    task_set: CognitiveTasks
    recurrent_noise: float = 0.05
    clip: float = 1.0
    evaluation_trials: int = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("recurrent_noise", "clip"):
            make_plain(self, name, number(name, getattr(self, name)))
        make_plain(self, "evaluation_trials", whole("evaluation_trials", self.evaluation_trials, self.traces))

    def task(self, model: int) -> CognitiveTask:
        """The task of network ``model``.

        Balanced: among the networks of one architecture every kind is dealt once before any is dealt again, and of each
        kind every setting likewise.
        """
        whole("the number of a network", model, 0, self.models - 1)
        kinds = self.task_set.kinds
        if self.assignment == "uniform":
            draw = generator(self.seed, model, "task")
            settings = _settings(kinds[int(draw.integers(len(kinds)))])
            return self._made(settings[int(draw.integers(len(settings)))])
        deal, place = divmod(model - self.networks_beside(model).start, len(kinds))
        kind = kinds[int(generator(self.seed, deal, "deal").permutation(len(kinds))[place])]
        settings = _settings(kind)
        again, deal = divmod(deal, len(settings))
        return self._made(settings[int(generator(self.seed, again, kind, "deal").permutation(len(settings))[deal])])

    def _made(self, setting: tuple[int, int, int, float]) -> CognitiveTask:
        return self.task_set.task_from(dict(zip(self.task_set.task_columns, setting, strict=True)))

    def weight_decay_of(self, model: int) -> float:
        return 0.0

    def start(self, architecture: Architecture, models: Sequence[int]) -> Population:
        """Elman and softplus networks begin near the identity (Le et al. 2015) and LSTMs with forget gates that are
        open (a bias of 1, Jozefowicz et al. 2015): from the usual weights, neither learns to remember.
        """
        population = super().start(architecture, models)
        for layer, size in enumerate(architecture.hidden_sizes):
            if _kind_of(architecture) in NEAR_IDENTITY:
                population.weights[f"weight_hh_l{layer}"].mul_(BESIDE_IDENTITY).add_(torch.eye(size))
            if architecture.has_cell_state:
                population.weights[f"bias_hh_l{layer}"][:, size : 2 * size] += 1
        return population

    def learning_rate(self, step: int, architecture: Architecture | None = None) -> float:
        """A third of it for Elman networks, whose step is as long as five of a leaky one; see :data:`NEAR_IDENTITY`."""
        times = NEAR_IDENTITY.get(_kind_of(architecture), 1.0) if architecture else 1.0
        return super().learning_rate(step, architecture) * times

    def optimizer(self, population: Population, models: Sequence[int]) -> AdamW:
        """Gradients are clipped, and rates of leaky cells stay as they are."""
        fixed = tuple(name for name in population.weights if name.startswith("leak_"))
        return AdamW.start(population, 0.0, self.clip, fixed)

    def noise(self, population: Population, models: Sequence[int], step: int) -> Noise | None:
        defined = is_defined(population.architecture)
        return Noise.keyed(self.recurrent_noise, self.seed, models, step) if defined else None

    def snapshot_values(self, model: int, step: int, metrics: Mapping[str, float]) -> dict[str, int | float | str]:
        """The kind of task and the cell by name, besides."""
        names = {"task": self.task(model).name, "cell": self.architectures[self.architecture_number(model)].cell_name}
        return super().snapshot_values(model, step, metrics) | names

    @torch.no_grad()
    def observe(self, population: Population, models: Sequence[int], step: int) -> dict[str, np.ndarray]:
        """Let every network do trials: ``inputs`` ``[N, R, T, 7]``, ``outputs`` ``[N, R, T, 3]``."""
        tasks = [self.task(model) for model in models]
        drawn = [
            task.draw(self.evaluation_trials, generator(self.seed, model, TRACES_KEY, step))
            for task, model in zip(tasks, models, strict=True)
        ]
        inputs = torch.from_numpy(np.stack([trials.inputs for trials in drawn]))
        outputs = population.run(inputs)[0].numpy()
        targets, mask = (np.stack([getattr(trials, name) for trials in drawn]) for name in ("targets", "mask"))
        missed = np.square(outputs - targets).mean(3)
        accuracy = [task.performance(*each).mean() for task, *each in zip(tasks, drawn, outputs, strict=True)]
        return {
            "inputs": inputs[:, : self.traces].numpy(),
            "outputs": outputs[:, : self.traces],
            "accuracy": np.array(accuracy, dtype=np.float32),
            "loss": ((missed * mask).sum((1, 2)) / mask.sum((1, 2))).astype(np.float32),
            "dimensions": dimensions(hidden_states(population, inputs)[0].numpy()),
            "slow_points": self._slow_points(population, tasks, models, inputs[:, :SEARCHES], step),
        }

    def _slow_points(
        self, population: Population, tasks: Sequence[CognitiveTask], models: Sequence[int], inputs: Tensor, step: int
    ) -> np.ndarray:
        """How many slow points each network has at rest, from states that it visits in trials ``[N, B, T, 7]``."""
        chosen = [generator(self.seed, model, "visited", step).integers(0, VISITS, inputs.shape[1]) for model in models]
        states = visited_states(population, inputs, torch.from_numpy(np.stack(chosen)), STEPS // VISITS)
        resting = torch.from_numpy(np.stack([task.resting for task in tasks]))
        return slow_points(population, resting, states).count().astype(np.float32)


def _kind_of(architecture: Architecture) -> tuple[str, str]:
    return architecture.cell, architecture.nonlinearity


@functools.cache
def _settings(kind: str) -> list[tuple[int, int, int, float]]:
    """What stands in the task columns for every setting of a kind of task."""
    own = KINDS[kind]
    return [(own.number, *values) for values in itertools.product(*own.grid)]


def _whole(name: str, value: Any, low: int, high: int = 2**31 - 1) -> int:
    """A whole number from a column that may hold floats."""
    return whole(name, int(value) if float(value).is_integer() else value, low, high)


_LEAKY = Architecture("leaky", len(INPUTS), (32,), len(OUTPUTS))
_RATES = (0.003, 0.003, 0.0003)

PRESETS: dict[str, Recipe] = {
    "demo": CognitiveRecipe(
        CognitiveTasks(),
        _LEAKY,
        models=128,
        steps=600,
        snapshots=(0, 50, 100, 200, 600),
        learning_rates=_RATES,
        traces=20,
    ),
    "laptop": CognitiveRecipe(
        CognitiveTasks(),
        _LEAKY.resized(hidden_size=64),
        models=576,
        steps=2500,
        snapshots=(0, 100, 200, 500, 1000, 2500),
        learning_rates=_RATES,
        traces=20,
        others=tuple(Architecture.stack(cell, len(INPUTS), 64, 1, len(OUTPUTS)) for cell in ("elman", "gru")),
    ),
}
"""``demo`` has leaky networks alone; ``laptop`` leaky, Elman and GRU ones, twelve of each for every kind of task."""


def clone_scores(
    tasks: Sequence[CognitiveTask],
    emulate: Emulate,
    interface: Interface,
    inputs: np.ndarray,
    outputs: np.ndarray,
    seeds: Sequence[tuple[int, int]],
) -> np.ndarray:
    """The emulator's performance in each network's task, comparable with its accuracy."""
    drawn = [task.draw(CLONE_TRIALS, generator(*seed, "clone")) for task, seed in zip(tasks, seeds, strict=True)]
    said = emulate(slice(None), torch.from_numpy(np.stack([trials.inputs for trials in drawn])), None)[0].numpy()
    return np.array([task.performance(*each).mean() for task, *each in zip(tasks, drawn, said, strict=True)])


def show(inputs: np.ndarray, outputs: np.ndarray) -> Reading:
    """The first trial."""
    return Reading(0, outputs.shape[1], [str(step) for step in range(outputs.shape[1])])


FAMILY = Family(
    name=NAME,
    task_set=CognitiveTasks,
    recipe=CognitiveRecipe,
    presets=PRESETS,
    pretraining={
        "demo": LEARNS | {"steps": 600, "loss": "mse", "encoder_options": asks(30)},
        "laptop": LEARNS | {"loss": "mse", "emulator_size": 128, "encoder_options": asks(STEPS)},
    },
    properties=(
        Property("task", "class", of_task=True),
        *(Property(name, "number", of_task=True, absent=0) for name in PARAMETERS),
        Property("cell", "class"),
        Property("accuracy", "number"),
        Property("dimensions", "number"),
        Property("slow_points", "number"),
        Property("step", "class"),
    ),
    columns=(
        Column("task", "frozen", "validation", "task"),
        Column("task OOD", "frozen", "ood", "task"),
        Column("task (linear)", "linear", "validation", "task"),
        Column("set size R2", "frozen", "validation", "set_size_r2"),
        Column("delay R2", "frozen", "validation", "delay_r2"),
        Column("strength R2", "frozen", "validation", "strength_r2"),
        Column("cell", "frozen", "validation", "cell"),
        Column("accuracy R2", "frozen", "validation", "accuracy_r2"),
        Column("dimensions R2", "frozen", "validation", "dimensions_r2"),
        Column("slow points R2", "frozen", "validation", "slow_points_r2"),
        Column("step", "frozen", "validation", "step"),
        Column("transferred", "transferred", "validation", "task"),
        Column("end-to-end", "supervised", "validation", "task"),
        Column("end-to-end OOD", "supervised", "ood", "task"),
    ),
    headline="task",
    words=Words(
        task="task",
        tasks="cognitive tasks: trials of neuroscience, numbers in and out",
        columns="Task: share of networks (that have learnt it) whose kind of task is read from the frozen z; (linear): "
        "by the linear reader alone. Set size, delay, strength: parameters of the task, read from networks whose task "
        "has them. Dimensions: participation ratio of the hidden states. Slow points: how many there are at rest.",
        headline="task: share read correctly from the frozen z.",
        symbols=OUTPUTS,
        answer="its answers",
        step="step of the trial",
        where="Tasks part ways where a stimulus comes or goes, and at the go cue.",
        clones="the performance in its task of the emulator",
        clone_axis="performance of the emulator",
        knowledge={
            "task": "task",
            "set_size_r2": "set size, R2",
            "delay_r2": "delay, R2",
            "strength_r2": "strength, R2",
            "cell": "cell",
            "accuracy_r2": "performance, R2",
            "dimensions_r2": "dimensions, R2",
            "slow_points_r2": "slow points, R2",
            "step": "training step",
        },
        knowledge_caption="Properties of validation networks; what is of the task, of those that have learnt it.",
    ),
    clone_scores=clone_scores,
    show=show,
)
