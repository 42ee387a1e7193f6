#!/bin/sh
# Fewer and shorter sequences of questions, interactive against non-interactive. By the cost of a step,
# some 20 minutes on two cores, after runs/languages.sh.
set -e
out=${1:-runs/out}
rnn2vec benchmark "$out/languages" --encoders interactive,noninteractive --seeds 1 --steps 1500 --supervised-steps 0 \
    --ablation --out "$out/questions"
