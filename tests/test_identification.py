"""Which network is behind a black box: found with few questions, with a probability that holds, or said to be none."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from scipy.stats import entropy
from typer.testing import CliRunner

from rnn2vec import (
    Architecture,
    Callables,
    Classes,
    Identifier,
    Interface,
    Numbers,
    Population,
    RNN2VecError,
    Tokens,
    identify,
)
from rnn2vec.cli import app
from rnn2vec.identification.answer_models import answer_model
from rnn2vec.identification.box import Box, SteppedNetwork, box_of
from rnn2vec.identification.commands import Command
from rnn2vec.identification.found import UNLIKELY
from rnn2vec.identification.identify import interrogate
from rnn2vec.identification.information import mutual_information, partition_information
from rnn2vec.identification.reading import step_of
from rnn2vec.interrogation import FunctionClass, MealyMachine, interactive_queries, realise
from rnn2vec.networks import concatenate
from rnn2vec.networks.behaviour import answers_of, unit_of
from rnn2vec.networks.stimuli import stimuli

TOKENS = Interface(Tokens(5), Classes(5))
SOUND = Interface(Numbers(1, -1, 1), Numbers(1))


def population(interface: Interface, count: int, seed: int = 0, gain: float = 5.0) -> Population:
    """Networks that differ: random ones with large weights."""
    sizes = interface.inputs.size, interface.outputs.size
    plain = Population.initialise(Architecture.stack("lstm", sizes[0], 8, 1, sizes[1]), seed, range(count))
    louder = {name: gain * weight for name, weight in plain.weights.items()}
    return Population(plain.architecture, louder, interface)


def various(count: int, seed: int = 0) -> Population:
    """Networks on tokens none of which says one class nearly always."""
    drawn = population(TOKENS, 4 * count, seed)
    classes = answers_of(drawn, POOL).argmax(-1).flatten(1)
    counts = torch.stack([(classes == own).float().mean(1) for own in range(5)], 1)
    return drawn[np.flatnonzero((counts.max(1).values < 0.6).numpy())[:count]]


POOL = stimuli(TOKENS.inputs, 0, 24, 20)
SOUNDS = stimuli(SOUND.inputs, 0, 16, 64)
TEXTS, AMPLIFIERS = various(40), population(SOUND, 20)


def joined(*parts: dict[str, torch.Tensor]) -> Population:
    """Networks of all parts."""
    return Population(
        TEXTS.architecture, {name: torch.cat([part[name] for part in parts]) for name in parts[0]}, TOKENS
    )


def answering(row: int, form: str = "full", seed: int = 0, networks: Population = TEXTS) -> Callable[..., Any]:
    """A box of one network that answers in a form."""
    numbers = np.random.default_rng(seed)

    def ask(question: np.ndarray) -> np.ndarray:
        answer = answers_of(networks[row : row + 1], question[None])[0, 0].numpy().astype(float)
        if form == "top1":
            return answer.argmax(1)
        if form == "sampled":
            return np.array([numbers.choice(len(own), p=own / own.sum()) for own in answer])
        if form.startswith("rounded"):
            return answer.round(int(form[-1]))
        return answer + float(form.partition(" ")[2] or 0) * numbers.normal(size=answer.shape)

    return ask


@pytest.mark.parametrize(("form", "budget"), [("full", 2), ("rounded:2", 4), ("top1", 16), ("sampled", 64)])
def test_every_member_is_found(form: str, budget: int) -> None:
    wrong = 0
    for row in range(0, len(TEXTS), 3):
        found = identify(answering(row, form, row), TEXTS, budget, form, pool=POOL)
        wrong += found.candidates[0].row != row
        assert found.questions == len(found.transcript) <= budget
        assert found.letters == sum(len(told.question) for told in found.transcript)
        assert sum(each.probability for each in found.candidates) + found.none_of_these == pytest.approx(1)
        likely = [each.probability for each in found.candidates if each.probability >= UNLIKELY]
        assert likely == sorted(likely, reverse=True)
        assert [each.probability for each in found.candidates[: len(likely)]] == likely
        rest = [each.difference for each in found.candidates[len(likely) :]]
        assert rest == sorted(rest)
    assert wrong == 0


def test_a_sound_is_enough_for_an_amplifier() -> None:
    for row in range(len(AMPLIFIERS)):
        found = identify(answering(row, networks=AMPLIFIERS), AMPLIFIERS, 2)
        assert found.candidates[0].row == row
        assert found.candidates[0].probability > 0.99


@pytest.mark.parametrize("form", ["full", "top1", "sampled"])
def test_networks_of_no_zoo_are_none_of_these(form: str) -> None:
    strangers = various(12, seed=9)
    asked = [answering(row, form, row, strangers) for row in range(len(strangers))]
    said = [identify(box, TEXTS, 64, form, pool=POOL) for box in asked]
    limit = 0.5 if form == "sampled" else 0.9  # one that is drawn from may be nearly like a member
    assert np.mean([found.none_of_these > limit for found in said]) >= 0.9


def test_one_of_the_networks_left_out_is_none_of_these() -> None:
    for row in range(5):
        rest = TEXTS[[other for other in range(len(TEXTS)) if other != row]]
        assert identify(answering(row), rest, pool=POOL).none_of_these > 0.99


def test_noise_that_was_not_given_is_measured() -> None:
    found = identify(answering(3, "full 0.03"), TEXTS, 32, pool=POOL)
    assert found.candidates[0].row == 3
    assert found.candidates[0].probability > 0.9
    sound = identify(answering(3, "full 0.05", networks=AMPLIFIERS), AMPLIFIERS, 16)
    assert sound.candidates[0].row == 3


def test_probabilities_are_right_as_often_as_they_say() -> None:
    """By three letters of the likeliest class, wrong as often as was said."""
    right, said, numbers = [], [], np.random.default_rng(5)
    for trial in range(300):
        row = trial % len(TEXTS)
        told = Identifier(TEXTS, POOL, "top1", noise=0.04, none=1e-6)
        question = POOL[numbers.integers(len(POOL)), :6]
        answer = answering(row, "top1")(question)
        slipped = np.where(numbers.random(6) < 0.04, (answer + numbers.integers(1, 5, 6)) % 5, answer)
        told.tell(question, slipped)
        shares = told.posterior.probabilities
        best = shares.argmax()
        right.append(best == row)
        said.append(shares[best])
    assert np.mean(right) == pytest.approx(np.mean(said), abs=0.08)


def test_what_is_asked_for_may_be_a_group() -> None:
    groups = ["even" if row % 2 == 0 else "odd" for row in range(len(TEXTS))]
    for row in (4, 7):
        found = identify(answering(row, "top1"), TEXTS, 16, "top1", groups=groups, pool=POOL)
        assert found.candidates[0].name == groups[row]
        assert len(found.candidates) == 2


def test_a_group_is_told_with_fewer_letters_than_its_members() -> None:
    twins = joined(TEXTS[:8].weights, {name: weight + 1e-2 for name, weight in TEXTS[:8].weights.items()})
    groups = [str(row % 8) for row in range(16)]
    box = answering(2, "sampled", networks=twins)
    found = identify(box, twins, 64, "sampled", confidence=0.97, groups=groups, pool=POOL)
    assert found.candidates[0].name == "2"
    assert found.ended == "it is clear"


def test_networks_of_one_function_are_said_to_be_alike() -> None:
    same = TEXTS[:4].permute_hidden_randomly(torch.Generator().manual_seed(0))
    both = joined(TEXTS[:4].weights, same.weights)
    found = identify(answering(1), both, 8, pool=POOL)
    assert {each.row for each in found.candidates[:2]} == {1, 5}
    exact = joined(TEXTS[:4].weights, TEXTS[:4].weights)
    found = identify(answering(1), exact, 8, names=[f"n{row}" for row in range(8)], pool=POOL)
    assert found.alike == (("n1", "n5"),)
    assert found.candidates[0].probability == pytest.approx(0.5, abs=0.01)
    assert found.questions < 8 or "budget" in found.ended


def test_one_candidate_is_it_or_none() -> None:
    assert identify(answering(0), TEXTS[:1], pool=POOL).candidates[0].probability > 0.99
    assert identify(answering(1), TEXTS[:1], pool=POOL).none_of_these > 0.99


def test_a_budget_of_nothing_asks_nothing() -> None:
    found = identify(lambda question: 1 / 0, TEXTS, 0, pool=POOL)
    assert found.questions == found.letters == 0
    assert found.none_of_these == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (lambda question: 1 / 0, "ZeroDivisionError"),
        (lambda question: np.full((len(question), 5), np.nan), "finite"),
        (lambda question: np.zeros((len(question), 4)), "shape"),
        (lambda question: np.full((len(question), 5), 7.0), "probabilities"),
        (lambda question: "no", "numbers"),
        (lambda question: None, "numbers"),
    ],
)
def test_a_box_that_answers_no_such_thing_is_refused(ask: Callable[..., Any], says: str) -> None:
    with pytest.raises(RNN2VecError, match=says):
        identify(ask, TEXTS, pool=POOL)


def test_a_box_that_fails_later_leaves_what_was_learnt() -> None:
    true, count = answering(3, "top1"), 0

    def ask(question: np.ndarray) -> np.ndarray:
        nonlocal count
        count += 1
        if count == 2:
            raise OSError("gone")
        return true(question)

    found = identify(ask, TEXTS, answers="top1", pool=POOL)
    assert found.failed
    assert "gone" in found.ended
    assert len(found.transcript) == 1


def test_a_box_that_answers_the_same_question_in_another_way_is_found_out() -> None:
    found = identify(answering(3, "sampled"), TEXTS, 32, "top1", pool=POOL)
    assert found.failed
    assert "another way" in found.ended


def test_nothing_is_asked_twice_of_a_box_that_repeats_itself() -> None:
    found = identify(answering(3, "top1"), TEXTS, 24, "top1", confidence=0.99999, pool=POOL)
    asked = [told.question.tobytes() for told in found.transcript]
    for number, own in enumerate(asked):
        assert not any(before.startswith(own) for before in asked[:number])


def test_a_transcript_replays_to_the_same_posterior() -> None:
    found = identify(answering(3, "sampled"), TEXTS, 32, "sampled", pool=POOL)
    again = Identifier(TEXTS, POOL, "sampled")
    for told in found.transcript:
        again.tell(told.question, told.answer)
    shares = {each.row: each.probability for each in found.candidates}
    assert [shares[row] for row in range(len(TEXTS))] == again.posterior.probabilities.tolist()
    assert again.posterior.none == found.none_of_these


def test_information_is_that_of_a_table() -> None:
    weights = torch.tensor([0.5, 0.25, 0.25])
    cells = torch.tensor([[[[0], [0]]], [[[0], [1]]], [[[0], [1]]]])
    own = torch.arange(3)
    assert partition_information(weights, own, cells)[0].tolist() == pytest.approx([0.0, 1.0])
    assert partition_information(weights, torch.tensor([0, 0, 1]), cells)[0, 1].item() == pytest.approx(
        entropy([0.75, 0.25], base=2) + 1.0 - entropy([0.5, 0.25, 0.25], base=2)
    )
    drawn = torch.tensor([[0.5, 0.5], [1.0, 0.0], [1.0, 0.0]])[:, None, None]
    expected = entropy([0.75, 0.25], base=2) - 0.5 * 1.0
    assert mutual_information(weights, own, drawn)[0, 0].item() == pytest.approx(expected, abs=1e-6)
    assert mutual_information(weights, own, drawn.expand(-1, 1, 50, 2))[0, -1].item() == pytest.approx(1.5, abs=1e-6)


def test_boxes_of_all_kinds_answer_alike() -> None:
    question = POOL[0]
    stepped = SteppedNetwork(TEXTS[3:4])

    class Machine:
        def reset(self) -> None:
            stepped.pre()

        def step(self, letter: int) -> int:
            return stepped.step(letter)

    expected = answering(3, "top1")(question)
    for thing in (TEXTS[3:4], answering(3), stepped, Machine(), Box(answering(3))):
        box = box_of(thing)
        answer = np.asarray(box.ask(question))
        assert (answer.argmax(1) if answer.ndim == 2 else answer).tolist() == expected.tolist()
        assert (box.questions, box.letters) == (1, len(question))
    for wrong in (3, object(), TEXTS):
        with pytest.raises(RNN2VecError):
            box_of(wrong)


@pytest.mark.parametrize("name", ["half", "rounded", "rounded:x", "rounded:9", "full:2", "top1:1"])
def test_unknown_answers_are_refused(name: str) -> None:
    with pytest.raises(RNN2VecError, match="full, rounded"):
        answer_model(name, TOKENS, torch.ones(5))


def test_numbers_have_no_likeliest_class() -> None:
    with pytest.raises(RNN2VecError, match="classes"):
        identify(answering(0, networks=AMPLIFIERS), AMPLIFIERS, answers="top1")


SCRIPT = """
import json, sys, time
for line in sys.stdin:
    question = json.loads(line)["question"]
    if "slow" in sys.argv: time.sleep(20)
    if "rubbish" in sys.argv: print("hello", flush=True); continue
    if "ends" in sys.argv: break
    print(json.dumps({"answer": [int(token) % 5 for token in question]}), flush=True)
"""


def test_a_command_is_asked_line_by_line(tmp_path: Path) -> None:
    (tmp_path / "box.py").write_text(SCRIPT)
    line = f"{sys.executable} {tmp_path / 'box.py'}"
    with Command(line) as command:
        assert command(np.array([3, 1, 2])) == [3, 1, 2]
        assert command(np.array([4])) == [4]
    for word, says in (("rubbish", "hello"), ("ends", "ended"), ("slow", "within 0.5 seconds")):
        with (
            Command(f"{line} {word}", 0.5 if word == "slow" else 20.0) as command,
            pytest.raises(RNN2VecError, match=says),
        ):
            command(np.array([1]))
    with pytest.raises(RNN2VecError, match="cannot be started"):
        Command("no-such-program --at-all")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Amplifiers as files, with a declaration."""
    for row in range(6):
        own = {
            f"core.{name}" if name.endswith("_l0") else name: weight[row].clone()
            for name, weight in AMPLIFIERS.weights.items()
        }
        (tmp_path / "known").mkdir(exist_ok=True)
        safetensors.torch.save_file(own, tmp_path / "known" / f"amp{row}.safetensors")
    return tmp_path


def test_from_the_shell(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = str(folder / "known")
    (folder / "said.toml").write_text('head = ["linear"]')
    declared = ["--among", known, "--declare", str(folder / "said.toml")]
    run = CliRunner().invoke
    found = run(app, ["identify", f"{known}/amp4.safetensors", *declared, "--json"])
    assert found.exit_code == 0, found.output
    said = json.loads(found.stdout)
    assert said["candidates"][0]["name"] == "amp4"
    assert said["questions"] == len(said["transcript"])
    monkeypatch.chdir(folder)
    (folder / "mybox.py").write_text("def box(question):\n    return question * 0 + 123.0\n")
    page = folder / "page.html"
    found = run(app, ["identify", "mybox:box", *declared, "--out", str(page)])
    assert found.exit_code == 0, found.output
    assert "it is none of these" in found.output
    assert f"wrote {page}" in found.output.replace("\n", "")
    assert "none of these" in page.read_text()
    (folder / "box.py").write_text(SCRIPT)
    found = run(app, ["identify", "box.py", *declared])
    assert "'python box.py' runs this one" in str(found.exception)
    found = run(app, ["identify", f"{sys.executable} box.py ends", *declared])
    assert found.exit_code == 1
    assert isinstance(found.exception, RNN2VecError)
    found = run(app, ["identify", "mybox:other", *declared])
    assert found.exit_code == 1
    assert "mybox:other" in str(found.exception)


def machines(count: int, states: int, letters: int) -> Population:
    drawn = np.random.default_rng(0)
    return realise(
        [
            MealyMachine(drawn.integers(0, states, (states, letters)), drawn.integers(0, 2, (states, letters)))
            for _ in range(count)
        ]
    )


def test_what_was_asked_is_continued() -> None:
    networks = machines(200, 5, 2)
    pool = np.zeros((1, 3), dtype=np.int64)  # the only question of the pool says little
    found = identify(networks[17], networks, 40, "top1", pool=pool, checks=0)
    best = {found.candidates[0].row, *(int(name) for group in found.alike for name in group)}
    assert 17 in best
    asked = [told.question.tolist() for told in found.transcript]
    assert any(len(own) > 3 for own in asked)
    assert any(own[: len(before)] == before for before, own in itertools.pairwise(asked))


def test_steps_that_were_asked_before_tell_nothing_however_much_noise_there_is() -> None:
    networks = machines(60, 4, 2)
    identifier = Identifier(networks, np.array([[0, 1, 1, 0, 1, 0]]), "top1", noise=0.2)
    rows, weights = np.arange(60), np.full(60, 1 / 60)
    expected = identifier._answers(rows, identifier.questions)
    before = identifier._bits(rows, weights, identifier.questions, expected)
    identifier.tell(identifier.questions[0, :3], np.array([0, 1, 0]))
    after = identifier._bits(rows, weights, identifier.questions, expected)
    assert float(after[0, :3].abs().max()) < 1e-9 < float(before[0, 2])
    assert 0.0 < float(after[0, 5]) < float(before[0, 5])


def test_it_ends_where_no_question_tells_the_rest_apart() -> None:
    networks = machines(6, 3, 2)
    twice = concatenate([networks, networks[[2]]])
    found = identify(networks[2], twice, 30, "top1", pool=np.random.default_rng(1).integers(0, 2, (20, 12)), checks=0)
    assert found.ended == "it is clear"
    assert found.questions < 10
    assert ("2", "6") in found.alike
    assert found.candidates[0].probability == pytest.approx(found.candidates[1].probability)


def test_many_boxes_share_what_the_networks_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    known = Identifier(TEXTS, POOL, "top1", continued=False)
    apart = [interrogate(answering(row, "top1"), Identifier(TEXTS, POOL, "top1", continued=False)) for row in (3, 8)]
    known.next_question()
    # all that is asked is of the pool, so nothing is computed any more
    monkeypatch.setattr("rnn2vec.identification.evidence.answers_of", None)
    for row, alone in zip((3, 8), apart, strict=True):
        found = interrogate(answering(row, "top1"), known.anew(), 16)
        assert [each.name for each in found.candidates[:1]] == [str(row)]
        assert found.bits == alone.bits
    assert not known.transcript


def test_one_string_goes_on_and_counts_its_letters_once() -> None:
    known, fresh, letters = Identifier(TEXTS, POOL, "top1"), [], []
    known.next_question(), known.continuation()
    for row in range(0, len(TEXTS), 3):
        found = interrogate(TEXTS[row : row + 1], known.anew(), 4, checks=0, one_string=True)
        assert found.candidates[0].row == row
        assert found.letters == sum(len(told.question) - told.begun for told in found.transcript)
        assert found.questions == sum(told.begun == 0 for told in found.transcript)
        for before, told in itertools.pairwise(found.transcript):
            assert told.begun in (0, len(before.question))
        again = known.anew()
        for told in found.transcript:
            again.tell(told.question, told.answer, told.begun)
        assert again.posterior.none == found.none_of_these
        letters.append(found.letters)
        fresh.append(interrogate(TEXTS[row : row + 1], known.anew(), 4, checks=0).letters)
    assert np.mean(letters) < np.mean(fresh)


def test_a_drawn_answer_that_goes_on_is_new_only_in_its_last_steps() -> None:
    once, in_two = Identifier(TEXTS, POOL, "sampled"), Identifier(TEXTS, POOL, "sampled")
    answer = answering(3, "sampled")(POOL[0])
    once.tell(POOL[0], answer)
    in_two.tell(POOL[0, :8], answer[:8])
    in_two.tell(POOL[0], answer, begun=8)
    assert in_two.posterior.probabilities == pytest.approx(once.posterior.probabilities, rel=1e-9)


def test_a_system_goes_on_without_being_started_again() -> None:
    calls = []

    class System:
        def pre(self) -> None:
            calls.append("pre")

        def step(self, letter: int) -> int:
            calls.append(str(letter))
            return letter

        def post(self) -> None:
            calls.append("post")

    box = box_of(System())
    assert np.asarray(box.ask(np.array([1, 2]))).tolist() == [1, 2]
    assert np.asarray(box.ask(np.array([1, 2, 3]))).tolist() == [1, 2, 3]
    assert (box.questions, box.letters) == (1, 3)
    box.ask(np.array([1, 2, 3]))
    box.end()
    box.end()
    assert calls == ["pre", "1", "2", "3", "post", "pre", "1", "2", "3", "post"]
    assert (box.questions, box.letters) == (2, 6)


def test_a_function_cannot_go_on() -> None:
    with pytest.raises(RNN2VecError, match="starts anew"):
        identify(answering(3), TEXTS, pool=POOL, one_string=True)


def of_table(table: np.ndarray) -> Identifier:
    """Functions of one letter ``[F, Q]`` as networks, which answer as the table says."""
    classes = np.eye(int(table.max()) + 1, dtype=np.float32)
    functions = [lambda letters, row=row: classes[row[letters]] for row in table]
    interface = Interface(Tokens(table.shape[1]), Classes(len(classes)))
    return Identifier(
        Callables(functions, interface), np.arange(table.shape[1])[:, None], "top1", none=1e-9, continued=False
    )


def most_questions(table: np.ndarray) -> int:
    """Questions in the worst case until it is clear which function of a table it is."""
    known, counts = of_table(table), []
    for row in table:
        told = known.anew()
        while told.posterior.probabilities.max() < 0.9:  # each contradicted one keeps a thousandth
            question = told.next_question()
            assert question is not None
            told.tell(question, row[question])
        counts.append(len(told.transcript))
    return max(counts)


def test_of_exact_answers_nearly_as_few_questions_as_any_interrogation_needs() -> None:
    extra = []
    for seed in range(8):
        numbers = np.random.default_rng(seed)
        shape = int(numbers.integers(3, 65)), int(numbers.integers(6, 17))
        table = np.unique(numbers.integers(0, numbers.integers(2, 4), shape), axis=0)
        best = interactive_queries(FunctionClass(table), seconds=0.5)
        found = most_questions(table)
        assert best.lower_bound <= found <= len(table) - 1
        extra.append(found - best.count)
    assert max(extra) <= 1


def test_point_functions_need_all_questions_but_one() -> None:
    assert most_questions(np.eye(16, dtype=int)) == 15


def test_one_string_has_an_end() -> None:
    found = identify(TEXTS[[3]], TEXTS, 1, "top1", confidence=1 - 1e-15, pool=POOL, one_string=True)
    assert found.ended.startswith("the budget of 1 questions")
    assert found.questions == 1
    assert POOL.shape[1] <= found.letters < POOL.shape[1] + 8


def test_rounding_is_seen_in_answers() -> None:
    numbers = np.random.default_rng(0)
    assert step_of((numbers.normal(size=64) * 128).round() / 128) == pytest.approx(1 / 128)
    assert step_of((numbers.normal(size=64) * 100).round() / 100 + 0.003) == pytest.approx(0.01)
    assert step_of(numbers.normal(size=64)) == 0.0
    assert step_of(numbers.integers(0, 2, 64).astype(float)) == 0.0  # zeros and ones are answers like others


@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_what_rounds_to_eight_bits_is_found_without_being_told(noise: float) -> None:
    unit, numbers = unit_of(SOUND, answers_of(AMPLIFIERS, SOUNDS)).numpy(), np.random.default_rng(1)
    for row in range(len(AMPLIFIERS)):

        def ask(question: np.ndarray, row: int = row) -> np.ndarray:
            answer = answers_of(AMPLIFIERS[[row]], question[None])[0, 0].numpy().astype(float)
            return ((answer + noise * unit * numbers.normal(size=answer.shape)) * 128).round() / 128

        found = identify(ask, AMPLIFIERS, 4, pool=SOUNDS)
        assert (found.candidates[0].name, found.none_of_these < 0.01) == (str(row), True)


def test_noise_is_measured_by_questions_that_are_all_short() -> None:
    """A whole question of the pool has fewer steps than would tell the noise well: it is asked again as it is."""
    found = identify(answering(3, "full 0.03"), TEXTS, 48, pool=POOL[:, :4])
    assert any(a.question.tolist() == b.question.tolist() for a, b in itertools.pairwise(found.transcript))
    assert (found.candidates[0].row, found.none_of_these < 0.1) == (3, True)


@pytest.mark.parametrize(
    ("form", "networks", "pool"), [("full", AMPLIFIERS, SOUNDS), ("full", TEXTS, POOL), ("top1", TEXTS, POOL)]
)
def test_a_copy_that_is_none_of_them_is_told_by_its_original(form: str, networks: Population, pool: np.ndarray) -> None:
    """Weights off by some percent: another function, nearest to the one that it was made of."""
    copies = networks.perturbed(0.05, torch.Generator().manual_seed(0))
    right = 0
    for row in range(len(networks)):
        found = identify(answering(row, form, networks=copies), networks, 16, form, pool=pool)
        right += found.candidates[0].row == row
        if found.none_of_these > 0.99:
            apart = [each.difference for each in found.candidates if each.probability < UNLIKELY]
            assert apart == sorted(apart)
            assert (
                identify(answering(row, form, networks=copies), networks, 16, form, pool=pool, nearest=0).questions
                < found.questions
            )
    assert right >= 0.95 * len(networks)


def test_the_difference_is_the_error_in_parts_of_the_signal() -> None:
    said = answers_of(AMPLIFIERS, SOUNDS)
    model = answer_model("full", SOUND, unit_of(SOUND, said))
    halved = model.difference(said, 0.5 * said)
    loud = (said / unit_of(SOUND, said)).square().mean((-2, -1)) > 0.1
    assert halved[loud].numpy() == pytest.approx(0.25, abs=0.005)
    classes = answer_model("full", TOKENS, torch.ones(5))
    assert classes.difference(torch.tensor([[0.5, 0.5, 0, 0, 0]]), torch.tensor([[0.0, 0.5, 0.5, 0, 0]])) == 0.5
    top1 = answer_model("top1", TOKENS, torch.ones(5))
    assert top1.difference(torch.eye(5), torch.tensor([0, 1, 2, 0, 0])) == pytest.approx(0.4)
    drawn = answer_model("sampled", TOKENS, torch.ones(5))
    assert drawn.difference(torch.full((2, 4, 5), 0.2), torch.tensor([0, 1, 2, 0])).tolist() == pytest.approx(
        [np.log(5), np.log(5)]
    )


def test_where_it_is_none_for_sure_only_the_nearest_is_asked_for() -> None:
    copies = AMPLIFIERS.perturbed(0.05, torch.Generator().manual_seed(0))
    for row in range(0, len(AMPLIFIERS), 4):
        found = identify(answering(row, networks=copies), AMPLIFIERS, pool=SOUNDS, none=0.999, nearest=2)
        assert (found.candidates[0].row, found.questions, found.ended) == (row, 2, "it is none of these")
        assert all(len(told.question) == SOUNDS.shape[1] for told in found.transcript)


def test_the_steps_apart_need_networks_alone() -> None:
    known, box = Identifier(AMPLIFIERS), answering(11, networks=AMPLIFIERS)
    question = known.next_question()
    assert question is not None
    known.tell(question, box(question))
    assert int(known.posterior.probabilities.argmax()) == 11
