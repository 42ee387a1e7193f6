#!/bin/sh
# Rotated MNIST: six encoders, three seeds. About 45 minutes on two cores. --data names a folder with MNIST's files; without
# it they are fetched once.
set -e
out=${1:-runs/out}
rnn2vec zoo build sequential-digits --models 120 --out "$out/digits" ${2:+--data "$2"}
rnn2vec benchmark "$out/digits" --seeds 3 --out "$out/benchmark-digits"
