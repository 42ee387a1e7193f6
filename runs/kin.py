"""Which tasks are kin? What is nearest to a network once its own kind of task is left out, without any label.

    rnn2vec zoo build cognitive-tasks --preset demo --models 384 --cells leaky,elman,gru --out runs/out/kin
    python runs/kin.py runs/out/kin
    python runs/kin.py runs/out/kin --unseen --encoders answers,noninteractive,interactive --out runs/out/kin-unseen

Of the last snapshots, those that have learnt their task. With ``--unseen`` an encoder is made anew for every kind of
task, by emulation of the networks of all others alone (`answers` is fitted to them); then networks of the kind that it
never saw look for their nearest among those others. Kin are the tasks that one file of rnn2vec.tasks.cognitive defines:
reaching, decisions, comparisons, intervals, navigation; flip-flop and sine generator have none. Chance is the share of
kin among the others. A minute or two a kind and encoder; the same command goes on where it was interrupted. The last
line is JSON.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from rnn2vec import Zoo
from rnn2vec.emulation.emulate import Observed, emulate
from rnn2vec.emulation.recipe import recipe_for
from rnn2vec.emulation.store import zoo_checksum
from rnn2vec.encoders import ENCODERS, AnswersEncoder, Encoder, build_encoder
from rnn2vec.evaluation.properties import learnt, view_of_zoo
from rnn2vec.files import read_json, write_json
from rnn2vec.plan import require_same
from rnn2vec.tasks.cognitive import TASKS
from rnn2vec.zoo.questions import questions_of
from rnn2vec.zoo.split import split_zoo

GROUPS = {kind.name: kind.__module__.rsplit(".", 1)[-1] for kind in TASKS}
"""The file that defines a kind of task, by the kind's name."""


def last_learnt(zoo: Zoo) -> np.ndarray:
    """Rows of the last snapshots that have learnt their task."""
    return np.flatnonzero(learnt(zoo) & (zoo.column("step") == max(zoo.steps)))


def seen_alike(zoo: Zoo) -> dict[str, Any]:
    """By answers alone, fitted to all networks: the nearest of each, of another cell, and of another kind of task."""
    rows = last_learnt(zoo)
    kinds, cells = zoo.column("task")[rows], zoo.column("cell")[rows]
    z = AnswersEncoder.fitted(zoo.networks(rows), questions_of(zoo)).encode(zoo.networks(rows))
    similarity = z @ z.T
    np.fill_diagonal(similarity, -np.inf)
    same, other = kinds[:, None] == kinds, cells[:, None] != cells
    nearest = kinds[similarity.argmax(1)] == kinds
    across = kinds[np.where(other, similarity, -np.inf).argmax(1)] == kinds
    kin = kinds[np.where(same, -np.inf, similarity).argmax(1)]
    report: dict[str, Any] = {
        "networks": len(rows),
        "nearest_same_task": float(nearest.mean()),
        "nearest_of_another_cell_same_task": float(across.mean()),
        "kin": {},
    }
    shares = f"{nearest.mean():.2f}, of another cell {across.mean():.2f}"
    print(f"{len(rows)} networks: the nearest does the same task for {shares}")
    for kind in np.unique(kinds):
        report["kin"][str(kind)] = counted(kin[kinds == kind])
        print(f"{kind:30s} ({(kinds == kind).sum():2d}): {shown(report['kin'][str(kind)])}")
    return report


def counted(kinds: np.ndarray) -> dict[str, int]:
    """How often each occurs, the most frequent first."""
    names, counts = np.unique(kinds, return_counts=True)
    return {str(names[at]): int(counts[at]) for at in np.argsort(-counts, kind="stable")}


def shown(counts: dict[str, int]) -> str:
    """The three most frequent."""
    return ", ".join(f"{name} {count}" for name, count in list(counts.items())[:3])


@dataclasses.dataclass(frozen=True)
class Unseen:
    """A kind of task that an encoder never saw.

    Attributes:
        zoo: all networks.
        kind: name of the task.
        encoder: name of the encoder.
        preset: of pretraining.
        seed: of the encoder and its training.
    """

    zoo: Zoo
    kind: str
    encoder: str
    preset: str
    seed: int

    def found(self) -> dict[str, Any]:
        """Whom networks of the kind are nearest to, and what the encoder says of other kinds for comparison."""
        rows = last_learnt(self.zoo)
        kinds = self.zoo.column("task")[rows]
        own, others = rows[kinds == self.kind], rows[kinds != self.kind]
        encoder = self.trained()
        z = encoder.encode(self.zoo.networks(own)) @ encoder.encode(self.zoo.networks(others)).T
        nearest, group = kinds[kinds != self.kind][z.argmax(1)], GROUPS[self.kind]
        kin = [GROUPS[name] == group for name in kinds[kinds != self.kind]]
        return {
            "kind": self.kind,
            "encoder": self.encoder,
            "seed": self.seed,
            "networks": len(own),
            "nearest": counted(nearest),
            "kin": float(np.mean([GROUPS[name] == group for name in nearest])),
            "chance": float(np.mean(kin)),
        }

    def trained(self) -> Encoder:
        """An encoder that learnt from snapshots of all other kinds of tasks."""
        zoo, split = self.zoo, split_zoo(self.zoo)
        train, validation = (part[zoo.column("task")[part] != self.kind] for part in (split.train, split.validation))
        observed, held_back = (Observed(zoo.networks(part), zoo.stored_traces(part)) for part in (train, validation))
        recipe = recipe_for(view_of_zoo(zoo), self.preset)
        form = ENCODERS[self.encoder].form_of(zoo)
        encoder = build_encoder(self.encoder, form, self.seed, **recipe.encoder_options.get(self.encoder, {}))
        encoder.start(observed.networks, questions_of(zoo, train, self.seed))
        if encoder.learns:
            emulate(encoder, observed, held_back, recipe, self.seed, evaluations=1)
        return encoder.eval()


def unseen_placed(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Every kind of task that has kin, by every encoder and seed."""
    zoo, path = Zoo.open(options.zoo), options.out / "unseen.json"
    options.out.mkdir(parents=True, exist_ok=True)
    plan, found = {"zoo": zoo_checksum(zoo), "preset": options.preset}, []
    if path.exists():
        kept = read_json(path, "kinds that were held out")
        require_same(options.out, "run", kept["plan"], plan)
        found = kept["found"]
    known = {(each["encoder"], each["seed"], each["kind"]) for each in found}
    groups = list(GROUPS.values())
    with_kin = [kind for kind, group in GROUPS.items() if groups.count(group) > 1]
    present = set(zoo.column("task")[last_learnt(zoo)])
    for encoder in options.encoders.split(","):
        for seed in range(options.seeds if ENCODERS[encoder].learns else 1):
            for kind in with_kin:
                if (encoder, seed, kind) not in known and kind in present:
                    found.append(Unseen(zoo, kind, encoder, options.preset, seed).found())
                    write_json(path, {"plan": plan, "found": found})
                    placed = f"kin {found[-1]['kin']:.2f} (chance {found[-1]['chance']:.2f})"
                    print(f"{encoder}, seed {seed}, {kind}: {placed}; {shown(found[-1]['nearest'])}", flush=True)
    found = [each for each in found if each["seed"] < options.seeds]
    for encoder in options.encoders.split(","):
        own = [each for each in found if each["encoder"] == encoder]
        kin, chance = (np.mean([each[name] for each in own]) for name in ("kin", "chance"))
        print(f"{encoder}: nearest is kin for {kin:.2f}, chance {chance:.2f}, mean of {len(own)} kinds and seeds")
    return found


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("zoo", type=Path)
    parser.add_argument("--unseen", action="store_true", help="leave one kind of task out at a time")
    parser.add_argument("--encoders", default="answers,noninteractive,interactive")
    parser.add_argument("--preset", default="demo", help="of pretraining")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("runs/out/kin-unseen"))
    options = parser.parse_args()
    print(json.dumps(unseen_placed(options) if options.unseen else seen_alike(Zoo.open(options.zoo))))


if __name__ == "__main__":
    main()
