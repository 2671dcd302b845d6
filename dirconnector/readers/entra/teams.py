"""Groups of Graph's delta query, put together from their appearances. Pure.

A group appears as often as the service likes, each time with a part of its members; ``members@delta`` has direct
members only, by id and type (Graph, "Get incremental changes for groups").
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dirconnector.model import Group
from dirconnector.readers.entra.refusals import HIDDEN, PERMISSIONS

Item = Mapping[str, Any]

SELECT = "id,displayName,mailEnabled,securityEnabled,groupTypes,visibility,members"

NO_NAME = "the group has no displayName: it is left as it is"
HIDDEN_MEMBERS = (
    f"its membership is hidden, and nothing can be said of its members without the permission {HIDDEN} "
    f"({PERMISSIONS}): it is left as it is"
)


@dataclass(slots=True)
class Draft:
    """What is known of a group so far. ``others`` are members that are neither users nor groups."""

    name: str = ""
    kind: str = ""
    hidden: bool = False
    members: set[str] = field(default_factory=set)
    subgroups: set[str] = field(default_factory=set)
    others: set[str] = field(default_factory=set)


def kind_of(item: Item) -> str:
    """Graph, "Group type": which of the four kinds a group is."""
    if "Unified" in (item.get("groupTypes") or ()):
        return "microsoft365"
    if item.get("mailEnabled"):
        return "mail-enabled-security" if item.get("securityEnabled") else "distribution"
    return "security"


@dataclass(slots=True)
class Teams:
    """Takes items of ``/groups/delta``, over what was known before: ``before`` are groups as they were then, and
    ``faulty_before`` those that could not be synced (as in :class:`~dirconnector.readers.entra.people.People`).

    ``untyped`` counts members that came without their type, so that it is not known whether they are people.
    """

    directory: str
    reads_hidden: bool
    before: Mapping[str, Group] = field(default_factory=dict)
    faulty_before: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    drafts: dict[str, Draft] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)
    returned: set[str] = field(default_factory=set)
    untyped: int = 0
    strange: int = 0

    def receive(self, items: Iterable[Item]) -> None:
        """Some more appearances. Repetitions change nothing."""
        for item in items:
            key = item.get("id")
            if not isinstance(key, str) or not key:
                self.strange += 1
            elif "@removed" in item:
                self.drafts.pop(key, None)
                self.removed.add(key)
            else:
                self._came_back(key)
                self._take(self._draft(key), item)

    def _came_back(self, key: str) -> None:
        """A group that was removed is there again: whether its members are told once more, nobody promises."""
        if key in self.removed:
            self.removed.discard(key)
            self.returned.add(key)

    def _draft(self, key: str) -> Draft:
        draft = self.drafts.get(key)
        if draft is None:
            known = None if key in self.returned else self.before.get(key)
            draft = Draft()
            if known is not None:
                draft = Draft(name=known.name, members=set(known.members), subgroups=set(known.subgroups))
            self.drafts[key] = draft
        return draft

    def _take(self, draft: Draft, item: Item) -> None:
        if "displayName" in item:
            draft.name = str(item["displayName"] or "")
        if "securityEnabled" in item:
            draft.kind = kind_of(item)
        if "visibility" in item:
            draft.hidden = str(item["visibility"] or "").casefold() == "hiddenmembership"
        for reference in item.get("members@delta") or ():
            self._member(draft, reference)

    def _member(self, draft: Draft, reference: Item) -> None:
        key, kind = str(reference.get("id")), str(reference.get("@odata.type") or "")
        if "@removed" in reference:
            for keys in (draft.members, draft.subgroups, draft.others):
                keys.discard(key)
        elif kind.endswith(".user"):
            draft.members.add(key)
        elif kind.endswith(".group"):
            draft.subgroups.add(key)
        elif kind:
            draft.others.add(key)
        else:
            self.untyped += 1

    @property
    def partial(self) -> bool:
        """Something changed about a group of which too little is known to say what it is now: one that could not be
        synced before, or one that may have come out of the recycle bin, where only Microsoft 365 groups go.
        """
        if not self.faulty_before.keys().isdisjoint(self.drafts) or not self.returned.isdisjoint(self.before):
            return True
        new = (draft for key, draft in self.drafts.items() if key not in self.before)
        return any(d.kind == "microsoft365" and not (d.members or d.subgroups or d.others) for d in new)

    @property
    def gaps(self) -> list[str]:
        """Why the groups may not be whole."""
        gaps = [f"{self.untyped} members came without their type"] if self.untyped else []
        return gaps + ([f"{self.strange} groups came without an id"] if self.strange else [])

    @property
    def others(self) -> int:
        """Memberships of devices, contacts and applications."""
        return sum(len(draft.others) for draft in self.drafts.values())


@dataclass(slots=True, kw_only=True)
class Settled:
    """The groups of a snapshot; ``faulty`` as in :class:`~dirconnector.readers.entra.people.People`."""

    groups: dict[str, Group]
    faulty: dict[str, tuple[str, str]]
    gaps: list[str]
    notes: list[str]


def settle(teams: Teams, kept: frozenset[str] | None) -> Settled:
    """What the appearances add up to. ``kept`` are the ids of groups in scope, None for all."""
    groups = {key: group for key, group in teams.before.items() if key not in teams.removed}
    faulty = {key: told for key, told in teams.faulty_before.items() if key not in teams.removed}
    unseen = dict(faulty)
    for key, draft in teams.drafts.items():
        if why := _fault(draft, teams.reads_hidden):
            unseen[key] = (_entry(key, draft.name), why)
    for key, draft in (teams.drafts if kept is None else _folded(teams.drafts, kept)).items():
        if key in unseen:
            groups.pop(key, None)
            faulty[key] = unseen[key]
        else:
            groups[key] = _group(teams.directory, key, draft)
    notes = [] if groups or faulty else ["no group was found"]
    if teams.others:
        notes.append(f"{teams.others} memberships are of devices, contacts or applications")
    gaps = [*teams.gaps, *_blind(teams.drafts, kept, groups, unseen)]
    return Settled(groups=groups, faulty=faulty, gaps=gaps, notes=notes)


def in_scope(drafts: Mapping[str, Draft], kinds: Iterable[str] | None, ids: frozenset[str] | None) -> frozenset[str]:
    """The ids of groups of these kinds that are among these ids; None is no condition."""
    wanted = None if kinds is None else frozenset(kinds)
    return frozenset(
        key for key, draft in drafts.items() if (wanted is None or draft.kind in wanted) and (ids is None or key in ids)
    )


def _folded(drafts: Mapping[str, Draft], kept: frozenset[str]) -> dict[str, Draft]:
    """The kept groups, with the people of those that are left out below them: who is in a group does not depend on
    which other groups are looked at.
    """
    folded = {}
    for key in kept & drafts.keys():
        draft = drafts[key]
        members, subgroups = set(draft.members), draft.subgroups & kept
        stack, seen = list(draft.subgroups - kept), set()
        while stack:
            below = stack.pop()
            if below in seen or below not in drafts:
                continue
            seen.add(below)
            members |= drafts[below].members
            subgroups |= drafts[below].subgroups & kept
            stack += drafts[below].subgroups - kept
        folded[key] = Draft(
            name=draft.name, kind=draft.kind, hidden=draft.hidden, members=members, subgroups=subgroups - {key}
        )
    return folded


def _fault(draft: Draft, reads_hidden: bool) -> str:
    if not draft.name:
        return NO_NAME
    hidden = draft.hidden and not reads_hidden and not (draft.members or draft.subgroups)
    return HIDDEN_MEMBERS if hidden else ""


def _blind(
    drafts: Mapping[str, Draft],
    kept: frozenset[str] | None,
    groups: Mapping[str, Group],
    unseen: Mapping[str, tuple[str, str]],
) -> list[str]:
    """The gap that groups of which nothing can be said leave in the groups around them."""
    if not unseen:
        return []
    around = drafts.keys() if kept is None else _reachable(drafts, kept)
    below = {sub for key in around if key in drafts for sub in drafts[key].subgroups}
    below.update(sub for group in groups.values() for sub in group.subgroups)
    inside = sorted(unseen[key] for key in below & unseen.keys())
    if not inside:
        return []
    entry, why = inside[0]
    return [f"{len(inside)} groups inside other groups cannot be looked into, one is {entry}: {why}"]


def _reachable(drafts: Mapping[str, Draft], start: Iterable[str]) -> set[str]:
    seen: set[str] = set()
    stack = list(start)
    while stack:
        key = stack.pop()
        if key not in seen and key in drafts:
            seen.add(key)
            stack += drafts[key].subgroups
    return seen


def _entry(key: str, name: str) -> str:
    return f"{name} ({key})" if name else key


def _group(directory: str, key: str, draft: Draft) -> Group:
    return Group(
        key=key,
        name=draft.name,
        directory=directory,
        entry=_entry(key, draft.name),
        members=frozenset(draft.members),
        subgroups=frozenset(draft.subgroups),
    )
