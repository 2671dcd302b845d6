"""The state: everything that is remembered between runs. Each method is one transaction, all or nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Self

from sqlalchemy import delete, insert, select, update

from dirconnector.errors import StateError
from dirconnector.model import Current, Snapshot, User
from dirconnector.plan.baseline import Baseline, baseline_of
from dirconnector.state import history, managed, snapshots
from dirconnector.state.database import SAFE_TO_DELETE, Database
from dirconnector.state.managed import MembershipLedger
from dirconnector.state.migrations import migrate
from dirconnector.state.rows import CallRow, Clock, Cursor, ManagedRow, Person, RunRow, iso, utc_now
from dirconnector.state.tables import calls, cursors, good, runs

KEEP_RUNS = 200


class State:
    """An open state database. Close it, or use it as a context manager.

    It may be used from several threads, and by several processes at once: a transaction waits for the others.
    Every method raises StateError, which names the file and the cure, when the database cannot be used;
    nothing is then half written.
    """

    def __init__(self, database: Database, *, keep_runs: int = KEEP_RUNS) -> None:
        if keep_runs < 1:
            raise ValueError("keep_runs must be at least 1: the run that has just ended is kept")
        self._database = database
        self._keep_runs = keep_runs

    @classmethod
    def open(cls, url: str, *, keep_runs: int = KEEP_RUNS) -> State:
        """Open ``sqlite:///PATH`` (or another SQLAlchemy URL), creating and migrating it when needed.

        ``keep_runs`` is how many runs of each organization the history keeps.
        """
        database = Database.connect(url)
        try:
            migrate(database)
            return cls(database, keep_runs=keep_runs)
        except BaseException:
            database.close()
            raise

    def close(self) -> None:
        """Close the connections; the state cannot be relied on afterwards."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ------------------------------------------------------------------------------------------------------------ runs

    def begin_run(self, organization: str, command: str, started: datetime, dry_run: bool) -> int:
        """Record that a run has begun. Returns its number, which is never given twice."""
        with self._database.writing() as connection:
            return history.begin(connection, organization, command, started, dry_run)

    def finish_run(
        self, run: int, *, finished: datetime, exit_code: int, plan_id: str, report: Mapping[str, object]
    ) -> None:
        """Record the end of a run with its JSON document, and delete the runs that are too old to keep."""
        with self._database.writing() as connection:
            organization = history.finish(connection, run, finished, exit_code, plan_id, report)
            history.prune(connection, organization, self._keep_runs)

    def runs(self, organization: str | None, limit: int) -> tuple[RunRow, ...]:
        """The last ``limit`` runs of an organization, or of all (None), newest first."""
        with self._database.reading() as connection:
            return history.newest(connection, organization, limit)

    def run(self, number: int) -> tuple[RunRow, dict[str, object]] | None:
        """A run and its report (empty when it did not finish). None when there is no such run, or no
        longer.
        """
        with self._database.reading() as connection:
            return history.one(connection, number, self._database.place)

    # --------------------------------------------------------------------------------------------------------- journal

    def journal(self, run: int, clock: Clock = utc_now) -> history.RunJournal:
        """The journal of a run that has begun."""
        return history.RunJournal(self._database, run, clock)

    def calls(self, run: int) -> tuple[CallRow, ...]:
        """The calls of a run, in the order they were made."""
        with self._database.reading() as connection:
            return history.calls_where(connection, calls.c.run == run)

    def open_calls(self, organization: str) -> tuple[CallRow, ...]:
        """Calls that were begun and never ended: a run was killed there. Ask before the own run makes
        calls.
        """
        with self._database.reading() as connection:
            mine = runs.c.organization == organization
            return history.calls_where(connection, mine & (calls.c.finished == ""))

    def settle_calls(self, organization: str, *, result: str, when: datetime) -> int:
        """End the open calls of killed runs, once the organization has been read again. Returns how many
        there were.

        ``result`` says how it is known, such as "settled by run 12: read back".
        """
        with self._database.writing() as connection:
            return history.settle(connection, organization, result, when)

    # -------------------------------------------------------------------------------------------------- good snapshots

    def save_good(self, organization: str, directory: str, snapshot: Snapshot, taken: datetime, run: int) -> None:
        """Replace the last good snapshot of a directory: complete, and no limit that it shrank beyond.

        The users' attributes are not stored. When the content is the same as before only the time and the run
        are written.
        """
        content = snapshots.encode(snapshot)
        counts = baseline_of(directory, snapshot)
        here = (good.c.organization == organization, good.c.directory == directory)
        values: dict[str, object] = {
            "run": run,
            "taken": iso(taken),
            "digest": snapshots.digest_of(content),
            "users": counts.users,
            "with_email": counts.with_email,
            "groups": counts.groups,
            "memberships": counts.memberships,
        }
        with self._database.writing() as connection:
            known = connection.scalar(select(good.c.digest).where(*here))
            if known != values["digest"]:
                values["content"] = snapshots.compress(content)
            if known is None:
                connection.execute(insert(good).values(organization=organization, directory=directory, **values))
            else:
                connection.execute(update(good).where(*here).values(**values))

    def baselines(self, organization: str) -> dict[str, Baseline]:
        """The sizes of the last good snapshots by directory, without reading the snapshots."""
        query = select(
            good.c.directory, good.c.users, good.c.with_email, good.c.groups, good.c.memberships, good.c.taken,
            good.c.digest,
        ).where(good.c.organization == organization).order_by(good.c.directory)  # fmt: skip
        with self._database.reading() as connection:
            return {row.directory: Baseline(**row._mapping) for row in connection.execute(query)}

    def baseline(self, organization: str, directory: str) -> Baseline | None:
        """The size of the last good snapshot of one directory. None when there is none."""
        return self.baselines(organization).get(directory)

    def forget_directories(self, organization: str, *, keep: Collection[str]) -> None:
        """Forget the last good snapshots, and where reading can go on, of all directories but these."""
        with self._database.writing() as connection:
            for table in (good, cursors):
                mine = table.c.organization == organization
                for directory in set(connection.scalars(select(table.c.directory).where(mine))) - set(keep):
                    connection.execute(delete(table).where(mine, table.c.directory == directory))

    def good_snapshot(self, organization: str, directory: str) -> Snapshot | None:
        """The last good snapshot itself, its users without attributes. None when there is none."""
        query = select(good.c.content, good.c.digest).where(
            good.c.organization == organization, good.c.directory == directory
        )
        with self._database.reading() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        try:
            return snapshots.decode(row.content, row.digest)
        except (ValueError, LookupError, TypeError) as error:
            raise StateError(
                f"{self._database.place}: the last good snapshot of {directory} is damaged ({error}). {SAFE_TO_DELETE}"
            ) from None

    # --------------------------------------------------------------------------------------------------------- cursors

    def save_cursor(self, organization: str, directory: str, cursor: Cursor) -> None:
        """Replace where reading this directory can go on. To be called only when the run that read it ended well."""
        content = snapshots.encode(cursor.snapshot, attributes=True)
        here = (cursors.c.organization == organization, cursors.c.directory == directory)
        values = {
            "source": cursor.source,
            "cursor": cursor.cursor,
            "full_read": iso(cursor.full_read),
            "digest": snapshots.digest_of(content),
        }
        with self._database.writing() as connection:
            known = connection.scalar(select(cursors.c.digest).where(*here))
            if known == values["digest"]:
                connection.execute(update(cursors).where(*here).values(**values))
                return
            connection.execute(delete(cursors).where(*here))
            connection.execute(
                insert(cursors).values(
                    organization=organization, directory=directory, content=snapshots.compress(content), **values
                )
            )

    def cursor(self, organization: str, directory: str) -> Cursor | None:
        """Where reading this directory can go on; None when everything has to be read."""
        query = select(cursors).where(cursors.c.organization == organization, cursors.c.directory == directory)
        with self._database.reading() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        try:
            snapshot = snapshots.decode(row.content, row.digest)
        except (ValueError, LookupError, TypeError):
            return None  # a full read makes a new one
        return Cursor(row.cursor, snapshot, datetime.fromisoformat(row.full_read), row.source)

    # --------------------------------------------------------------------------------------------------- what we manage

    def remember_managed(self, organization: str, current: Current, users: Mapping[str, User], when: datetime) -> None:
        """Remember all members and groups that have an externalId, as just seen; forget those that are gone.

        ``users`` are the directories' users by key. Members who are in it are described by it from now on, for
        :meth:`people`; those who left it keep the description they had.
        """
        with self._database.writing() as connection:
            managed.remember(connection, organization, current, users, when)

    def people(self, organization: str, keys: Collection[str]) -> dict[str, Person]:
        """Key -> how a directory described this member while it had them. Who is not known is not in it."""
        if not keys:
            return {}
        with self._database.reading() as connection:
            return managed.people(connection, organization, keys)

    def managed(self, organization: str) -> tuple[ManagedRow, ...]:
        """What was managed when :meth:`remember_managed` was last called."""
        with self._database.reading() as connection:
            return managed.rows(connection, organization)

    def ledger(self, organization: str, clock: Clock = utc_now) -> MembershipLedger:
        """The memberships last seen in the organization."""
        return MembershipLedger(self._database, organization, clock)
