"""The state's file: created, migrated, damaged, unwritable, full, shared, and killed in the middle."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, event, inspect
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from dirconnector.errors import StateError
from dirconnector.model import Group, Snapshot, User
from dirconnector.state import State
from dirconnector.state.database import Database
from dirconnector.state.migrations import MIGRATIONS, migrate, schema_version
from dirconnector.state.tables import metadata

NOON = datetime(2026, 8, 1, 12, 0, tzinfo=UTC)
NOBODY = 65534


def big(letter: str, users: int = 2000) -> Snapshot:
    """A snapshot that takes many pages, all of whose names are made of one letter and a number."""
    people = {f"{letter}{n}": User(key=f"{letter}{n}", email=f"{letter}{n}@example.org") for n in range(users)}
    return Snapshot(
        users=people, groups={letter: Group(key=letter, name=letter, members=frozenset(people), directory="hq")}
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


def url_of(file: Path) -> str:
    return f"sqlite:///{file}"


def filled(file: Path) -> None:
    with State.open(url_of(file)) as state:
        state.save_good("acme", "hq", big("a"), NOON, state.begin_run("acme", "run", NOON, False))


def python(code: str, *arguments: str) -> subprocess.Popen[str]:
    """Another process: it talks on its standard output and ends when its standard input does."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)


@pytest.fixture
def shared_folder() -> Iterator[Path]:
    """A folder that an unprivileged user can reach, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


@pytest.fixture
def unprivileged() -> Iterator[None]:
    """Permissions mean nothing to root, so root becomes nobody for the length of the test."""
    was = os.geteuid()
    if was == 0:
        os.seteuid(NOBODY)
    yield
    os.seteuid(was)


# --------------------------------------------------------------------------------------------------- creating, opening


def test_folders_and_file_are_created_for_the_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "new" / "folder" / "state.db"
    before = os.umask(0)
    try:
        filled(file)
    finally:
        os.umask(before)
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in file.parent.iterdir()] == ["state.db"]


def test_deleting_the_file_between_runs_loses_only_what_it_held(file: Path) -> None:
    filled(file)
    file.unlink()
    with State.open(url_of(file)) as state:
        assert state.runs(None, 9) == ()
        assert state.baseline("acme", "hq") is None
        assert state.good_snapshot("acme", "hq") is None
        assert state.ledger("acme").memberships() == {}
        assert state.begin_run("acme", "run", NOON, False) == 1


def test_an_empty_file_is_a_new_state(file: Path) -> None:
    file.touch()
    filled(file)


def test_opening_again_writes_nothing(file: Path) -> None:
    filled(file)
    before = file.read_bytes()
    with State.open(url_of(file)) as state:
        assert state.baseline("acme", "hq") is not None
    assert file.read_bytes() == before


def test_a_state_in_memory(recwarn: pytest.WarningsRecorder) -> None:
    with State.open("sqlite://") as state:
        assert state.begin_run("acme", "run", NOON, False) == 1
    assert not recwarn.list


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("state.db", "not a database URL"),
        ("nonsense://user:s3cret@host/db", "not a database URL"),
        ("nonsense user:s3cret", "not a database URL"),
        ("sqlite:///file:state.db?uri=true", "write sqlite:///PATH"),
    ],
)
def test_a_url_that_cannot_be_used_is_said_without_repeating_it(url: str, message: str) -> None:
    with pytest.raises(StateError, match=message) as caught:
        State.open(url)
    assert "s3cret" not in str(caught.value)


def test_a_folder_is_not_a_state(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="not a file"):
        State.open(url_of(tmp_path))


# ---------------------------------------------------------------------------------------------------------- migrating


def add_a_note(connection: Connection) -> None:
    connection.exec_driver_sql("ALTER TABLE runs ADD COLUMN note TEXT NOT NULL DEFAULT 'none'")


def add_and_fail(connection: Connection) -> None:
    add_a_note(connection)
    connection.exec_driver_sql("UPDATE runs SET note = 'half done'")
    raise ZeroDivisionError


def version_of(database: Database) -> int:
    with database.reading() as connection:
        return schema_version(connection, "here")


def test_the_migrations_make_the_tables_that_the_program_uses(file: Path) -> None:
    filled(file)
    database = Database.connect(url_of(file))
    with database.reading() as connection:
        found = inspect(connection)
        made = {
            table: (
                [(c["name"], str(c["type"]), c["nullable"]) for c in found.get_columns(table)],
                found.get_pk_constraint(table)["constrained_columns"],
                {index["name"]: index["column_names"] for index in found.get_indexes(table)},
            )
            for table in found.get_table_names()
        }
    database.close()
    assert made == {
        table.name: (
            [(c.name, str(c.type), bool(c.nullable)) for c in table.columns],
            [c.name for c in table.primary_key],
            {index.name: [c.name for c in index.columns] for index in table.indexes},
        )
        for table in metadata.sorted_tables
    }


def test_the_tables_can_be_made_in_postgresql() -> None:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves dialects untyped
    statements = " ".join(str(CreateTable(table).compile(dialect=dialect)) for table in metadata.sorted_tables)
    assert "number SERIAL NOT NULL" in statements
    assert "report BYTEA" in statements


def test_version_1_becomes_version_2_and_keeps_its_rows(file: Path) -> None:
    filled(file)
    database = Database.connect(url_of(file))
    migrate(database, (*MIGRATIONS, add_a_note))
    migrate(database, (*MIGRATIONS, add_a_note))
    assert version_of(database) == len(MIGRATIONS) + 1
    with database.reading() as connection:
        assert connection.exec_driver_sql("SELECT organization, note FROM runs").all() == [("acme", "none")]
    database.close()


def test_a_migration_that_fails_leaves_the_old_version_whole(file: Path) -> None:
    filled(file)
    database = Database.connect(url_of(file))
    with pytest.raises(ZeroDivisionError):
        migrate(database, (*MIGRATIONS, add_and_fail))
    assert version_of(database) == len(MIGRATIONS)
    with database.reading() as connection:
        assert "note" not in {column["name"] for column in inspect(connection).get_columns("runs")}
    database.close()


def test_a_first_migration_that_fails_leaves_an_empty_database(file: Path) -> None:
    def fail(connection: Connection) -> None:
        MIGRATIONS[0](connection)
        raise ZeroDivisionError

    database = Database.connect(url_of(file))
    with pytest.raises(ZeroDivisionError):
        migrate(database, (fail,))
    assert version_of(database) == 0
    migrate(database)
    assert version_of(database) == len(MIGRATIONS)
    database.close()


def test_a_step_that_another_process_did_in_between_is_not_done_twice(file: Path) -> None:
    filled(file)
    other = Database.connect(url_of(file))

    class Slow(Database):
        """Gets its turn to write only after another process has migrated."""

        @contextmanager
        def writing(self) -> Iterator[Connection]:
            migrate(other, (*MIGRATIONS, add_a_note))
            with super().writing() as connection:
                yield connection

    def late(connection: Connection) -> None:
        pytest.fail("done already")

    mine = Slow.connect(url_of(file))
    migrate(mine, (*MIGRATIONS, late))
    assert version_of(mine) == len(MIGRATIONS) + 1
    mine.close()
    other.close()


def test_a_newer_state_is_refused_with_the_cure_and_left_alone(file: Path) -> None:
    filled(file)
    database = Database.connect(url_of(file))
    migrate(database, (*MIGRATIONS, add_a_note))
    database.close()
    before = file.read_bytes()
    with pytest.raises(
        StateError,
        match=rf"newer dirsync \(schema {len(MIGRATIONS) + 1}, this one knows {len(MIGRATIONS)}\)\. Update dirsync",
    ):
        State.open(url_of(file))
    assert file.read_bytes() == before


# ------------------------------------------------------------------------------------------------- damaged, not ours


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_a_truncated_file_is_said_to_be_damaged(file: Path, part: float) -> None:
    filled(file)
    os.truncate(file, int(file.stat().st_size * part))
    with pytest.raises(StateError, match=r"state\.db: the state database is damaged\. It is safe to delete"):
        State.open(url_of(file))


def test_a_page_of_rubbish_is_said_to_be_damaged_when_it_is_read(file: Path) -> None:
    filled(file)
    with file.open("r+b") as stream:
        stream.seek(4096)
        stream.write(os.urandom(file.stat().st_size - 4096))
    with pytest.raises(StateError, match=r"damaged.*what is lost is the history"), State.open(url_of(file)) as state:
        state.runs(None, 9)
        state.good_snapshot("acme", "hq")


def test_a_file_of_another_kind_is_not_called_safe_to_delete_without_a_doubt(file: Path) -> None:
    file.write_text("directories:\n  hq: {kind: ldap}\n" * 100)
    with pytest.raises(StateError, match=r"If state.url names the wrong file, correct it"):
        State.open(url_of(file))
    assert file.read_text().startswith("directories")


@pytest.mark.parametrize(
    "table",
    [
        "meta AS SELECT 'schema_version' AS name, '1' AS value",
        "meta AS SELECT 'application' AS name, 'dirsync-state' AS value",
        "meta (something TEXT)",
        "members (id TEXT)",
    ],
)
def test_the_database_of_something_else_is_left_alone(file: Path, table: str) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(f"CREATE TABLE {table}")
    before = file.read_bytes()
    with pytest.raises(StateError, match="not a state database of dirsync"):
        State.open(url_of(file))
    assert file.read_bytes() == before


def test_a_report_that_is_damaged_is_said(file: Path) -> None:
    with State.open(url_of(file)) as state:
        run = state.begin_run("acme", "run", NOON, False)
        state.finish_run(run, finished=NOON, exit_code=0, plan_id="", report={"a": 1})
        with closing(sqlite3.connect(file)) as connection, connection:
            connection.execute("UPDATE runs SET report = x'00'")
        with pytest.raises(StateError, match=f"report of run {run} is damaged"):
            state.run(run)


# ----------------------------------------------------------------------------------------------- rights and disk space


def test_a_folder_that_cannot_be_written_is_said_with_the_cure(
    shared_folder: Path, request: pytest.FixtureRequest
) -> None:
    shared_folder.chmod(0o555)
    request.getfixturevalue("unprivileged")
    for file in (shared_folder / "state.db", shared_folder / "new" / "state.db"):
        with pytest.raises(StateError, match=r"cannot be created \(Permission denied\)\. Give the user who runs"):
            State.open(url_of(file))


def test_a_state_that_cannot_be_written_can_be_read(shared_folder: Path, request: pytest.FixtureRequest) -> None:
    file = shared_folder / "state.db"
    filled(file)
    file.chmod(0o444)
    shared_folder.chmod(0o555)
    request.getfixturevalue("unprivileged")
    with State.open(url_of(file)) as state:
        assert [row.organization for row in state.runs(None, 9)] == ["acme"]
        assert state.good_snapshot("acme", "hq") == big("a")
        with pytest.raises(StateError, match=r"cannot be written. Give the user who runs dirsync the right"):
            state.begin_run("acme", "run", NOON, False)


def test_a_state_of_somebody_else_is_said(shared_folder: Path, request: pytest.FixtureRequest) -> None:
    file = shared_folder / "state.db"
    filled(file)
    file.chmod(0o000)
    request.getfixturevalue("unprivileged")
    with pytest.raises(StateError, match=r"cannot be opened. Give the user who runs dirsync the right"):
        State.open(url_of(file))


def test_a_full_disk_is_said_and_what_was_stored_is_unharmed(file: Path) -> None:
    filled(file)

    def no_more_pages(connection: sqlite3.Connection, _: object) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 1}")

    event.listen(Engine, "connect", no_more_pages)
    try:
        with State.open(url_of(file)) as state:
            with pytest.raises(StateError, match="the disk is full"):
                state.save_good("acme", "hq", big("b", 20_000), NOON, 2)
            assert state.good_snapshot("acme", "hq") == big("a")
    finally:
        event.remove(Engine, "connect", no_more_pages)


FILE_SIZE_LIMIT = """
import resource, signal, sys
from datetime import UTC, datetime
from dirconnector.errors import StateError
from dirconnector.model import Snapshot, User
from dirconnector.state import State
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with State.open(sys.argv[1]) as state:
    resource.setrlimit(resource.RLIMIT_FSIZE, (120_000, 120_000))
    people = {f"b{n}": User(key=f"b{n}", email=f"b{n}@example.org") for n in range(50_000)}
    try:
        state.save_good("acme", "hq", Snapshot(users=people, groups={}), datetime.now(UTC), 2)
    except StateError as error:
        print(error)
"""


def test_a_disk_that_refuses_is_said_and_what_was_stored_is_unharmed(file: Path) -> None:
    filled(file)
    with python(FILE_SIZE_LIMIT, url_of(file)) as process:
        out, err = process.communicate(timeout=60)
    assert "the disk cannot be read or written (full, over quota, a file size limit, or failing)" in out, err
    with State.open(url_of(file)) as state:
        assert state.good_snapshot("acme", "hq") == big("a")


# --------------------------------------------------------------------------------------------- two at once, and killed

MANY_RUNS = """
import sys
from datetime import UTC, datetime
from types import SimpleNamespace
from dirconnector.state import State
call = SimpleNamespace(endpoint="POST /x", target="", changes=())
print("ready", flush=True)
sys.stdin.readline()
with State.open(sys.argv[1]) as state:
    for _ in range(30):
        run = state.begin_run(sys.argv[2], "run", datetime.now(UTC), False)
        journal = state.journal(run)
        journal.end(journal.begin(call, "d"), "ok")
        state.finish_run(run, finished=datetime.now(UTC), exit_code=0, plan_id="", report={})
print("done", flush=True)
"""


def test_processes_at_once_wait_for_each_other_from_the_first_migration_on(file: Path) -> None:
    organizations = ("acme", "beta", "gamma")
    processes = [python(MANY_RUNS, url_of(file), name) for name in organizations]
    assert [said(process) for process in processes] == ["ready"] * 3
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        out, err = process.communicate(timeout=120)
        assert (out, err) == ("done\n", "")
    with State.open(url_of(file)) as state:
        assert {name: len(state.runs(name, 99)) for name in organizations} == dict.fromkeys(organizations, 30)
        assert all(len(state.calls(row.number)) == 1 and row.finished for row in state.runs(None, 99))


def test_who_waits_too_long_is_told_so(file: Path) -> None:
    filled(file)
    with closing(sqlite3.connect(file, isolation_level=None)) as other, State.open(f"{url_of(file)}?timeout=0.1") as me:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StateError, match="another process has been writing it for too long"):
            me.begin_run("acme", "run", NOON, False)
        other.execute("ROLLBACK")
        assert me.begin_run("acme", "run", NOON, False) == 2


SAVE_AND_HANG = """
import sys
from datetime import UTC, datetime
from sqlalchemy import Engine, event
from dirconnector.model import Snapshot, User
from dirconnector.state import State
people = {f"b{n}": User(key=f"b{n}", email=f"b{n}@example.org") for n in range(20_000)}
state = State.open(sys.argv[1])
@event.listens_for(Engine, "commit")
def hang(connection):
    print("about to commit", flush=True)
    sys.stdin.readline()
state.save_good("acme", "hq", Snapshot(users=people, groups={}), datetime.now(UTC), 2)
"""


def test_kill_9_before_the_end_of_a_save_leaves_the_snapshot_before_it(file: Path) -> None:
    filled(file)
    process = python(SAVE_AND_HANG, url_of(file))
    assert said(process) == "about to commit"
    kill(process)
    with State.open(url_of(file)) as state:
        assert state.good_snapshot("acme", "hq") == big("a")
        found = state.baseline("acme", "hq")
        assert found is not None
        assert (found.users, found.memberships) == (2000, 2000)


SAVE_FOR_EVER = """
import sys
from datetime import UTC, datetime
from dirconnector.model import Group, Snapshot, User
from dirconnector.state import State
def big(letter):
    people = {f"{letter}{n}": User(key=f"{letter}{n}", email=f"{letter}{n}@example.org") for n in range(2000)}
    group = Group(key=letter, name=letter, members=frozenset(people), directory="hq")
    return Snapshot(users=people, groups={letter: group})
both = [big("a"), big("b")]
state = State.open(sys.argv[1])
for turn in range(1_000_000):
    state.save_good("acme", "hq", both[turn % 2], datetime.now(UTC), turn)
    print(turn, flush=True)
"""


def test_kill_9_at_any_moment_of_saving_leaves_one_whole_snapshot(file: Path) -> None:
    whole = {"a": big("a"), "b": big("b")}
    for saves in (1, 2, 3, 5, 8):
        process = python(SAVE_FOR_EVER, url_of(file))
        for _ in range(saves):
            said(process)
        kill(process)
        with State.open(url_of(file)) as state:
            found = state.good_snapshot("acme", "hq")
            counts = state.baseline("acme", "hq")
        assert found in whole.values()
        assert counts is not None
        assert (counts.users, counts.memberships) == (2000, 2000)


# ---------------------------------------------------------------------------------------------------------- start-up


def test_lock_and_rows_do_not_import_sqlalchemy() -> None:
    code = "import dirconnector.state.lock, dirconnector.state.rows, sys; print('sqlalchemy' in sys.modules)"
    with python(code) as process:
        assert process.communicate(timeout=60)[0] == "False\n"
