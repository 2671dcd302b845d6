"""Reading an LDAP directory: connect, recognise the server, users, groups, deleted objects."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from dirconnector.errors import DirectoryRefused, DirectoryUnreachable
from dirconnector.model import Evidence, Finding, Problem, Progress, Snapshot
from dirconnector.readers.ldap import deleted
from dirconnector.readers.ldap.ber import Entry
from dirconnector.readers.ldap.checking import findings
from dirconnector.readers.ldap.connect import Session
from dirconnector.readers.ldap.evidence import evidence, missing_key, refusal
from dirconnector.readers.ldap.groups import GroupCollector
from dirconnector.readers.ldap.presets import Preset
from dirconnector.readers.ldap.search import BASE, ConnectionLost, Ending, Query, Receive, Wire, search, whole
from dirconnector.readers.ldap.server import Server, look_at, queries
from dirconnector.readers.ldap.settings import LdapSettings
from dirconnector.readers.ldap.users import UserCollector

T = TypeVar("T")


@dataclass(slots=True)
class _Asked:
    """One query that has been read to its end. ``gaps`` are attributes whose values could not all be read."""

    query: Query
    ending: Ending
    gaps: list[str] = field(default_factory=list)


class LdapReader:
    """A directory of kind ``ldap``; see :class:`LdapSettings`."""

    settings_class = LdapSettings

    def __init__(self, name: str, settings: LdapSettings, attributes: frozenset[str]) -> None:
        self._name = name
        self._settings = settings
        self._attributes = attributes
        self._session = Session(name, settings)
        self._wire: Wire | None = None

    def read(self, progress: Progress) -> Snapshot:
        """See :class:`~dirconnector.readers.Reader`. Each stage is begun a second time, on a new connection, when the
        first breaks.
        """
        now = datetime.now(UTC)
        self._wire = None
        with closing(self._session):
            server = self._twice(self._server)
            people, evidence_of_users = self._twice(lambda: self._users(server, now, progress))
            groups, evidence_of_groups = self._twice(lambda: self._groups(server, people, progress))
            gone, evidence_of_deleted = self._deleted(server, people, groups)
        problems: list[Problem] = [*people.problems, *(groups.problems if groups else ())]
        return Snapshot(
            users=people.users,
            groups=groups.groups if groups else {},
            evidence=(*evidence_of_users, *evidence_of_groups, *evidence_of_deleted),
            problems=tuple(problems),
            unsyncable=people.unsyncable | (groups.unsyncable if groups else {}),
            deleted=gone,
        )

    def check(self) -> Iterator[Finding]:
        """See :class:`~dirconnector.readers.Reader`."""
        with closing(self._session):
            yield from findings(self._name, self._session, self._settings, self._attributes)

    # ------------------------------------------------------------------------------------------------- connection

    def _twice(self, stage: Callable[[], T]) -> T:
        """Runs a stage, once more from its beginning when the connection breaks. Raises :class:`DirectoryUnreachable`
        after that.
        """
        try:
            return stage()
        except ConnectionLost as first:
            self._wire = None
            try:
                return stage()
            except ConnectionLost as second:
                raise DirectoryUnreachable(
                    self._name, f"{self._session.url}: {second} (the second time; the first time: {first})"
                ) from None

    def _connected(self) -> Wire:
        if self._wire is None:
            self._wire = self._session.open()
        return self._wire

    def _server(self) -> Server:
        return look_at(self._name, self._settings, self._connected(), self._attributes)

    # ----------------------------------------------------------------------------------------------------- stages

    def _ask(self, query: Query, receive: Receive, *, paging: bool) -> _Asked:
        """Reads a query to its end, the rest of ranged attributes included. Raises :class:`DirectoryRefused` when the
        server says no.
        """
        wire = self._connected()
        partial: list[Entry] = []
        size = self._settings.page_size if paging else None
        asked = _Asked(query, search(wire, query, receive, page_size=size, partial=partial))
        for entry in partial:
            completed, trouble = whole(wire, entry)
            if trouble:
                asked.gaps.append(f"{entry[0]}: {trouble}")
            receive([completed])
        refused = refusal(asked.ending, query, self._session.who)
        if refused:
            raise DirectoryRefused(self._name, refused)
        if asked.ending.complete and not asked.ending.entries and not self._can_see(wire, query.base):
            asked.gaps.append(
                f"nothing was found, and {self._session.who} cannot read {query.base!r} itself: mend its rights"
            )
        return asked

    def _can_see(self, wire: Wire, base: str) -> bool:
        """Servers leave out what an account may not see and say success: an empty answer from a base that is itself
        invisible proves nothing.
        """
        found: list[Entry] = []
        search(wire, Query(name="base", base=base, scope=BASE), found.extend, page_size=None)
        return bool(found)

    def _users(self, server: Server, now: datetime, progress: Progress) -> tuple[UserCollector, list[Evidence]]:
        people = UserCollector(self._name, server.users, now)

        def receive(entries: Iterable[Entry]) -> None:
            people.receive(entries)
            progress(f"{self._name}: users", len(people.users), None)

        asked = [self._ask(q, receive, paging=server.paging) for q in queries("users", server.users)]
        people.finish()
        gaps = missing_key(people.without_key, server.users.spelling(people.attribute), self._session.who)
        notes = [] if people.keys else ["no user was found: check users.base, users.filter and the rights"]
        return people, [self._evidence(a, server.preset, gaps, notes) for a in asked]

    def _groups(
        self, server: Server, people: UserCollector, progress: Progress
    ) -> tuple[GroupCollector | None, list[Evidence]]:
        if server.groups is None:
            return None, []
        groups = GroupCollector(self._name, server.groups, people)

        def receive(entries: Iterable[Entry]) -> None:
            groups.receive(entries)
            progress(f"{self._name}: groups", groups.count, None)

        asked = [self._ask(q, receive, paging=server.paging) for q in queries("groups", server.groups)]
        groups.finish()
        gaps = missing_key(groups.without_key, server.groups.spelling(groups.attribute), self._session.who)
        if groups.unreadable:
            gaps.append(
                f"the members of {len(groups.unreadable)} groups cannot be read, the first is {groups.unreadable[0]}: "
                f"give {self._session.who} the right to read their members"
            )
        notes = (
            []
            if groups.groups or groups.unsyncable
            else ["no group was found: check groups.base, groups.filter and the rights"]
        )
        if groups.outside:
            notes.append(f"{groups.outside} members are none of the users and groups that were read")
        return groups, [self._evidence(a, server.preset, gaps, notes) for a in asked]

    def _deleted(
        self, server: Server, people: UserCollector, groups: GroupCollector | None
    ) -> tuple[dict[str, str], list[Evidence]]:
        """What Active Directory lists as deleted: extra knowledge, so that whatever goes wrong here leaves the
        snapshot complete.
        """
        contexts = server.root.get("defaultnamingcontext", ())
        wanted = server.preset.name == "active-directory" and self._settings.deleted_objects
        if not wanted or not contexts or people.attribute != deleted.KEY:
            return {}, []
        query = deleted.query(contexts[0])
        found: list[Entry] = []
        size = self._settings.page_size if server.paging else None
        try:
            ending = search(self._connected(), query, found.extend, page_size=size)
        except ConnectionLost as error:
            why = f"cannot be read ({error}); nothing depends on it"
            return {}, [Evidence(directory=self._name, query=query.name, complete=True, pages=0, entries=0, why=why)]
        known = {*people.keys.values(), *(groups.groups if groups else ()), *(groups.unsyncable if groups else ())}
        keys = deleted.deleted_keys(found, known)
        return keys, [
            Evidence(
                directory=self._name,
                query=query.name,
                complete=True,
                pages=ending.pages,
                entries=ending.entries,
                why=deleted.why(ending, any_found=bool(found)),
            )
        ]

    def _evidence(self, asked: _Asked, preset: Preset, gaps: list[str], notes: list[str]) -> Evidence:
        return evidence(
            self._name,
            asked.query,
            asked.ending,
            preset,
            self._session.who,
            gaps=[*asked.gaps, *gaps],
            notes=notes,
        )
