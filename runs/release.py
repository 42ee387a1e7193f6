"""Make the encoders that come with the package, measure them, and refuse if they are worse than those that are there.

    python runs/release.py formal-languages
    python runs/release.py sequential-digits --models 120 --data PATH/TO/MNIST

Zoo and encoder are the `laptop` presets, and stay under --work: the same command goes on where it was interrupted.
The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score
from strangers import strangers

from rnn2vec import Encoder, Networks, Zoo, build_zoo, load_encoder, zoo_recipe
from rnn2vec.emulation.recipe import recipe_for
from rnn2vec.emulation.store import RECORD, load_trained, pretrain_into
from rnn2vec.encoders.directory import CONFIG, EMULATOR, KNOWLEDGE, WEIGHTS
from rnn2vec.evaluation.calibration import calibration_error
from rnn2vec.evaluation.knowledge import Knowledge
from rnn2vec.evaluation.pretrained import SHIPPED, learn_labels
from rnn2vec.evaluation.properties import learnt, measure, properties_of, shown_by, view_of_zoo
from rnn2vec.files import read_json, write_json
from rnn2vec.identification.asked import Asked
from rnn2vec.networks.behaviour import answers_of
from rnn2vec.threads import default_threads
from rnn2vec.zoo.split import split_zoo

ENCODERS = {"formal-languages": "interactive", "sequential-digits": "noninteractive"}
"""Of digits, fixed questions tell as much as interactive ones, see docs/results.md, and the encoder is smaller."""
FIGURES, CARD = "figures.json", "README.md"
LARGEST = 3 << 20
"""Bytes of an encoder's directory."""
WORSE = 0.02
"""How much worse than the figures of the encoder that is there one of the new may be: two runs differ by as much."""
LESS_IS_BETTER = ("loss", "error", "calibration", "refused")
"""Words in the names of figures."""


def figures(zoo: Zoo, directory: Path, data: str | None = None) -> dict[str, float]:
    """What an encoder gets right on networks of tasks that it has not seen, and on strangers, trained on some data."""
    trained, encoder = load_trained(directory, zoo), load_encoder(directory)
    z, knows = encoder.encode(zoo.networks()), encoder.knowledge
    assert isinstance(knows, Knowledge)
    said = knows(z, zoo.stored_networks())
    found: dict[str, float] = {f"loss {part}": loss for part, loss in trained.record["losses"].items()}
    able = learnt(zoo)
    names = [each.name for each in properties_of(zoo)]
    for part, rows in split_zoo(zoo).tested.items():
        measured = measure(zoo, rows, {name: said[name][rows] for name in names})
        found |= {f"{name} {part}": value for name, value in measured.items() if name != "learnt"}
        for wanted in properties_of(zoo):
            if wanted.kind == "class":
                scored = rows[shown_by(wanted, zoo)[rows]]
                right = said[wanted.name][scored] == zoo.column(wanted.name)[scored]
                error = calibration_error(said[f"{wanted.name}_confidence"][scored], right)
                found[f"{wanted.name} calibration {part}"] = error
        found[f"refused {part}"] = float(1 - said["known"][rows[able[rows]]].mean())
        found |= boxes(zoo, encoder, rows[able[rows]], part)
    tested = np.concatenate(list(split_zoo(zoo).tested.values()))
    near = knows.strangeness(said)[tested[able[tested]]]
    for kind, networks in strangers(zoo, data).items():
        far = knows(encoder.encode(networks), networks)
        truth = np.repeat([0, 1], [len(near), len(networks)])
        found[f"AUROC {kind}"] = float(roc_auc_score(truth, np.concatenate([near, knows.strangeness(far)])))
        found[f"called unknown {kind}"] = float(1 - far["known"].mean())
    return found


def boxes(zoo: Zoo, encoder: Encoder, rows: np.ndarray, part: str) -> dict[str, float]:
    """What is read of the same networks as black boxes."""

    def asked(row: int) -> np.ndarray:
        network = zoo.networks([row])
        return encoder.encode(Asked(lambda question: answered(network, question), zoo.interface))[0]

    assert encoder.knowledge is not None
    said = encoder.knowledge(np.stack([asked(row) for row in rows]))
    names = [each.name for each in properties_of(zoo) if each.of_task]
    found = {name: np.mean(said[name] == zoo.column(name)[rows]) for name in names if f"{name}_confidence" in said}
    found |= {"refused": 1 - said["known"].mean()}
    return {f"boxes {name} {part}": float(value) for name, value in found.items()}


def answered(network: Networks, question: np.ndarray) -> np.ndarray:
    """What a network answers to one sequence, to two digits."""
    return answers_of(network, question[None])[0, 0].numpy().astype(float).round(2)


def worse(found: dict[str, float], before: dict[str, float]) -> list[str]:
    """Figures that are worse than before by more than two runs differ."""
    problems = []
    for name, was in before.items():
        sign = -1.0 if any(word in name for word in LESS_IS_BETTER) else 1.0
        scale = max(1.0, abs(was))
        now = found.get(name)
        if now is None or not sign * (now - was) >= -WORSE * scale:
            problems.append(f"{name}: {now} in place of {was}")
    return problems


def card(zoo: Zoo, found: dict[str, float], record: dict[str, Any], name: str) -> str:
    """What a reader must know of an encoder, with its figures, as model hubs show it."""
    rows = "\n".join(f"| {key} | {value:.4f} |" for key, value in found.items())
    symbols = view_of_zoo(zoo).words.symbols
    return f"""---
license: apache-2.0
library_name: rnn2vec
tags: [rnn2vec, weight-space-learning, recurrent-neural-networks]
---

# {name}

An encoder of recurrent networks ({ENCODERS[zoo.family]}): it asks a network {record["questions"]} questions
in {record["sequences"]} sequences, reads the answers, and makes a vector of {record["size"]} numbers of them. It never
sees a weight, so cell, size and library of the network do not matter. It was trained without labels, on {zoo.models}
networks ({zoo.architectures[0]}) of the family {zoo.family}; predictors of their labels are beside it.

```python
encoder = rnn2vec.load_encoder("{name}")
encoder.predict(networks)  # arrays [N] by property, with confidences; `known` says whether they mean anything
```

Networks have the interface {zoo.interface}. Outputs, in their order: {", ".join(symbols)}.

Made by `python runs/release.py {name} --models {zoo.models}` (seed {record["seed"]}, {record["steps"]} steps,
{record["seconds"]:.0f} s on {record["threads"]} threads). Licence: Apache-2.0. Figures, on tasks that neither it nor
its predictors were fitted to (`ood`: out of distribution):

| figure | value |
|---|---|
{rows}

`calibration` is the expected calibration error of a class's confidence. `refused` is the share of networks of the
family that are called unknown, `called unknown` that of strangers; AUROC is that of the distance to known networks
or of the error with which the emulator imitates them, whichever is larger in units of its limit.

`boxes` are of the same networks as black boxes that take single tokens and answer with probabilities of two digits: in
place of each mixture, they are asked its likeliest token.

Limits: networks that have not learnt their task, or read it in another encoding, are unknown to it; close relatives of
the family may count as known (see `called unknown`). Labels are those of the training family alone. Errors that nine of
ten predictions do not exceed are of networks like those of the zoo.
"""


def main() -> None:
    """Build, pretrain, measure, compare, and put the encoder where the package has it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("family")
    parser.add_argument("--work", type=Path, default=Path("runs/out/release"))
    parser.add_argument("--data", help="directory with MNIST's files")
    parser.add_argument("--models", type=int, help="networks of the zoo; as the preset says by default")
    parser.add_argument("--out", type=Path, help="by default, where the package has it")
    arguments = parser.parse_args()
    work, out = arguments.work / arguments.family, arguments.out or SHIPPED / arguments.family
    own = {"directory": arguments.data, "models": arguments.models}
    recipe = zoo_recipe(arguments.family, **{key: value for key, value in own.items() if value is not None})
    zoo = build_zoo(recipe, work / "zoo", workers=default_threads())
    directory = work / "encoder"
    pretraining = recipe_for(view_of_zoo(zoo), "laptop")
    name = ENCODERS[arguments.family]
    pretrain_into(zoo.directory, name, pretraining, 0, directory, on_progress=lambda amount, note: None)
    learn_labels(zoo.directory, directory)
    found = figures(zoo, directory, arguments.data)
    for name, value in found.items():
        print(f"{name:40} {value:.4f}")
    if (out / FIGURES).exists() and (problems := worse(found, read_json(out / FIGURES, "figures"))):
        raise SystemExit("worse than the encoder that is there, which stays: " + "; ".join(problems))
    record = read_json(directory / RECORD, "training record")
    probes, length, _ = load_encoder(directory).probe_logits.shape
    said = {"seed": record["seed"], "steps": pretraining.steps, "seconds": record["seconds"], "size": 16}
    said |= {"sequences": probes, "questions": probes * length, "threads": default_threads()}
    out.mkdir(parents=True, exist_ok=True)
    for name in (CONFIG, WEIGHTS, EMULATOR, RECORD, *KNOWLEDGE):
        shutil.copyfile(directory / name, out / name)
    write_json(out / FIGURES, found)
    (out / CARD).write_text(card(zoo, found, said, arguments.family))
    size = sum(path.stat().st_size for path in out.iterdir())
    if size > LARGEST:
        raise SystemExit(f"an encoder that comes with the package has at most {LARGEST} bytes; {out} has {size}")
    print(json.dumps({"encoder": str(out), "bytes": size, "figures": found}))


if __name__ == "__main__":
    main()
