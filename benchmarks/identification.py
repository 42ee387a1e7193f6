"""How many questions it takes to find the network behind a black box: members, strangers, groups, answers of all kinds.

    python benchmarks/identification.py ZOO [--amplifiers ZOO] [--boxes 60]

ZOO is one of languages (`rnn2vec zoo build formal-languages`), of which the last snapshots are known; amplifiers are
any imported zoo of numbers. Intervals are 95 % (Wilson for shares, the order statistics of medians). The last line is
JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binom, norm
from sklearn.metrics import roc_auc_score

from rnn2vec import Identifier, Zoo, identify
from rnn2vec.identification.identify import interrogate
from rnn2vec.identification.posterior import Posterior, Told
from rnn2vec.networks import Networks
from rnn2vec.networks.behaviour import answers_of
from rnn2vec.randomness import generator
from rnn2vec.zoo.questions import questions_of

FORMS = {"full": 16, "rounded:2": 16, "top1": 16, "sampled": 64}
"""Kinds of answers, and how many questions may be asked."""
CONFIDENCE = 0.99


def wilson(right: int, count: int) -> tuple[float, float]:
    """95 % interval of a share."""
    z = float(norm.ppf(0.975))
    share, width = right / count, z * z / count
    middle, half = share + width / 2, z * np.sqrt(share * (1 - share) / count + width / count / 4)
    return float((middle - half) / (1 + width)), float((middle + half) / (1 + width))


def of_median(values: list[float]) -> tuple[float, float, float]:
    """The median, and a 95 % interval of it by order statistics."""
    ordered, count = sorted(values), len(values)
    low = int(binom.ppf(0.025, count, 0.5))
    return float(np.median(ordered)), ordered[max(low - 1, 0)], ordered[min(count - low, count - 1)]


def box(network: Networks, form: str, random: np.random.Generator, noise: float = 0.0) -> Callable[..., Any]:
    """One network that answers in a form."""

    def ask(question: np.ndarray) -> np.ndarray:
        answer = answers_of(network, question[None])[0, 0].numpy().astype(float)
        if form == "top1":
            return answer.argmax(1)
        if form == "sampled":
            return np.array([random.choice(len(own), p=own / own.sum()) for own in answer])
        if form.startswith("rounded"):
            return answer.round(int(form[-1]))
        return answer + noise * random.normal(size=answer.shape)

    return ask


def members(networks: Networks, pool: np.ndarray, form: str, boxes: int) -> dict[str, Any]:
    """Members of a zoo as boxes: letters until it is clear, and in all, with the questions that make sure."""
    rows = np.linspace(0, len(networks) - 1, boxes).astype(int)
    start = time.perf_counter()
    known = Identifier(networks, pool, form)
    known.next_question()
    setup, seconds = time.perf_counter() - start, 0.0
    right, strings, letters, until, waited = 0, [], [], [], 0.0
    for row in rows:
        answer = box(networks[row : row + 1], form, generator(0, "boxes", int(row)))

        def ask(question: np.ndarray, answer: Callable[..., Any] = answer) -> Any:
            nonlocal waited
            began = time.perf_counter()
            said = answer(question)
            waited += time.perf_counter() - began
            return said

        lengths: list[int] = []
        clear: list[int] = []

        def note(told: Told, posterior: Posterior, lengths: list[int] = lengths, clear: list[int] = clear) -> None:
            lengths.append(len(told.question))
            if posterior.probabilities.max() >= CONFIDENCE:
                clear.append(len(lengths))

        start = time.perf_counter()
        found = interrogate(ask, known.anew(), FORMS[form], CONFIDENCE, on_answer=note)
        seconds += time.perf_counter() - start
        best = found.candidates[0].name
        right += best == str(row) or any({best, str(row)} <= set(group) for group in found.alike)
        strings.append(found.questions)
        letters.append(found.letters)
        first = clear[0] if clear else len(lengths)
        until.append((first, sum(lengths[:first])))
    return {
        "right": right / boxes,
        "right_interval": wilson(right, boxes),
        "strings": of_median(strings),
        "most_strings": max(strings),
        "strings_until_clear": of_median([own[0] for own in until]),
        "most_strings_until_clear": max(own[0] for own in until),
        "letters": of_median(letters),
        "most_letters": max(letters),
        "letters_until_clear": of_median([own[1] for own in until]),
        "most_letters_until_clear": max(own[1] for own in until),
        "seconds_before": setup,
        "seconds_a_question": (seconds - waited) / sum(strings),
    }


def one_string(networks: Networks, pool: np.ndarray, form: str, boxes: int) -> dict[str, Any]:
    """Members as boxes that are asked one string that goes on, until it is clear and no more."""
    known = Identifier(networks, pool, form)
    known.continuation()
    right, strings, letters, asked, start = 0, [], [], 0, time.perf_counter()
    for row in np.linspace(0, len(networks) - 1, boxes).astype(int):
        found = interrogate(networks[row : row + 1], known.anew(), FORMS[form], CONFIDENCE, checks=0, one_string=True)
        best = found.candidates[0].name
        right += best == str(row) or any({best, str(row)} <= set(group) for group in found.alike)
        strings.append(found.questions)
        letters.append(found.letters)
        asked += len(found.transcript)
    return {
        "right": right / boxes,
        "right_interval": wilson(right, boxes),
        "strings": of_median(strings),
        "most_strings": max(strings),
        "letters": of_median(letters),
        "most_letters": max(letters),
        "seconds_a_continuation": (time.perf_counter() - start) / asked,
    }


def strangers(networks: Networks, pool: np.ndarray, tasks: np.ndarray, form: str, boxes: int) -> dict[str, Any]:
    """A fifth of the tasks are unknown: boxes of these and of known ones, by how likely it is that they are none."""
    known = np.unique(tasks)
    held = generator(0, "held out").permutation(known)[: len(known) // 5]
    rest = np.flatnonzero(~np.isin(tasks, held))
    rows = generator(1, "held out").permutation(np.flatnonzero(np.isin(tasks, held)))[: boxes // 2]
    inside = generator(2, "held out").permutation(rest)[: boxes // 2]
    said = []
    for row in (*inside, *rows):
        ask = box(networks[row : row + 1], form, generator(3, int(row)))
        said.append(identify(ask, networks[rest], FORMS[form], form, pool=pool).none_of_these)
    truth = np.repeat([0, 1], [len(inside), len(rows)])
    refused = int((np.array(said[: len(inside)]) > 0.5).sum())
    return {
        "auroc": float(roc_auc_score(truth, said)),
        "false_refusals": refused / len(inside),
        "false_refusals_interval": wilson(refused, len(inside)),
        "found_out": float((np.array(said[len(inside) :]) > 0.5).mean()),
    }


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("zoo", type=Path)
    parser.add_argument("--amplifiers", type=Path)
    parser.add_argument("--boxes", type=int, default=60)
    arguments = parser.parse_args()
    zoo = Zoo.open(arguments.zoo)
    last = np.flatnonzero(zoo.column("step") == zoo.steps[-1])
    networks, pool = zoo.networks(last), questions_of(zoo)
    tasks = np.unique(zoo.groups[last], axis=0, return_inverse=True)[1].reshape(-1)
    report: dict[str, Any] = {"networks": len(last), "questions": list(pool.shape), "members": {}, "strangers": {}}
    report["one_string"] = {form: one_string(networks, pool, form, arguments.boxes) for form in ("full", "top1")}
    for form, own in report["one_string"].items():
        print(
            f"one string, {form}: right {own['right']:.3f}, strings {own['strings'][0]:g} (most "
            f"{own['most_strings']}), letters {own['letters'][0]:g} (most {own['most_letters']}), "
            f"{own['seconds_a_continuation']:.3f} s each",
            flush=True,
        )
    for form in FORMS:
        report["members"][form] = own = members(networks, pool, form, arguments.boxes)
        print(
            f"{form:10s} right {own['right']:.2f}, strings {own['strings'][0]:g} (most {own['most_strings']}), letters "
            f"{own['letters'][0]:g} (most {own['most_letters']}); until clear {own['strings_until_clear'][0]:g} (most "
            f"{own['most_strings_until_clear']}), {own['letters_until_clear'][0]:g} (most "
            f"{own['most_letters_until_clear']}); {own['seconds_a_question']:.3f} s a question",
            flush=True,
        )
        report["strangers"][form] = own = strangers(networks, pool, tasks, form, arguments.boxes)
        print(
            f"           none of these: AUROC {own['auroc']:.3f}, {own['false_refusals']:.0%} of members refused",
            flush=True,
        )
    if arguments.amplifiers:
        own_zoo = Zoo.open(arguments.amplifiers)
        amplifiers, short = own_zoo.networks(), questions_of(own_zoo)[:, :64]
        found = [members(amplifiers, short, form, len(amplifiers)) for form in ("full", "rounded:2")]
        report["amplifiers"] = dict(zip(("full", "rounded:2"), found, strict=True))
        for form, own in report["amplifiers"].items():
            print(
                f"amplifiers, {form}: right {own['right']:.2f}, strings {own['strings'][0]:g} (most "
                f"{own['most_strings']}), steps {own['letters'][0]:g} (most {own['most_letters']})"
            )
    print(json.dumps(report))


if __name__ == "__main__":
    main()
