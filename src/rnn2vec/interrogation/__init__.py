"""The theory of interrogation (section 3 of the paper): how many questions does it take to know a function?

``function_class``: a finite class as a table; ``noninteractive``, ``interactive``: the fewest fixed, or adaptive,
questions that identify its functions; ``bounds``: what every interrogation needs; ``families``: the extremes;
``mealy_machine``: automata as functions; ``realisation``: automata as weights of recurrent networks.
"""

from rnn2vec.interrogation.families import point_functions, tree_paths
from rnn2vec.interrogation.function_class import FunctionClass
from rnn2vec.interrogation.interactive import QuestionTree, interactive_queries
from rnn2vec.interrogation.noninteractive import QuestionSet, noninteractive_queries

__all__ = [
    "FunctionClass",
    "QuestionSet",
    "QuestionTree",
    "interactive_queries",
    "noninteractive_queries",
    "point_functions",
    "tree_paths",
]
