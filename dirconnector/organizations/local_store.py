"""The SQLite file of a local organization: schema, seed, and what can go wrong with a file.

One file, with SQLite's rollback journal: no other file stays beside it, and whoever only reads never writes (but undoes
what a killed run left half done).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from pydantic import Field, ValidationError

from dirconnector.errors import OrganizationError, OrganizationRefused, OrganizationUnreachable
from dirconnector.model import MemberType, Status
from dirconnector.settings import Settings

APPLICATION_ID = 0x64697273
"""``dirs``, in the header of the file: tells an organization from the SQLite file of another program."""

SCHEMA_VERSION = 1

BUSY_SECONDS = 5.0
"""How long a call waits for another program that is writing."""

DEFAULT_OWNER = "owner@local.invalid"

_GRANTS = """({holder}_id TEXT NOT NULL, collection_id TEXT NOT NULL, read_only INTEGER NOT NULL,
  hide_passwords INTEGER NOT NULL, manage INTEGER NOT NULL, PRIMARY KEY ({holder}_id, collection_id)) WITHOUT ROWID"""

SCHEMA = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID",
    """CREATE TABLE members (
      id TEXT PRIMARY KEY, email TEXT NOT NULL COLLATE NOCASE, external_id TEXT, name TEXT,
      status INTEGER NOT NULL, status_before INTEGER, type INTEGER NOT NULL, permissions TEXT) WITHOUT ROWID""",
    "CREATE INDEX members_email ON members (email)",
    "CREATE INDEX members_external_id ON members (external_id) WHERE external_id IS NOT NULL",
    "CREATE TABLE groups (id TEXT PRIMARY KEY, name TEXT NOT NULL, external_id TEXT) WITHOUT ROWID",
    """CREATE TABLE group_members (
      group_id TEXT NOT NULL, member_id TEXT NOT NULL, PRIMARY KEY (group_id, member_id)) WITHOUT ROWID""",
    "CREATE INDEX group_members_member ON group_members (member_id)",
    "CREATE TABLE collections (id TEXT PRIMARY KEY) WITHOUT ROWID",
    f"CREATE TABLE member_collections {_GRANTS.format(holder='member')}",
    f"CREATE TABLE group_collections {_GRANTS.format(holder='group')}",
    "CREATE TABLE mails (number INTEGER PRIMARY KEY, email TEXT NOT NULL, subject TEXT NOT NULL, sent TEXT NOT NULL)",
)


# ---------------------------------------------------------------------------------------------------------- the seed


class SeedMember(Settings):
    """A member of a seed. ``status`` and ``type`` are words or Bitwarden's numbers; ``collections`` how many
    it sees directly.
    """

    email: str = Field(min_length=1)
    external_id: str | None = Field(default=None, alias="externalId")
    id: str | None = None
    name: str | None = None
    status: int | str = int(Status.CONFIRMED)
    type: int | str = int(MemberType.USER)
    collections: int = Field(default=0, ge=0)

    @property
    def status_number(self) -> int:
        return _number(self.status, Status)

    @property
    def type_number(self) -> int:
        return _number(self.type, MemberType)


class SeedGroup(Settings):
    """A group of a seed: ``members`` are addresses, ``collections`` is how many it grants."""

    name: str = Field(min_length=1)
    external_id: str | None = Field(default=None, alias="externalId")
    id: str | None = None
    members: list[str] = Field(default_factory=list)
    collections: int = Field(default=0, ge=0)


class Seed(Settings):
    """What a new local organization starts with. ``seats`` null is unlimited."""

    seats: int | None = Field(default=None, ge=0)
    members: list[SeedMember] = Field(default_factory=list)
    groups: list[SeedGroup] = Field(default_factory=list)


def _number(value: int | str, words: type[Status] | type[MemberType]) -> int:
    return value if isinstance(value, int) else int(words[value.upper()])


def load_seed(path: Path | None) -> Seed:
    """The seed in a JSON file; without a file an organization with nobody but its owner,
    ``owner@local.invalid``.

    Raises :class:`~dirconnector.errors.OrganizationRefused` naming every mistake.
    """
    if path is None:
        return Seed(members=[SeedMember(email=DEFAULT_OWNER, type=int(MemberType.OWNER))])
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        seed = Seed.model_validate(data)
    except OSError as error:
        raise OrganizationRefused(
            f"{path}: the seed cannot be read ({error.strerror}): correct organization.seed, or leave it out"
        ) from None
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'top'}: {e['msg']}" for e in error.errors())
        raise OrganizationRefused(f"{path}: the seed is not valid: {problems}") from None
    except ValueError as error:
        raise OrganizationRefused(f"{path}: the seed is not JSON: {error}") from None
    _check_words(seed, path)
    return seed


def _check_words(seed: Seed, path: Path) -> None:
    emails = {member.email.lower() for member in seed.members}
    for group in seed.groups:
        for email in group.members:
            if email.lower() not in emails:
                raise OrganizationRefused(f"{path}: group {group.name}: {email} is not one of the members")
    if len(emails) < len(seed.members):
        raise OrganizationRefused(f"{path}: two members have the same address")
    for member in seed.members:
        try:
            _ = member.status_number, member.type_number
        except KeyError as error:
            raise OrganizationRefused(f"{path}: {member.email}: there is no status or type {error}") from None


# ----------------------------------------------------------------------------------------------------------- opening


@contextmanager
def opened(path: Path, seed_path: Path | None, *, write: bool) -> Iterator[sqlite3.Connection]:
    """A connection to the organization in this file, closed at the end.

    Reading a file that does not exist (or is empty) gives the organization that the seed describes, in
    memory, with the same ids that it will have in the file; only ``write`` creates the file. Errors of SQLite
    come out as :class:`~dirconnector.errors.OrganizationError` with the cure.
    """
    with translated(path):
        connection = _open(path, seed_path, write=write)
    try:
        yield connection
    finally:
        connection.close()


def _open(path: Path, seed_path: Path | None, *, write: bool) -> sqlite3.Connection:
    if path.is_dir():
        raise OrganizationRefused(f"{path}: is a folder; organization.path names the file itself")
    _undo_what_was_cut_short(path)
    new = not path.exists() or path.stat().st_size == 0
    connection = _connect(path, write=write, new=new)
    try:
        _prepare(connection, path, seed_path, new=new)
    except BaseException:
        connection.close()
        raise
    return connection


def _undo_what_was_cut_short(path: Path) -> None:
    """Roll back the transaction of a run that was killed in the middle of it. SQLite does it for the first who opens
    the file, but not for somebody who only reads (https://www.sqlite.org/rescode.html#readonly_rollback).
    """
    if not Path(f"{path}-journal").exists():
        return
    with closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as connection:
        _pragma(connection, "user_version")


def _connect(path: Path, *, write: bool, new: bool) -> sqlite3.Connection:
    if new and not write:
        return sqlite3.connect(":memory:", isolation_level=None)
    mode = "rwc" if write else "ro"
    uri = f"{path.resolve().as_uri()}?mode={mode}"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=BUSY_SECONDS)
    # an import touches pages all over the file: with SQLite's 2 MB of cache it writes most of them twice
    connection.execute("PRAGMA cache_size = -65536")
    return connection


def _prepare(connection: sqlite3.Connection, path: Path, seed_path: Path | None, *, new: bool) -> None:
    if new:
        seed = load_seed(seed_path)
        with transaction(connection):
            # another run may have created it between the look at the file and the lock
            if _pragma(connection, "user_version") == 0:
                _create(connection, seed)
    if _pragma(connection, "application_id") != APPLICATION_ID:
        raise OrganizationRefused(
            f"{path}: this SQLite file belongs to another program; give organization.path a file of its own"
        )
    version = _pragma(connection, "user_version")
    if version != SCHEMA_VERSION:
        raise OrganizationRefused(
            f"{path}: written by another version of this program (schema {version}, this one reads "
            f"{SCHEMA_VERSION}); upgrade it"
        )


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Everything inside happens, or nothing; whoever else writes waits."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # a full disk has already rolled back
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _create(connection: sqlite3.Connection, seed: Seed) -> None:
    for statement in SCHEMA:
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    has_owner = any(m.type_number == MemberType.OWNER and m.status_number == Status.CONFIRMED for m in seed.members)
    meta = {"seats": seed.seats, "provider": None if has_owner else "yes"}
    connection.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
    ids = {member.email.lower(): member.id or _seed_id("member", member.email) for member in seed.members}
    connection.executemany("INSERT INTO members VALUES (?, ?, ?, ?, ?, ?, ?, ?)", _member_rows(seed, ids))
    grants: dict[str, Mapping[str, int]] = {
        "member_collections": {ids[m.email.lower()]: m.collections for m in seed.members},
        "group_collections": {_group_id(number, g): g.collections for number, g in enumerate(seed.groups)},
    }
    for number, group in enumerate(seed.groups):
        group_id = _group_id(number, group)
        connection.execute("INSERT INTO groups VALUES (?, ?, ?)", (group_id, group.name, group.external_id or None))
        members = {ids[email.lower()] for email in group.members}
        connection.executemany(
            "INSERT INTO group_members VALUES (?, ?)", ((group_id, member_id) for member_id in members)
        )
    for table, number_of in grants.items():
        _grant(connection, table, number_of)


def _member_rows(seed: Seed, ids: Mapping[str, str]) -> Iterator[tuple[Any, ...]]:
    for member in seed.members:
        status = member.status_number
        before = int(Status.CONFIRMED) if status == Status.REVOKED else None
        yield (
            ids[member.email.lower()],
            member.email,
            member.external_id or None,
            member.name,
            status,
            before,
            member.type_number,
            "{}" if member.type_number == MemberType.CUSTOM else None,
        )


def _grant(connection: sqlite3.Connection, table: str, number_of: Mapping[str, int]) -> None:
    for holder, number in number_of.items():
        ids = [_seed_id(f"collection/{holder}", str(i)) for i in range(number)]
        connection.executemany("INSERT INTO collections VALUES (?)", ((i,) for i in ids))
        connection.executemany(f"INSERT INTO {table} VALUES (?, ?, 0, 0, 0)", ((holder, i) for i in ids))  # noqa: S608 (our own table names)


def _group_id(number: int, group: SeedGroup) -> str:
    return group.id or _seed_id("group", f"{number}/{group.name}")


def _seed_id(kind: str, name: str) -> str:
    """The same id each time: a plan made from a seed in memory is applied to the file that is then made from
    it.
    """
    return str(uuid5(NAMESPACE_URL, f"dirsync:{kind}/{name.lower()}"))


# ------------------------------------------------------------------------------------------------------------ errors


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turns SQLite's errors into words and a cure."""
    try:
        yield
    except OSError as error:
        raise OrganizationRefused(f"{path}: {error.strerror}: give this account access to it") from None
    except sqlite3.DatabaseError as error:
        if isinstance(error, (sqlite3.ProgrammingError, sqlite3.IntegrityError)):
            raise  # a mistake of this program, not of the file
        raise _in_words(path, error) from error


_REFUSED = {
    sqlite3.SQLITE_CANTOPEN: "cannot be opened: the folder has to exist, and this account needs access to it",
    sqlite3.SQLITE_READONLY: "cannot be written: give this account write access to the file and its folder",
    sqlite3.SQLITE_PERM: "cannot be opened: give this account access to the file",
    sqlite3.SQLITE_AUTH: "cannot be opened: give this account access to the file",
    sqlite3.SQLITE_NOTADB: "is not an organization (not a SQLite file): correct organization.path, or restore a backup",
    sqlite3.SQLITE_CORRUPT: "is damaged: restore it from a backup; what can be saved, `sqlite3 FILE .recover` saves",
}

_UNREACHABLE = {
    sqlite3.SQLITE_BUSY: f"is locked by another program for more than {BUSY_SECONDS:.0f} seconds: end it, or try again",
    sqlite3.SQLITE_LOCKED: "is locked by another program: end it, or try again",
    sqlite3.SQLITE_FULL: "the disk is full, nothing was changed by this call: make room and run again",
    sqlite3.SQLITE_IOERR: "reading or writing failed: look at the disk and its quota, then run again",
}


def _in_words(path: Path, error: sqlite3.Error) -> OrganizationError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _UNREACHABLE:
        return OrganizationUnreachable(f"{path}: {_UNREACHABLE[code]}")
    return OrganizationRefused(
        f"{path}: {_REFUSED.get(code, f'SQLite says: {error}; restore the file from a backup if this stays')}"
    )
