"""`rnn2vec pretrain` on a machine that it shares: with others of its kind, a busy process, or a quota of one core.

Run it alone on the machine: ``python benchmarks/sharing.py``. Times are of whole commands, the slowest of those side by
side, in medians of the rounds. A quota needs a writable control group (version 1 or 2; root has one on most machines)
and is left out without one. After each case, Ctrl-C: the seconds until the last command is gone. The last line is JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from rnn2vec.cores import usable_cores
from rnn2vec.training import CHECKPOINT

RNN2VEC = (sys.executable, "-m", "rnn2vec")
BUSY = [sys.executable, "-c", "while True: pass"]
PERIOD = 100_000
"""Microseconds of a quota's period."""
GROUPS = {
    Path("/sys/fs/cgroup/cpu"): {"cpu.cfs_period_us": f"{PERIOD}", "cpu.cfs_quota_us": f"{PERIOD}"},
    Path("/sys/fs/cgroup"): {"cpu.max": f"{PERIOD} {PERIOD}"},
}
"""Where a group may be made, and what limits it to one core."""


@dataclasses.dataclass(frozen=True)
class Case:
    """Commands side by side, what they are compared with, and how many times its time they may take."""

    name: str
    against: str = "alone"
    limit: float | None = None
    commands: int = 1
    options: tuple[str, ...] = ()
    prefix: tuple[str, ...] = ()
    busy: int = 0


def cases(group: Path | None) -> list[Case]:
    """All that can be run here."""
    one_core = ("taskset", "-c", f"{min(os.sched_getaffinity(0))}")
    found = [
        Case("alone"),
        Case("one thread", options=("--threads", "1")),
        Case("two", limit=2.3, commands=2),
        Case("four", limit=5.0, commands=4),
        Case("beside a busy process", limit=2.5, busy=1),
        Case("affinity of one core", "one thread", 1.2, prefix=one_core),
    ]
    if group:
        join = ("sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh")
        found.append(Case("quota of one core", "one thread", 1.2, prefix=join))
    return found


@contextlib.contextmanager
def group_of_one_core() -> Iterator[Path | None]:
    """A control group with a quota of one core, or None where none can be made."""
    for parent, limits in GROUPS.items():
        group = parent / f"sharing-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            for name, limit in limits.items():
                if not (group / name).exists():
                    break
                (group / name).write_text(limit)
            else:
                yield group
                return
        except OSError:
            pass
        finally:
            group.rmdir()
    yield None


class Sharing:
    """Runs cases on one zoo."""

    def __init__(self, folder: Path, preset: str, encoder: str, steps: int, models: int) -> None:
        self.folder, self.count = folder, 0
        self.zoo = folder / "zoo"
        sizes = ("--preset", preset, "--models", str(models), "--steps", "1")
        build = [*RNN2VEC, "zoo", "build", "formal-languages", "--out", str(self.zoo), *sizes]
        subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
        self.options, self.steps = ("--encoder", encoder, "--preset", preset), steps

    def run(self, case: Case, interrupted: bool = False) -> float:
        """Seconds that the commands take; or, interrupted a moment after all have begun to train, those to their end.

        Raises:
            RuntimeError: if a command fails, or ends before it can be interrupted.
        """
        started = [subprocess.Popen(BUSY) for _ in range(case.busy)]
        try:
            start, first = time.perf_counter(), self.count
            # what is interrupted would not end by itself meanwhile
            steps = 1000 * self.steps if interrupted else self.steps
            commands = [self._start(case, steps) for _ in range(case.commands)]
            started += commands
            if interrupted:
                begun = [self._out(number) / CHECKPOINT for number in range(first, self.count)]
                while not all(path.exists() for path in begun) and all(command.poll() is None for command in commands):
                    time.sleep(0.05)
                time.sleep(0.2)
                start = time.perf_counter()
                for command in commands:
                    command.send_signal(signal.SIGINT)
            statuses = [command.wait() for command in commands]
            seconds = time.perf_counter() - start
        finally:
            for process in started:
                process.kill()
                process.wait()
        if statuses != [130 if interrupted else 0] * case.commands:
            raise RuntimeError(f"{case.name}: commands ended with status {statuses}")
        return seconds

    def _start(self, case: Case, steps: int) -> subprocess.Popen[bytes]:
        own = (*self.options, "--steps", str(steps), "--out", str(self._out(self.count)), *case.options)
        command = [*case.prefix, *RNN2VEC, "pretrain", str(self.zoo), *own]
        self.count += 1
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def _out(self, number: int) -> Path:
        return self.folder / f"encoder-{number}"


def report(times: dict[str, list[float]], ended: dict[str, list[float]], chosen: Sequence[Case]) -> dict[str, object]:
    """Medians, ratios and limits by case."""
    medians = {name: statistics.median(own) for name, own in times.items()}
    return {
        case.name: {
            "seconds": medians[case.name],
            "against": case.against,
            "ratio": medians[case.name] / medians[case.against],
            "limit": case.limit,
            "ctrl_c_seconds": max(ended[case.name]),
        }
        for case in chosen
    }


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="laptop")
    parser.add_argument("--encoder", default="interactive")
    parser.add_argument("--models", type=int, default=216, help="networks of the zoo")
    parser.add_argument("--steps", type=int, default=100, help="of pretraining")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cases", nargs="+", metavar="NAME", help="some of them; all by default")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, group_of_one_core() as group:
        sharing = Sharing(Path(folder), arguments.preset, arguments.encoder, arguments.steps, arguments.models)
        chosen = [case for case in cases(group) if arguments.cases is None or case.name in arguments.cases]
        times: dict[str, list[float]] = {case.name: [] for case in chosen}
        ended: dict[str, list[float]] = {case.name: [] for case in chosen}
        for _ in range(arguments.rounds):
            for case in chosen:
                times[case.name].append(sharing.run(case))
                ended[case.name].append(sharing.run(case, interrupted=True))
    found = report(times, ended, chosen)
    for case in chosen:
        own = found[case.name]
        assert isinstance(own, dict)
        limit = f", at most {case.limit}" if case.limit else ""
        print(
            f"{case.name:22s} {own['seconds']:6.1f} s, {own['ratio']:.2f} times {case.against}{limit}; "
            f"Ctrl-C {own['ctrl_c_seconds']:.1f} s"
        )
    print(json.dumps({"cores": usable_cores(), **vars(arguments), "cases": found}))


if __name__ == "__main__":
    main()
