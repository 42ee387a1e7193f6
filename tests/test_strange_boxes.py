"""Boxes that misbehave, noise that was not declared, boxes like a known network: nothing is silently wrong."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from conftest import Command as Shell
from rnn2vec import Identifier, Population, RNN2VecError, identify
from rnn2vec.identification.answer_models import answer_model
from rnn2vec.identification.box import Box
from rnn2vec.identification.commands import Command
from rnn2vec.identification.evidence import LEAST_STEPS
from rnn2vec.identification.found import Candidate
from rnn2vec.identification.identifier import RIVALS
from rnn2vec.identification.likeness import least_difference
from rnn2vec.identification.pools import joined
from rnn2vec.identification.reading import precision_of, step_of
from rnn2vec.networks import concatenate
from rnn2vec.networks.behaviour import answers_of, unit_of
from test_identification import AMPLIFIERS, POOL, SOUND, SOUNDS, TEXTS, TOKENS, answering


def test_noise_is_measured_by_whole_questions_however_they_begin() -> None:
    """All questions begin with silence: the first step, which all share, tells little of the noise."""
    silent = SOUNDS.copy()
    silent[:, :1] = 0.0
    for seed in range(3):
        for row in range(len(AMPLIFIERS)):
            box = answering(row, "full 0.03", 100 * seed + row, AMPLIFIERS)
            found = identify(box, AMPLIFIERS, 16, pool=silent)
            assert (found.candidates[0].row, found.none_of_these < 0.1) == (row, True)


def test_a_box_may_write_all_answers_to_one_place() -> None:
    said, place = answering(3, "full 0.03"), np.zeros((len(POOL[0]), 5))

    def ask(question: np.ndarray) -> np.ndarray:
        place[: len(question)] = said(question)
        return place[: len(question)]

    found = identify(ask, TEXTS, 32, pool=POOL)
    assert (found.candidates[0].row, found.none_of_these < 0.1) == (3, True)


@pytest.mark.parametrize("form", ["full", "full 0.03", "rounded:2", "top1"])
def test_the_transcript_replays_with_the_noise_that_was_found(form: str) -> None:
    found = identify(answering(3, form), TEXTS, 32, form if form in ("top1",) else "full", pool=POOL)
    again = Identifier(TEXTS, POOL, found.answers, found.noise)
    for told in found.transcript:
        again.tell(told.question, told.answer, told.begun)
    assert again.posterior.none == found.none_of_these
    assert again.posterior.probabilities[found.candidates[0].row] == found.candidates[0].probability
    assert len(found.bits) == len(found.none) == len(found.transcript) + 1


@pytest.mark.parametrize("digits", [1, 2, 3])
@pytest.mark.parametrize(("networks", "pool"), [(TEXTS, POOL), (AMPLIFIERS, SOUNDS)])
def test_rounding_that_was_not_declared_is_seen(networks: Population, pool: np.ndarray, digits: int) -> None:
    wrong = 0
    for row in range(0, len(networks), 2):
        exact = answering(row, networks=networks)
        found = identify(lambda question, exact=exact: exact(question).round(digits), networks, 16, pool=pool)
        wrong += (found.candidates[0].row, found.none_of_these < 0.5) != (row, True)
    assert wrong == 0


def test_the_step_of_two_digits_is_not_taken_for_one() -> None:
    for seed in range(100):
        numbers = np.random.default_rng(seed).normal(size=40).round(2)
        model = answer_model("full", SOUND, torch.ones(1))
        assert model.seen_in([numbers]) == "rounded:2"
    assert step_of(np.array([0.1, 0.5, 0.4] * 3)) == 0.1
    assert step_of(np.array([0.0, 1.0, 2.0] * 3)) == 0.0


def test_one_question_has_a_few_steps_so_that_strangers_are_not_taken_for_members() -> None:
    found = identify(answering(5, networks=AMPLIFIERS), AMPLIFIERS, pool=SOUNDS)
    assert len(found.transcript[0].question) >= LEAST_STEPS
    short = identify(answering(5), TEXTS, pool=POOL[:, :3])
    assert len(short.transcript[0].question) == 3


WORSE = """
import json, sys, time, os
how = sys.argv[1]
for line in sys.stdin:
    if how == "twice": print(json.dumps({"answer": [1]})); print(json.dumps({"answer": [2]}), flush=True)
    if how == "once": print(json.dumps({"answer": [1]}), flush=True); break
    if how == "bytes": sys.stdout.buffer.write(b"\\xff\\xfe\\n"); sys.stdout.flush()
    if how == "child": os.system("sleep 60")
"""


def test_commands_that_misbehave_are_given_up_in_time(tmp_path: Path) -> None:
    (tmp_path / "box.py").write_text(WORSE)
    line = f"{sys.executable} {tmp_path / 'box.py'}"
    with Command(f"{line} twice") as command:
        command(np.array([1]))
        time.sleep(0.2)
        with pytest.raises(RNN2VecError, match="wrote another, unasked"):
            command(np.array([1]))
    with Command(f"{line} once") as command:
        assert command(np.array([1])) == [1]
        time.sleep(0.3)
        for _ in range(2):  # said at once, not after its time is over
            with pytest.raises(RNN2VecError, match="as if it had ended"):
                command(np.array([1]))
    with Command(f"{line} bytes") as command, pytest.raises(RNN2VecError, match="answers with a line"):
        command(np.array([1]))
    start = time.monotonic()
    with Command(f"{line} child", 0.5) as command, pytest.raises(RNN2VecError, match=r"within 0\.5 seconds"):
        command(np.array([1]))
    with Command("sleep 60", 0.5) as command, pytest.raises(RNN2VecError, match=r"within 0\.5 seconds"):
        command(np.zeros((100_000, 1)))  # more than the pipe holds
    assert time.monotonic() - start < 20
    for seconds in (float("inf"), float("nan"), -1.0):
        with pytest.raises(RNN2VecError, match="waited for"):
            Command("sleep 1", seconds)


def test_one_string_is_cut_at_its_budget() -> None:
    for row in range(12):
        found = identify(TEXTS[[row]], TEXTS, 1, "top1", confidence=1 - 1e-15, pool=POOL, one_string=True)
        assert found.letters <= POOL.shape[1]


def test_a_box_that_was_asked_before_is_counted_from_nothing() -> None:
    box = Box(answering(3))
    first = identify(box, TEXTS, 4, pool=POOL)
    for _ in range(3):
        again = identify(box, TEXTS, 4, pool=POOL)
        assert (again.questions, again.letters) == (first.questions, first.letters)
        assert again.questions == len(again.transcript)


def test_declared_noise_may_answer_the_same_question_otherwise() -> None:
    pool = POOL.copy()
    pool[:, 0] = 0
    right = 0
    for row in range(12):
        numbers, exact = np.random.default_rng(row), answering(row, "top1")

        def ask(question: np.ndarray, numbers: Any = numbers, exact: Any = exact) -> np.ndarray:
            said = exact(question)
            return np.where(numbers.random(len(said)) < 0.1, numbers.integers(0, 5, len(said)), said)

        found = identify(ask, TEXTS, 32, "top1", noise=0.1, pool=pool)
        assert not found.failed
        right += found.candidates[0].row == row
    assert right >= 11


def test_noise_on_probabilities_is_no_refusal() -> None:
    assert identify(answering(3, "full 0.2"), TEXTS, 32, noise=0.2, pool=POOL).candidates[0].row == 3
    for row in range(len(TEXTS)):
        assert not identify(answering(row, "full 0.1", row), TEXTS, 16, pool=POOL).failed


@pytest.mark.parametrize(
    "said",
    [
        lambda question: [[0.2] * 5] * (len(question) - 1) + [[0.2]],
        lambda question: [[10**400] * 5] * len(question),
        lambda question: torch.ones(len(question), 5, requires_grad=True),
        lambda question: np.ones((len(question), 5)) * 1j,
        lambda question: [["a"] * 5] * len(question),
        lambda question: {1: 2},
    ],
)
@pytest.mark.parametrize("form", ["full", "top1", "sampled"])
def test_what_is_no_array_of_numbers_is_refused(said: Callable[..., Any], form: str) -> None:
    if form != "full" or not isinstance(said(np.zeros(3)), torch.Tensor):
        with pytest.raises(RNN2VecError, match="answers"):
            identify(said, TEXTS, 4, form, pool=POOL)


@pytest.mark.parametrize("name", ["rounded:²", "rounded:", "rounded:9", "top1:2"])
def test_kinds_of_answers_are_spelt_in_ascii(name: str) -> None:
    with pytest.raises(RNN2VecError, match="answers are"):
        answer_model(name, TOKENS, torch.ones(5))


def test_groups_are_any_labels() -> None:
    labels = [None, "a", (0, 1), 3] * len(TEXTS)
    found = identify(answering(2), TEXTS, pool=POOL, groups=labels[: len(TEXTS)])
    assert (found.candidates[0].name, len(found.candidates)) == ("(0, 1)", 4)


def test_networks_of_the_same_name_are_two_candidates() -> None:
    found = identify(answering(1), TEXTS, pool=POOL, names=["same"] * len(TEXTS))
    assert (found.candidates[0].row, found.candidates[0].name) == (1, "same")
    assert len(found.candidates) == len(TEXTS)


def test_renumbered_copies_are_alike_though_they_round_otherwise() -> None:
    order = torch.from_numpy(np.random.default_rng(0).permutation(TEXTS.architecture.hidden_sizes[0]))
    twins = TEXTS.permute_hidden([order.expand(len(TEXTS), -1)])
    for row in range(0, len(TEXTS), 3):
        pair = Population(
            TEXTS.architecture,
            {name: torch.cat([TEXTS.weights[name], twins.weights[name][[row]]]) for name in TEXTS.weights},
            TOKENS,
        )
        found = identify(answering(row), pair, pool=POOL)
        assert any(set(group) == {str(row), str(len(TEXTS))} for group in found.alike)
        assert found.ended == "it is clear"


def test_pools_hold_what_fits() -> None:
    with pytest.raises(RNN2VecError, match="fit in"):
        joined(np.zeros((1, 3), np.uint8), np.array([[256, 257, 300]]))
    with pytest.raises(RNN2VecError, match="fit in"):
        joined(np.zeros((1, 3), np.uint8), np.array([[0.5, 1.0, 2.0]]))
    with pytest.raises(RNN2VecError, match="pools to join"):
        joined(np.zeros(3))


def test_the_question_that_is_asked_parts_the_nearest_best() -> None:
    copies = AMPLIFIERS.perturbed(0.05, torch.Generator().manual_seed(0))
    known = Identifier(AMPLIFIERS, SOUNDS)
    box = answering(7, networks=copies)
    for number in (3, 8):
        known.tell(SOUNDS[number], box(SOUNDS[number]))
    near = np.argsort(known.differences)[:RIVALS]
    answers = answers_of(AMPLIFIERS[near], SOUNDS)
    unit = unit_of(SOUND, answers_of(AMPLIFIERS, SOUNDS))
    least = []
    for question in range(len(SOUNDS)):
        pairs = [
            float(((a - b) / unit).square().mean() / ((a / unit).square().mean() + 1e-3))
            for i, a in enumerate(answers[:, question])
            for j, b in enumerate(answers[:, question])
            if i != j
        ]
        least.append(-1.0 if question in (3, 8) else min(pairs))
    chosen = known.parting()
    assert chosen is not None
    assert chosen.tolist() == SOUNDS[int(np.argmax(least))].tolist()
    assert least_difference(known.model, answers).numpy()[5] == pytest.approx(least[5], rel=1e-4)
    for question in SOUNDS:
        known.tell(question, box(question))
    assert known.parting() is None


def test_longer_questions_count_more() -> None:
    known, box = Identifier(AMPLIFIERS, SOUNDS), answering(7, networks=AMPLIFIERS)
    known.tell(SOUNDS[1][:4], box(SOUNDS[1][:4]) + 1.0)
    short = known.differences
    known.tell(SOUNDS[2], box(SOUNDS[2]))
    whole = len(SOUNDS[2])
    assert known.differences[7] == pytest.approx(short[7] * 4 / (4 + whole), rel=1e-6)


def test_drawn_answers_are_nearest_to_what_they_were_drawn_from() -> None:
    model = answer_model("sampled", TOKENS, torch.ones(5))
    honest = torch.tensor([0.6, 0.4, 0, 0, 0]).expand(1000, 5)
    peaky = torch.tensor([1.0, 0, 0, 0, 0]).expand(1000, 5)
    said = torch.tensor([0] * 600 + [1] * 400)
    assert model.difference(honest, said) < model.difference(peaky, said)
    copies = TEXTS.perturbed(0.05, torch.Generator().manual_seed(0))
    right = 0
    for row in range(0, len(TEXTS), 2):
        box = answering(row, "sampled", row, copies)
        right += identify(box, TEXTS, 24, "sampled", pool=POOL, none=0.999, nearest=24).candidates[0].row == row
    assert right >= 16


def test_options_that_placing_does_not_know_are_refused(tmp_path: Path, rnn2vec_command: Shell) -> None:
    zoo = ("formal-languages", "--out", tmp_path / "zoo", "--models", 3, "--steps", 1, "--workers", 1)
    assert rnn2vec_command("zoo", "build", *zoo)[0] == 0
    box = f"{tmp_path / 'zoo'}:model-0-step-1"
    command = ("identify", box, "--among", tmp_path / "zoo")
    placing = (*command, "--encoder", "formal-languages", "--group-by", "mb")
    for option in (("--questions", 4), ("--noise", 0.1), ("--none", 0.5), ("--nearest", 1), ("--confidence", 0.5)):
        status, _, errors = rnn2vec_command(*placing, *option)
        assert (status, option[0] in errors) == (1, True)
    first = []
    for none in (0.05, 0.999):
        status, output, errors = rnn2vec_command(*command, "--none", none, "--nearest", 1, "--json")
        assert status == 0, errors
        first.append(len(json.loads(output)["transcript"][0]["question"]))
    assert first[0] < first[1]  # a whole one, where it is none of them
    status, output, errors = rnn2vec_command(*command, "--one-string", "--json")
    assert status == 0, errors
    assert len(json.loads(output)["transcript"][0]["question"]) < LEAST_STEPS
    status, output, errors = rnn2vec_command(*command, "--group-by", "mb", "--json")
    assert status == 0, errors
    assert '"name": "mb ' in output
    long = f'{sys.executable} -c "{"import sys;" * 40}"'
    status, _, errors = rnn2vec_command("identify", long, "--among", tmp_path / "zoo")
    assert (status, "Traceback" in errors) == (1, False)
    (tmp_path / "broken.py").write_text("1 / 0\n")
    status, _, errors = rnn2vec_command("identify", ".:x", "--among", tmp_path / "zoo")
    assert (status, "cannot be imported" in errors) == (1, True)


def test_noise_of_a_stranger_does_not_make_it_a_member() -> None:
    numbers = np.random.default_rng(0)
    for scale in (0.02, 0.1):  # the box hears nothing
        found = identify(lambda question, scale=scale: scale * numbers.normal(size=(len(question), 1)), AMPLIFIERS)
        assert found.none_of_these > 0.99
    for row in range(0, len(AMPLIFIERS), 2):
        rest = AMPLIFIERS[np.setdiff1d(np.arange(len(AMPLIFIERS)), row)]
        box = answering(row, "full 0.1", row, AMPLIFIERS)
        assert identify(box, rest).none_of_these > 0.99
        assert identify(box, AMPLIFIERS).candidates[0].row == row


def test_answers_that_are_nothing_but_noise_are_refused() -> None:
    numbers = np.random.default_rng(0)
    found = identify(lambda question: 100 * numbers.normal(size=(len(question), 1)), AMPLIFIERS)
    assert found.failed
    assert "declare it" in found.ended


def test_a_box_that_ends_the_program_has_failed() -> None:
    def ask(question: np.ndarray) -> np.ndarray:
        sys.exit(3)

    with pytest.raises(RNN2VecError, match="failed at its question 1"):
        identify(ask, AMPLIFIERS)


def test_a_path_is_no_zoo() -> None:
    with pytest.raises(RNN2VecError, match=r"Zoo\.open"):
        identify(answering(0), "zoo")  # type: ignore[arg-type]


@pytest.mark.parametrize("networks", [TEXTS, AMPLIFIERS])
def test_a_box_that_is_a_known_network_for_a_few_steps_alone_is_none_of_them(networks: Population) -> None:
    like, other = (answering(row, networks=networks) for row in (3, 5))
    found = identify(
        lambda question: np.concatenate([like(question)[:12], other(question)[12:]]), networks, 8,
        pool=POOL if networks is TEXTS else SOUNDS,
    )  # fmt: skip
    assert len(found.transcript[0].question) <= 12, "what tells known networks apart is short"
    assert found.none_of_these > 0.99
    assert found.candidates[0].row in (3, 5)
    hasty = identify(like, networks, 1, pool=POOL if networks is TEXTS else SOUNDS)
    assert (hasty.candidates[0].row, hasty.ended) == (3, "it is clear, but the budget ended before it was verified")


def test_numbers_of_one_output_may_be_flat() -> None:
    box = answering(4, networks=AMPLIFIERS)
    found = identify(lambda question: box(question)[:, 0], AMPLIFIERS, 4, pool=SOUNDS)
    assert (found.candidates[0].row, found.candidates[0].probability > 0.99) == (4, True)
    with pytest.raises(RNN2VecError, match=r"numbers of the shape \[8, 5\]; got \[8\]: ask for top1 or sampled"):
        identify(lambda question: np.zeros(len(question)), TEXTS, 4, pool=POOL[:, :8])


@pytest.mark.parametrize(("precision", "name"), [(torch.float16, "float16"), (torch.bfloat16, "bfloat16")])
@pytest.mark.parametrize(("networks", "pool"), [(AMPLIFIERS, SOUNDS), (TEXTS, POOL)])
def test_answers_of_half_precision_are_recognised(
    precision: torch.dtype, name: str, networks: Population, pool: np.ndarray
) -> None:
    for row in range(0, len(networks), 7):
        exact = answering(row, "full", networks=networks)
        found = identify(lambda x, e=exact: torch.from_numpy(e(x)).to(precision).double().numpy(), networks, pool=pool)
        assert found.candidates[0].row == row
        assert found.none_of_these < 0.01
        declared = identify(
            lambda x, e=exact: torch.from_numpy(e(x)).to(precision).double().numpy(), networks, answers=name, pool=pool
        )
        assert declared.candidates[0].row == row


def test_precision_shows_in_enough_numbers_that_are_not_whole() -> None:
    numbers = np.random.default_rng(0).normal(size=50)
    half, brain = (torch.from_numpy(numbers).to(kind).double().numpy() for kind in (torch.float16, torch.bfloat16))
    assert (precision_of(half), precision_of(brain), precision_of(numbers)) == ("float16", "bfloat16", "")
    assert precision_of(half[:5]) == precision_of(np.arange(50.0)) == ""
    assert precision_of(np.append(half, 1e6 + 0.3)) == ""  # infinite in half precision
    assert precision_of(0.5 + 1e-12 * np.arange(20)) == ""  # no numbers of 32 bits


@pytest.mark.parametrize("answers", ["full", "full 0.03"])
def test_a_box_of_two_networks_is_no_noise(answers: str) -> None:
    """One that answers questions in turn, or goes on from the one before: what it says once is exact."""
    for row in range(len(AMPLIFIERS) - 1):
        both, count = [answering(each, answers, 0, AMPLIFIERS) for each in (row, row + 1)], itertools.count()
        found = identify(lambda x, b=both, c=count: b[next(c) % 2](x), AMPLIFIERS, 16, pool=SOUNDS)
        if answers == "full":
            assert found.failed
            assert re.search(r"another time it does not|nothing can be told", found.ended)
        else:  # noise that hides what it is
            assert found.failed or found.none_of_these > 0.9 or found.noise is not None
    state = [0]

    def forgets(question: np.ndarray) -> np.ndarray:
        state[0] += 1
        strings = np.concatenate([SOUNDS[0]] * (state[0] > 1) + [question])
        return answering(3, "full", networks=AMPLIFIERS)(strings)[-len(question) :]

    assert "goes on from the question before" in identify(forgets, AMPLIFIERS, 16, pool=SOUNDS).ended


def test_an_altered_copy_is_named() -> None:
    exact = answering(3, "full", networks=AMPLIFIERS)
    found = identify(lambda x: 1.01 * exact(x), AMPLIFIERS, 16, pool=SOUNDS)
    assert found.none_of_these > 0.9
    assert found.altered_copy is not None
    assert found.altered_copy.row == 3
    assert identify(exact, AMPLIFIERS, 16, pool=SOUNDS).altered_copy is None
    silent = identify(lambda x: np.zeros((len(x), 1)), AMPLIFIERS, 16, pool=SOUNDS)
    assert (silent.none_of_these > 0.9, silent.altered_copy) == (True, None)


def test_a_box_is_verified_by_a_question_that_is_answered_in_many_ways() -> None:
    """Silence, which all networks answer with the same level, verifies nothing."""
    pool = SOUNDS.copy()
    pool[: len(pool) // 2] = 0.0
    found = identify(answering(3, "full", networks=AMPLIFIERS), AMPLIFIERS, 16, pool=pool)
    checked = [told.question for told in found.transcript if len(told.question) == pool.shape[1]]
    assert checked
    assert all(question.any() for question in checked)


def scaled(networks: Population, gains: list[float]) -> Population:
    """The same, each times as loud."""
    weights = {
        name: part * torch.tensor(gains).reshape(-1, *[1] * (part.ndim - 1)) if name.startswith("linear") else part
        for name, part in networks.weights.items()
    }
    return Population(networks.architecture, weights, networks.interface)


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("gain", [0.0, 0.003])
def test_half_precision_hides_no_quiet_stranger(precision: torch.dtype, gain: float) -> None:
    """Rounding is relative: beside loud networks, a quiet one has no more noise than alone."""
    known = scaled(AMPLIFIERS[:8], [1.0] * 7 + [gain])
    for row in range(8, 11):
        quiet = answering(0, networks=scaled(AMPLIFIERS[[row]], [0.002]))
        found = identify(lambda x, e=quiet: torch.from_numpy(e(x)).to(precision).double().numpy(), known, 16)
        assert (found.candidates[0].row, found.none_of_these > 0.99) == (7, True)


def test_a_box_whose_sums_differ_a_little_is_no_twofold_one() -> None:
    random = np.random.default_rng(0)
    for scale in (1e-7, 1e-5, 5e-5):
        for row in range(0, len(TEXTS), 9):
            exact, count = answering(row, networks=TEXTS), itertools.count()
            found = identify(
                lambda x, e=exact, c=count, s=scale: e(x) + (next(c) % 2) * s * random.normal(size=(len(x), 5)),
                TEXTS,
                16,
            )
            assert (found.candidates[0].row, found.failed, found.none_of_these < 0.5) == (row, False, True)


def test_noise_in_proportion_is_noise() -> None:
    """To quiet questions its answers are exact, time and again."""
    random, quiet = np.random.default_rng(0), SOUNDS.copy()
    quiet[::2] *= 0.003
    still = Population(
        AMPLIFIERS.architecture,
        {name: part * ("bias" not in name) for name, part in AMPLIFIERS.weights.items()},
        AMPLIFIERS.interface,
    )
    for row in range(0, len(still), 4):
        exact = answering(row, networks=still)
        found = identify(lambda x, e=exact: e(x) * (1 + 0.003 * random.normal(size=(len(x), 1))), still, 16, pool=quiet)
        assert (found.candidates[0].row, found.failed, found.none_of_these < 0.5) == (row, False, True)


def test_what_is_far_from_all_is_no_altered_copy() -> None:
    known = scaled(AMPLIFIERS[:8], [1.0] + [0.003] * 7)
    for row in range(8, 12):
        assert identify(answering(row, networks=AMPLIFIERS), known, 16).altered_copy is None
    twice = concatenate([TEXTS[:5], TEXTS[2:3]])
    found = identify(answering(2, "top1"), twice, 1, "top1", none=0.999, pool=POOL, nearest=1)
    assert found.altered_copy is None  # another is as near
    first = Candidate(0, "likely", 0.3, 0.09), Candidate(1, "nearest", 0.1, 0.001), Candidate(2, "far", 0.0, 0.9)
    found = dataclasses.replace(found, candidates=first, none_of_these=0.6)
    assert found.altered_copy == first[1]
    assert dataclasses.replace(found, answers="sampled").altered_copy is None


def test_measured_noise_is_no_reason_to_be_none_of_them() -> None:
    """It is measured by few numbers: a little more is taken for it."""
    for seed in range(8):
        for row in range(0, len(AMPLIFIERS), 3):
            found = identify(answering(row, "full 0.02", 50 * seed + row, AMPLIFIERS), AMPLIFIERS, 8, pool=SOUNDS)
            assert (found.candidates[0].row, found.none_of_these < 0.5) == (row, True)
