"""Whether a value is what a number in a recipe or a file must be: JSON, and Python, would take almost anything."""

from __future__ import annotations

import math
from typing import Any

from rnn2vec.errors import RNN2VecError


def require_whole(name: str, value: Any, least: float = 1, most: float = math.inf) -> None:
    """Refuse what is no whole number in range; a truth value is none.

    Raises:
        RNN2VecError: if it is refused.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        within = f" in {least}..{most}" if most < math.inf else f" of at least {least}" if least > -math.inf else ""
        raise RNN2VecError(f"{name} is a whole number{within}; got {value!r}")


def require_number(name: str, value: Any, least: float = -math.inf) -> None:
    """Refuse what is no finite number, also in float32, or too small; a truth value is none.

    Raises:
        RNN2VecError: if it is refused.
    """
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not max(least, -3e38) <= value <= 3e38:
        at_least = "" if least == -math.inf else f" of at least {least:g}"
        raise RNN2VecError(f"{name} is a finite number{at_least}; got {value!r}")
