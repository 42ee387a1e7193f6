#!/bin/sh
# Cognitive tasks: three cells in one zoo, encoders that take them all, three seeds; and, where dsa-metric is installed, DSA beside them.
set -e
out=${1:-runs/out}
rnn2vec zoo build cognitive-tasks --out "$out/cognitive"
rnn2vec benchmark "$out/cognitive" --encoders answers,noninteractive,interactive --seeds 3 --out "$out/benchmark-cognitive"
rnn2vec zoo build cognitive-tasks --cells leaky --out "$out/cognitive-leaky"
rnn2vec benchmark "$out/cognitive-leaky" --seeds 3 --out "$out/benchmark-cognitive-leaky"
if python -c "import DSA" 2>/dev/null; then python benchmarks/solutions.py "$out/cognitive"; fi
