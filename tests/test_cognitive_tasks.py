"""Cognitive tasks: targets against another implementation, written trial by trial from the definitions."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from rnn2vec import Architecture, Population, RNN2VecError
from rnn2vec.randomness import generator
from rnn2vec.tasks.cognitive import TASKS
from rnn2vec.tasks.cognitive.comparisons import DelayedComparison, DelayedMatch, DelayedNonMatch
from rnn2vec.tasks.cognitive.decisions import ContextIntegration, MultisensoryIntegration, PerceptualDecision
from rnn2vec.tasks.cognitive.flip_flop import FlipFlop
from rnn2vec.tasks.cognitive.intervals import IntervalReproduction, ReadySetGo
from rnn2vec.tasks.cognitive.navigation import HeadDirection, PathIntegration
from rnn2vec.tasks.cognitive.reaching import AntiGo, DelayedAntiGo, DelayedGo, Go
from rnn2vec.tasks.cognitive.sines import SineGenerator
from rnn2vec.tasks.cognitive.trials import CognitiveTask, Trials

T = 60
EASY = {
    kind: kind(sizes[-1], delays[-1], 4.0 if kind.number in (4, 5, 6) else strengths[-1], noise=0.0)
    for kind in TASKS
    for sizes, delays, strengths in [kind.grid]
}
"""A task of every kind, with the noise of evidence far below its strength."""
every_kind = pytest.mark.parametrize("task", EASY.values(), ids=lambda task: task.name)


def first(values: np.ndarray) -> int:
    """The first step at which something is not zero."""
    return int(np.flatnonzero(values)[0])


def response(go: int, angle: float | None) -> np.ndarray:
    """Targets of a response at a go cue, or of none."""
    return np.array([(1, 0, 0) if t < go or angle is None else (0, math.cos(angle), math.sin(angle)) for t in range(T)])


def go_cue(x: np.ndarray) -> int:
    return first(x[:, 0] == 0)


def angle_at(x: np.ndarray, step: int) -> float:
    return math.atan2(x[step, 2], x[step, 1])


def reach(turn: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda x: response(go_cue(x), angle_at(x, first(x[:, 1:3].any(1))) + turn)


def decide(x: np.ndarray) -> np.ndarray:
    mean = x[:, 1:3].sum(0)
    spacing = 2 * math.pi / 8
    return response(go_cue(x), round(math.atan2(mean[1], mean[0]) / spacing) * spacing)


def by_context(x: np.ndarray) -> np.ndarray:
    assert sorted(set(x[:, 5:7].sum(1))) == [1.0]
    channel = 1 if x[0, 5] else 3
    return response(go_cue(x), 0.0 if x[:, channel].sum() > 0 else math.pi)


def by_both(x: np.ndarray) -> np.ndarray:
    return response(go_cue(x), 0.0 if x[:, 1].sum() + x[:, 3].sum() > 0 else math.pi)


def match(wanted: bool) -> Callable[[np.ndarray], np.ndarray]:
    def targets(x: np.ndarray) -> np.ndarray:
        sample, test = x[first(x[:, 1:3].any(1)), 1:3], x[-1, 1:3]
        same = bool(np.allclose(sample, test, atol=1e-5))
        return response(go_cue(x), math.atan2(test[1], test[0]) if same == wanted else None)

    return targets


def compare(x: np.ndarray) -> np.ndarray:
    go = go_cue(x)
    second = x[go - 1, 1]  # the second stimulus lasts until the cue
    onset = next(t for t in range(go - 1, 0, -1) if x[t - 1, 1] != second)
    earlier = [x[t, 1] for t in range(onset) if x[t, 1] != 0]
    return response(go, math.pi if second > (earlier[0] if earlier else 0.0) else 0.0)


def ramp(start: int, interval: int) -> np.ndarray:
    wanted = np.zeros((T, 3))
    for t in range(start + 1, min(T, start + round(1.25 * interval) + 1)):
        wanted[t, 1] = (t - start) / interval
    return wanted


def timed(x: np.ndarray) -> np.ndarray:
    interval = first(x[:, 3]) - first(x[:, 1])
    return ramp(first(x[:, 3]) if x[0, 0] == 0 else go_cue(x), interval)


def flip(x: np.ndarray) -> np.ndarray:
    wanted = np.zeros((T, 3))
    for bit in range(3):
        held = 0.0
        for t in range(T):
            held = np.sign(x[t, 1 + bit]) if x[t, 1 + bit] else held
            wanted[t, bit] = held
    return wanted


def sine(x: np.ndarray) -> np.ndarray:
    lowest, highest = 1 / 30, 1 / 10
    frequency = lowest + (highest - lowest) * (x[0, 1] + 1) / 2
    return np.array([(0, math.sin(2 * math.pi * frequency * t), 0) for t in range(T)])


def move(x: np.ndarray) -> np.ndarray:
    place, wanted = [0.0, 0.0], []
    for t in range(T):
        place = [place[0] + 0.08 * x[t, 1] * x[t, 3], place[1] + 0.08 * x[t, 1] * x[t, 4]]
        wanted.append((0.0, *place))
    return np.array(wanted)


def turn(x: np.ndarray) -> np.ndarray:
    angle, wanted = math.atan2(x[0, 4], x[0, 3]), []
    for t in range(T):
        angle += 0.16 * x[t, 1]
        wanted.append((0.0, math.cos(angle), math.sin(angle)))
    return np.array(wanted)


DEFINITIONS: dict[type[CognitiveTask], Callable[[np.ndarray], np.ndarray]] = {
    Go: reach(0.0),
    AntiGo: reach(math.pi),
    DelayedGo: reach(0.0),
    DelayedAntiGo: reach(math.pi),
    PerceptualDecision: decide,
    ContextIntegration: by_context,
    MultisensoryIntegration: by_both,
    DelayedMatch: match(True),
    DelayedNonMatch: match(False),
    DelayedComparison: compare,
    ReadySetGo: timed,
    IntervalReproduction: timed,
    FlipFlop: flip,
    SineGenerator: sine,
    PathIntegration: move,
    HeadDirection: turn,
}


def drawn(task: CognitiveTask, size: int = 200) -> Trials:
    return task.draw(size, generator(0, "trials"))


def test_kinds_stand_at_their_numbers() -> None:
    assert [kind.number for kind in TASKS] == list(range(16))
    assert len({kind.name for kind in TASKS}) == len(DEFINITIONS) == 16


@every_kind
def test_targets_are_what_the_definition_says(task: CognitiveTask) -> None:
    trials = drawn(task)
    for inputs, targets in zip(trials.inputs, trials.targets, strict=True):
        np.testing.assert_allclose(targets, DEFINITIONS[type(task)](inputs), atol=2e-5)


@every_kind
def test_who_gives_the_targets_is_perfect_and_who_says_nothing_is_not(task: CognitiveTask) -> None:
    trials = drawn(task)
    assert task.performance(trials, trials.targets).min() == pytest.approx(1.0)
    assert task.performance(trials, np.zeros_like(trials.targets)).mean() < 0.3
    ignored = np.where((trials.mask == 0)[..., None], 0.4, trials.targets)  # before any threshold
    assert task.performance(trials, ignored).min() == pytest.approx(1.0)


@every_kind
def test_all_settings_of_the_grid_fit_in_a_trial(task: CognitiveTask) -> None:
    kind = type(task)
    for sizes in kind.grid[0]:
        for delay in kind.grid[1]:
            own = kind(sizes, delay, kind.grid[2][0])
            trials = drawn(own)
            assert trials.inputs.shape == (200, T, 7)
            assert trials.inputs.dtype == trials.targets.dtype == trials.mask.dtype == np.float32
            assert (trials.mask[:, :5] == 0).all()
            assert (trials.mask.sum(1) >= 5).all()
            if trials.mask.max() == 5:  # there is room for an answer
                assert ((trials.mask == 5).sum(1) >= 5).all()


@every_kind
def test_noise_is_added_to_every_input(task: CognitiveTask) -> None:
    kind = type(task)
    noisy = kind(task.set_size, task.delay, task.strength, noise=0.3)
    difference = drawn(noisy).inputs - drawn(task).inputs
    assert difference.std((0, 1)) == pytest.approx(np.full(7, 0.3), rel=0.05)
    assert np.array_equal(drawn(noisy).targets, drawn(task).targets)


def test_a_response_has_to_wait_and_to_be_near() -> None:
    task = EASY[DelayedGo]
    trials = drawn(task, 20)
    go = (trials.targets[..., 0] == 0).argmax(1)
    early = trials.targets.copy()
    early[np.arange(20), go - 1, 0] = 0.4
    assert task.performance(trials, early).sum() == 0
    for degrees, right in ((35.0, 20), (37.0, 0), (-35.0, 20), (180.0, 0)):
        turned, angle = trials.targets.copy(), math.radians(degrees)
        turned[..., 1:] = trials.targets[..., 1:] @ np.array(
            [[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]]
        )
        assert task.performance(trials, turned).sum() == right
    silent = trials.targets.copy()
    silent[:, -1, 0] = 0.6
    assert task.performance(trials, silent).sum() == 0


def test_a_response_where_none_is_due_is_wrong() -> None:
    trials = drawn(EASY[DelayedMatch])
    due = trials.targets[:, -1, 0] == 0
    assert 0.4 < due.mean() < 0.6
    always = trials.targets.copy()
    always[~due, -1] = (0, 1, 0)
    assert np.array_equal(EASY[DelayedMatch].performance(trials, always), due)


@pytest.mark.parametrize(("rate", "right"), [(1.0, 1), (0.86, 1), (0.81, 0), (1.18, 1), (1.3, 0)])
def test_an_interval_may_be_a_fifth_off(rate: float, right: int) -> None:
    task = EASY[ReadySetGo]
    trials = drawn(task, 50)
    said = np.zeros_like(trials.targets)
    for number, targets in enumerate(trials.targets):
        start = first(targets[:, 1]) - 1
        said[number, start + 1 :, 1] = rate * targets[start + 1, 1] * np.arange(1, T - start)
    assert task.performance(trials, said).mean() == right
    said[:, 10, 1] = 1.0  # long before
    assert task.performance(trials, said).mean() == 0


def matrix(rows: int, columns: int, entries: dict[tuple[int, int], float]) -> torch.Tensor:
    made = torch.zeros(1, rows, columns)
    for (row, column), value in entries.items():
        made[0, row, column] = value
    return made


def test_a_network_made_by_hand_solves_the_flip_flop() -> None:
    """Three units that excite themselves have two stable states each; a pulse throws them from one to the other."""
    architecture = Architecture("elman", 7, (3,), 3)
    weights = {
        "weight_ih_l0": matrix(3, 7, {(bit, 1 + bit): 8.0 for bit in range(3)}),
        "weight_hh_l0": 3 * torch.eye(3)[None],
        "bias_ih_l0": torch.zeros(1, 3),
        "bias_hh_l0": torch.zeros(1, 3),
        "linear.weight": torch.eye(3)[None],
        "linear.bias": torch.zeros(1, 3),
    }
    for bits in (1, 2, 3):
        task = FlipFlop(bits, 12, 1.0, noise=0.05)
        trials = drawn(task)
        outputs = Population(architecture, weights).run(torch.from_numpy(trials.inputs)[None])[0][0].numpy()
        assert task.performance(trials, outputs).min() == 1.0
    assert FlipFlop(3, 12, 1.0).performance(trials, -outputs).mean() < 0.1


def test_a_network_made_by_hand_solves_the_sine_generator() -> None:
    """Two rotations, one for each frequency; the input shuts off the other one."""
    periods, gate = (30, 10), 1000.0
    rotations = torch.zeros(4, 4)
    for block, period in enumerate(periods):
        angle = 2 * math.pi / period
        own = slice(2 * block, 2 * block + 2)
        rotations[own, own] = torch.tensor([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    both = torch.cat([torch.cat([rotations, -rotations], 1), torch.cat([-rotations, rotations], 1)])
    gates = torch.tensor([-gate, -gate, gate, gate] * 2)  # times the level, -1 or 1, less the gate: 0, or far below
    start = torch.tensor([0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0])  # a sine's first step, one turn later, is 0
    for period, own in zip(periods, (slice(0, 2), slice(2, 4)), strict=True):
        angle = 2 * math.pi / period
        turned = torch.tensor([-math.sin(angle), math.cos(angle)])  # one turn before (0, 1)
        start[own], start[own.start + 4 : own.stop + 4] = turned.clamp(min=0), (-turned).clamp(min=0)
    architecture = Architecture("elman", 7, (8,), 3, nonlinearity="relu", initial_state=True)
    inputs, head = torch.zeros(1, 8, 7), torch.zeros(1, 3, 8)
    inputs[0, :, 1] = gates
    head[0, 1] = torch.tensor([1.0, 0.0, 1.0, 0.0, -1.0, 0.0, -1.0, 0.0])
    weights = {
        "weight_ih_l0": inputs,
        "weight_hh_l0": both[None],
        "bias_ih_l0": torch.full((1, 8), -gate),
        "bias_hh_l0": torch.zeros(1, 8),
        "h0_l0": start[None],
        "linear.weight": head,
        "linear.bias": torch.zeros(1, 3),
    }
    task = SineGenerator(2, 30, 1.0, noise=0.0)
    trials = drawn(task)
    outputs = Population(architecture, weights).run(torch.from_numpy(trials.inputs)[None])[0][0].numpy()
    assert task.performance(trials, outputs).min() > 1 - 1e-6
    assert {round(float(level)) for level in trials.inputs[:, 0, 1]} == {-1, 1}


@pytest.mark.parametrize(
    ("kind", "parameters", "message"),
    [
        (Go, (1, 10, 1.0), "set_size of go is at least 2; got 1"),
        (FlipFlop, (4, 10, 1.0), "set_size of flip-flop is at most 3"),
        (ReadySetGo, (2, 23, 1.0), "delay of ready-set-go is at most 22"),
        (Go, (2, 10, 0.0), "strength of go is a finite number of at least 0.1"),
        (Go, (2, 10, 9.0), "strength of go is at most 4"),
    ],
)
def test_parameters_that_a_kind_of_task_has_not_are_refused(
    kind: type[CognitiveTask], parameters: tuple[int, int, float], message: str
) -> None:
    with pytest.raises(RNN2VecError, match=message):
        kind(*parameters)
