"""What a user does with a zoo: embed, search, duplicates, lineage, compare, atlas. It knows no file and no family."""

from rnn2vec.library.atlas import atlas
from rnn2vec.library.collection import Collection
from rnn2vec.library.compare import Comparison, compare
from rnn2vec.library.duplicates import Group, Proof, duplicates
from rnn2vec.library.lineage import Lineage, lineage
from rnn2vec.library.search import Match, nearest, search
from rnn2vec.library.vectors import Vectors, embed

__all__ = [
    "Collection",
    "Comparison",
    "Group",
    "Lineage",
    "Match",
    "Proof",
    "Vectors",
    "atlas",
    "compare",
    "duplicates",
    "embed",
    "lineage",
    "nearest",
    "search",
]
