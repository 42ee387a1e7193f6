"""Draw the README's picture from a finished demo: ``python docs/draw_demo.py DEMO_DIRECTORY``."""

import json
import sys
from pathlib import Path

from rnn2vec import Zoo, load_encoder
from rnn2vec.families import family_of
from rnn2vec.report import figures, maps

demo, here = Path(sys.argv[1]), Path(__file__).parent
results = json.loads((demo / "results.json").read_text())
zoo = Zoo.open(demo / "zoo")
metrics = {
    name: {kind: values[kind]["validation"] for kind in ("frozen", "supervised") if kind in values}
    for name, values in results["encoders"].items()
}
family = family_of(zoo.family)
bars = figures.share_bars(metrics, family.words.knowledge, 1 / results["zoo"]["tasks"])
bars.savefig(here / "demo-language.png", dpi=110)
z = {name: load_encoder(demo / "encoders" / name).encode(zoo.networks()) for name in results["encoders"]}
dots = maps.embedding_maps(
    z, zoo.tasks, zoo.column("accuracy"), family.task_set.task_columns, family.words.task, family.tasks_are_angles
)
dots.savefig(here / "demo-maps.png", dpi=110)
