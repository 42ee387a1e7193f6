"""The one exception for mistakes a user can make and mend."""


class RNN2VecError(ValueError):
    """Input that breaks an invariant of the library.

    The message names the invariant, what came instead and the remedy. The command line prints it as one line and exits
    with status 1; from Python it is an ordinary :class:`ValueError`.
    """
