"""Files of ``torch.save`` and TorchScript: tensors by name, whoever saved them and wherever; nothing is unpickled.

A state dict may be anywhere in what was saved. A whole module is known by its attributes alone: what its ``forward``
did is code that the file does not hold, or that is not run.
"""

from __future__ import annotations

import dataclasses
import re

from rnn2vec.checkpoints.arrays import Array
from rnn2vec.checkpoints.declaration import Declaration
from rnn2vec.checkpoints.linear import quoted
from rnn2vec.checkpoints.pytorch.modules import Module
from rnn2vec.checkpoints.pytorch.pickles import Thing
from rnn2vec.checkpoints.pytorch.storages import Numbers, of_archive, of_legacy
from rnn2vec.checkpoints.pytorch.tree import candidates, others, views
from rnn2vec.errors import RNN2VecError

NAME = "PyTorch"
LEGACY = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
"""How files of PyTorch before 1.6 begin: a pickle of a number."""

_RECURRENT = re.compile(
    r"(.*\.)?(weight|bias)_(ih|hh)(_l\d+)?(_raw|_orig|_g|_v)?$|.*parametrizations\.weight_hh_l\d+\."
)


@dataclasses.dataclass(frozen=True)
class Saved:
    """What was found in a file.

    Attributes:
        tensors: by name.
        module: that was pickled whole; None of a state dict.
    """

    tensors: dict[str, Array]
    module: Module | None = None


def recognised(archive: dict[str, bytes]) -> bool:
    """Whether the entries of an archive are those of ``torch.save``."""
    return any(name.rpartition("/")[2] == "data.pkl" for name in archive)


def read(content: bytes, archive: dict[str, bytes] | None, said: Declaration) -> Saved:
    """The one state dict or module with recurrent weights that a file holds.

    Args:
        content: of the file.
        archive: its entries; None of a file before PyTorch 1.6.
        said: where to look.

    Raises:
        RNN2VecError: if there is none, or several, or the file is damaged.
    """
    root, storages = of_legacy(content) if archive is None else of_archive(archive)
    listed = candidates(root)
    found = {where: own for where, own in listed if any(map(_RECURRENT.match, views(own)))}
    if said.within is not None:
        if said.within not in found:
            raise RNN2VecError(f"within is one of {quoted(found) or 'nothing'}; got {said.within!r}")
        found = {said.within: found[said.within]}
    if len(found) > 1:
        raise RNN2VecError(f"a file holds one network; got {quoted(found)}: declare within, one of them")
    if not found:
        names = sorted({name for _, own in listed for name in views(own)})
        raise RNN2VecError(
            f"a recurrent layer has weight_ih and weight_hh; the file has {', '.join(names[:8]) or 'no tensors'}: "
            "is it the state of an optimiser?"
        )
    own = next(iter(found.values()))
    if unread := {name: kind for name, kind in others(own).items() if not said.ignores(name)}:
        name, kind = next(iter(unread.items()))
        raise RNN2VecError(
            f"every tensor is read, or ignored by name; {name} is {kind}, and no plain tensor (quantised, sparse, of 8 "
            "bits, numpy's): save it as a tensor of floats, or declare ignore, if the network does without it"
        )
    numbers = Numbers(storages, len(content))
    tensors = {name: numbers.array(name, view) for name, view in views(own).items()}
    return Saved(tensors, Module.of(own) if isinstance(own, Thing) else None)
