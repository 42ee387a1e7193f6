"""How often does a GRU add rightly? Read from its weights alone, and by probing (Zhou et al. 2024, table 1).

    python runs/success.py --out runs/out/success

Its zoo has 10,000 sequence-to-sequence GRUs of 128 units, which complete sums of numbers of up to five digits
character by character; learning rates are drawn from 1e-4 to 1e-2 (uniform in the logarithm), batch sizes are 64, 128
or 256; 8,000 networks teach, 1,000 choose, 1,000 test; the figure is Kendall's tau between predicted and true success
rate. Ours: one GRU of 32 units reads the question and writes the result; numbers of one or two digits, so that 1,000
steps suffice; batches of 16, 32 or 64; clipping to a norm of 1. Success is the share of 2,500 pairs, drawn of all
10,000 and kept out of training, whose sum is completed rightly to its end. A seed decides which networks teach, choose
and test, and what a reader draws. Readers: `rate` knows the learning rate and the batch size alone; `statistics`, trees
on seven numbers of every gate's weights; `deep_weight_space`, trained end to end; `answers`, trees on principal
components of the answers to 64 sums (of pairs that networks are trained on), or to 64 random strings;
`noninteractive`, an encoder that learns what to ask, trained end to end; `marked`, for comparison, knows what is right:
trees on the share of the same 64 sums that is completed rightly, and the log-probabilities of the right symbols. Since
the learning rate tells most of it, tau is also taken within each tenth of the test networks by learning rate, and
averaged. The same command goes on where it was interrupted. The last line is JSON.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import kendalltau
from sklearn.ensemble import HistGradientBoostingRegressor
from torch import Tensor, nn
from torch.nn import functional as F

from rnn2vec import Classes, Interface, Population, Tokens
from rnn2vec.architecture import Architecture
from rnn2vec.encoders import ENCODERS, AnswersEncoder, Encoder
from rnn2vec.encoders.statistics import weight_statistics
from rnn2vec.engine import run, train_step
from rnn2vec.engine.optimizer import AdamW
from rnn2vec.files import read_record, write_record
from rnn2vec.parallel import run_jobs
from rnn2vec.plan import require_same
from rnn2vec.randomness import generator, torch_seed
from rnn2vec.threads import default_threads

SYMBOLS = "0123456789+=$_"
LENGTH = 10  # 99+99=198$
LARGEST = 100
GRU = Architecture("gru", len(SYMBOLS), (32,), len(SYMBOLS))
INTERFACE = Interface(Tokens(len(SYMBOLS)), Classes(len(SYMBOLS)))
BATCHES = (16, 32, 64)
RATES = (1e-4, 1e-2)
BLOCK = 50
"""Networks that are trained side by side and kept in one file; they share the batch size."""
TEST_PAIRS = 2500
READERS = ("rate", "statistics", "deep_weight_space", "answers", "random answers", "noninteractive", "marked")


def strings() -> tuple[Tensor, Tensor]:
    """Every sum in its place ``100 a + b``: tokens ``[10000, LENGTH]``, and 1 where the next one counts,
    ``[10000, LENGTH - 1]``.
    """
    tokens = torch.full((LARGEST**2, LENGTH), SYMBOLS.index("_"))
    counts = torch.zeros(LARGEST**2, LENGTH - 1)
    for place in range(LARGEST**2):
        first, second = divmod(place, LARGEST)
        question, result = f"{first}+{second}=", f"{first + second}$"
        tokens[place, : len(question + result)] = torch.tensor([SYMBOLS.index(symbol) for symbol in question + result])
        counts[place, len(question) - 1 : len(question + result) - 1] = 1
    return tokens, counts


def held_out_pairs() -> np.ndarray:
    """Places of the pairs that measure success."""
    return generator(0, "held out").permutation(LARGEST**2)[:TEST_PAIRS]


def taught_pairs() -> np.ndarray:
    """Those of all others."""
    return np.setdiff1d(np.arange(LARGEST**2), held_out_pairs())


@dataclasses.dataclass(frozen=True)
class Block:
    """Networks trained side by side; a job."""

    path: Path
    number: int
    steps: int

    def run(self, on_progress: Callable[[int, str], None]) -> None:
        """Train, measure and keep them, unless they are kept.

        Raises:
            RNN2VecError: if they were trained for other steps.
        """
        if self.path.exists():
            require_same(self.path, "block", {"steps": read_record(self.path)[1]["steps"]}, {"steps": self.steps})
        else:
            draw, models = generator(0, "block", self.number), range(self.number * BLOCK, (self.number + 1) * BLOCK)
            batch = int(draw.choice(BATCHES))
            rates = torch.from_numpy(np.exp(draw.uniform(*np.log(RATES), BLOCK)))
            tokens, counts = strings()
            held_out, taught = held_out_pairs(), taught_pairs()
            # A number of one digit is drawn about as often (.54) as one of two.
            weights = np.where(taught // LARGEST < 10, 10, 1) * np.where(taught % LARGEST < 10, 10, 1)
            cumulative = np.cumsum(weights) / weights.sum()
            population = Population.initialise(GRU, 0, models)
            optimizer = AdamW.start(population, 0.0, 1.0)
            for _ in range(self.steps):
                chosen = torch.from_numpy(taught[np.searchsorted(cumulative, draw.random((BLOCK, batch)))])
                own = tokens[chosen]
                train_step(population, optimizer, own[..., :-1], own[..., 1:], rates, counts[chosen])
            asked, due = tokens[held_out], counts[held_out] > 0
            # the symbols fed are those of the right result, and what is written is right only if all of them are
            said = [
                run(population[[model]], asked[None, :, :-1])[0][0].argmax(2) == asked[:, 1:] for model in range(BLOCK)
            ]
            success = torch.stack([(own | ~due).all(1).float().mean() for own in said])
            arrays = {name: weight.numpy() for name, weight in population.weights.items()}
            arrays |= {"success": success.numpy(), "learning_rate": rates.numpy()}
            write_record(self.path, arrays, {"batch_size": batch, "steps": self.steps})
        on_progress(1, "")


@dataclasses.dataclass(frozen=True)
class Sums:
    """The zoo: networks, and of each ``[N]`` its success, learning rate and batch size."""

    networks: Population
    success: np.ndarray
    learning_rate: np.ndarray
    batch_size: np.ndarray

    @classmethod
    def read(cls, paths: list[Path]) -> Sums:
        """All blocks."""
        arrays, records = zip(*map(read_record, paths), strict=True)
        joined = {name: np.concatenate([each[name] for each in arrays]) for name in arrays[0]}
        batches = np.repeat([record["batch_size"] for record in records], BLOCK)
        success, rate = joined.pop("success"), joined.pop("learning_rate")
        weights = {name: torch.from_numpy(array) for name, array in joined.items()}
        return cls(Population(GRU, weights, INTERFACE), success, rate, batches)

    def parts(self, seed: int) -> Iterator[np.ndarray]:
        """80 % that teach, 10 % that choose and 10 % that test."""
        order = generator(seed, "split").permutation(len(self.success))
        tenth = len(order) // 10
        yield from (np.sort(part) for part in (order[2 * tenth :], order[:tenth], order[tenth : 2 * tenth]))


def tau(said: np.ndarray, truth: np.ndarray) -> float:
    """Kendall's tau-b."""
    return float(kendalltau(said, truth).statistic)


def scores(said: np.ndarray, sums: Sums, seed: int) -> tuple[float, float]:
    """Kendall's tau of what is said of the test networks, of all and within tenths of them by learning rate."""
    *_, tested = sums.parts(seed)
    truth, order = sums.success[tested], np.argsort(sums.learning_rate[tested], kind="stable")
    within = [tau(said[part], truth[part]) for part in np.array_split(order, 10)]
    return round(tau(said, truth), 4), round(float(np.nanmean(within)), 4)


def boosted(features: np.ndarray, sums: Sums, seed: int) -> np.ndarray:
    """Success of the test networks by trees on features ``[N, F]``; how deep and how many, validation chooses."""
    taught, chosen, tested = sums.parts(seed)
    best = max(
        (
            HistGradientBoostingRegressor(
                max_iter=count, learning_rate=rate, max_leaf_nodes=leaves, random_state=seed
            ).fit(features[taught], sums.success[taught])
            for count, rate, leaves in ((300, 0.1, 31), (600, 0.05, 15), (1000, 0.03, 31))
        ),
        key=lambda trees: tau(trees.predict(features[chosen]), sums.success[chosen]),
    )
    return best.predict(features[tested])


def end_to_end(encoder: Encoder, sums: Sums, seed: int, steps: int, rate: float) -> np.ndarray:
    """Success of the test networks, before the sigmoid, by an encoder trained on it with cross-entropy, as in the
    paper; validation chooses the step.
    """
    taught, chosen, tested = sums.parts(seed)
    torch.manual_seed(torch_seed(seed, "head"))
    head = nn.Linear(encoder.embedding_size, 1)
    trained = [*encoder.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(trained, lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.05)
    truth = torch.from_numpy(sums.success)

    @torch.no_grad()
    def said(rows: np.ndarray) -> np.ndarray:
        return np.concatenate([head(encoder(sums.networks[part]))[:, 0].numpy() for part in np.array_split(rows, 10)])

    best, kept = -np.inf, np.zeros(len(tested))
    for step in range(steps):
        rows = taught[generator(seed, "batch", step).integers(0, len(taught), 64)]
        logits = head(encoder(sums.networks[rows]))[:, 0]
        optimizer.zero_grad()
        F.binary_cross_entropy_with_logits(logits, truth[rows]).backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        schedule.step()
        if (step + 1) % max(1, steps // 20) == 0 and (found := tau(said(chosen), sums.success[chosen])) > best:
            best, kept = found, said(tested)
    return kept


@torch.no_grad()
def marks(sums: Sums, places: np.ndarray) -> np.ndarray:
    """Of each network, on the sums at some places: the share completed rightly, the mean log-probability of a right
    symbol, and that of each place of the result, ``[N, 2 + 4]``.
    """
    tokens, counts = (part[places] for part in strings())
    due, found = counts > 0, []
    order = (counts.cumsum(1) * counts).long()  # 1, 2, 3, 4 along the result
    for rows in np.array_split(np.arange(len(sums.success)), 200):
        logits = run(sums.networks[rows], tokens[None, :, :-1].expand(len(rows), -1, -1))[0]
        right = logits.log_softmax(3).gather(3, tokens[None, :, 1:, None].expand(len(rows), -1, -1, 1))[..., 0]
        whole = ((logits.argmax(3) == tokens[:, 1:]) | ~due).all(2).float().mean(1)
        each = [right[:, order == place].mean(1) for place in range(1, 5)]
        found.append(torch.stack([whole, right[:, due].mean(1), *each], 1).numpy())
    return np.concatenate(found)


def main() -> None:
    """Make the zoo, read it, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=10_000)
    parser.add_argument("--steps", type=int, default=1000, help="training steps of each network")
    parser.add_argument("--reader-steps", type=int, default=4000, help="of encoders trained end to end")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--readers", default=",".join(READERS))
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    wanted = options.readers.split(",")
    if not set(wanted) <= set(READERS) or options.networks < 4 * BLOCK or options.networks % BLOCK:
        parser.error(f"readers are {', '.join(READERS)}, and networks a multiple of {BLOCK}, at least {4 * BLOCK}")
    options.out.mkdir(parents=True, exist_ok=True)
    jobs = [
        Block(options.out / f"block-{number:04d}.safetensors", number, options.steps)
        for number in range(options.networks // BLOCK)
    ]
    done, start = 0, time.monotonic()

    def tell(job: int, amount: int, note: str) -> None:
        nonlocal done
        done += amount
        if done % 10 == 0:
            print(f"{done * BLOCK} networks, {time.monotonic() - start:.0f} s", flush=True)

    run_jobs(jobs, default_threads(), tell)
    sums = Sums.read([job.path for job in jobs])
    spread = np.quantile(sums.success, [0, 0.1, 0.25, 0.5, 0.75, 0.9, 1]).round(3).tolist()
    print(f"success rates, quantiles 0, .1, .25, .5, .75, .9, 1: {spread}")
    places = generator(0, "asked").permutation(taught_pairs())[:64]
    asked = strings()[0][places, :-1].numpy()
    noise = generator(0, "random").integers(0, len(SYMBOLS), asked.shape)
    probing: dict[str, Any] = {"probes": 8, "probe_length": LENGTH - 1, "readout": "all"}

    def heard(questions: np.ndarray, seed: int) -> np.ndarray:
        encoder = AnswersEncoder(INTERFACE, embedding_size=65, sequences=len(questions), steps=questions.shape[1])
        encoder.start(sums.networks[next(sums.parts(seed))], questions)
        return encoder.encode(sums.networks)

    def probes() -> Encoder:
        encoder = ENCODERS["noninteractive"](INTERFACE, **probing, probe_init="traces")
        encoder.start(sums.networks[:1], asked)
        return encoder

    weights = {"channels": 16, "layers": 3}
    readers: dict[str, Callable[[int], np.ndarray]] = {
        "rate": lambda seed: boosted(np.stack([sums.learning_rate, sums.batch_size], 1), sums, seed),
        "statistics": lambda seed: boosted(weight_statistics(sums.networks).numpy(), sums, seed),
        "deep_weight_space": lambda seed: end_to_end(
            ENCODERS["deep_weight_space"](GRU, **weights), sums, seed, options.reader_steps, 2e-3
        ),
        "answers": lambda seed: boosted(heard(asked, seed), sums, seed),
        "random answers": lambda seed: boosted(heard(noise, seed), sums, seed),
        "noninteractive": lambda seed: end_to_end(probes(), sums, seed, options.reader_steps // 2, 2e-3),
    }
    readers["marked"] = lambda seed: boosted(marks(sums, places), sums, seed)
    results: dict[str, Any] = {"networks": len(sums.success), "success quantiles": spread, "tau": {}, "seconds": {}}
    for name in wanted:
        start = time.monotonic()
        found = []
        for seed in range(options.seeds):
            torch.manual_seed(torch_seed(seed, "encoder"))
            found.append(scores(readers[name](seed), sums, seed))
            print(f"{name}: seed {seed}, Kendall's tau {found[-1][0]:.4f}, within {found[-1][1]:.4f}", flush=True)
        results["tau"][name], results["seconds"][name] = found, round(time.monotonic() - start)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
