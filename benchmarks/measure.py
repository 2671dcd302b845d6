"""Measuring a command as a whole process: wall time, CPU time, peak memory."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Figures:
    """``wall`` and ``cpu`` in seconds (cpu: user and system of the client alone), ``peak`` in MiB, ``requests`` to the
    directory server. A peak below that of the benchmark itself (about 50 MiB) is the benchmark's.
    """

    wall: float
    cpu: float
    peak: float
    requests: int

    def as_json(self) -> dict[str, float]:
        """Rounded, for the JSON file."""
        return {name: round(value, 3) for name, value in asdict(self).items()}


def once(command: Sequence[str], *, output: Path, requests: Callable[[], int], codes: Sequence[int] = (0,)) -> Figures:
    """Run a command once, its standard output into a file. Raises when its exit code is not among ``codes``."""
    before = requests()
    errors = output.with_suffix(".stderr")
    with output.open("wb") as out, errors.open("wb") as err:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=err, stdin=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in codes:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}: {errors.read_text()[-2000:]}")
    return Figures(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, requests() - before)


def median(runs: Sequence[Figures]) -> Figures:
    """The median of each figure."""
    return Figures(
        statistics.median(r.wall for r in runs),
        statistics.median(r.cpu for r in runs),
        statistics.median(r.peak for r in runs),
        int(statistics.median(r.requests for r in runs)),
    )
