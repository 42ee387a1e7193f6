"""Interface: what goes into a network and what comes out, and all that follows from it.

How learned logits become questions, how raw outputs are read, which losses exist, what a difference between two answers
is, whether a network can be fed its own answer, how traces are stored: whoever needs to know asks an interface.
"""

from rnn2vec.interface.classes import Classes
from rnn2vec.interface.interface import Interface
from rnn2vec.interface.numbers import Numbers
from rnn2vec.interface.tokens import Tokens

__all__ = ["Classes", "Interface", "Numbers", "Tokens"]
