"""Reading an LDAP directory: connect, recognise the server, users, groups, deleted objects."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from dirconnector.errors import DirectoryRefused, DirectoryUnreachable
from dirconnector.model import Evidence, Finding, Problem, Progress, Snapshot
from dirconnector.readers.ldap import ber
from dirconnector.readers.ldap.ber import Entry
from dirconnector.readers.ldap.connect import Session
from dirconnector.readers.ldap.entries import key_of, text
from dirconnector.readers.ldap.evidence import evidence, refusal
from dirconnector.readers.ldap.groups import GroupCollector
from dirconnector.readers.ldap.presets import PRESETS, Attributes, Preset, bases, recognise
from dirconnector.readers.ldap.scope import GroupScope, UserScope, group_scope, user_scope
from dirconnector.readers.ldap.search import BASE, ConnectionLost, Ending, Query, Wire, search, whole
from dirconnector.readers.ldap.settings import LdapSettings
from dirconnector.readers.ldap.users import UserCollector

SHOW_DELETED = "1.2.840.113556.1.4.417"
"""LDAP_SERVER_SHOW_DELETED_OID, [MS-ADTS] 3.1.1.3.4.1.14."""

ROOT_ATTRIBUTES = (
    "namingContexts",
    "defaultNamingContext",
    "rootDomainNamingContext",
    "supportedCapabilities",
    "supportedControl",
    "supportedExtension",
    "vendorName",
    "vendorVersion",
    "objectClass",
    "structuralObjectClass",
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What is known about the server before the first search. ``paging`` is False when it says that it cannot page."""

    preset: Preset
    root: Attributes
    paging: bool
    users: UserScope
    groups: GroupScope | None


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
        """See :class:`~dirconnector.readers.Reader`. Each stage is begun a second time, on a new connection, when the first breaks."""
        now = datetime.now(UTC)
        with closing(self._session):
            server = self._twice(self._server)
            people, evidence_of_users = self._twice(lambda: self._users(server, now, progress))
            groups, evidence_of_groups = self._twice(lambda: self._groups(server, people, progress))
            deleted, evidence_of_deleted = self._twice(lambda: self._deleted(server, people, groups))
        problems: list[Problem] = [*people.problems, *(groups.problems if groups else ())]
        return Snapshot(
            users=people.users,
            groups=groups.groups if groups else {},
            evidence=(*evidence_of_users, *evidence_of_groups, *evidence_of_deleted),
            problems=tuple(problems),
            unsyncable=people.unsyncable | (groups.unsyncable if groups else {}),
            deleted=deleted,
        )

    def check(self) -> Iterator[Finding]:
        """See :class:`~dirconnector.readers.Reader`."""
        from dirconnector.readers.ldap.checking import findings

        with closing(self._session):
            yield from findings(self)

    # ------------------------------------------------------------------------------------------------- connection

    def _twice(self, stage: Callable[[], T]) -> T:
        """Runs a stage, once more from its beginning when the connection breaks. Raises :class:`DirectoryUnreachable` after that."""
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
        root = self._root()
        settings = self._settings
        bind_dn = settings.bind_dn or ""
        preset = recognise(root, bind_dn) if settings.server == "auto" else PRESETS[settings.server]
        user_bases, group_bases = bases(preset, root, bind_dn)
        users = user_scope(settings, preset, user_bases, self._attributes)
        groups = None if isinstance(settings.groups, bool) else group_scope(settings.groups, preset, group_bases)
        for scope, key in ((users, "users.base"), (groups, "groups.base")):
            if scope is not None and not scope.bases:
                raise DirectoryRefused(self._name, f"the server does not say where its data is: set {key} in the config")
        controls = root.get("supportedcontrol", ())
        return Server(
            preset=preset, root=root, paging=not controls or ber.PAGED_RESULTS in controls, users=users, groups=groups
        )

    def _root(self) -> Attributes:
        """The root DSE; empty when the server does not let us read it."""
        found: list[Entry] = []
        query = Query(name="root DSE", base="", scope=BASE, attributes=ROOT_ATTRIBUTES)
        search(self._connected(), query, found.extend, page_size=None)
        return {name: tuple(map(text, values)) for _, entry in found for name, values in entry.items()}

    # ----------------------------------------------------------------------------------------------------- stages

    def _ask(self, query: Query, receive: Callable[[list[Entry]], None], *, paging: bool) -> _Asked:
        """Reads a query to its end, the rest of ranged attributes included. Raises :class:`DirectoryRefused` when the server says no."""
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
        return asked

    def _users(self, server: Server, now: datetime, progress: Progress) -> tuple[UserCollector, list[Evidence]]:
        people = UserCollector(self._name, server.users, now)

        def receive(entries: list[Entry]) -> None:
            people.receive(entries)
            progress(f"{self._name}: users", len(people.users), None)

        asked = [self._ask(q, receive, paging=server.paging) for q in queries("users", server.users)]
        people.finish()
        gaps = []
        if people.without_key:
            gaps.append(
                f"{len(people.without_key)} entries have no readable {people.attribute}, the first is {people.without_key[0]}: "
                f"give {self._session.who} the right to read it"
            )
        notes = [] if people.keys else ["no user was found: check users.base, users.filter and the rights"]
        return people, [self._evidence(a, server.preset, gaps, notes) for a in asked]

    def _groups(
        self, server: Server, people: UserCollector, progress: Progress
    ) -> tuple[GroupCollector | None, list[Evidence]]:
        if server.groups is None:
            return None, []
        groups = GroupCollector(self._name, server.groups, people)

        def receive(entries: list[Entry]) -> None:
            groups.receive(entries)
            progress(f"{self._name}: groups", groups.count, None)

        asked = [self._ask(q, receive, paging=server.paging) for q in queries("groups", server.groups)]
        groups.finish()
        gaps = []
        if groups.without_key:
            gaps.append(
                f"{len(groups.without_key)} entries have no readable {groups.attribute}, the first is {groups.without_key[0]}: "
                f"give {self._session.who} the right to read it"
            )
        if groups.unreadable:
            gaps.append(
                f"the members of {len(groups.unreadable)} groups cannot be read, the first is {groups.unreadable[0]}: "
                f"give {self._session.who} the right to read {' and '.join(server.groups.member)}"
            )
        notes = [] if groups.groups or groups.unsyncable else ["no group was found: check groups.base, groups.filter and the rights"]
        if groups.outside:
            notes.append(f"{groups.outside} members are none of the users and groups that were read")
        return groups, [self._evidence(a, server.preset, gaps, notes) for a in asked]

    def _deleted(
        self, server: Server, people: UserCollector, groups: GroupCollector | None
    ) -> tuple[dict[str, str], list[Evidence]]:
        """What Active Directory lists as deleted: extra knowledge, so that whatever goes wrong here leaves the snapshot complete."""
        settings = self._settings
        contexts = server.root.get("defaultnamingcontext", ())
        if server.preset.name != "active-directory" or not settings.deleted_objects or not contexts:
            return {}, []
        query = Query(
            name="deleted objects",
            base=f"CN=Deleted Objects,{contexts[0]}",
            filter="(&(isDeleted=TRUE)(|(objectClass=user)(objectClass=group)))",
            attributes=("objectGUID", "lastKnownParent", "whenChanged"),
            controls=(ber.control(SHOW_DELETED, critical=True),),
        )
        found: list[Entry] = []
        size = settings.page_size if server.paging else None
        ending = search(self._connected(), query, found.extend, page_size=size)
        known = {*people.keys.values(), *(groups.groups if groups else ()), *(groups.unsyncable if groups else ())}
        deleted = {
            key: f"deleted: {dn.partition(chr(10))[0]}"
            for dn, values in found
            if (key := key_of(dn, values, "objectguid")) and key not in known
        }
        if not ending.complete:
            why = f"cannot be read ({refusal(ending, query, self._session.who) or 'cut short'}); nothing depends on it"
        elif not deleted:
            why = "nothing is listed: nothing was deleted, or the bind account may not read CN=Deleted Objects; nothing depends on it"
        else:
            why = "the server marked the end"
        return deleted, [
            Evidence(
                directory=self._name,
                query=query.name,
                complete=True,
                pages=ending.pages,
                entries=ending.entries,
                why=why,
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


def queries(name: str, scope: UserScope | GroupScope) -> list[Query]:
    """One query for each base, called by ``name`` alone when there is one base."""
    return [
        Query(
            name=name if len(scope.bases) == 1 else f"{name} in {base}",
            base=base,
            filter=scope.filter,
            attributes=scope.attributes,
        )
        for base in scope.bases
    ]
