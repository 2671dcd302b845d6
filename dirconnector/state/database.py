"""The database file and its transactions, and what an administrator is told when it cannot be used.

SQLite keeps its rollback journal here, not the write-ahead log: what is committed is then in the one file at
every moment (a copy of the file is a backup, also after ``kill -9``), a read-only copy can be read, and it
works on network file systems, where the write-ahead log does not (https://www.sqlite.org/wal.html,
"Disadvantages"). A commit costs about a millisecond, with a few commits for each call to the organization.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError

from dirconnector.errors import StateError

BUSY_SECONDS = 30.0
"""How long a transaction waits for another process; ``?timeout=SECONDS`` in an SQLite URL changes it."""

SAFE_TO_DELETE = (
    "It is safe to delete it while no run is going on: what is lost is the history of runs, the last good "
    "snapshots (the next run has nothing to compare the size of the directories with) and the memberships "
    "last seen (the next run reads them again). For Vaultwarden, which cannot be read, restore the file from "
    "a backup instead if there is one"
)

NOT_OURS = (
    "this is not a state database of dirsync. If state.url names the wrong file, correct it. "
    f"If this is the state and it is damaged: {SAFE_TO_DELETE[0].lower()}{SAFE_TO_DELETE[1:]}"
)

_CAUSES = {
    sqlite3.SQLITE_CORRUPT: f"the state database is damaged. {SAFE_TO_DELETE}",
    sqlite3.SQLITE_NOTADB: NOT_OURS,
    sqlite3.SQLITE_ERROR: NOT_OURS,
    sqlite3.SQLITE_FULL: "the disk is full. Free some space and run again; what was stored before is unharmed",
    sqlite3.SQLITE_IOERR: "the disk cannot be read or written (full, over quota, a file size limit, or failing). "
    "Mend that and run again",
    sqlite3.SQLITE_READONLY: "cannot be written. Give the user who runs dirsync the right to write this file "
    "and its folder, or name another file in state.url",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened. Give the user who runs dirsync the right to read and write this file "
    "and its folder, or name another file in state.url",
    sqlite3.SQLITE_BUSY: "another process has been writing it for too long. See which one it is "
    "(dirsync, a backup, a database browser), let it end, and run again",
}
_CAUSES[sqlite3.SQLITE_PERM] = _CAUSES[sqlite3.SQLITE_CANTOPEN]
_CAUSES[sqlite3.SQLITE_LOCKED] = _CAUSES[sqlite3.SQLITE_BUSY]


class Database:
    """An open database. ``place`` is its file, or its URL without the password, for messages.

    Both kinds of transaction raise StateError, with the cure, for whatever the database refuses.
    """

    def __init__(self, engine: Engine, place: str) -> None:
        self._engine = engine
        self._readers = engine.execution_options(reading=True)
        self.place = place

    @classmethod
    def connect(cls, url: str) -> Database:
        """Open the database, creating an SQLite file (mode 0600) and its folders when they do not exist."""
        try:
            parsed = make_url(url)
            file = _file_of(parsed)
            if file is not None:
                _create(file)
            return cls(_engine(parsed), str(file or parsed.render_as_string(hide_password=True)))
        except ArgumentError:  # its text repeats the URL, which may hold a password
            raise StateError("state.url: not a database URL that can be used. Write sqlite:///PATH") from None
        except ImportError as error:
            raise StateError(f"state.url: the package {error.name} is not installed, pip install it") from None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One transaction that only reads."""
        with self._transaction(self._readers) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction: committed at the end of the block, rolled back when it raises."""
        with self._transaction(self._engine) as connection:
            yield connection

    @contextmanager
    def _transaction(self, engine: Engine) -> Iterator[Connection]:
        try:
            with engine.begin() as connection:
                yield connection
        except DBAPIError as error:
            raise StateError(f"{self.place}: {_cause(error.orig)}") from error

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


def _cause(error: BaseException | None) -> str:
    code = getattr(error, "sqlite_errorcode", None)
    # the low byte is the primary result code, https://www.sqlite.org/rescode.html
    known = _CAUSES.get(code & 0xFF) if isinstance(code, int) else None
    return f"{known} ({error})" if known else f"the database refuses: {error}"


def _file_of(url: URL) -> Path | None:
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        return None
    if str(url.database).startswith("file:"):
        raise StateError("state.url: write sqlite:///PATH; the form with file: is not supported")
    return Path(str(url.database))


def _create(file: Path) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # SQLite would create it with the umask; the files that it adds later take the mode of this one
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        if file.is_dir() or not file.parent.is_dir():
            raise StateError(f"{file}: not a file. Correct state.url") from None
    except OSError as error:
        raise StateError(
            f"{file}: cannot be created ({error.strerror}). Give the user who runs dirsync the right "
            "to write the folder, or name another file in state.url"
        ) from None


def _engine(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        return create_engine(url, hide_parameters=True)
    arguments: dict[str, Any] = {"isolation_level": None}
    if "timeout" not in url.query:
        arguments["timeout"] = BUSY_SECONDS
    engine = create_engine(url, hide_parameters=True, connect_args=arguments)
    event.listen(engine, "begin", _begin)
    return engine


def _begin(connection: Connection) -> None:
    """Begin by hand: Python's sqlite3 would begin too late for DDL and for reads, and with a lock that cannot
    wait.

    IMMEDIATE takes the write lock before the first read, so that two writers queue instead of one of them
    failing. EXTRA makes a commit survive a power failure with a rollback journal, which the journal of calls
    promises (https://www.sqlite.org/pragma.html#pragma_synchronous).
    """
    if connection.get_execution_options().get("reading"):
        connection.exec_driver_sql("BEGIN")
        return
    connection.exec_driver_sql("PRAGMA synchronous = EXTRA")
    connection.exec_driver_sql("BEGIN IMMEDIATE")
