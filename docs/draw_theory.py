"""Draw the pictures of docs/theory.md: python docs/draw_theory.py RESULTS.json DIRECTORY."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from rnn2vec.report.questions import identification_curves, zoo_curves
from rnn2vec.theory.gap import GapRun
from rnn2vec.theory.report import best_shares, learned_shares, told_apart_shares, zoo_shares

results, directory = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])
runs = [GapRun(**run) for run in results["gap"]]
drawn = identification_curves(learned_shares(runs), best_shares(runs), told_apart_shares(runs))
drawn.savefig(directory / "theory-gap.png", dpi=110)
(zoo,) = results["zoos"].values()
zoo_curves(zoo_shares(zoo["identified"])).savefig(directory / "theory-zoo.png", dpi=110)
