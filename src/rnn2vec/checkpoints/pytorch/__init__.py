"""PyTorch: ``saved`` finds the one network of a file in what its pickle describes; nothing is unpickled."""

from rnn2vec.checkpoints.pytorch.saved import LEGACY, NAME, Saved, read, recognised

__all__ = ["LEGACY", "NAME", "Saved", "read", "recognised"]
