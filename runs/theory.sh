#!/bin/sh
# The theory: counted classes, encoders that learn to ask, and the zoo of all languages interrogated. Ten to fifteen minutes on two
# cores, after runs/languages.sh.
set -e
out=${1:-runs/out}
rnn2vec theory --zoo "$out/languages" --out "$out/theory"
rnn2vec interrogate-zoo "$out/languages" --strings all --length 6 --seconds 10
rnn2vec interrogate-zoo "$out/languages" --answers probabilities --seconds 10
