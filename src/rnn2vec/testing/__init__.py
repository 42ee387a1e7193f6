"""For tests of your own: random networks and zoos, damaged and malicious files, power that fails, a zoo that lives on.

Needs hypothesis: ``pip install 'rnn2vec[testing]'``. Nothing else of the package imports it.
"""

from __future__ import annotations

try:
    import hypothesis as _hypothesis  # noqa: F401
except ImportError as error:
    raise ImportError("rnn2vec.testing needs hypothesis: pip install 'rnn2vec[testing]'") from error

from rnn2vec.testing.damage import damage, mutated
from rnn2vec.testing.malicious import malicious_files
from rnn2vec.testing.power import PowerFails, surviving
from rnn2vec.testing.strategies import architectures, groups, interfaces, populations
from rnn2vec.testing.zoo_machine import ZooMachine

__all__ = [
    "PowerFails",
    "ZooMachine",
    "architectures",
    "damage",
    "groups",
    "interfaces",
    "malicious_files",
    "mutated",
    "populations",
    "surviving",
]
