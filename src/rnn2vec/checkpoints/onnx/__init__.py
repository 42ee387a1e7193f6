"""ONNX: ``model`` reads a file, ``graph`` follows its one value through the operators, from the input to the output."""

from rnn2vec.checkpoints.onnx.model import NAME, describe, recognised

__all__ = ["NAME", "describe", "recognised"]
