"""What we manage in the organization, and the memberships last seen there. Only differences are written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from itertools import islice
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, Executable, bindparam, delete, insert, select, update

from dirconnector.model import Current, Member, OrgGroup, Status, User
from dirconnector.state import history
from dirconnector.state.database import Database
from dirconnector.state.rows import Clock, ManagedRow, Person, iso, utc_now
from dirconnector.state.tables import managed, memberships, verifications

NEVER = ""
"""When a membership was verified that has not been read since it was written: before everything else."""


PIECE = 2_000
"""Rows that are written at once."""


class _Seen(NamedTuple):
    key: str
    label: str
    status: int | None
    directory: str = ""
    name: str = ""
    username: str = ""


_COLUMNS = tuple(managed.c[name] for name in _Seen._fields)


class MembershipLedger:
    """What is remembered of an organization: :class:`dirconnector.organizations.Ledger`."""

    def __init__(self, database: Database, organization: str, clock: Clock = utc_now) -> None:
        self._database = database
        self._organization = organization
        self._clock = clock

    def memberships(self) -> Mapping[str, frozenset[str]]:
        """Group id -> member ids, as last verified, **the group verified longest ago first**."""
        query = (
            select(memberships.c.group_id, memberships.c.members)
            .where(memberships.c.organization == self._organization)
            .order_by(memberships.c.verified, memberships.c.group_id)
        )
        with self._database.reading() as connection:
            return {row.group_id: frozenset(json.loads(row.members)) for row in connection.execute(query)}

    def verified(self, memberships: Mapping[str, frozenset[str]]) -> None:
        """Remember memberships that have just been read from the organization."""
        self._write(memberships, iso(self._clock()))

    def sent(self, memberships: Mapping[str, frozenset[str]]) -> None:
        """Remember memberships that were written and have not been read since: the first to be verified."""
        self._write(memberships, NEVER)

    def forget(self, groups: Collection[str]) -> None:
        """The memberships of these groups are about to change: they are not known until they are read again."""
        if groups:
            with self._database.writing() as connection:
                _forget(connection, self._organization, groups)

    def open_since(self, endpoint: str) -> float | None:
        """How many seconds ago the last call to this endpoint was begun that never ended. None when there is none."""
        with self._database.reading() as connection:
            started = history.last_open(connection, self._organization, endpoint)
        if started is None:
            return None
        return max((self._clock() - datetime.fromisoformat(started)).total_seconds(), 0.0)

    def members(self) -> tuple[Member, ...]:
        """The members that we manage, as last remembered. Their type is not: it reads as user."""
        with self._database.reading() as connection:
            return tuple(
                Member(id=id_, email=seen.label, key=seen.key, name=seen.name, status=_status(seen.status))
                for (kind, id_), seen in _known(connection, self._organization).items()
                if kind == "user"
            )

    def groups(self) -> tuple[OrgGroup, ...]:
        """The groups that we manage, as last remembered, with their members. Their collections are not."""
        members = self.memberships()
        with self._database.reading() as connection:
            return tuple(
                OrgGroup(id=id_, name=seen.label, key=seen.key, members=members.get(id_, frozenset()))
                for (kind, id_), seen in _known(connection, self._organization).items()
                if kind == "group"
            )

    def remember(self, members: Iterable[Member] = (), groups: Iterable[OrgGroup] = ()) -> None:
        """Remember these members, and these groups with their members, as they are now; the others stay as they
        were.
        """
        groups = list(groups)
        moment = iso(self._clock())
        with self._database.writing() as connection:
            known = _known(connection, self._organization)
            seen = {("user", m.id): _described(m, None, known.get(("user", m.id))) for m in members}
            seen |= {("group", g.id): _Seen(g.key, g.name, None) for g in groups}
            _write_managed(connection, self._organization, known, seen, moment)
            _write_memberships(connection, self._organization, {g.id: g.members for g in groups}, moment)

    def drop(self, groups: Collection[str]) -> None:
        """These groups are not managed any more."""
        if groups:
            with self._database.writing() as connection:
                _delete_managed(connection, self._organization, [("group", id_) for id_ in groups])
                _forget(connection, self._organization, groups)

    def _write(self, memberships: Mapping[str, frozenset[str]], moment: str) -> None:
        if memberships:
            with self._database.writing() as connection:
                _write_memberships(connection, self._organization, memberships, moment)


def remember(
    connection: Connection, organization: str, current: Current, users: Mapping[str, User], when: datetime
) -> None:
    """Make the rows of the organization equal to what has an externalId there, and forget groups that are gone.

    Who is in ``users`` (by key) is described by it; who is not keeps the description there was.
    """
    moment = iso(when)
    known = _known(connection, organization)
    seen = _seen(current, users, known)
    _delete_managed(connection, organization, known.keys() - seen.keys())
    _write_managed(connection, organization, known, seen, moment)
    _forget_memberships(connection, organization, current.groups)
    # one time for all rows: what is not seen is deleted, so that each row left was last seen at the same time
    connection.execute(delete(verifications).where(verifications.c.organization == organization))
    connection.execute(insert(verifications).values(organization=organization, verified=moment))


def _delete_managed(connection: Connection, organization: str, gone: Iterable[tuple[str, str]]) -> None:
    records = [{"old_kind": kind, "old_id": id_} for kind, id_ in gone]
    _execute_many(connection, delete(managed).where(_this_row(organization)), records)


def _write_managed(
    connection: Connection,
    organization: str,
    known: Mapping[tuple[str, str], _Seen],
    seen: Mapping[tuple[str, str], _Seen],
    moment: str,
) -> None:
    _execute_many(
        connection,
        insert(managed),
        (
            {"organization": organization, "kind": kind, "id": id_, "first_seen": moment, **now._asdict()}
            for (kind, id_), now in seen.items()
            if (kind, id_) not in known
        ),
    )
    _execute_many(
        connection,
        update(managed).where(_this_row(organization)),
        (
            {"old_kind": kind, "old_id": id_, **now._asdict()}
            for (kind, id_), now in seen.items()
            if known.get((kind, id_), now) != now
        ),
    )


def _this_row(organization: str) -> ColumnElement[bool]:
    return (
        (managed.c.organization == organization)
        & (managed.c.kind == bindparam("old_kind"))
        & (managed.c.id == bindparam("old_id"))
    )


def rows(connection: Connection, organization: str) -> tuple[ManagedRow, ...]:
    """What is managed, as last seen, by kind and label."""
    verified = connection.scalar(select(verifications.c.verified).where(verifications.c.organization == organization))
    query = (
        select(managed.c.kind, managed.c.id, managed.c.key, managed.c.label, managed.c.status, managed.c.first_seen)
        .where(managed.c.organization == organization)
        .order_by(managed.c.kind, managed.c.label, managed.c.id)
    )
    return tuple(ManagedRow(*row, verified or "") for row in connection.execute(query).all())


def people(connection: Connection, organization: str, keys: Collection[str]) -> dict[str, Person]:
    """How the members with these keys were described, those that a directory ever described."""
    query = select(managed.c.key, managed.c.directory, managed.c.name, managed.c.username).where(
        managed.c.organization == organization, managed.c.kind == "user", managed.c.directory != ""
    )
    # all of them and not "in (keys)": older databases allow 999 values in a statement
    return {row.key: Person(*row[1:]) for row in connection.execute(query).all() if row.key in keys}


def _known(connection: Connection, organization: str) -> dict[tuple[str, str], _Seen]:
    query = select(managed.c.kind, managed.c.id, *_COLUMNS).where(managed.c.organization == organization)
    return {(kind, id_): _Seen(*rest) for kind, id_, *rest in connection.execute(query).all()}


def _seen(
    current: Current, users: Mapping[str, User], known: Mapping[tuple[str, str], _Seen]
) -> dict[tuple[str, str], _Seen]:
    seen = {
        ("user", member.id): _described(member, users.get(member.key), known.get(("user", member.id)))
        for member in current.members.values()
        if member.managed
    }
    for group in current.groups.values():
        if group.managed:
            seen["group", group.id] = _Seen(group.key, _storable(group.name), None)
    return seen


def _described(member: Member, user: User | None, before: _Seen | None) -> _Seen:
    person: User | _Seen | None = user
    if user is None and before is not None and before.key == member.key:
        person = before
    if person is None:
        return _Seen(member.key, _storable(member.email), int(member.status))
    name, username = _storable(person.name), _storable(person.username)
    return _Seen(member.key, _storable(member.email), int(member.status), person.directory, name, username)


def _storable(text: str) -> str:
    """The text without halves of surrogate pairs, which no database takes. A JSON file can hold them."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _write_memberships(
    connection: Connection, organization: str, seen: Mapping[str, frozenset[str]], moment: str
) -> None:
    mine = memberships.c.organization == organization
    known = {
        row.group_id: row.digest
        for row in connection.execute(select(memberships.c.group_id, memberships.c.digest).where(mine))
    }
    this_group = mine & (memberships.c.group_id == bindparam("old_group"))
    same: list[dict[str, str]] = []
    different: list[dict[str, str]] = []
    new: list[dict[str, str]] = []
    for group_id, members in seen.items():
        text = json.dumps(sorted(members), separators=(",", ":"))
        digest = hashlib.blake2b(text.encode("ascii"), digest_size=16).hexdigest()
        content = {"verified": moment, "digest": digest, "members": text}
        if group_id not in known:
            new.append({"organization": organization, "group_id": group_id, **content})
        elif known[group_id] == digest:
            same.append({"old_group": group_id, "verified": moment})
        else:
            different.append({"old_group": group_id, **content})
    _execute_many(connection, insert(memberships), new)
    _execute_many(connection, update(memberships).where(this_group), different)
    _execute_many(connection, update(memberships).where(this_group), same)


def _forget_memberships(connection: Connection, organization: str, groups: Collection[str]) -> None:
    """Keep the memberships of these groups only."""
    mine = memberships.c.organization == organization
    known = connection.scalars(select(memberships.c.group_id).where(mine)).all()
    _forget(connection, organization, [group_id for group_id in known if group_id not in groups])


def _forget(connection: Connection, organization: str, groups: Iterable[str]) -> None:
    this_group = (memberships.c.organization == organization) & (memberships.c.group_id == bindparam("old_group"))
    _execute_many(connection, delete(memberships).where(this_group), [{"old_group": id_} for id_ in groups])


def _status(number: int | None) -> Status:
    return Status.OTHER if number is None else Status(number)


def _execute_many(connection: Connection, statement: Executable, records: Iterable[Mapping[str, object]]) -> None:
    """Execute once for each record, in pieces: tens of thousands of records at once would be tens of megabytes."""
    rest = iter(records)
    while piece := list(islice(rest, PIECE)):
        connection.execute(statement, piece)
