"""The schema's versions. Number N is what the first N functions of :data:`MIGRATIONS` make of an empty
database.

To change the schema: append a function here, and change :mod:`dirconnector.state.tables` to what it results
in (a test compares the two). Functions that were released never change, which is why the first one writes out
its tables instead of importing them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    insert,
    inspect,
    select,
    update,
)

from dirconnector.errors import StateError
from dirconnector.state.database import NOT_OURS, Database
from dirconnector.state.tables import meta

APPLICATION = "dirsync-state"

Migration = Callable[[Connection], None]


def _text(name: str, *, key: bool = False) -> Column[str]:
    return Column(name, Text, primary_key=key, nullable=False)


def _time(name: str) -> Column[str]:
    return Column(name, String(32), nullable=False)


def _count(name: str) -> Column[int]:
    return Column(name, Integer, nullable=False)


def _number() -> Column[int]:
    return Column("number", Integer, primary_key=True)


def _version_1(connection: Connection) -> None:
    tables = MetaData()
    Table("meta", tables, Column("name", String(64), primary_key=True), _text("value"))
    Table(
        "runs", tables, _number(), _text("organization"), _text("command"),
        Column("dry_run", Boolean, nullable=False), _time("started"), _time("finished"),
        Column("exit_code", Integer), _text("plan_id"), Column("report", LargeBinary),
        Index("runs_of_organization", "organization", "number"),
    )  # fmt: skip
    Table(
        "calls", tables, _number(), _count("run"), _text("endpoint"), _text("target"), _count("changes"),
        _text("digest"), _time("started"), _time("finished"), _text("result"),
        Index("calls_of_run", "run"),
    )  # fmt: skip
    Table(
        "good", tables, _text("organization", key=True), _text("directory", key=True), _count("run"),
        _time("taken"), _text("digest"), _count("users"), _count("with_email"), _count("groups"),
        _count("memberships"), Column("content", LargeBinary, nullable=False),
    )  # fmt: skip
    Table("verifications", tables, _text("organization", key=True), _time("verified"))
    Table(
        "managed", tables, _text("organization", key=True), Column("kind", String(8), primary_key=True),
        _text("id", key=True), _text("key"), _text("label"), Column("status", Integer),
        _text("directory"), _text("name"), _text("username"), _time("first_seen"),
    )  # fmt: skip
    Table(
        "memberships", tables, _text("organization", key=True), _text("group_id", key=True), _time("verified"),
        _text("digest"), _text("members"),
    )  # fmt: skip
    tables.create_all(connection, checkfirst=False)
    connection.execute(insert(meta).values(name="application", value=APPLICATION))
    connection.execute(insert(meta).values(name="schema_version", value="0"))


def _version_2(connection: Connection) -> None:
    tables = MetaData()
    Table(
        "cursors", tables, _text("organization", key=True), _text("directory", key=True), _text("source"),
        _text("cursor"), _time("full_read"), _text("digest"), Column("content", LargeBinary, nullable=False),
    )  # fmt: skip
    tables.create_all(connection, checkfirst=False)


MIGRATIONS: tuple[Migration, ...] = (_version_1, _version_2)


def migrate(database: Database, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Bring the schema to the newest version, one transaction for each step; nothing is written when it is
    there already.

    Raises StateError when the database is newer than this program or belongs to something else.
    """
    with database.reading() as connection:
        version = schema_version(connection, database.place)
    if version > len(migrations):
        raise StateError(
            f"{database.place}: written by a newer dirsync (schema {version}, this one knows {len(migrations)}). "
            "Update dirsync, or name another file in state.url"
        )
    for number, step in enumerate(migrations[version:], start=version):
        with database.writing() as connection:
            # two processes may have found the same old version: the second one to get here has nothing left to do
            if schema_version(connection, database.place) == number:
                step(connection)
                connection.execute(update(meta).where(meta.c.name == "schema_version").values(value=str(number + 1)))


def schema_version(connection: Connection, place: str) -> int:
    """The version of the schema, 0 for an empty database. Raises StateError when the tables in it are not
    ours.
    """
    names = inspect(connection).get_table_names()
    if not names:
        return 0
    if meta.name in names:
        found = {row.name: row.value for row in connection.execute(select(meta.c.name, meta.c.value))}
        if found.get("application") == APPLICATION and found.get("schema_version", "").isdecimal():
            return int(found["schema_version"])
    raise StateError(f"{place}: {NOT_OURS}")
