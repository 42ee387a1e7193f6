"""The theory of interrogation put to networks: what it says of a zoo, and whether encoders learn what it promises.

``class_sizes``: questions needed against the size of a class; ``gap``: probing encoders learn to identify the functions
of the class with the widest gap with yes-or-no answers; ``zoo_questions``: how many questions identify the networks of
a zoo; ``report``: all of it on one page. The counts themselves are in :mod:`rnn2vec.interrogation`, which knows no
network of a zoo.
"""

from rnn2vec.theory.gap import GapRun, identify_tree_walkers, tree_walkers
from rnn2vec.theory.gap_recipe import GapRecipe
from rnn2vec.theory.zoo_questions import ZooAnswers, ask_zoo, interrogate_zoo

__all__ = [
    "GapRecipe",
    "GapRun",
    "ZooAnswers",
    "ask_zoo",
    "identify_tree_walkers",
    "interrogate_zoo",
    "tree_walkers",
]
