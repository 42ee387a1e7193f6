"""Draw the picture of docs/results.md: python docs/draw_results.py RESULTS.parquet ZOO PICTURE.png."""

from __future__ import annotations

import sys
from pathlib import Path

from rnn2vec.benchmark.measurements import read_measurements
from rnn2vec.benchmark.report import knowledge_panels
from rnn2vec.benchmark.tables import ZooResults
from rnn2vec.report.intervals import interval_panels

results, zoo, picture = sys.argv[1:]
interval_panels(knowledge_panels(ZooResults(read_measurements(Path(results)), zoo))).savefig(picture, dpi=110)
