"""``kind: local``: an organization in one SQLite file that behaves like a Bitwarden organization. For demos,
tests and trying out.
"""

from __future__ import annotations

import os
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydantic import Field

from dirconnector.errors import OrganizationError
from dirconnector.model import Current, Finding, Member, OrgGroup, Progress, Status
from dirconnector.organizations import Journal, Ledger, routes
from dirconnector.organizations.endpoints import status_from, type_from
from dirconnector.organizations.execute import apply_calls
from dirconnector.organizations.local_endpoints import LocalEndpoints
from dirconnector.organizations.local_store import load_seed, opened, translated
from dirconnector.plan.model import Change, Forecast, Outcome
from dirconnector.settings import ConfigPath, Settings

PACE = routes.Pace(write_latency=0.01)
"""A call that writes is a transaction on the disk; everything is read at once."""


class LocalSettings(Settings):
    """``organization`` with ``kind: local``.

    ``path`` is the SQLite file. ``seats`` overrides the seats of the seed; without either there is no limit.
    ``seed`` is a JSON file with what the organization starts with, looked at only while the file does not
    exist.
    """

    path: ConfigPath
    seats: int | None = Field(default=None, ge=0)
    seed: ConfigPath | None = None


class LocalOrganization:
    """The :class:`~dirconnector.organizations.Organization` in a file."""

    settings_class: type[Settings] = LocalSettings

    def __init__(self, settings: LocalSettings) -> None:
        self.path = Path(settings.path).resolve()
        self.seed = Path(settings.seed) if settings.seed is not None else None
        self.seats = settings.seats
        self.name = f"local:{self.path}"

    def check(self) -> Iterator[Finding]:
        """Look at the file, or at the seed and the folder when there is none yet. Never writes."""
        subject = str(self.path)
        try:
            with translated(self.path):
                new = not self.path.exists()
            yield self._check_new(subject) if new else Finding(ok=True, subject=subject, detail="the file is there")
            yield from self._check_rights(subject, new=new)
            current = self._read()
        except OrganizationError as error:
            yield Finding(ok=False, subject=subject, detail=str(error), cure="do what the message says and check again")
            return
        yield _counts(subject, current)
        yield _seats_finding(subject, current)

    def _check_new(self, subject: str) -> Finding:
        load_seed(self.seed)
        if not self.path.parent.is_dir():
            cure = f"create the folder {self.path.parent}"
            return Finding(ok=False, subject=subject, detail="the folder does not exist", cure=cure)
        source = f"from {self.seed}" if self.seed else "with nobody but its owner"
        return Finding(ok=True, subject=subject, detail=f"does not exist yet; the first run creates it {source}")

    def _check_rights(self, subject: str, *, new: bool) -> Iterator[Finding]:
        # SQLite writes its journal beside the file: the folder counts as much as the file
        for path in (self.path.parent,) if new else (self.path, self.path.parent):
            if path.exists() and not os.access(path, os.W_OK):
                cure = f"give this account write access to {path}"
                yield Finding(ok=False, subject=subject, detail=f"{path} cannot be written", cure=cure)

    def read(self, ledger: Ledger, *, verify: bool, progress: Progress) -> Current:
        """The organization as it is now, memberships included: here reading them costs nothing, the ledger is
        not needed.

        A file that does not exist is read as what the seed will make of it, and is not created.
        """
        progress("organization", 0, None)
        current = self._read()
        progress("organization", len(current.members), len(current.members))
        return current

    def forecast(self, changes: Sequence[Change], current: Current) -> Forecast:
        """What :meth:`apply` would send. Pure."""
        return routes.forecast(routes.plan_calls(changes, current), current, changes, pace=PACE)

    def apply(
        self, changes: Sequence[Change], current: Current, *, journal: Journal, ledger: Ledger, progress: Progress
    ) -> Outcome:
        """Apply the changes; creates the file from the seed when it does not exist."""
        calls = routes.plan_calls(changes, current)
        if not calls:
            return Outcome()
        with self.endpoints() as endpoints:
            return apply_calls(calls, current, endpoints, journal, progress)

    @contextmanager
    def endpoints(self) -> Iterator[LocalEndpoints]:
        """The public API of this organization; creates the file when it does not exist."""
        with opened(self.path, self.seed, write=True) as connection:
            with translated(self.path):
                seats = _seats(connection, self.seats)
            yield LocalEndpoints(connection, self.path, seats)

    def _read(self) -> Current:
        with opened(self.path, self.seed, write=False) as connection, translated(self.path):
            connection.execute("BEGIN")
            members = _members(connection)
            groups = _groups(connection)
            seats = _seats(connection, self.seats)
        return Current(organization=self.name, members=members, groups=groups, seats=seats)


def _members(connection: sqlite3.Connection) -> dict[str, Member]:
    query = "SELECT id, email, coalesce(external_id, ''), coalesce(name, ''), status, type FROM members"
    return {
        id_: Member(id=id_, email=email, key=key, name=name, status=status_from(status), type=type_from(type_))
        for id_, email, key, name, status, type_ in connection.execute(query)
    }


def _groups(connection: sqlite3.Connection) -> dict[str, OrgGroup]:
    members: dict[str, set[str]] = defaultdict(set)
    for group_id, member_id in connection.execute("SELECT group_id, member_id FROM group_members"):
        members[group_id].add(member_id)
    granted = dict(connection.execute("SELECT group_id, count(*) FROM group_collections GROUP BY group_id"))
    return {
        id_: OrgGroup(
            id=id_, name=name, key=key or "", members=frozenset(members[id_]), collections=granted.get(id_, 0)
        )
        for id_, name, key in connection.execute("SELECT id, name, external_id FROM groups")
    }


def _seats(connection: sqlite3.Connection, configured: int | None) -> int | None:
    """Seats of the config, else of the seed."""
    row = connection.execute("SELECT value FROM meta WHERE name = 'seats'").fetchone()
    if configured is not None or row is None or row[0] is None:
        return configured
    return int(row[0])


def _counts(subject: str, current: Current) -> Finding:
    statuses = Counter(member.status for member in current.members.values())
    words = ", ".join(f"{statuses[status]} {status.name.lower()}" for status in Status if statuses[status])
    members, groups = len(current.members), len(current.groups)
    detail = f"{members} member{'s' * (members != 1)} ({words}), {groups} group{'s' * (groups != 1)}"
    return Finding(ok=True, subject=subject, detail=detail)


def _seats_finding(subject: str, current: Current) -> Finding:
    free = current.seats_free
    if free is None:
        return Finding(ok=True, subject=subject, detail="seats are unlimited")
    detail = f"{free} of {current.seats} seats are free"
    cure = "" if free >= 0 else "raise organization.seats, or revoke somebody: until then nobody is invited"
    return Finding(ok=free >= 0, subject=subject, detail=detail, cure=cure)
