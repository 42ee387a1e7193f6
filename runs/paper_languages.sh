#!/bin/sh
# Table 2 of the paper on its own protocol: 1,000 LSTMs of 2x32, 20,000 steps, nine snapshots, 100 traces each, 70/15/15 % by
# language. Encoders are pretrained by the preset `laptop` with 20,000 steps. About two hours on two cores for the zoo, and half an
# hour of one core for each probing encoder and seed. The same command goes on where it was interrupted.
set -e
out=${1:-runs/out}
rnn2vec zoo build formal-languages --preset paper --out "$out/languages-paper"
rnn2vec benchmark "$out/languages-paper" --encoders interactive,noninteractive,answers --steps 20000 --seeds 3 \
    --supervised-steps 0 --out "$out/benchmark-paper"
rnn2vec benchmark "$out/languages-paper" --encoders deep_weight_space,transformer,flat,statistics --steps 20000 --seeds 1 \
    --supervised-steps 0 --out "$out/benchmark-paper-weights"
