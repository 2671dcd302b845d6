"""What we manage in the organization, and the memberships last seen there. Only differences are written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, Executable, bindparam, delete, insert, select, update

from dirconnector.model import Current, Member, User
from dirconnector.state.database import Database
from dirconnector.state.rows import Clock, ManagedRow, Person, iso, utc_now
from dirconnector.state.tables import managed, memberships, verifications


class _Seen(NamedTuple):
    key: str
    label: str
    status: int | None
    directory: str = ""
    name: str = ""
    username: str = ""


_COLUMNS = tuple(managed.c[name] for name in _Seen._fields)


class MembershipLedger:
    """Memberships as last verified: :class:`dirconnector.organizations.Ledger`, one row for each group."""

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
        """Remember memberships that have just been read from, or written to, the organization."""
        if memberships:
            with self._database.writing() as connection:
                _write_memberships(connection, self._organization, memberships, iso(self._clock()))


def remember(
    connection: Connection, organization: str, current: Current, users: Mapping[str, User], when: datetime
) -> None:
    """Make the rows of the organization equal to what has an externalId there, and forget groups that are gone.

    Who is in ``users`` (by key) is described by it; who is not keeps the description there was.
    """
    moment = iso(when)
    known = _known(connection, organization)
    seen = _seen(current, users, known)
    this_row = (
        (managed.c.organization == organization)
        & (managed.c.kind == bindparam("old_kind"))
        & (managed.c.id == bindparam("old_id"))
    )
    _execute_many(
        connection,
        delete(managed).where(this_row),
        [{"old_kind": kind, "old_id": id_} for kind, id_ in known.keys() - seen.keys()],
    )
    _execute_many(
        connection,
        insert(managed),
        [
            {"organization": organization, "kind": kind, "id": id_, "first_seen": moment, **now._asdict()}
            for (kind, id_), now in seen.items()
            if (kind, id_) not in known
        ],
    )
    _execute_many(
        connection,
        update(managed).where(this_row),
        [
            {"old_kind": kind, "old_id": id_, **now._asdict()}
            for (kind, id_), now in seen.items()
            if known.get((kind, id_), now) != now
        ],
    )
    _forget_memberships(connection, organization, current.groups)
    # one time for all rows: what is not seen is deleted, so that each row left was last seen at the same time
    connection.execute(delete(verifications).where(verifications.c.organization == organization))
    connection.execute(insert(verifications).values(organization=organization, verified=moment))


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
            seen["group", group.id] = _Seen(group.key, group.name, None)
    return seen


def _described(member: Member, user: User | None, before: _Seen | None) -> _Seen:
    person: User | _Seen | None = user
    if user is None and before is not None and before.key == member.key:
        person = before
    if person is None:
        return _Seen(member.key, member.email, int(member.status))
    return _Seen(member.key, member.email, int(member.status), person.directory, person.name, person.username)


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
    mine = memberships.c.organization == organization
    known = connection.scalars(select(memberships.c.group_id).where(mine)).all()
    gone = [{"old_group": group_id} for group_id in known if group_id not in groups]
    this_group = mine & (memberships.c.group_id == bindparam("old_group"))
    _execute_many(connection, delete(memberships).where(this_group), gone)


def _execute_many(connection: Connection, statement: Executable, records: Sequence[Mapping[str, object]]) -> None:
    # without records SQLAlchemy would execute the statement once, with nothing bound
    if records:
        connection.execute(statement, records)
