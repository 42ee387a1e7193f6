"""rnn2vec: representations of recurrent networks, learned from their weights or from their behaviour.

Names are imported when they are asked for, so that ``import rnn2vec`` alone costs next to nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

import rnn2vec.waiting  # noqa: F401  # before torch is loaded

if TYPE_CHECKING:
    from rnn2vec.architecture import Architecture, HeadLayer
    from rnn2vec.checkpoints import Checkpoint, read_checkpoint
    from rnn2vec.encoders import ENCODERS, Encoder, build_encoder
    from rnn2vec.errors import RNN2VecError
    from rnn2vec.evaluation.pretrained import load_encoder
    from rnn2vec.families.recipe import Recipe
    from rnn2vec.identification.found import Identification
    from rnn2vec.identification.identifier import Identifier
    from rnn2vec.identification.identify import identify
    from rnn2vec.interface import Classes, Interface, Numbers, Tokens
    from rnn2vec.library.atlas import atlas
    from rnn2vec.library.collection import Collection
    from rnn2vec.library.compare import Comparison, compare
    from rnn2vec.library.duplicates import Group, Proof, duplicates
    from rnn2vec.library.lineage import Lineage, lineage
    from rnn2vec.library.search import Match, nearest, search
    from rnn2vec.library.vectors import Vectors, embed
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
    "Identification",
    "Identifier",
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
    "identify",
    "import_zoo",
    "lineage",
    "load_encoder",
    "nearest",
    "read_checkpoint",
    "search",
    "split_zoo",
    "zoo_recipe",
]

_PLACES = {
    "rnn2vec.architecture": "Architecture HeadLayer",
    "rnn2vec.checkpoints": "Checkpoint read_checkpoint",
    "rnn2vec.encoders": "ENCODERS Encoder build_encoder",
    "rnn2vec.errors": "RNN2VecError",
    "rnn2vec.evaluation.pretrained": "load_encoder",
    "rnn2vec.families.recipe": "Recipe",
    "rnn2vec.identification.identifier": "Identifier",
    "rnn2vec.identification.found": "Identification",
    "rnn2vec.identification.identify": "identify",
    "rnn2vec.interface": "Classes Interface Numbers Tokens",
    "rnn2vec.library.atlas": "atlas",
    "rnn2vec.library.collection": "Collection",
    "rnn2vec.library.compare": "Comparison compare",
    "rnn2vec.library.duplicates": "Group Proof duplicates",
    "rnn2vec.library.lineage": "Lineage lineage",
    "rnn2vec.library.search": "Match nearest search",
    "rnn2vec.library.vectors": "Vectors embed",
    "rnn2vec.networks": "Callables Mixed Modules Networks Population",
    "rnn2vec.tasks.formal_language": "FormalLanguage",
    "rnn2vec.zoo.build": "build_zoo",
    "rnn2vec.zoo.import_files": "import_zoo",
    "rnn2vec.zoo.recipes": "zoo_recipe",
    "rnn2vec.zoo.split": "split_zoo",
    "rnn2vec.zoo.store": "Zoo",
}
"""Public names by the module that they come from."""


def __getattr__(name: str) -> Any:
    for module, names in _PLACES.items():
        if name in names.split():
            found = globals()[name] = getattr(importlib.import_module(module), name)
            return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
