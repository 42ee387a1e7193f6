"""Do probing encoders learn what the theory promises? They identify tree walkers, a family with an exponential gap.

Functions are the Mealy machines of all paths through a balanced binary tree, as networks that are exactly these
(:func:`~rnn2vec.interrogation.realise`). An encoder asks a network one letter a step, and from its z after every answer
a linear layer names the network. Encoders of one size learn for the same number of steps. Beside whether a question may
depend on the answers before, they differ in what suits each kind: fixed questions are more, as they need to be, learn
faster, look ahead and are less undecided (:func:`gap_recipes`).
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rnn2vec.encoders import ProbingEncoder, build_encoder
from rnn2vec.encoders.encoder import multilayer_perceptron
from rnn2vec.errors import RNN2VecError
from rnn2vec.files import read_json, write_json
from rnn2vec.interrogation import leaf_paths, realise, tree_path_machine
from rnn2vec.interrogation.tree_walk import depth_of
from rnn2vec.parallel import Report, run_jobs
from rnn2vec.population import Population

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

    def __post_init__(self) -> None:
        if self.questions < 1 or self.steps < 1:
            raise RNN2VecError(f"an encoder asks and learns at least once; got {self.questions} and {self.steps}")
        if not 0 < self.growth < 1:
            raise RNN2VecError(f"the horizon grows over a share of the steps within 0..1; got {self.growth}")


@dataclasses.dataclass(frozen=True)
class GapRun:
    """What one encoder learned.

    Attributes:
        interrogator: a name of :data:`INTERROGATORS`.
        size: functions in the class.
        seed: of its weights and of every draw.
        identified: share of the functions that it names rightly after 1, 2, ... questions, each the likeliest.
        letters: the first questions it asked of every function, ``[size][questions]``.
    """

    interrogator: str
    size: int
    seed: int
    identified: tuple[float, ...]
    letters: tuple[tuple[int, ...], ...]

    @functools.cached_property
    def told_apart(self) -> tuple[float, ...]:
        """Share of the functions that its first 1, 2, ... questions tell apart: it could identify as many, were what
        it hears all put to use.
        """
        machines = [tree_path_machine(path) for path in leaf_paths(self.size)]
        heard = [machine.read(letters) for machine, letters in zip(machines, self.letters, strict=True)]
        asked = range(1, len(self.identified) + 1)
        return tuple(len({tuple(answers[:questions]) for answers in heard}) / self.size for questions in asked)


def tree_walkers(size: int, confidence: float = 10.0) -> Population:
    """The networks of the class, ``size`` of them, a power of two."""
    depth_of(size)
    return realise([tree_path_machine(path) for path in leaf_paths(size)], confidence)


def gap_recipes(sizes: Sequence[int], most: int = 24, steps: int = 1000) -> list[tuple[str, int, GapRecipe]]:
    """Every interrogator on every class: its name, the size of the class, and how it learns.

    Interactive encoders ask as many questions as the optimum needs and two more; fixed ones as many as theirs needs, or
    ``most``.

    Raises:
        RNN2VecError: if a size is no power of two, is given twice or exceeds :data:`LARGEST`.
    """
    if len(set(sizes)) < len(sizes) or max(sizes, default=0) > LARGEST:
        raise RNN2VecError(f"sizes of classes differ and are at most {LARGEST}; got {', '.join(map(str, sizes))}")
    jobs = []
    for size in sizes:
        depth = depth_of(size)
        for name, (encoder, _) in INTERROGATORS.items():
            fixed = encoder == "noninteractive"
            asked = min(most, depth * size // 2) if fixed else depth + 2
            recipe = GapRecipe(asked, steps)
            if fixed:
                recipe = dataclasses.replace(recipe, discount=0.5, table_speed=20.0, entropy=0.03)
            jobs.append((name, size, recipe))
    return jobs


def identify_tree_walkers(
    name: str, size: int, recipe: GapRecipe, seed: int = 0, report: Callable[[int, str], None] | None = None
) -> GapRun:
    """Let one encoder learn to identify the functions of one class, and ask it.

    Args:
        name: one of :data:`INTERROGATORS`.
        size: functions in the class, a power of two.
        recipe: how it learns.
        seed: see :class:`GapRun`. The generator that torch shares is left as it was.
        report: told of steps done.

    Raises:
        RNN2VecError: if the name is unknown or the size no power of two.
    """
    if name not in INTERROGATORS:
        raise RNN2VecError(f"interrogators are {'; '.join(INTERROGATORS)}; got {name!r}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _learn(name, size, recipe, seed, report or (lambda amount, note: None))


def _learn(name: str, size: int, recipe: GapRecipe, seed: int, report: Callable[[int, str], None]) -> GapRun:
    population = tree_walkers(size, recipe.confidence)
    encoder, head, critic = _build(name, population, recipe, seed)
    fast = [encoder.probe_logits]
    slow = [weight for part in (encoder, head, critic) for weight in part.parameters() if weight is not fast[0]]
    groups: list[dict[str, Any]] = [{"params": slow, "scale": 1.0}, {"params": fast, "scale": recipe.table_speed}]
    optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate, weight_decay=0.0)
    functions = torch.arange(size).repeat(max(1, recipe.copies // size))
    interrogated = population[functions]
    for step in range(recipe.steps):
        progress = step / recipe.steps
        horizon = min(recipe.questions, 1 + int(progress / recipe.growth * recipe.questions))
        rate = recipe.learning_rate * min(1.0, (step + 1) / 20) * (0.5 + 0.5 * math.cos(math.pi * progress))
        for group in optimizer.param_groups:
            group["lr"] = group["scale"] * rate
        entropy = recipe.entropy * min(1.0, (1 - progress) / (1 - recipe.growth))
        loss, last = _loss(encoder, head, critic, interrogated, functions, horizon, recipe.discount, entropy)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(slow + fast, 1.0)
        optimizer.step()
        report(1, f"loss {last:.3f}")
    encoder.eval()
    with torch.no_grad():
        asked = encoder.interrogate(population)
        assert asked.core_states is not None
        named = _logits(encoder, head, asked.core_states).argmax(-1)  # [size, L]
    identified = (named == torch.arange(size)[:, None]).float().mean(0)
    letters = asked.probes[:, 0].argmax(-1).tolist()
    return GapRun(name, size, seed, tuple(identified.tolist()), tuple(map(tuple, letters)))


def _build(
    name: str, population: Population, recipe: GapRecipe, seed: int
) -> tuple[ProbingEncoder, nn.Linear, nn.Sequential]:
    """The encoder, the layer that names functions from its z, and the critic: what loss is still to come."""
    kind, options = INTERROGATORS[name]
    width = recipe.core_size
    sizes = {"probe_length": recipe.questions, "core_size": width, "core_layers": 1, "mlp_size": width}
    encoder = build_encoder(
        kind, population.spec, seed, embedding_size=recipe.embedding_size, questions="single", **sizes, **options
    )
    assert isinstance(encoder, ProbingEncoder)
    nn.init.zeros_(encoder.probe_logits)  # every letter is as likely as any other at first
    return encoder, nn.Linear(recipe.embedding_size, len(population)), multilayer_perceptron([width, width, 1])


def _logits(encoder: ProbingEncoder, head: nn.Linear, states: Tensor) -> Tensor:
    """Logits of every function after every answer, ``[N, L, size]``, from core states ``[N, L, C]``."""
    return head(F.normalize(encoder.readout(states), dim=-1) * math.sqrt(encoder.embedding_size))


def _loss(
    encoder: ProbingEncoder,
    head: nn.Linear,
    critic: nn.Module,
    population: Population,
    functions: Tensor,
    horizon: int,
    discount: float,
    entropy: float,
) -> tuple[Tensor, float]:
    """Loss of naming, of asking and of the critic, and the mean naming loss after the last question, in nats."""
    asked = encoder.interrogate(population, horizon)
    assert asked.core_states is not None
    assert asked.log_probabilities is not None
    assert asked.entropies is not None
    targets = functions[:, None].expand(-1, horizon)
    naming = F.cross_entropy(_logits(encoder, head, asked.core_states).transpose(1, 2), targets, reduction="none")
    to_come = torch.zeros_like(naming)  # [N, L]
    ahead = torch.zeros(len(functions))
    for step in reversed(range(horizon)):
        ahead = naming[:, step].detach() + discount * ahead
        to_come[:, step] = ahead
    before = F.pad(asked.core_states[:, :-1], (0, 0, 1, 0))  # the state in which a question is asked
    expected = critic(before.detach())[..., 0]
    worse = (to_come - expected).detach()
    asking = (worse * asked.log_probabilities[:, 0]).mean()
    bonus = entropy * asked.entropies[:, 0].mean()
    loss = naming.mean() + asking - bonus + 0.5 * (to_come - expected).square().mean()
    return loss, float(naming.detach()[:, -1].mean())


def run_gap(
    jobs: Sequence[tuple[str, int, GapRecipe]],
    directory: Path,
    seed: int = 0,
    workers: int = 1,
    report: Report | None = None,
) -> list[GapRun]:
    """Carry out all runs that are not yet done; each is written to ``directory`` when it is.

    Raises:
        RNN2VecError: if a file there is damaged or of another recipe.
    """
    return run_jobs(_run, [(*job, seed, directory) for job in jobs], workers, report)


def _run(
    name: str, size: int, recipe: GapRecipe, seed: int, directory: Path, *, report: Callable[[int, str], None]
) -> GapRun:
    path = directory / f"{name.replace(', ', '-')}-{size}.json"
    identity = json.loads(json.dumps({"recipe": dataclasses.asdict(recipe), "seed": seed}))
    if path.exists():
        kept = read_json(path, "result of an interrogator")
        if kept.get("identity") != identity:
            raise RNN2VecError(f"{path} is of another recipe or seed: repeat its command, or choose another directory")
        report(recipe.steps, "kept")
        return _from_json(path, kept, name, size, recipe.questions)
    run = identify_tree_walkers(name, size, recipe, seed, report)
    write_json(path, {"identity": identity, **dataclasses.asdict(run)})
    return run


def _from_json(path: Path, values: Mapping[str, Any], name: str, size: int, questions: int) -> GapRun:
    try:
        identified = tuple(float(share) for share in values["identified"])
        letters = tuple(tuple(int(letter) for letter in own) for own in values["letters"])
        if (values["interrogator"], values["size"]) != (name, size):
            raise ValueError(f"it is of {values['interrogator']}, {values['size']} functions")
        if [len(identified), *map(len, letters)] != [questions] * (size + 1):
            raise ValueError(f"it lacks some of {questions} questions about {size} functions")
        return GapRun(name, size, int(values["seed"]), identified, letters)
    except (KeyError, TypeError, ValueError) as error:
        raise RNN2VecError(f"{path} is damaged ({error}): remove it and repeat its command") from error
