"""Identification beside the theory's optimum, and beside automata learning, which knows no candidates.

    pip install aalpy
    python benchmarks/identification_rivals.py [TOMITA_FOLDER] [--classes 200]

Theory: random classes of 4 to 64 functions of up to 24 questions with 2 to 4 answers. For each function of a class, the
identifier asks until one function alone fits; its worst case is compared with that of the best tree.

TOMITA_FOLDER holds acceptors of Tomita grammars 1 to 4, LSTMs that others trained (tomita_K_lstm.safetensors). The
identifier's candidates are the acceptors of all seven grammars and 1,000 random automata of up to five states, realised
as networks. AALpy learns the same acceptors by L* and KV with a PAC oracle at .01, from the same answers: accept or
not, after every letter. The last line is JSON.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import re
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from identification import wilson

from rnn2vec import Classes, Interface, Tokens, identify, read_checkpoint
from rnn2vec.identification.box import SteppedNetwork
from rnn2vec.identification.identifier import Identifier
from rnn2vec.interrogation import FunctionClass, MealyMachine, interactive_queries, realise
from rnn2vec.networks import Networks
from rnn2vec.randomness import generator


def no_odd_run_after_odd(word: str) -> bool:
    """Whether no odd run of ones is followed, later, by an odd run of zeros."""
    odd = False
    for letter, run in itertools.groupby(word):
        length = len(list(run))
        if letter == "0" and odd and length % 2:
            return False
        odd |= letter == "1" and length % 2 == 1
    return True


TOMITA: dict[str, tuple[list[list[int]], set[int], Callable[[str], bool]]] = {
    "1": ([[1, 0], [1, 1]], {0}, lambda word: "0" not in word),
    "2": ([[2, 1], [0, 2], [2, 2]], {0}, lambda word: word == "10" * (len(word) // 2)),
    "3": (
        [[0, 1], [2, 0], [3, 4], [2, 3], [4, 4]],
        {0, 1, 3},
        lambda word: no_odd_run_after_odd(word),
    ),
    "4": ([[1, 0], [2, 0], [3, 0], [3, 3]], {0, 1, 2}, lambda word: "000" not in word),
    "5": ([[1, 2], [0, 3], [3, 0], [2, 1]], {0}, lambda word: word.count("0") % 2 == word.count("1") % 2 == 0),
    "6": ([[1, 2], [2, 0], [0, 1]], {0}, lambda word: (word.count("0") - word.count("1")) % 3 == 0),
    "7": ([[0, 1], [2, 1], [2, 3], [4, 3], [4, 4]], {0, 1, 2, 3}, lambda word: bool(re.fullmatch("0*1*0*1*", word))),
}
"""States that follow on the letters 0 and 1, and those that accept (the first state is 0); what a word has to be
(Tomita, 1982)."""
RANDOM = 1000
"""Automata beside them."""
PAC = {"epsilon": 0.01, "delta": 0.01}


def acceptor(follow: list[list[int]], accepting: Iterable[int]) -> MealyMachine:
    """A machine that says after every letter whether the word so far is accepted: 0 if it is, else 1."""
    accepts = set(accepting)
    answers = [[0 if state in accepts else 1 for state in row] for row in follow]
    return MealyMachine(tuple(map(tuple, follow)), tuple(map(tuple, answers)))


def check() -> None:
    """Raise unless the automata accept what their grammars say, of all words of up to ten letters."""
    for name, (follow, accepting, accepts) in TOMITA.items():
        machine = acceptor(follow, accepting)
        for length in range(1, 11):
            for word in itertools.product("01", repeat=length):
                if (machine.read(map(int, word))[-1] == 0) != accepts("".join(word)):
                    raise SystemExit(f"the automaton of Tomita {name} is wrong of {''.join(word)}")


def random_acceptor(number: int) -> MealyMachine:
    """An automaton of two to five states, drawn at random."""
    drawn = generator(0, "random acceptors", number)
    states = int(drawn.integers(2, 6))
    accepting = np.flatnonzero(drawn.integers(0, 2, states)).tolist()
    return acceptor(drawn.integers(0, states, (states, 2)).tolist(), accepting)


def random_class(number: int) -> np.ndarray:
    """Answers ``[F, Q]`` of different functions."""
    drawn = generator(0, "random classes", number)
    functions = int(drawn.integers(4, 65))
    questions = int(drawn.integers(max(3, int(np.ceil(np.log2(functions)))), 25))
    return np.unique(drawn.integers(0, int(drawn.integers(2, 5)), (functions, questions)), axis=0)


def worst_case(answers: np.ndarray) -> int:
    """Most questions that the identifier needs until one function alone fits, over all functions."""
    questions = answers.shape[1]
    networks = realise([MealyMachine(((0,) * questions,), (tuple(row),)) for row in answers.tolist()])
    most = 0
    for row in answers:
        identifier, asked = Identifier(networks, np.arange(questions)[:, None], "top1", continued=False), 0
        while True:
            likely = identifier.posterior.probabilities
            if (likely > 0.5 * likely.max()).sum() == 1:
                break
            question = identifier.next_question()
            if question is None:
                raise SystemExit("the identifier has no question left, though two functions fit")
            identifier.tell(question, row[question])
            asked += 1
        if identifier.posterior.probabilities.argmax() != int((answers == row).all(1).argmax()):
            raise SystemExit("the identifier ended with another function")
        most = max(most, asked)
    return most


def theory(classes: int) -> dict[str, Any]:
    """The identifier's worst case less the best tree's."""
    beyond, above, settled = [], 0, 0
    for number in range(classes):
        answers = random_class(number)
        tree = interactive_queries(FunctionClass(answers.tolist()), seconds=10.0)
        worst = worst_case(answers)
        above += worst > len(answers) - 1
        if tree.exact:
            settled += 1
            beyond.append(worst - tree.count)
    return {
        "classes": classes,
        "optimum_known": settled,
        "at_the_optimum": float(np.mean(np.equal(beyond, 0))),
        "within_one": float(np.mean(np.less_equal(beyond, 1))),
        "within_one_interval": wilson(int(np.less_equal(beyond, 1).sum()), settled),
        "most_beyond": int(max(beyond)),
        "more_than_functions_less_one": above,
    }


class Words(SteppedNetwork):
    """An acceptor for AALpy, which counts what it is asked. The empty word is asked by a step of None."""

    def __init__(self, network: Networks, empty: int) -> None:
        super().__init__(network)
        self.empty = empty
        self.num_queries = self.num_steps = self.num_cached_queries = 0

    def step(self, letter: int | None) -> bool:  # type: ignore[override]
        """Whether the word so far is accepted."""
        return (self.empty if letter is None else super().step(letter)) == 0

    def query(self, word: tuple[int | None, ...]) -> list[bool]:
        """Answers to all letters of a word."""
        self.num_queries += 1
        self.num_steps += len(word)
        self.pre()
        said = [self.step(letter) for letter in (word or (None,))]
        self.post()
        return said


def learned(network: Networks, learn: Callable[..., Any]) -> dict[str, Any]:
    """What AALpy asks to learn an acceptor."""
    from aalpy.oracles import PacOracle

    random.seed(0)
    words = Words(network, empty=0)  # the four grammars accept the empty word
    start = time.perf_counter()
    oracle = PacOracle([0, 1], words, **PAC)
    machine = learn([0, 1], words, oracle, automaton_type="dfa", print_level=0, max_learning_rounds=40)
    seconds = time.perf_counter() - start
    return {
        "questions": words.num_queries,
        "letters": words.num_steps,
        "states": len(machine.states),
        "seconds": seconds,
    }


def tomita(folder: Path) -> dict[str, Any]:
    """Questions until a grammar is named, beside those until it is learnt."""
    from aalpy.learning_algs import run_KV, run_Lstar

    machines = [acceptor(*own[:2]) for own in TOMITA.values()] + [random_acceptor(number) for number in range(RANDOM)]
    names = [f"Tomita {name}" for name in TOMITA] + [f"random {number}" for number in range(RANDOM)]
    candidates = realise(machines)
    pool = generator(0, "words").integers(0, 2, (64, 16))
    interface = Interface(Tokens(2), Classes(2))
    check()
    report = {}
    for grammar in ("1", "2", "3", "4"):
        path = folder / f"tomita_{grammar}_lstm.safetensors"
        network = read_checkpoint(path, interface=interface).networks
        start = time.perf_counter()
        found = identify(network, candidates, 16, "top1", names=names, pool=pool, noise=0.03)
        own: dict[str, Any] = {
            "named": found.candidates[0].name,
            "probability": found.candidates[0].probability,
            "questions": found.questions,
            "letters": found.letters,
            "seconds": time.perf_counter() - start,
            "same_function": [list(group) for group in found.alike if found.candidates[0].name in group],
        }
        own |= {name: learned(network, learn) for name, learn in (("L*", run_Lstar), ("KV", run_KV))}
        report[grammar] = own
        print(
            f"Tomita {grammar}: {own['named']} ({own['probability']:.2f}) in {own['questions']} questions, "
            f"{own['letters']} letters; "
            + "; ".join(
                f"{name} {each['states']} states in {each['questions']} questions, {each['letters']} letters"
                for name, each in (("L*", own["L*"]), ("KV", own["KV"]))
            ),
            flush=True,
        )
    return report


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tomita", type=Path, nargs="?")
    parser.add_argument("--classes", type=int, default=200)
    arguments = parser.parse_args()
    report: dict[str, Any] = {}
    if arguments.tomita:
        report["tomita"] = tomita(arguments.tomita)
    report["theory"] = theory(arguments.classes)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
