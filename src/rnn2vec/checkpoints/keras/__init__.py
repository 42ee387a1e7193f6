"""Keras: ``config`` says which layers there are, ``hdf5`` reads their weights, ``layers`` makes networks of both."""

from rnn2vec.checkpoints.keras.hdf5 import SIGNATURE
from rnn2vec.checkpoints.keras.model import NAME, describe_archive, describe_h5, recognised

__all__ = ["NAME", "SIGNATURE", "describe_archive", "describe_h5", "recognised"]
