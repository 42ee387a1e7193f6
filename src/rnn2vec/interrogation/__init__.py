"""The theory of interrogation (section 3 of the paper): how many questions does it take to know a function?

``function_class``: a finite class as a table; ``noninteractive``, ``interactive``: the fewest fixed, or adaptive,
questions that identify its functions; ``curves``: how many are identified on the way; ``bounds``: what every
interrogation needs; ``extremes``: classes where it helps most, or not at all, to adapt; ``mealy_machine``: automata as
functions; ``tree_walk``: the extreme that is walked letter by letter; ``realisation``: automata as weights of
recurrent networks.
"""

from rnn2vec.interrogation.curves import identified_by_set, identified_by_tree
from rnn2vec.interrogation.extremes import point_functions, tree_paths
from rnn2vec.interrogation.function_class import FunctionClass
from rnn2vec.interrogation.interactive import Ask, Identified, QuestionTree, interactive_queries
from rnn2vec.interrogation.mealy_machine import (
    RESTART,
    MealyMachine,
    class_of_machines,
    leaf_paths,
    password_machine,
    tree_path_machine,
)
from rnn2vec.interrogation.noninteractive import QuestionSet, noninteractive_queries
from rnn2vec.interrogation.realisation import realise
from rnn2vec.interrogation.tree_walk import told_apart_by_fixed_letters, told_apart_interactively

__all__ = [
    "RESTART",
    "Ask",
    "FunctionClass",
    "Identified",
    "MealyMachine",
    "QuestionSet",
    "QuestionTree",
    "class_of_machines",
    "identified_by_set",
    "identified_by_tree",
    "interactive_queries",
    "leaf_paths",
    "noninteractive_queries",
    "password_machine",
    "point_functions",
    "realise",
    "told_apart_by_fixed_letters",
    "told_apart_interactively",
    "tree_path_machine",
    "tree_paths",
]
