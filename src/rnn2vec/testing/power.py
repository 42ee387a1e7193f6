"""Power that fails: what may be left of a directory in which a process was writing."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest import mock


class PowerFails(BaseException):
    """Raised in place of the first synchronisation after the power has gone; nothing catches it by accident."""


@dataclasses.dataclass
class Synchronised:
    """What a disk keeps for sure.

    Attributes:
        root: a directory that was there before.
        content: of each file, by its number (inode), when it was last synchronised.
        entries: of each directory, by its number, when it was last synchronised: names, and of each the number and
            whether it is a directory.
        synchronisations: how many there were.
    """

    root: Path
    content: dict[int, bytes] = dataclasses.field(default_factory=dict)
    entries: dict[int, dict[str, tuple[int, bool]]] = dataclasses.field(default_factory=dict)
    synchronisations: int = 0
    _held: ExitStack = dataclasses.field(default_factory=ExitStack)

    def note(self, descriptor: int) -> None:
        """A file or a directory is synchronised now."""
        self.synchronisations += 1
        number = os.fstat(descriptor).st_ino
        path = next((path for path in self._paths() if path.lstat().st_ino == number), None)
        if path is None:  # of another folder, or removed
            return
        self._held.callback(os.close, os.dup(descriptor))  # else another file might get its number
        if path.is_dir():
            self.note_names(path)
        else:
            self.content[number] = path.read_bytes()

    def note_names(self, folder: Path) -> None:
        """The names in a directory are on disk."""
        found = {entry.name: (entry.inode(), entry.is_dir()) for entry in os.scandir(folder) if not entry.is_symlink()}
        self.entries[folder.stat().st_ino] = found

    def write(self, target: Path) -> None:
        """Lay out in an empty directory what is left: files that were never synchronised are empty."""
        self._write(target, self.root.stat().st_ino)
        self._held.close()

    def _write(self, target: Path, number: int) -> None:
        for name, (entry, is_folder) in self.entries.get(number, {}).items():
            if is_folder:
                (target / name).mkdir()
                self._write(target / name, entry)
            else:
                (target / name).write_bytes(self.content.get(entry, b""))

    def _paths(self) -> Iterator[Path]:
        yield self.root
        yield from self.root.rglob("*")

    def note_all(self) -> None:
        """All that is there is on disk."""
        for path in self._paths():
            if not path.is_symlink() and (path.is_dir() or path.is_file()):
                descriptor = os.open(path, os.O_RDONLY)
                try:
                    self.note(descriptor)
                finally:
                    os.close(descriptor)
        self.synchronisations = 0

    def note_all_names(self) -> None:
        """All names are on disk."""
        for path in self._paths():
            if path.is_dir() and not path.is_symlink():
                self.note_names(path)


@contextmanager
def surviving(root: Path, target: Path, after: int, names_stay: bool = False) -> Iterator[Synchronised]:
    """Let the power fail at the next synchronisation after so many, and lay out at ``target`` what may be left then.

    A file keeps the content that it had when it was last synchronised (``os.fsync``, ``os.fdatasync``); one that never
    was is empty. Names in a directory are those of its last synchronisation, or, with ``names_stay``, those of the
    moment when the power fails: a disk may keep either, and a writer must get over both. If there are no more than
    ``after`` synchronisations, the power fails at the end. Of POSIX systems; regular files and directories alone, and
    what this process synchronises by these two functions::

        with surviving(folder, tmp_path / "left", after=3):
            write_zoo(folder / "zoo", ...)
        write_zoo(tmp_path / "left" / "zoo", ...)  # must go on

    Args:
        root: an existing directory in which the work goes on; what is in it already stays.
        target: a new directory outside of it.
        after: synchronisations that still succeed.
        names_stay: whether names that were made, changed or removed stay so without being synchronised.

    Yields:
        What is noted; ``synchronisations`` says how many there were.

    Raises:
        FileExistsError: if there is something at ``target``.
    """
    target.mkdir()
    kept = Synchronised(root)
    kept.note_all()

    def failing(genuine: Any) -> Any:
        def synchronise(file: Any) -> None:
            if kept.synchronisations == after:
                raise PowerFails
            genuine(file)
            kept.note(file if isinstance(file, int) else file.fileno())

        return synchronise

    with ExitStack() as patched:
        for name in ("fsync", "fdatasync"):
            if hasattr(os, name):
                patched.enter_context(mock.patch(f"os.{name}", failing(getattr(os, name))))
        with suppress(PowerFails):
            yield kept
    if names_stay:
        kept.note_all_names()
    kept.write(target)
