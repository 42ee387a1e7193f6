#!/bin/sh
# Encoders trained on LSTMs of 2x32 read other cells and sizes, which they never saw; so do the predictors fitted to those LSTMs.
# About 15 minutes on two cores, after runs/languages.sh.
set -e
out=${1:-runs/out}
trained="$out/benchmark-languages/languages"
transfer() {
    name=$1
    shift
    rnn2vec zoo build formal-languages --models 216 "$@" --out "$out/$name"
    rnn2vec evaluate "$out/$name" "$trained/interactive/seed-0" "$trained/noninteractive/seed-0" \
        --predictors-from "$out/languages" --supervised-steps 0 --out "$out/transfer-$name"
}
transfer gru-2x32 --cell gru
transfer elman-2x32 --cell elman
transfer lstm-2x16 --hidden-size 16
transfer lstm-1x48 --hidden-size 48 --layers 1
