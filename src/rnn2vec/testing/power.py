"""Power that fails: what is left of a directory if nothing stays but what was synchronised to disk."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from unittest import mock


class PowerFails(BaseException):
    """Raised in place of the first synchronisation after the power has gone; nothing catches it by accident."""


@dataclasses.dataclass
class Synchronised:
    """What a disk keeps for sure.

    Attributes:
        root: a directory that was there before.
        content: of each file, by its number (inode), when it was last synchronised.
        entries: of each directory, by its number, names and numbers when it was last synchronised.
        synchronisations: how many there were.
    """

    root: Path
    content: dict[int, bytes] = dataclasses.field(default_factory=dict)
    entries: dict[int, dict[str, int]] = dataclasses.field(default_factory=dict)
    synchronisations: int = 0

    def note(self, descriptor: int) -> None:
        """A file or a directory is synchronised now."""
        self.synchronisations += 1
        number = os.fstat(descriptor).st_ino
        path = self._path_of(number)
        if path is None:  # of another folder, or removed
            return
        if path.is_dir():
            self.entries[number] = {entry.name: entry.inode() for entry in os.scandir(path)}
        else:
            self.content[number] = path.read_bytes()

    def write(self, target: Path) -> None:
        """Lay out at a new place what is left: files that were never synchronised are empty there."""
        self._write(target, self.root.stat().st_ino)

    def _write(self, target: Path, number: int) -> None:
        target.mkdir()
        for name, entry in self.entries.get(number, {}).items():
            path = self._path_of(entry)
            if entry in self.entries or (path is not None and path.is_dir()):
                self._write(target / name, entry)
            else:
                (target / name).write_bytes(self.content.get(entry, b""))

    def _path_of(self, number: int) -> Path | None:
        """Where a file or a directory is now."""
        return next((path for path in [self.root, *self.root.rglob("*")] if path.stat().st_ino == number), None)


@contextmanager
def surviving(root: Path, target: Path, after: int) -> Iterator[Synchronised]:
    """Let the power fail at the next synchronisation after so many, and lay out at ``target`` what then is left.

    A file keeps the content that it had when it was last synchronised (``os.fsync``), a directory the names; what was
    written, renamed, made or removed since then is lost, which is the worst that a disk may do. If there are no more
    than ``after`` synchronisations, the power fails at the end. Of POSIX systems::

        with surviving(folder, tmp_path / "left", after=3):
            write_zoo(folder / "zoo", ...)
        write_zoo(tmp_path / "left" / "zoo", ...)  # must go on

    Args:
        root: an existing directory in which the work goes on; what is in it already stays.
        target: a new directory.
        after: synchronisations that still succeed.

    Yields:
        What is noted; ``synchronisations`` says how many there were.
    """
    kept = Synchronised(root)
    for path in [root, *root.rglob("*")]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            kept.note(descriptor)
        finally:
            os.close(descriptor)
    kept.synchronisations = 0
    genuine = os.fsync

    def fsync(descriptor: int) -> None:
        if kept.synchronisations == after:
            raise PowerFails
        genuine(descriptor)
        kept.note(descriptor)

    with mock.patch("os.fsync", fsync), suppress(PowerFails):
        yield kept
    kept.write(target)
