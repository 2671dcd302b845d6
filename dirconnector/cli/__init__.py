"""The command line. Sub-commands are imported when they are invoked: ``dirsync --help`` must not cost a second."""

from __future__ import annotations

import gc
import sys
from typing import TextIO

from dirconnector.cli.group import cli

__all__ = ["cli", "main"]


def main() -> None:
    """Run the command line of this process and exit with its code."""
    # a run makes hundreds of thousands of small objects that live until its end: looking through all of them again and
    # again, as the default thresholds do, is a fifth of its time
    gc.set_threshold(200_000, 50, 100)
    for stream in (sys.stdout, sys.stderr):
        _never_fail_on_a_character(stream)
    cli(prog_name="dirsync")


def _never_fail_on_a_character(stream: TextIO) -> None:
    """Write what the terminal's encoding does not have as an escape, instead of failing after the work is done."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")
