"""The theory put to networks: letters to tree walkers, encoders that draw questions, zoos as classes, the report."""

from __future__ import annotations

import dataclasses
import itertools
import json
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import rnn2vec.theory.report as theory_report
import rnn2vec.theory.run as theory_run
from rnn2vec import (
    ENCODERS,
    Classes,
    Interface,
    Numbers,
    Population,
    RNN2VecError,
    Zoo,
    build_encoder,
    build_zoo,
    zoo_recipe,
)
from rnn2vec.emulation.emulate import Observed, emulate
from rnn2vec.emulation.recipe import pretrain_recipe
from rnn2vec.encoders import ProbingEncoder
from rnn2vec.engine import run
from rnn2vec.interrogation import (
    RESTART,
    FunctionClass,
    MealyMachine,
    identified_by_set,
    identified_by_tree,
    interactive_queries,
    leaf_paths,
    noninteractive_queries,
    point_functions,
    realise,
    told_apart_by_fixed_letters,
    told_apart_interactively,
    tree_path_machine,
    tree_paths,
)
from rnn2vec.tasks.formal_language import BOS
from rnn2vec.theory.class_sizes import count_questions, random_class
from rnn2vec.theory.gap import GapRun, identify_tree_walkers, run_gap, tree_walkers
from rnn2vec.theory.gap_recipe import INTERROGATORS, GapRecipe, Interrogator, gap_recipes
from rnn2vec.theory.network_answers import all_strings, answers_to_strings, ordered_strings
from rnn2vec.theory.zoo_questions import ZooAnswers, interrogate_zoo

# --- letters to tree walkers ---


@pytest.mark.parametrize(("size", "most"), [(2, 4), (4, 8), (8, 9)])
def test_no_fixed_letters_tell_more_walkers_apart_than_the_formula_says(size: int, most: int) -> None:
    """Against all sequences of letters there are."""
    machines = [tree_path_machine(path) for path in leaf_paths(size)]
    for letters in range(1, most + 1):
        best = 0
        for word in itertools.product((0, 1, RESTART), repeat=letters):
            best = max(best, len({tuple(machine.read(word)) for machine in machines}))
        assert told_apart_by_fixed_letters(size, letters) == best


@pytest.mark.parametrize("size", [2, 4, 8, 64])
def test_letters_that_tell_all_walkers_apart(size: int) -> None:
    depth = size.bit_length() - 1
    assert told_apart_by_fixed_letters(size, depth * size // 2) == size
    assert told_apart_by_fixed_letters(size, depth * size // 2 - 1) < size
    assert told_apart_interactively(size, depth) == size
    assert told_apart_interactively(size, depth - 1) == size // 2


@pytest.mark.parametrize("size", [0, 1, 3, 12])
def test_trees_of_one_depth(size: int) -> None:
    with pytest.raises(RNN2VecError, match=f"power of two, at least 2; got {size}"):
        told_apart_by_fixed_letters(size, 3)


# --- how knowledge grows ---


@pytest.mark.parametrize("size", [4, 16])
def test_shares_identified_on_the_way(size: int) -> None:
    points, paths = point_functions(size), tree_paths(size)
    shares = identified_by_tree(interactive_queries(points))
    assert shares == pytest.approx([*(asked / size for asked in range(size - 1)), 1.0])  # one after the other
    assert identified_by_tree(interactive_queries(paths)) == (*[0.0] * (size.bit_length() - 1), 1.0)
    order, shares = identified_by_set(paths, noninteractive_queries(paths))
    assert sorted(order) == list(range(size - 1))
    known = [len(set(map(tuple, paths.codes[:, list(order[:k])].tolist()))) for k in range(size)]
    assert (shares[0], shares[-1]) == (0.0, 1.0)
    assert all(share <= groups / size for share, groups in zip(shares, known, strict=True))
    assert list(shares) == sorted(shares)


def test_a_label_is_known_before_the_function_is() -> None:
    functions = FunctionClass([[0, 0], [0, 1], [1, 0]], labels=["a", "a", "b"])
    assert identified_by_set(functions, noninteractive_queries(functions)) == ((0,), (0.0, 1.0))


# --- encoders that draw their questions ---


def single(name: str, population: Population, **options: Any) -> ProbingEncoder:
    sizes = {"probe_length": 4, "core_size": 8, "core_layers": 1, "mlp_size": 8, "probes": 2}
    encoder = build_encoder(name, population.interface, 0, **sizes | {"questions": "single"} | options)
    assert isinstance(encoder, ProbingEncoder)
    return encoder


@pytest.mark.parametrize("readout", ["last", "all"])
@pytest.mark.parametrize("name", ["noninteractive", "interactive"])
def test_single_questions_are_tokens(name: str, readout: str) -> None:
    population = tree_walkers(4)
    encoder = single(name, population, readout=readout).train()
    torch.manual_seed(0)
    asked, again = encoder.interrogate(population), encoder.interrogate(population)
    assert set(asked.probes.unique().tolist()) == {0.0, 1.0}
    assert (asked.probes.sum(-1) == 1).all()
    assert not torch.equal(asked.probes, again.probes)  # drawn
    # networks are asked just that
    tokens = asked.probes.argmax(-1)
    torch.testing.assert_close(run(population, tokens)[0].softmax(-1), asked.answers)
    assert asked.log_probabilities is not None
    assert asked.entropies is not None
    assert asked.log_probabilities.shape == asked.entropies.shape == tokens.shape
    assert (asked.log_probabilities <= 0).all()
    assert (asked.entropies <= np.log(3) + 1e-6).all()
    encoder.eval()
    torch.testing.assert_close(encoder(population), encoder(population), rtol=0, atol=0)
    shorter, longer = encoder.interrogate(population, 2), encoder.interrogate(population)
    torch.testing.assert_close(shorter.probes, longer.probes[:, :, :2])


def test_the_chances_of_a_draw_are_those_of_its_logits() -> None:
    population = tree_walkers(2)
    encoder = single("noninteractive", population, probes=1).train()
    big = population[torch.zeros(4000, dtype=torch.long)]
    torch.manual_seed(0)
    asked = encoder.interrogate(big)
    chances = encoder.probe_logits[0].softmax(-1)  # [L, X]
    torch.testing.assert_close(asked.probes[:, 0].mean(0), chances, rtol=0, atol=0.04)
    assert asked.log_probabilities is not None
    drawn = asked.probes[:, 0].argmax(-1)
    expected = chances.log()[torch.arange(4), drawn]
    torch.testing.assert_close(asked.log_probabilities[:, 0], expected)


def test_single_questions_need_tokens_and_another_teacher(tiny_zoo: Zoo) -> None:
    population = tree_walkers(2)
    with pytest.raises(RNN2VecError, match="mixed, single"):
        single("interactive", population, questions="both")
    with pytest.raises(RNN2VecError, match="networks that read tokens"):
        build_encoder("interactive", Interface(Numbers(3, 0.0, 1.0), Classes(3)), 0, questions="single")
    encoder = build_encoder("interactive", ENCODERS["interactive"].form_of(tiny_zoo), 0, questions="single")
    observed = Observed(tiny_zoo.networks(), tiny_zoo.traces())
    with pytest.raises(RNN2VecError, match="questions=mixed"):
        emulate(encoder, observed, observed, pretrain_recipe("formal-languages", "demo", steps=1))


# --- learning to identify ---


def test_walkers_are_identified_and_more_by_interaction() -> None:
    """With as many questions as the best tree: reading answers back names all, fixed letters at most their optimum."""
    size, depth = 8, 3
    sizes: dict[str, Any] = {"steps": 400, "copies": 64, "core_size": 32, "learning_rate": 5e-3}
    echo = identify_tree_walkers("interactive, echo", size, GapRecipe(depth, **sizes))
    assert echo.identified[-1] == 1.0
    paths = leaf_paths(size)
    for path, letters in zip(paths, echo.letters, strict=True):
        assert letters == (RESTART, *map(int, path[: depth - 1]))
    recipe = GapRecipe(depth, discount=0.5, table_speed=20.0, **sizes)
    fixed = identify_tree_walkers("noninteractive", size, recipe)
    assert len(set(fixed.letters)) == 1
    machines = [tree_path_machine(path) for path in paths]
    for asked, share in enumerate(fixed.identified, 1):
        groups = len({tuple(machine.read(fixed.letters[0][:asked])) for machine in machines})
        assert share * size <= groups <= told_apart_by_fixed_letters(size, asked)
    assert fixed.identified[-1] * size >= 3


def test_interrogators_are_reproducible_and_kept(tmp_path: Path) -> None:
    recipe = GapRecipe(2, steps=3, copies=8, core_size=8)
    jobs = [Interrogator(name, 4, recipe) for name in ("noninteractive", "interactive")]
    before = torch.random.get_rng_state()
    first = run_gap(jobs, tmp_path / "a")
    assert torch.equal(torch.random.get_rng_state(), before)
    assert run_gap(jobs, tmp_path / "b") == first
    assert run_gap(jobs, tmp_path / "b", seed=0) == first
    times = [path.stat().st_mtime_ns for path in sorted((tmp_path / "a").iterdir())]
    assert run_gap(jobs, tmp_path / "a") == first
    assert [path.stat().st_mtime_ns for path in sorted((tmp_path / "a").iterdir())] == times
    with pytest.raises(RNN2VecError, match="another recipe or seed"):
        run_gap(jobs, tmp_path / "a", seed=1)
    path = tmp_path / "a" / "interactive-4.json"
    kept = json.loads(path.read_text())
    shorter = {"identified": kept["identified"][:-1]}
    nan, letter = {"identified": [float("nan")] * 2}, {"letters": [[3, 0]] * 4}
    for broken in (
        {"identity": kept["identity"]},
        kept | {"identified": ["x"]},
        kept | shorter,
        kept | {"size": 8},
        kept | nan,
        kept | letter,
    ):
        path.write_text(json.dumps(broken))
        with pytest.raises(RNN2VecError, match="is damaged"):
            run_gap(jobs, tmp_path / "a")


@pytest.mark.parametrize("name", INTERROGATORS)
def test_an_interrupted_interrogator_ends_with_the_same_bytes(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rnn2vec.training.CHECKPOINT_SECONDS", 0.0)
    jobs = [Interrogator(name, 4, GapRecipe(3, steps=12, copies=8, core_size=8, table_speed=20.0))]
    checkpoint = tmp_path / "parts" / f"{name.replace(', ', '-')}-4.safetensors"

    def stop_at(step: int) -> Any:
        done = 0

        def on_progress(job: int, amount: int, note: str) -> None:
            nonlocal done
            done += amount
            if done == step:
                raise KeyboardInterrupt

        return on_progress

    whole = run_gap(jobs, tmp_path / "whole")
    before = torch.random.get_rng_state()
    for step in (4, 9):
        with pytest.raises(KeyboardInterrupt):
            run_gap(jobs, tmp_path / "parts", on_progress=stop_at(step))
        assert [path.name for path in (tmp_path / "parts").iterdir()] == [checkpoint.name]
    with pytest.raises(RNN2VecError, match="belongs to an unfinished training with another seed"):
        run_gap(jobs, tmp_path / "parts", 1)
    left = checkpoint.read_bytes()
    told: list[tuple[int, int, str]] = []
    assert run_gap(jobs, tmp_path / "parts", on_progress=lambda *what: told.append(what)) == whole
    assert told[0] == (0, 9, "resumed")
    assert len(told) == 1 + 12 - 9
    assert torch.equal(torch.random.get_rng_state(), before)
    checkpoint.write_bytes(left)  # killed after the last moment
    run_gap(jobs, tmp_path / "parts")
    (found,), (expected,) = ((tmp_path / place).iterdir() for place in ("parts", "whole"))
    assert (found.name, found.read_bytes()) == (expected.name, expected.read_bytes())


@pytest.mark.parametrize(("steps", "what"), [(1, "its naming of functions"), (3, "at step 1 its loss")])
@pytest.mark.parametrize("name", INTERROGATORS)
def test_an_interrogator_that_diverged_is_refused(name: str, steps: int, what: str, tmp_path: Path) -> None:
    jobs = [Interrogator(name, 4, GapRecipe(2, steps=steps, copies=8, core_size=8, learning_rate=1e36))]
    with pytest.raises(RNN2VecError, match=rf"learning to ask \({name}, 4 functions\) diverged: {what} is not finite"):
        run_gap(jobs, tmp_path)
    assert not list(tmp_path.glob("*.json"))


def test_letters_tell_apart_what_answers_differ_in() -> None:
    """Letters of 4 functions, whose paths are 00, 01, 10, 11: to the root, then always left, or along the answers."""
    shares, always_left = (0.25,) * 3, (RESTART, 0, 0)
    assert GapRun("noninteractive", 4, 0, shares, (always_left,) * 4).told_apart == (0.5, 0.75, 0.75)
    walking = tuple((RESTART, turn, 0) for turn in (0, 0, 1, 1))
    assert GapRun("interactive", 4, 0, shares, walking).told_apart == (0.5, 1.0, 1.0)


def test_what_cannot_be_asked_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RNN2VecError, match="interrogators are"):
        identify_tree_walkers("oracle", 4, GapRecipe(2))
    with pytest.raises(RNN2VecError, match="power of two"):
        gap_recipes([6])
    for number in (np.int64(4), torch.tensor(4)):
        assert gap_recipes([number], number, number) == gap_recipes([4], 4, 4)  # type: ignore[list-item, arg-type]
    for sizes in ([4, 4], [4, 2048], [], torch.tensor([4, 4])):
        with pytest.raises(RNN2VecError, match="differ and are at most 1024"):
            gap_recipes(sizes)
    with pytest.raises(RNN2VecError, match=r"seeds lie in 0\.\.2\*\*63 - 1; got 1"):
        theory_run.run_theory(tmp_path / "theory", silent, sizes=[4], seed=10**19)
    assert not (tmp_path / "theory").exists()
    with pytest.raises(RNN2VecError, match=r"got 1\.0"):
        GapRecipe(2, growth=1.0)
    with pytest.raises(RNN2VecError, match="at least once"):
        GapRecipe(0)
    for seed in (0.5, -1, 2**63, None):
        with pytest.raises(RNN2VecError, match="seed"):
            identify_tree_walkers("interactive", 4, GapRecipe(2, steps=1), seed)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"steps": 0}, "at least once"),
        ({"steps": 2.0}, "steps: a whole number is needed"),
        ({"copies": 0}, "at least 1"),
        ({"core_size": -1}, "at least 1"),
        ({"learning_rate": 0.0}, "rates above 0"),
        ({"learning_rate": float("nan")}, "rates above 0"),
        ({"table_speed": float("inf")}, "rates above 0"),
        ({"discount": 1.1}, "discount"),
        ({"entropy": float("nan")}, "entropy"),
        ({"growth": float("nan")}, "horizon"),
        ({"entropy": "0.3"}, "entropy: a number is needed"),
    ],
)
def test_recipes_are_checked(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(RNN2VecError, match=words):
        GapRecipe(2, **fields)
    assert json.dumps(dataclasses.asdict(GapRecipe(np.int64(2), learning_rate=np.float32(0.5))))  # type: ignore[arg-type]


def test_counts_of_classes() -> None:
    counts = {(count.kind, count.size): count for count in count_questions((2, 8), seconds=1)}
    assert (counts["point functions", 8].fixed, counts["point functions", 8].adaptive) == (7, 7)
    assert (counts["tree paths", 8].fixed, counts["tree paths", 8].adaptive) == (7, 3)
    assert len(np.unique(random_class(8).codes, axis=0)) == 8
    for sizes in ([2, 2], [2, np.int64(2)], [], [2.0], [10**9]):
        with pytest.raises(RNN2VecError, match="size"):
            count_questions(sizes)
    with pytest.raises(RNN2VecError, match="seconds"):
        count_questions([2], seconds=float("nan"))
    for size in (0, 1.5, 10**9):
        with pytest.raises(RNN2VecError, match="size"):
            random_class(size)  # type: ignore[arg-type]


def test_the_smallest_class_has_nothing_to_ask() -> None:
    for count in count_questions([1]):
        assert (count.fixed, count.adaptive, count.expected) == (0, 0, 0.0)
    functions = point_functions(1)
    assert identified_by_set(functions, noninteractive_queries(functions)) == ((), (1.0,))
    assert identified_by_tree(interactive_queries(functions)) == (1.0,)


# --- zoos as classes ---


@pytest.fixture(scope="module")
def two_networks_a_task(tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    recipe = zoo_recipe(
        "formal-languages",
        "demo",
        models=16,
        steps=150,
        hidden_size=16,
        shifts=(0, 1),
        traces=4,
        evaluation_strings=8,
    )
    return build_zoo(recipe, tmp_path_factory.mktemp("theory") / "walkers")


def test_strings_that_are_asked() -> None:
    assert [len(ordered_strings(length)) for length in (0, 1, 2, 12)] == [1, 5, 15, 1820]
    assert ordered_strings(2)[5:8] == [(0, 0), (0, 1), (0, 2)]
    assert len(all_strings(3)) == len(set(all_strings(3))) == 85


@pytest.mark.parametrize("answers", ["argmax", "probabilities"])
def test_answers_are_what_networks_say_next(answers: str, tiny_zoo: Zoo) -> None:
    population, strings = tiny_zoo.population([0, 5, 8]), ordered_strings(3)
    found = answers_to_strings(population, strings, answers, levels=3)
    assert found.shape == (3, len(strings))
    said = np.array([_said(population[n], string) for n in range(3) for string in strings])
    told = {}
    for code, own in zip(found.ravel().tolist(), said, strict=True):
        key = int(own.argmax()) if answers == "argmax" else tuple(np.round(own * 3).astype(int).tolist())
        assert told.setdefault(code, key) == key
    assert len(set(told.values())) == len(told)


def test_answers_that_are_no_numbers_are_told_from_all_others(tiny_zoo: Zoo) -> None:
    population, strings = tiny_zoo.population([0, 1]), ordered_strings(2)
    population.weights["linear.bias"][1] = float("nan")
    for answers in ("argmax", "probabilities"):
        found = answers_to_strings(population, strings, answers)
        assert (found[0] >= 0).all()
        assert (found[1] == -1).all()
    told = answers_to_strings(population, torch.tensor([[0, 1], [1, 2]]))  # type: ignore[arg-type]
    assert (told == answers_to_strings(population, [(0, 1), (1, 2)])).all()


def test_strings_and_answers_out_of_range_are_refused(tiny_zoo: Zoo) -> None:
    population = tiny_zoo.population([0])
    for arguments, words in (
        (("likeliest",), "argmax or probabilities"),
        (("probabilities", 0), r"1\.\.20"),
        (("probabilities", 2.0), "levels"),
    ):
        with pytest.raises(RNN2VecError, match=words):
            answers_to_strings(population, [(0,)], *arguments)  # type: ignore[arg-type]
    wide = Population.initialise(dataclasses.replace(population.architecture, output_size=64), 0, [0])
    with pytest.raises(RNN2VecError, match="all 64 probabilities"):
        answers_to_strings(wide, [(0,)], "probabilities", 4)
    for strings in (ordered_strings, all_strings):
        for length in (-1, 1.0, 10**6, 10**30):
            with pytest.raises(RNN2VecError, match=r"length|letters"):
                strings(length)  # type: ignore[arg-type]


def _said(population: Population, string: tuple[int, ...]) -> np.ndarray:
    return run(population, torch.tensor([[[BOS, *string]]]))[0][0, 0, -1].softmax(-1).numpy()


def test_a_zoo_is_identified(two_networks_a_task: Zoo, tmp_path: Path) -> None:
    found = interrogate_zoo(two_networks_a_task, length=6, seconds=5)
    assert len(found.answers.tasks) == 16
    rows = np.flatnonzero(_last(two_networks_a_task))
    population, strings = two_networks_a_task.population(rows), ordered_strings(6)
    codes = answers_to_strings(population, strings)
    assert (found.answers.codes == codes).all()
    behaviours = len(np.unique(codes, axis=0))
    network = found.found[0]
    assert network.target == "network"
    asked = list(network.fixed_order)
    assert len(np.unique(codes[:, asked], axis=0)) == behaviours  # the fixed questions do identify
    for index in range(len(rows)):
        label, depth = network.adaptive.identify(lambda question, index=index: codes[index, question])  # type: ignore[misc]
        assert depth <= network.adaptive.count <= network.fixed.count <= behaviours - 1
        same = [other for other in range(len(rows)) if (codes[other] == codes[index]).all()]
        tree_label = {network.adaptive.identify(lambda q, other=other: codes[other, q])[0] for other in same}  # type: ignore[misc]
        assert tree_label == {label}


def test_without_time_no_tree_is_known_to_be_best(two_networks_a_task: Zoo) -> None:
    for seconds, exact in ((0.0, False), (30.0, True)):
        network = interrogate_zoo(two_networks_a_task, length=2, seconds=seconds).found[0]
        assert network.adaptive.exact == exact


def _last(zoo: Zoo) -> np.ndarray:
    return zoo.column("step") == zoo.steps[-1]


def test_networks_that_answer_alike_are_one_function(two_networks_a_task: Zoo) -> None:
    found = interrogate_zoo(two_networks_a_task, length=1, step=0)
    said = found.answers
    assert said.step == 0
    behaviours = len(np.unique(said.codes, axis=0))
    assert behaviours < len(said.codes) == 16  # untrained networks
    alike = (said.codes[:, None] == said.codes).all(-1)
    assert ((said.behaviours[:, None] == said.behaviours) == alike).all()
    network, task = found.found
    assert (network.targets, task.target) == (behaviours, "task")
    assert len(said.function_class()) == 16
    leaves = [leaf for _, leaf in network.adaptive.leaves()]
    assert sorted(leaf.functions for leaf in leaves) == sorted({tuple(np.flatnonzero(row).tolist()) for row in alike})
    assert all({leaf.label} == set(said.behaviours[list(leaf.functions)].tolist()) for leaf in leaves)
    other_task = said.tasks[:, None] != said.tasks
    assert len(said.function_class("task")) == 16 - (alike & other_task).any(1).sum() < 16


def test_ambiguous_networks_are_left_out_where_tasks_are_asked_for() -> None:
    codes = np.array([[0, 0], [0, 0], [0, 1], [1, 1], [1, 1]])
    said = ZooAnswers(("a", "b"), 0, codes, tasks=np.array([0, 1, 1, 2, 2]))
    assert said.ambiguous.tolist() == [True, True, False, False, False]
    network, task = said.function_class("network"), said.function_class("task")
    assert (len(network), len(network.labels)) == (5, 3)
    assert (len(task), len(task.labels)) == (3, 2)
    assert noninteractive_queries(task).questions == (0,)
    with pytest.raises(RNN2VecError, match="network and task"):
        said.function_class("angle")


@pytest.mark.parametrize(
    ("codes", "tasks"),
    [([[0.5], [0.5]], [0, 1]), ([[0], [1]], [0, -1]), ([[0], [1]], [0]), ([[0, 1], [1, 1]], [0, 1]), ([], []), (0, 0)],
)
def test_answers_of_a_zoo_are_whole_numbers(codes: Any, tasks: Any) -> None:
    with pytest.raises(RNN2VecError, match=r"networks have a task each|codes are whole numbers"):
        ZooAnswers(("a",), 0, codes, tasks)


def test_answers_of_a_zoo_may_be_tensors() -> None:
    said = ZooAnswers(("a",), 0, torch.tensor([[0], [0], [1]]), torch.tensor([0, 1, 1]))  # type: ignore[arg-type]
    assert said.ambiguous.tolist() == [True, True, False]
    assert len(said.function_class("task")) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"length": 0}, "at least one letter"),
        ({"strings": "random"}, "ordered or all"),
        ({"answers": "hidden"}, "argmax or probabilities"),
        ({"levels": 21}, "1..20"),
        ({"levels": 2.0}, "levels: a whole number is needed"),
        ({"length": 2.5}, "length: a whole number is needed"),
        ({"step": 0.0}, "step: a whole number is needed"),
        ({"seconds": float("nan")}, "seconds"),
        ({"step": 7}, "snapshots of"),
        ({"length": 9, "strings": "all"}, "got 349,525: lower the length"),
        ({"length": 10**6}, "lower the length"),
        ({"length": 10_000, "strings": "all"}, "got all strings of up to 10,000 letters: lower the length"),
        ({"length": 10**9, "strings": "all"}, "got all strings of up to 1,000,000,000 letters: lower the length"),
    ],
)
def test_what_a_zoo_cannot_be_asked(arguments: dict[str, Any], words: str, two_networks_a_task: Zoo) -> None:
    with pytest.raises(RNN2VecError, match=words):
        interrogate_zoo(two_networks_a_task, **arguments)


def test_networks_of_another_cell_are_asked(tmp_path: Path) -> None:
    recipe = zoo_recipe(
        "formal-languages",
        "demo",
        models=4,
        steps=12,
        snapshots=(12,),
        hidden_size=8,
        cell="gru",
        traces=4,
        evaluation_strings=8,
    )
    zoo = build_zoo(recipe, tmp_path / "gru")
    assert zoo.architecture.cell == "gru"
    found = interrogate_zoo(zoo, length=3, seconds=2)
    assert (found.answers.codes == answers_to_strings(zoo.population(), ordered_strings(3))).all()
    network = found.found[0]
    assert network.targets == len(np.unique(found.answers.codes, axis=0)) > 1
    assert 1 <= network.adaptive.count <= network.fixed.count < network.targets


def test_a_zoo_of_digits_is_asked_images(tmp_path: Path) -> None:
    recipe = zoo_recipe("sequential-digits", "demo", models=6, steps=30, hidden_size=8)
    found = interrogate_zoo(build_zoo(recipe, tmp_path / "digits"), length=5, seconds=2)
    assert found.answers.codes.shape == (6, 30)
    assert [target.target for target in found.found] == ["network"]
    assert len(np.unique(found.answers.behaviours)) > 1


# --- all of it ---


@contextmanager
def silent(title: str, jobs: Any) -> Any:
    yield lambda job, amount, note: None


def test_one_report(two_networks_a_task: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(theory_run, "SIZES", (2, 4))
    monkeypatch.setattr(theory_run, "ZOO_SECONDS", 1.0)
    out = tmp_path / "theory"
    zoo = two_networks_a_task.directory

    def interrupted(*arguments: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("rnn2vec.training.CHECKPOINT_SECONDS", 0.0)

    @contextmanager
    def impatient(title: str, jobs: Any) -> Any:
        def on_progress(job: int, amount: int, note: str) -> None:
            if title == "Learning to ask" and job == 1:
                raise KeyboardInterrupt

        yield on_progress

    with pytest.raises(KeyboardInterrupt):
        theory_run.run_theory(out, impatient, zoo, [2, 4], steps=2)
    assert {path.name for path in (out / "gap").iterdir()} == {"noninteractive-2.json", "interactive-2.safetensors"}
    told: list[str] = []

    @contextmanager
    def telling(title: str, jobs: Any) -> Any:
        yield lambda job, amount, note: told.append(note)

    drawn = theory_report.write_theory_report
    monkeypatch.setattr(theory_report, "write_theory_report", interrupted)
    with pytest.raises(KeyboardInterrupt):
        theory_run.run_theory(out, telling, zoo, [2, 4], steps=2)
    assert (told.count("kept"), told.count("resumed")) == (1, 1)
    kept = {path: path.stat().st_mtime_ns for path in (out / "gap").iterdir()}
    assert len(kept) == 6
    monkeypatch.setattr(theory_report, "write_theory_report", drawn)
    theory_run.run_theory(out, silent, zoo, [2, 4], steps=2)
    assert {path: path.stat().st_mtime_ns for path in (out / "gap").iterdir()} == kept
    page = (out / "report.html").read_text()
    assert page.count("<svg") + page.count("<img") == 4
    results = json.loads((out / "results.json").read_text())
    assert set(results) == {"classes", "gap", "zoos"}
    assert results["zoos"]["walkers"]["networks"] == 16
    with pytest.raises(RNN2VecError, match=r"another \(jobs\.steps 2 there, 3 here\)"):
        theory_run.run_theory(out, silent, zoo, [2, 4], steps=3)


def test_one_mixed_question_does_what_many_single_ones_cannot_undercut() -> None:
    """A point of the simplex is no question of the theory: real weights on the letters give each function its own
    answer, where single letters must be asked one by one.
    """
    size = 8
    functions = point_functions(size)
    rows = [tuple(int(functions.answer(f, q)) for q in range(size)) for f in range(size)]  # type: ignore[call-overload]
    population = realise([MealyMachine(((0,) * size,), (row,)) for row in rows])
    assert noninteractive_queries(functions).count == size - 1
    weights = torch.arange(1.0, size + 1)
    mixed = (weights / weights.sum()).expand(size, 1, 1, -1)
    answers = run(population, mixed)[0][:, 0, 0].softmax(-1)[:, 1]  # how likely each says 1
    assert answers.sort().values.diff().min() > 1e-6
    single_letter = torch.zeros(size, 1, 1, dtype=torch.long)
    assert len(run(population, single_letter)[0][:, 0, 0].argmax(-1).unique()) == 2
