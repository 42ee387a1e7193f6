"""Do probing encoders learn what the theory promises? They identify tree walkers, where the gap is exponential.

Functions are the Mealy machines of all paths through a balanced binary tree, as networks that are exactly these
(:func:`~rnn2vec.interrogation.realise`). An encoder asks a network one letter a step, and from its z after every answer
a linear layer names the network. Encoders of one size learn for the same number of steps. Beside whether a question may
depend on the answers before, they differ in what suits each kind: fixed questions are more, as they need to be, learn
faster, look ahead and are less undecided (:func:`~rnn2vec.theory.gap_recipe.gap_recipes`).
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

from rnn2vec.adamw import AdamW
from rnn2vec.encoders import ProbingEncoder, build_encoder
from rnn2vec.encoders.parts import multilayer_perceptron
from rnn2vec.errors import RNN2VecError
from rnn2vec.files import read_json, write_json
from rnn2vec.interrogation import RESTART, leaf_paths, realise, tree_path_machine
from rnn2vec.interrogation.tree_walk import depth_of
from rnn2vec.interrogation.values import whole_number
from rnn2vec.networks import Population
from rnn2vec.parallel import OnProgress, run_jobs
from rnn2vec.theory.gap_recipe import INTERROGATORS, GapRecipe, Interrogator, checked_seed
from rnn2vec.training import Progress, require_finite, train

Parts = tuple[ProbingEncoder, nn.Linear, nn.Sequential]
"""The encoder, the layer that names functions from its z, and the critic: what loss is still to come."""


@dataclasses.dataclass(frozen=True)
class GapRun:
    """What one encoder learned.

    Attributes:
        interrogator: a name of :data:`~rnn2vec.theory.gap_recipe.INTERROGATORS`.
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


@torch.random.fork_rng(devices=[])
def identify_tree_walkers(
    name: str,
    size: int,
    recipe: GapRecipe,
    seed: int = 0,
    on_progress: Callable[[int, str], None] | None = None,
    checkpoint: Path | None = None,
) -> GapRun:
    """Let one encoder learn to identify the functions of one class, and ask it.

    Args:
        name: one of :data:`~rnn2vec.theory.gap_recipe.INTERROGATORS`.
        size: functions in the class, a power of two.
        recipe: how it learns.
        seed: see :class:`GapRun`. The generator that torch shares is left as it was.
        on_progress: told of steps done.
        checkpoint: a file that keeps the state every half minute; a training interrupted goes on from it, bit for bit.

    Raises:
        RNN2VecError: if the name is unknown, the size no power of two, the seed outside 0..2**63 - 1, the checkpoint
            damaged or of another training, or training diverges.
    """
    size, seed = whole_number(size, "size of a class"), checked_seed(seed)
    if name not in INTERROGATORS:
        raise RNN2VecError(f"interrogators are {'; '.join(INTERROGATORS)}; got {name!r}")
    torch.manual_seed(seed)
    population = tree_walkers(size, recipe.confidence)
    parts = _build(name, population, recipe, seed)
    encoder, head, _ = parts
    weights = [weight for part in parts for weight in part.parameters()]
    table = encoder.probe_logits
    optimizer = AdamW(weights, scales=[recipe.table_speed if weight is table else 1.0 for weight in weights])
    functions = torch.arange(size).repeat(max(1, recipe.copies // size))
    interrogated = population[functions]
    naming = math.nan

    def loss_at(step: int) -> Tensor:
        nonlocal naming
        loss, naming = _loss(parts, interrogated, functions, recipe, step)
        return loss

    def note(progress: Progress, loss: float) -> str:
        return f"loss {naming:.3f}"

    training = f"learning to ask ({name}, {size} functions)"
    identity = {"interrogator": name, "size": size, "recipe": dataclasses.asdict(recipe), "seed": seed}
    draws = torch.default_generator  # letters are drawn from it
    train(training, parts, optimizer, recipe, loss_at, checkpoint, identity, on_progress, after=note, generator=draws)
    encoder.eval()
    with torch.no_grad():
        asked = encoder.interrogate(population)
        assert asked.core_states is not None
        logits = _logits(encoder, head, asked.core_states)
    require_finite(logits, training, "its naming of functions")
    named = logits.argmax(-1)  # [size, L]
    identified = (named == torch.arange(size)[:, None]).float().mean(0)
    letters = asked.probes[:, 0].argmax(-1).tolist()
    return GapRun(name, size, seed, tuple(identified.tolist()), tuple(map(tuple, letters)))


def _build(name: str, population: Population, recipe: GapRecipe, seed: int) -> Parts:
    kind, options = INTERROGATORS[name]
    width = recipe.core_size
    sizes = {"probe_length": recipe.questions, "core_size": width, "core_layers": 1, "mlp_size": width}
    encoder = build_encoder(
        kind,
        population.interface,
        seed,
        embedding_size=recipe.embedding_size,
        questions="single",
        **sizes,
        **options,
    )
    assert isinstance(encoder, ProbingEncoder)
    nn.init.zeros_(encoder.probe_logits)  # every letter is as likely as any other at first
    return encoder, nn.Linear(recipe.embedding_size, len(population)), multilayer_perceptron([width, width, 1])


def _logits(encoder: ProbingEncoder, head: nn.Linear, states: Tensor) -> Tensor:
    """Logits of every function after every answer, ``[N, L, size]``, from core states ``[N, L, C]``."""
    return head(F.normalize(encoder.readout(states), dim=-1) * math.sqrt(encoder.embedding_size))


def _loss(
    parts: Parts, population: Population, functions: Tensor, recipe: GapRecipe, step: int
) -> tuple[Tensor, float]:
    """Loss of naming, of asking and of the critic, and the mean naming loss after the last question, in nats."""
    (encoder, head, critic), horizon = parts, recipe.horizon_at(step)
    asked = encoder.interrogate(population, horizon)
    assert asked.core_states is not None
    assert asked.log_probabilities is not None
    assert asked.entropies is not None
    targets = functions[:, None].expand(-1, horizon)
    naming = F.cross_entropy(_logits(encoder, head, asked.core_states).transpose(1, 2), targets, reduction="none")
    to_come = torch.zeros_like(naming)  # [N, L]
    ahead = torch.zeros(len(functions))
    for question in reversed(range(horizon)):
        ahead = naming[:, question].detach() + recipe.discount * ahead
        to_come[:, question] = ahead
    before = F.pad(asked.core_states[:, :-1], (0, 0, 1, 0))  # the state in which a question is asked
    expected = critic(before.detach())[..., 0]
    worse = (to_come - expected).detach()
    asking = (worse * asked.log_probabilities[:, 0]).mean()
    bonus = recipe.entropy_at(step) * asked.entropies[:, 0].mean()
    loss = naming.mean() + asking - bonus + 0.5 * (to_come - expected).square().mean()
    return loss, float(naming.detach()[:, -1].mean())


def run_gap(
    interrogators: Sequence[Interrogator],
    directory: Path,
    seed: int = 0,
    workers: int = 1,
    on_progress: OnProgress | None = None,
) -> list[GapRun]:
    """Carry out all runs that are not yet done; each is written to ``directory`` when it is. Those
    interrupted go on.

    Raises:
        RNN2VecError: if a file there is damaged or of another recipe, or training diverges.
    """
    return run_jobs([GapTraining(each, seed, directory) for each in interrogators], workers, on_progress)


@dataclasses.dataclass(frozen=True)
class GapTraining:
    """One encoder that learns to ask, to be carried out.

    Attributes:
        interrogator: which.
        seed: see :class:`GapRun`.
        directory: where its result goes.
    """

    interrogator: Interrogator
    seed: int
    directory: Path

    def run(self, on_progress: Callable[[int, str], None]) -> GapRun:
        """Learn, go on, or keep what is there."""
        name, size, recipe = self.interrogator.name, self.interrogator.size, self.interrogator.recipe
        path = self.directory / f"{name.replace(', ', '-')}-{size}.json"
        checkpoint = path.with_suffix(".safetensors")
        identity = json.loads(json.dumps({"recipe": dataclasses.asdict(recipe), "seed": self.seed}))
        if path.exists():
            kept = read_json(path, "result of an interrogator")
            if kept.get("identity") != identity:
                raise RNN2VecError(
                    f"{path} is of another recipe or seed: repeat its command, or choose another directory"
                )
            run = _from_json(path, kept, name, size, recipe.questions)
            on_progress(recipe.steps, "kept")
        else:
            run = identify_tree_walkers(name, size, recipe, self.seed, on_progress, checkpoint)
            write_json(path, {"identity": identity, **dataclasses.asdict(run)})
        checkpoint.unlink(missing_ok=True)  # of a run killed after its last moment, too
        return run


def _from_json(path: Path, values: Mapping[str, Any], name: str, size: int, questions: int) -> GapRun:
    try:
        identified = tuple(float(share) for share in values["identified"])
        letters = tuple(tuple(int(letter) for letter in own) for own in values["letters"])
        if (values["interrogator"], values["size"]) != (name, size):
            raise ValueError(f"it is of {values['interrogator']}, {values['size']} functions")
        if [len(identified), *map(len, letters)] != [questions] * (size + 1):
            raise ValueError(f"it lacks some of {questions} questions about {size} functions")
        if not all(0 <= share <= 1 for share in identified):
            raise ValueError("shares lie in 0..1")
        if not all(0 <= letter <= RESTART for own in letters for letter in own):
            raise ValueError(f"letters lie in 0..{RESTART}")
        return GapRun(name, size, int(values["seed"]), identified, letters)
    except (KeyError, TypeError, ValueError) as error:
        raise RNN2VecError(f"{path} is damaged ({error}): remove it and repeat its command") from error
