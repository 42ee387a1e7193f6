"""Draw the pictures of questions in docs/results.md: python docs/draw_questions.py RESULTS.parquet ZOO DIRECTORY."""

from __future__ import annotations

import sys
from pathlib import Path

from rnn2vec.benchmark.measurements import read_measurements
from rnn2vec.benchmark.report import question_curves
from rnn2vec.benchmark.tables import ZooResults
from rnn2vec.families import family_of
from rnn2vec.report.intervals import interval_curves

results = ZooResults(read_measurements(Path(sys.argv[1])), sys.argv[2])
directory, known = Path(sys.argv[3]), family_of(results.family).headline_column
learned = question_curves(results, "frozen", "validation", known.metric)
interval_curves(learned, "questions", known.title).savefig(directory / "questions-knowledge.png", dpi=110)
loss = question_curves(results, *results.loss)
interval_curves(loss, "questions", results.loss_title).savefig(directory / "questions-loss.png", dpi=110)
