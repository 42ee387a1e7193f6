"""The one exception for mistakes a user can make and mend."""

LONGEST = 700
"""Characters of a message."""


class RNN2VecError(ValueError):
    """Input that breaks an invariant of the library.

    The message names the invariant, what came instead and the remedy. The command line prints it as one line and exits
    with status 1; from Python it is an ordinary :class:`ValueError`. What other libraries say over several lines, such
    as a trace of theirs, is put on one and cut short.
    """

    def __init__(self, message: str) -> None:
        text = " ".join(message.split())
        super().__init__(text if len(text) <= LONGEST else f"{text[:LONGEST]} ...")
