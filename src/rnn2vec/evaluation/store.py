"""What an unfinished evaluation has found so far, on disk: a folder from which it goes on, gone once it is finished."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from rnn2vec.errors import RNN2VecError
from rnn2vec.files import read_record, write_record

UNFINISHED = "unfinished"
"""Name of the folder within an output directory."""
PLAN = "evaluation.json"


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What is known of one encoder.

    Attributes:
        name: the encoder.
        results: its entry in ``results.json``.
        embeddings: z of every snapshot of the zoo, ``[snapshots, Z]``.
        clone_scores: how well the emulator that knows the network only as z does what it does, for every validation
            snapshot, of a family; see :func:`rnn2vec.emulation.clones.clone_scores`.
    """

    name: str
    results: dict[str, Any]
    embeddings: np.ndarray
    clone_scores: np.ndarray


def end_evaluation(folder: Path) -> None:
    """Remove the folder of an evaluation whose results are written; a process killed on the way loses nothing."""
    rest = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(rest, ignore_errors=True)
    folder.rename(rest)
    shutil.rmtree(rest, ignore_errors=True)


def save_evaluation(path: Path, evaluation: Evaluation) -> None:
    """Write one encoder's evaluation, atomically."""
    arrays = {"embeddings": evaluation.embeddings, "clone_scores": evaluation.clone_scores}
    write_record(path, arrays, {"name": evaluation.name, "results": evaluation.results})


def load_evaluation(path: Path) -> Evaluation:
    """Read what :func:`save_evaluation` wrote.

    Raises:
        RNN2VecError: if the file is damaged or holds something else.
    """
    arrays, record = read_record(path)
    try:
        return Evaluation(record["name"], record["results"], arrays["embeddings"], arrays["clone_scores"])
    except (KeyError, TypeError) as error:
        raise RNN2VecError(f"{path} holds no evaluation ({error} is missing): remove it to start afresh") from error
