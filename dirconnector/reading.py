"""Reading the directories of a config: in full, or only what changed since the last run that ended well."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from dirconnector.model import Progress, Snapshot
from dirconnector.readers import IncrementalReader, Reader, Reading
from dirconnector.state import State
from dirconnector.state.rows import Cursor


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """One directory of a job. ``source`` is a digest of its settings and of the attributes that the rules ask for: a
    cursor that was made with others is of no use. After ``full_read_every`` everything is read again.
    """

    reader: Reader
    source: str = ""
    full_read_every: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What was read of one directory, and where the next read can go on (None: nowhere, the kind reads in full)."""

    snapshot: Snapshot
    cursor: Cursor | None = None


def read_all(
    directories: Mapping[str, Directory],
    state: State,
    organization: str,
    *,
    full: bool,
    now: datetime,
    progress: Progress,
) -> dict[str, Read]:
    """Read every directory. One that cannot be read at all stops the run: its people would look as if they had left.

    ``full`` reads everything, whatever the cursors are.
    """
    read: dict[str, Read] = {}
    for name, directory in directories.items():
        if isinstance(directory.reader, IncrementalReader):
            before = None if full else _usable(state.cursor(organization, name), directory, now)
            read[name] = _read(directory.reader, directory.source, before, now, progress)
        else:
            read[name] = Read(snapshot=directory.reader.read(progress))
    return read


def _usable(cursor: Cursor | None, directory: Directory, now: datetime) -> Cursor | None:
    """A cursor that fits the settings, and is not too old to go without a full read any longer."""
    if cursor is None or cursor.source != directory.source:
        return None
    age = now - cursor.full_read
    # a full read from the future is a clock that was set back: it proves nothing
    return cursor if timedelta(0) <= age < directory.full_read_every else None


def _read(reader: IncrementalReader, source: str, before: Cursor | None, now: datetime, progress: Progress) -> Read:
    if before is not None:
        reading = reader.read_since(Reading(before.snapshot, before.cursor), progress)
        if reading is not None:
            cursor = Cursor(reading.cursor, reading.snapshot, before.full_read, source)
            return Read(snapshot=reading.snapshot, cursor=cursor)
    reading = reader.read_with_cursor(progress)
    return Read(snapshot=reading.snapshot, cursor=Cursor(reading.cursor, reading.snapshot, now, source))
