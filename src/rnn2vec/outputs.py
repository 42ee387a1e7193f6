"""Where commands write: a directory has one writer at a time, and an output replaces nothing and lies in no input."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType

from rnn2vec.errors import RNN2VecError
from rnn2vec.files import cannot_write, is_partial, kind_of, make_folder

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


@contextlib.contextmanager
def sole_writer(directory: Path, inputs: Iterable[Path] = ()) -> Iterator[None]:
    """Hold a directory, made if it is not there, against every other process that asks for it in the same way.

    The hold ends with the process, however that ends, and leaves no file behind; nor does an error leave directories
    that were made for it and are still empty. Systems without ``flock`` do not hold.

    Args:
        directory: the directory.
        inputs: what is read to fill it, see :func:`require_apart`.

    Raises:
        RNN2VecError: if another process holds it, it cannot be made, or it lies in one of the inputs.
    """
    require_apart(directory, inputs)
    made = [place for place in (directory, *directory.parents) if not os.path.exists(place)]
    try:
        make_folder(directory)
    except FileExistsError:
        require_new_directory(directory)
        raise  # it went away meanwhile
    except OSError as error:
        _remove_empty(made)
        raise cannot_write(directory, error) from error
    if fcntl is None:
        yield
        return
    folder = os.open(directory, os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RNN2VecError(
                f"one process at a time writes to a directory; another is writing to {directory}: wait for it, or "
                "choose another directory"
            ) from error
        except OSError:  # a file system that knows no locks
            pass
        try:
            yield
        except BaseException:
            _remove_empty(made)
            raise
    finally:
        os.close(folder)


def _remove_empty(directories: Iterable[Path]) -> None:
    """Remove those directories that are there and empty; the inmost comes first."""
    for directory in directories:
        with contextlib.suppress(OSError):
            directory.rmdir()


def require_new_directory(path: Path) -> None:
    """Refuse to write where something already is.

    Raises:
        RNN2VecError: if ``path`` exists and is not an empty directory.
    """
    if os.path.lexists(path) and (not path.is_dir() or any(not is_partial(content) for content in path.iterdir())):
        raise RNN2VecError(
            f"the output directory is new or empty; {path} already exists: choose another or remove it first"
        )


def require_new_file(path: Path, force: bool = False, inputs: Iterable[Path] = ()) -> None:
    """Refuse to write a file where something already is, or where none can be; before the work that it is the end of.

    Args:
        path: the file.
        force: whether a regular file may be replaced.
        inputs: what is read to make it, see :func:`require_apart`.

    Raises:
        RNN2VecError: if ``path`` exists, unless ``force`` is given and it is a regular file; if its folder cannot be
            written; or if it is one of the inputs or lies in one.
    """
    require_apart(path, inputs)
    if os.path.lexists(path):
        if path.is_symlink() or not path.is_file():
            raise RNN2VecError(
                f"the output is a new file; {path} is {kind_of(path)}, which is never replaced: choose another"
            )
        if not force:
            raise RNN2VecError(f"the output is a new file; {path} already exists: choose another, or add --force")
    folder = next(place for place in (path.parent, *path.absolute().parents) if os.path.lexists(place))
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        reason = "cannot be written" if folder.is_dir() else f"is {kind_of(folder)}, and no directory"
        raise RNN2VecError(f"cannot write {path}: {folder} {reason}")


def require_apart(output: Path, inputs: Iterable[Path]) -> None:
    """Refuse an output that is an input, or lies in one that is a directory, by whatever name or link.

    Raises:
        RNN2VecError: if it is or does.
    """
    place = Path(os.path.realpath(output))
    around = [folder for folder in (place, *place.parents) if os.path.exists(folder)]
    for given in inputs:
        if os.path.exists(given) and any(folder.samefile(given) for folder in around):
            raise RNN2VecError(
                f"an output is kept apart from the inputs; {output} is {given}, or lies in it: choose another"
            )
