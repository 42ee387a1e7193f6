#!/bin/sh
# All 216 languages: six encoders, three seeds; then five seeds of the interactive one. Some 75 minutes on two cores.
set -e
out=${1:-runs/out}
rnn2vec zoo build formal-languages --out "$out/languages"
rnn2vec benchmark "$out/languages" --seeds 3 --out "$out/benchmark-languages"
rnn2vec benchmark "$out/languages" --encoders interactive --seeds 5 --supervised-steps 0 --out "$out/steadiness"
