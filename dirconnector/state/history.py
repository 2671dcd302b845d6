"""The runs, their reports, and the journal of their calls."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Connection, RowMapping, delete, insert, select, update

from dirconnector.errors import StateError
from dirconnector.state.database import SAFE_TO_DELETE, Database
from dirconnector.state.rows import CallRow, Clock, RunRow, iso, utc_now
from dirconnector.state.tables import calls, runs

_RUN_COLUMNS = (
    runs.c.number, runs.c.organization, runs.c.command, runs.c.started, runs.c.finished, runs.c.exit_code,
    runs.c.plan_id, runs.c.dry_run,
)  # fmt: skip


class Carried(Protocol):
    """What the journal needs to know of :class:`dirconnector.organizations.Call`."""

    @property
    def endpoint(self) -> str: ...

    @property
    def target(self) -> str: ...

    @property
    def changes(self) -> Sequence[object]: ...


class RunJournal:
    """The journal of one run: :class:`dirconnector.organizations.Journal`.

    Each record is committed and on the disk before the method returns. Both methods raise StateError when
    that is not possible: a call that cannot be written down must not be made.
    """

    def __init__(self, database: Database, run: int, clock: Clock = utc_now) -> None:
        self._database = database
        self._run = run
        self._clock = clock

    def begin(self, call: Carried, digest: str) -> int:
        """Record that ``call`` is about to be made with a body of this digest. Returns the number of the
        record.
        """
        record = insert(calls).values(
            run=self._run,
            endpoint=call.endpoint,
            target=call.target,
            changes=len(call.changes),
            digest=digest,
            started=iso(self._clock()),
            finished="",
            result="",
        )
        with self._database.writing() as connection:
            return _number_of(connection.execute(record).inserted_primary_key)

    def end(self, number: int, result: str) -> None:
        """Record how the call ended: ``ok`` or the error."""
        # a server's own words may hold half a surrogate pair, which no database takes
        words = result.encode("utf-8", "replace").decode("utf-8")
        record = update(calls).where(calls.c.number == number, calls.c.run == self._run)
        with self._database.writing() as connection:
            connection.execute(record.values(finished=iso(self._clock()), result=words))


_PIECE = 2_000
"""Elements of a list that are written at once."""


def compressed(report: Mapping[str, object]) -> bytes:
    """The report as compressed JSON. Long lists go through in pieces: the changes of a first sync would be tens of
    megabytes of text otherwise.
    """
    packer = zlib.compressobj(1)
    parts: list[bytes] = []
    for number, (name, value) in enumerate(report.items()):
        parts.append(packer.compress(f"{',' if number else '{'}{json.dumps(name)}:".encode("ascii")))
        if isinstance(value, (list, tuple)):
            parts.append(packer.compress(b"["))
            for start in range(0, len(value), _PIECE):
                piece = json.dumps(value[start : start + _PIECE], separators=(",", ":"))[1:-1]
                parts.append(packer.compress(f"{',' if start else ''}{piece}".encode("ascii")))
            parts.append(packer.compress(b"]"))
        else:
            parts.append(packer.compress(json.dumps(value, separators=(",", ":")).encode("ascii")))
    parts.append(packer.compress(b"}" if report else b"{}"))
    return b"".join([*parts, packer.flush()])


def begin(connection: Connection, organization: str, command: str, started: datetime, dry_run: bool) -> int:
    """Insert a run that has not ended. Returns its number, which is never used again."""
    record = insert(runs).values(
        organization=organization,
        command=command,
        dry_run=dry_run,
        started=iso(started),
        finished="",
        plan_id="",
    )
    return _number_of(connection.execute(record).inserted_primary_key)


def finish(
    connection: Connection, run: int, finished: datetime, exit_code: int, plan_id: str, report: Mapping[str, object]
) -> str:
    """Write down the end of a run. Returns the run's organization. Raises StateError when there is no such
    run.
    """
    document = compressed(report)
    record = update(runs).where(runs.c.number == run)
    connection.execute(record.values(finished=iso(finished), exit_code=exit_code, plan_id=plan_id, report=document))
    organization: str | None = connection.scalar(select(runs.c.organization).where(runs.c.number == run))
    if organization is None:
        raise StateError(f"run {run} is not in the state any more: was the state file replaced during the run?")
    return organization


def prune(connection: Connection, organization: str, keep: int) -> None:
    """Delete all but the ``keep`` newest runs of an organization, and their calls."""
    newest = select(runs.c.number).where(runs.c.organization == organization).order_by(runs.c.number.desc())
    last_kept = connection.scalar(newest.offset(keep - 1).limit(1))
    if last_kept is None:
        return
    old = (runs.c.organization == organization) & (runs.c.number < last_kept)
    connection.execute(delete(calls).where(calls.c.run.in_(select(runs.c.number).where(old))))
    connection.execute(delete(runs).where(old))


def newest(connection: Connection, organization: str | None, limit: int) -> tuple[RunRow, ...]:
    """The last ``limit`` runs, newest first, of one organization or of all."""
    query = select(*_RUN_COLUMNS).order_by(runs.c.number.desc()).limit(limit)
    if organization is not None:
        query = query.where(runs.c.organization == organization)
    return tuple(_run_row(row) for row in connection.execute(query).mappings())


def one(connection: Connection, number: int, place: str) -> tuple[RunRow, dict[str, object]] | None:
    """A run and its report (empty while it has not ended), or None when there is no run with this number."""
    row = connection.execute(select(*_RUN_COLUMNS, runs.c.report).where(runs.c.number == number)).one_or_none()
    if row is None:
        return None
    if row.report is None:
        return _run_row(row._mapping), {}
    try:
        report: dict[str, object] = json.loads(zlib.decompress(row.report))
    except (zlib.error, ValueError) as error:
        raise StateError(f"{place}: the report of run {number} is damaged ({error}). {SAFE_TO_DELETE}") from None
    return _run_row(row._mapping), report


def calls_where(connection: Connection, condition: ColumnElement[bool]) -> tuple[CallRow, ...]:
    """The calls that a condition on ``calls`` and ``runs`` selects, in the order they were made."""
    query = select(calls).join(runs, runs.c.number == calls.c.run).where(condition).order_by(calls.c.number)
    return tuple(CallRow(**row) for row in connection.execute(query).mappings())


def last_open(connection: Connection, organization: str, endpoint: str) -> str | None:
    """When the last call of an organization to this endpoint was begun that has not ended; None without one."""
    query = (
        select(calls.c.started)
        .join(runs, runs.c.number == calls.c.run)
        .where(runs.c.organization == organization, calls.c.endpoint == endpoint, calls.c.finished == "")
        .order_by(calls.c.number.desc())
        .limit(1)
    )
    return connection.scalar(query)


def settle(connection: Connection, organization: str, result: str, when: datetime) -> int:
    """End all open calls of an organization with this result. Returns how many there were."""
    mine = select(runs.c.number).where(runs.c.organization == organization)
    record = update(calls).where(calls.c.finished == "", calls.c.run.in_(mine))
    return connection.execute(record.values(finished=iso(when), result=result)).rowcount


def _run_row(row: RowMapping) -> RunRow:
    return RunRow(**{column.name: row[column.name] for column in _RUN_COLUMNS})


def _number_of(primary_key: Sequence[Any] | None) -> int:
    assert primary_key is not None
    return int(primary_key[0])
