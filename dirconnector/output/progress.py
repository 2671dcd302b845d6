"""Progress on stderr for somebody who is watching, and nothing for anybody else."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from dirconnector.model import Progress, no_progress


@contextmanager
def progress(*, wanted: bool) -> Iterator[Progress]:
    """Something to report progress to for the length of the block; free of charge unless a terminal is watching."""
    if not wanted or not sys.stderr.isatty():
        yield no_progress
        return
    from dirconnector.output.bars import Bars

    bars = Bars()
    try:
        yield bars
    finally:
        bars.stop()
