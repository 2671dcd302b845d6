"""The file itself: opening it, and refusing it in words that name the file and the line."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from dirconnector.errors import DirectoryError, DirectoryRefused, DirectoryUnreachable

_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_UTF8_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One file of a directory. ``max_age_hours`` None means that the file may be of any age."""

    directory: str
    path: Path
    max_age_hours: float | None = None

    def at(self, line: int) -> str:
        """How messages and entries name a place in the file: ``people.ldif:120``."""
        return f"{self.path.name}:{line}"

    def refused(self, line: int, why: str) -> DirectoryRefused:
        """The error for a file that is damaged, or not what it should be, at this line (1 is the first)."""
        return DirectoryRefused(self.directory, f"{self.path}:{line}: {why}")

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """The file, open for reading bytes, after its UTF-8 byte order mark.

        Raises :class:`DirectoryUnreachable` when it does not exist, and :class:`DirectoryRefused` when it
        cannot be read, is empty, is not UTF-8 by its byte order mark, is too old, or changes while it is
        being read.
        """
        try:
            with open(self.path, "rb", opener=_without_waiting) as file:
                before = os.fstat(file.fileno())
                self._accept(before)
                start = file.read(len(_UTF8_MARK))
                if start.startswith(_UTF16):
                    raise self.refused(1, "the file is UTF-16; export it as UTF-8 (ldifde: without -u)")
                if start != _UTF8_MARK:
                    file.seek(0)
                yield file
                after = os.fstat(file.fileno())
        except OSError as error:
            raise self._cannot_open(error) from None
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise DirectoryRefused(
                self.directory,
                f"{self.path}: the file changed while it was being read; "
                "let the export write to another name and rename it when it is finished",
            )

    def text(self) -> str:
        """The whole file as text. Raises what :meth:`opened` raises, and for bytes that are not UTF-8."""
        with self.opened() as file:
            data = file.read()
        if b"\x00" in data:
            raise self.refused(data[: data.index(b"\x00")].count(b"\n") + 1, "NUL byte: the file is damaged")
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise self.refused(line, "not UTF-8; export the file as UTF-8") from None

    def age_hours(self) -> float:
        """Hours since the file was written. Raises OSError when it cannot be seen."""
        return (time.time() - self.path.stat().st_mtime) / 3600

    def _accept(self, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            kind = "a folder" if stat.S_ISDIR(status.st_mode) else "not a regular file"
            raise DirectoryRefused(self.directory, f"{self.path}: is {kind}; path must name one file")
        if status.st_size == 0:
            raise DirectoryRefused(
                self.directory,
                f"{self.path}: the file is empty, and an empty file is not an empty directory; look at the export",
            )
        hours = (time.time() - status.st_mtime) / 3600
        if self.max_age_hours is not None and hours > self.max_age_hours:
            raise DirectoryRefused(
                self.directory,
                f"{self.path}: was written {hours:.1f} hours ago and max_age_hours is {self.max_age_hours:g}; "
                "see why the export has stopped",
            )

    def _cannot_open(self, error: OSError) -> DirectoryError:
        if isinstance(error, FileNotFoundError):
            return DirectoryUnreachable(
                self.directory, f"{self.path}: there is no such file; correct path, or run the export"
            )
        if isinstance(error, IsADirectoryError):
            return DirectoryRefused(self.directory, f"{self.path}: is a folder; path must name one file")
        if isinstance(error, PermissionError):
            return DirectoryRefused(
                self.directory, f"{self.path}: may not be read; give read access to the account of dirsync"
            )
        return DirectoryUnreachable(
            self.directory, f"{self.path}: cannot be read ({error.strerror or error}); check the disk or the share"
        )


def _without_waiting(path: str, flags: int) -> int:
    """Opens a named pipe without waiting for its writer: it is refused a moment later."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
