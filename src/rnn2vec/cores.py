"""How many cores this process may use: those of its affinity, and no more than its control groups' quota pays for."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath


def usable_cores(root: Path = Path("/")) -> int:
    """Whole cores this process may use, at least one.

    Args:
        root: where the system's ``proc`` is, and what the mounts that it lists are relative to.
    """
    visible = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, int(min([visible, *_quotas(root)])))


def _quotas(root: Path) -> Iterator[float]:
    """Cores that each control group of this process may use, of version 1 and of version 2, those above it included."""
    own = dict(_own_groups(root))
    for mounted, version, within in _mounts(root):
        if version not in own:
            continue
        group = own[version]
        with contextlib.suppress(ValueError):  # a container may see the mount alone, under the name it has outside
            group = group.relative_to(within)
        for path in (group, *group.parents):
            yield from _quota(mounted / str(path).lstrip("/"))


def _own_groups(root: Path) -> Iterator[tuple[str, PurePosixPath]]:
    """Version and path of this process's groups that may limit cores; a line is ``number:controllers:path``."""
    for line in _lines(root / "proc/self/cgroup"):
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            yield "cgroup2", PurePosixPath(path)
        elif "cpu" in controllers.split(","):
            yield "cgroup", PurePosixPath(path)


def _mounts(root: Path) -> Iterator[tuple[Path, str, PurePosixPath]]:
    """Where groups that may limit cores are mounted, their version, and the group that is mounted there."""
    for line in _lines(root / "proc/self/mountinfo"):
        mount, _, system = line.partition(" - ")
        places, kinds = mount.split(), system.split()
        if len(places) < 5 or len(kinds) < 3:
            continue
        if kinds[0] == "cgroup2" or (kinds[0] == "cgroup" and "cpu" in kinds[2].split(",")):
            yield root / places[4].lstrip("/"), kinds[0], PurePosixPath(places[3])


def _quota(group: Path) -> Iterator[float]:
    """Time granted in a period by ``cpu.max`` or ``cpu.cfs_*``, as cores; nothing where there is no limit."""
    granted = " ".join(_lines(group / "cpu.max")).split()
    granted = granted or [*_lines(group / "cpu.cfs_quota_us"), *_lines(group / "cpu.cfs_period_us")]
    with contextlib.suppress(ValueError):  # "max", or fewer or more than two numbers
        quota, period = map(float, granted)
        if quota > 0 and period > 0:  # -1: no limit
            yield quota / period


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except OSError:
        return []
