"""What is asked of Graph, query by query, and what proves that the answer is whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from dirconnector.errors import DirectoryError, DirectoryRefused, DirectoryUnreachable
from dirconnector.model import Evidence, Group
from dirconnector.readers.entra.graph import Ending, Graph
from dirconnector.readers.entra.people import People, Shape
from dirconnector.readers.entra.refusals import GROUPS, HIDDEN, UNITS, USERS, Need, Resync
from dirconnector.readers.entra.settings import LARGEST_PAGE, EntraSettings, Groups
from dirconnector.readers.entra.teams import SELECT, Teams, in_scope, settle

Faulty = dict[str, tuple[str, str]]

MEMBERS_OF_UNIT = "directory/administrativeUnits/{unit}/members/microsoft.graph.{kind}"


@dataclass(frozen=True, slots=True, kw_only=True)
class UsersRead:
    """Users, and the link at which their next changes begin (empty: they are always read as a whole)."""

    people: People
    evidence: tuple[Evidence, ...]
    link: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupsRead:
    """Groups, and the link at which their next changes begin."""

    groups: Mapping[str, Group]
    faulty: Faulty
    evidence: tuple[Evidence, ...]
    link: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletedRead:
    """Who is in the recycle bin, by key."""

    deleted: dict[str, str]
    evidence: Evidence


@dataclass(slots=True, kw_only=True)
class Stages:
    """The queries of one directory. ``units`` are ids of administrative units, None for everything."""

    graph: Graph
    settings: EntraSettings
    shape: Shape
    units: tuple[str, ...] | None = None

    # --------------------------------------------------------------------------------------------------------- scope

    @property
    def users_tracked(self) -> bool:
        """Changes of users can be asked for: delta queries know neither filters nor administrative units."""
        return self.settings.users.filter is None and self.settings.administrative_units is None

    @property
    def groups_tracked(self) -> bool:
        """Changes of groups can be asked for, and a snapshot says all that is known of them."""
        groups = self.settings.groups
        unrestricted = groups is not False and groups.filter is None and groups.kinds is None
        return unrestricted and self.settings.administrative_units is None

    @property
    def _size(self) -> str:
        return str(self.settings.page_size)

    def find_units(self) -> None:
        """The ids of the administrative units of the config. Raises :class:`DirectoryRefused` for one that does not
        exist.
        """
        names = self.settings.administrative_units
        if names is None:
            return
        found: list[dict[str, Any]] = []
        url = self.graph.url("directory/administrativeUnits", select="id,displayName", top=str(LARGEST_PAGE))
        ending = self.graph.walk(url, UNITS, found.extend)
        if ending.broken:
            raise DirectoryUnreachable(self.graph.directory, f"administrative units: {ending.broken}")
        self.units = tuple(dict.fromkeys(self._unit(name, found) for name in names))

    def _unit(self, name: str, found: list[dict[str, Any]]) -> str:
        matches = [str(u["id"]) for u in found if str(u.get("displayName", "")).casefold() == name.casefold()]
        matches = matches or [str(u["id"]) for u in found if _is_id(name, str(u["id"]))]
        if len(matches) == 1:
            return matches[0]
        why = "there is no such administrative unit" if not matches else "several administrative units have this name"
        cure = "mend administrative_units (Entra admin center: Roles & admins, Admin units); object IDs do as well"
        raise DirectoryRefused(self.graph.directory, f"{name!r}: {why}; {cure}")

    # --------------------------------------------------------------------------------------------------------- users

    def users(self) -> UsersRead:
        """All users in scope. Where the next changes begin is asked first: what happens meanwhile comes twice then,
        and never not at all.
        """
        link = self._latest("users/delta", self.shape.select, USERS) if self.users_tracked else ""
        need = replace(USERS, setting="users.filter") if self.settings.users.filter else USERS
        options = {"select": self.shape.select, "top": self._size}
        advanced = not self.users_tracked
        if advanced:
            options["count"] = "true"
        if self.settings.users.filter is not None:
            options["filter"] = self.settings.users.filter
        people, evidence = People(self.shape), []
        for path in self._paths("users", "user"):
            ending = self._walked(people, self.graph.url(path, **options), need, advanced=advanced)
            evidence.append(ending)
        gaps, notes = people.gaps, people.notes
        proofs = tuple(e.evidence(self.graph.directory, "users", gaps=gaps, notes=notes) for e in evidence)
        return UsersRead(people=people, evidence=proofs, link=link if all(e.complete for e in proofs) else "")

    def _paths(self, everything: str, kind: str) -> list[str]:
        if self.units is None:
            return [everything]
        return [MEMBERS_OF_UNIT.format(unit=unit, kind=kind) for unit in self.units]

    def _walked(self, people: People, url: str, need: Need, *, advanced: bool) -> Ending:
        def receive(items: Any) -> None:
            people.receive(items)
            self.graph.progress("users", len(people.users), None)

        return self.graph.walk(url, need, receive, advanced=advanced)

    def _latest(self, path: str, select: str, need: Need) -> str:
        """Where changes begin that are made from now on."""
        url = self.graph.url(path, deltatoken="latest", select=select)
        return self.graph.walk(url, need, lambda items: None, delta=True).link

    def changed_users(self, people: People, link: str) -> UsersRead | None:
        """What changed since ``link``, put into ``people``; None when that cannot be said."""

        def receive(items: Any) -> None:
            people.receive_changes(items)
            self.graph.progress("changed users", len(items), None)

        ending = self.graph.walk(link, USERS, receive, delta=True)
        proof = ending.evidence(self.graph.directory, "users", gaps=people.gaps, notes=people.notes)
        if people.partial or not proof.complete:
            return None
        return UsersRead(people=people, evidence=(proof,), link=ending.link)

    # -------------------------------------------------------------------------------------------------------- groups

    def groups(self) -> GroupsRead:
        """All groups in scope with their direct members: a delta query from its beginning, which needs no call for each
        group.
        """
        settings = self.settings.groups
        if settings is False:
            return GroupsRead(groups={}, faulty={}, evidence=(), link="")
        teams = self._teams({}, {})
        ending = self._round(teams, self.graph.url("groups/delta", select=SELECT))
        ids, listed = self._listed_groups(settings)
        kept = None if self.groups_tracked else in_scope(teams.drafts, settings.kinds, ids)
        return self._settled(teams, ending, kept, listed)

    def _listed_groups(self, settings: Groups) -> tuple[frozenset[str] | None, list[Evidence]]:
        """The ids of groups that the filter and the administrative units leave; None for all."""
        if settings.filter is None and self.units is None:
            return None, []
        need = replace(GROUPS, setting="groups.filter") if settings.filter else GROUPS
        options = {"select": "id", "top": str(LARGEST_PAGE), "count": "true"}
        if settings.filter is not None:
            options["filter"] = settings.filter
        found: set[str] = set()
        proofs = []
        for path in self._paths("groups", "group"):
            url = self.graph.url(path, **options)
            ending = self.graph.walk(url, need, lambda items: found.update(str(i["id"]) for i in items), advanced=True)
            proofs.append(ending.evidence(self.graph.directory, "groups in scope"))
        return frozenset(found), proofs

    def _teams(self, before: Mapping[str, Group], faulty: Mapping[str, tuple[str, str]]) -> Teams:
        reads_hidden = self.graph.roles is not None and HIDDEN in self.graph.roles
        return Teams(self.graph.directory, reads_hidden, before=before, faulty_before=faulty)

    def _round(self, teams: Teams, url: str) -> Ending:
        def receive(items: Any) -> None:
            teams.receive(items)
            self.graph.progress("groups", len(teams.drafts), None)

        return self.graph.walk(url, GROUPS, receive, delta=True)

    def _settled(self, teams: Teams, ending: Ending, kept: frozenset[str] | None, listed: list[Evidence]) -> GroupsRead:
        settled = settle(teams, kept)
        proof = ending.evidence(self.graph.directory, "groups", gaps=settled.gaps, notes=settled.notes)
        link = ending.link if proof.complete and self.groups_tracked else ""
        return GroupsRead(groups=settled.groups, faulty=settled.faulty, evidence=(proof, *listed), link=link)

    def changed_groups(
        self, before: Mapping[str, Group], faulty: Mapping[str, tuple[str, str]], link: str
    ) -> GroupsRead | None:
        """What changed since ``link``, over the groups of before; None when that cannot be said."""
        teams = self._teams(before, faulty)
        ending = self._round(teams, link)
        found = self._settled(teams, ending, None, [])
        return None if teams.partial or not found.evidence[0].complete else found

    # ------------------------------------------------------------------------------------------------------- deleted

    def deleted(self) -> DeletedRead:
        """Who is in the recycle bin: extra knowledge, so that whatever goes wrong here leaves the snapshot complete."""
        path = "directory/deletedItems/microsoft.graph.user"
        url = self.graph.url(path, select="id,deletedDateTime", top=str(LARGEST_PAGE))
        found: dict[str, str] = {}

        def receive(items: Any) -> None:
            for item in items:
                day = str(item.get("deletedDateTime") or "")[:10]
                found[str(item.get("id"))] = f"deleted in Entra ID on {day}" if day else "deleted in Entra ID"

        try:
            ending = self.graph.walk(url, replace(USERS, what="deleted users"), receive)
        except (DirectoryError, Resync) as error:
            why = f"cannot be read ({error}); nothing depends on it"
            return DeletedRead(deleted=found, evidence=self._unimportant(Ending(pages=0, entries=0), why))
        why = f"{ending.broken}; nothing depends on it" if ending.broken else "the last page links to no other"
        return DeletedRead(deleted=found, evidence=self._unimportant(ending, why))

    def _unimportant(self, ending: Ending, why: str) -> Evidence:
        return Evidence(
            directory=self.graph.directory,
            query="deleted users",
            complete=True,
            pages=ending.pages,
            entries=ending.entries,
            why=why,
        )


def _is_id(name: str, id_: str) -> bool:
    try:
        return UUID(name) == UUID(id_)
    except ValueError:
        return False
