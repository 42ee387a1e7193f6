"""Counter-based randomness: every random number is a function of what it is for, never of when it was drawn."""

import hashlib

import numpy as np

from rnn2vec.errors import RNN2VecError


def generator(seed: int, *key: int | str) -> np.random.Generator:
    """Return a generator that depends on ``seed`` and ``key`` alone.

    The key usually reads ``(model, purpose, step)``. It becomes the 128-bit key of a Philox counter generator, so the
    numbers of one model do not depend on which population, process or restart computes them.

    Args:
        seed: the seed of the zoo or of the training run.
        key: integers and strings that name the use.

    Raises:
        RNN2VecError: if the seed or a number of the key is no whole number.
    """
    plain = (_whole(seed), *(str(part) if isinstance(part, str) else _whole(part) for part in key))
    digest = hashlib.blake2b(repr(plain).encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))


def _whole(part: int) -> int:
    """The number, of numpy's integers too; fractions and truth values would share the random numbers of others."""
    if isinstance(part, (int, np.integer)) and not isinstance(part, bool):
        return int(part)
    raise RNN2VecError(f"seeds, and what random numbers are counted by, are whole numbers; got {part!r}")


def torch_seed(seed: int, *key: int | str) -> int:
    """Return a 63-bit seed for :func:`torch.manual_seed`, a function of ``seed`` and ``key`` alone."""
    return int(generator(seed, *key).integers(0, 2**63 - 1))
