"""Libraries that only some formats need: imported where they are used."""

from __future__ import annotations

import importlib
from typing import Any

from rnn2vec.errors import RNN2VecError


def library(name: str, what: str) -> Any:
    """A library of the extra ``formats``.

    Raises:
        RNN2VecError: if it is not installed; the message names the command that installs it.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise RNN2VecError(f"{what} is read by {name} ({error}): pip install 'rnn2vec[formats]'") from error
