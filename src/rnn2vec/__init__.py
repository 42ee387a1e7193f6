"""rnn2vec: representations of recurrent networks, learned from their weights or from their behaviour."""

import rnn2vec.threads  # noqa: F401  # before torch is loaded

# isort: split
from rnn2vec.architecture import Architecture, HeadLayer
from rnn2vec.checkpoints import Checkpoint, read_checkpoint
from rnn2vec.encoders import ENCODERS, Encoder, build_encoder, load_encoder
from rnn2vec.errors import RNN2VecError
from rnn2vec.families.recipe import Recipe
from rnn2vec.interface import Classes, Interface, Numbers, Tokens
from rnn2vec.library import (
    Collection,
    Comparison,
    Group,
    Lineage,
    Match,
    Proof,
    Vectors,
    atlas,
    compare,
    duplicates,
    embed,
    lineage,
    nearest,
    search,
)
from rnn2vec.networks import Callables, Mixed, Modules, Networks, Population
from rnn2vec.tasks.formal_language import FormalLanguage
from rnn2vec.zoo.build import build_zoo
from rnn2vec.zoo.import_files import import_zoo
from rnn2vec.zoo.recipes import zoo_recipe
from rnn2vec.zoo.split import split_zoo
from rnn2vec.zoo.store import Zoo

__all__ = [
    "ENCODERS",
    "Architecture",
    "Callables",
    "Checkpoint",
    "Classes",
    "Collection",
    "Comparison",
    "Encoder",
    "FormalLanguage",
    "Group",
    "HeadLayer",
    "Interface",
    "Lineage",
    "Match",
    "Mixed",
    "Modules",
    "Networks",
    "Numbers",
    "Population",
    "Proof",
    "RNN2VecError",
    "Recipe",
    "Tokens",
    "Vectors",
    "Zoo",
    "atlas",
    "build_encoder",
    "build_zoo",
    "compare",
    "duplicates",
    "embed",
    "import_zoo",
    "lineage",
    "load_encoder",
    "nearest",
    "read_checkpoint",
    "search",
    "split_zoo",
    "zoo_recipe",
]
