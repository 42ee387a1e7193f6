"""The box of the tutorial "Which network is behind a black box?": a program that answers, and tells nothing else.

    python docs/tutorials/black_box.py effects/fuzz_gru_1.pt [--digits 2]

It reads lines `{"question": [[x], [x], ...]}` and writes lines `{"answer": [[y], [y], ...]}`. Plain PyTorch.
"""

from __future__ import annotations

import argparse
import json
import sys

import torch
from effects import Model


def main() -> None:
    """Answer each line of standard input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", help="a file of effects.py")
    parser.add_argument("--digits", type=int, default=9, help="after the point, of each answer")
    given = parser.parse_args()
    weights = torch.load(given.weights, weights_only=True)
    rows, units = weights["rec.weight_hh_l0"].shape
    model = Model({4: "lstm", 3: "gru"}[rows // units], units)
    model.load_state_dict(weights)
    for line in sys.stdin:
        question = torch.tensor(json.loads(line)["question"], dtype=torch.float32)
        with torch.no_grad():
            answer = model(question[None])[0].tolist()
        print(json.dumps({"answer": [[round(y, given.digits) for y in step] for step in answer]}), flush=True)


if __name__ == "__main__":
    main()
