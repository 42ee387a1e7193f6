"""Networks from files that others trained: read exactly, or refused with the reason; one file a format.

:func:`read_checkpoint` recognises a format by its content. Every reader describes a network as a list of layers
(``layers``), which ``assemble`` folds into a population.
"""

from rnn2vec.checkpoints.checkpoint import Checkpoint
from rnn2vec.checkpoints.read import FORMATS, read_checkpoint

__all__ = ["FORMATS", "Checkpoint", "read_checkpoint"]
