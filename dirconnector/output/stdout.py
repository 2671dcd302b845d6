"""Results go to stdout or into a file, whole or not at all."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from dirconnector.errors import DirsyncError
from dirconnector.output.clean import json_text


def write(text: str) -> None:
    """Print a result. A reader that has gone away (``| head``) is no error: the work is done all the same."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # what is still buffered must not fail again when the interpreter ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        raise DirsyncError(f"the result cannot be written to stdout ({error.strerror})") from None


def write_json(document: Mapping[str, Any]) -> None:
    """Print one JSON document, in ASCII where stdout cannot hold everything."""
    encoding = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("-", "").replace("_", "")
    write(json_text(document, ascii_only=encoding != "utf8"))


def write_file(path: Path, text: str) -> None:
    """Write a result into a file that only its owner can read; it is there whole or not at all.

    Raises :class:`DirsyncError`, naming the file and the cure, when it cannot be written.
    """
    try:
        if path.exists() and not stat.S_ISREG(path.stat().st_mode):
            if path.is_dir():
                raise DirsyncError(f"{path}: is a folder; name a file")
            # a device or a pipe is written to, never replaced
            path.write_text(text, encoding="utf-8")
            return
        _replace(path, text)
    except OSError as error:
        raise DirsyncError(f"{path}: cannot be written ({error.strerror}); name another file") from None


def _replace(path: Path, text: str) -> None:
    # mkstemp gives mode 0600
    number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(number, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
