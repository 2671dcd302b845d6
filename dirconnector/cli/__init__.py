"""The command line. Sub-commands are imported when they are invoked; ``dirsync --help`` imports nothing at all."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # the module typing alone takes as long as the whole help
    from typing import TextIO

__all__ = ["main"]


def main() -> None:
    """Run the command line of this process and exit with its code."""
    _open_what_is_closed()
    try:
        if sys.argv[1:] in (["--help"], ["-h"]):
            _help()
        else:
            _run()
    except OSError as error:
        # commands report their own: this is a help or a version that did not reach stdout
        sys.stderr.write(f"dirsync: error: the output cannot be written ({error.strerror})\n")
        sys.exit(1)


def _open_what_is_closed() -> None:
    """Give a stream that the caller closed (``>&-``) the null device.

    Else the next file that is opened, a database perhaps, gets its number and whatever is printed to it.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))


def _help() -> None:
    from dirconnector.cli.help import HELP

    try:
        sys.stdout.write(HELP)
        sys.stdout.flush()
    except BrokenPipeError:
        # who asked has seen enough; what is still buffered must not fail again when the interpreter ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run() -> None:
    import gc

    from dirconnector.cli.group import cli

    # a run makes hundreds of thousands of small objects that live until its end: looking through all of them again and
    # again, as the default thresholds do, is a fifth of its time
    gc.set_threshold(5_000_000, 20, 20)
    for stream in (sys.stdout, sys.stderr):
        _never_fail_on_a_character(stream)
    try:
        cli(prog_name="dirsync")
    finally:
        # the interpreter looks for garbage once more before it ends: nothing of ours needs that
        gc.freeze()


def _never_fail_on_a_character(stream: TextIO) -> None:
    """Write what the terminal's encoding does not have as an escape, instead of failing after the work is done."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")
