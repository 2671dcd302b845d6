"""Who is in which group: the members of all groups put together when everything has been read. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from dirconnector.model import Group, Problem
from dirconnector.readers.google.attributes import JsonObject
from dirconnector.readers.google.people import few

NAMED = 3
"""So many groups are named in a message; a number stands for the rest."""


@dataclass(slots=True)
class Members:
    """The direct members of one group: ids of people, of groups, and of accounts that are members as a whole.
    ``odd`` are members of a type that we do not know.
    """

    people: set[str] = field(default_factory=set)
    groups: set[str] = field(default_factory=set)
    customers: set[str] = field(default_factory=set)
    odd: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.people) + len(self.groups) + len(self.customers) + len(self.odd)


@dataclass(slots=True)
class Roster:
    """Takes members page by page. ``addresses`` are those of people and groups that are members somewhere, by id."""

    addresses: dict[str, str] = field(default_factory=dict)
    _ids: dict[str, str] = field(default_factory=dict)

    def receive(self, members: Members, page: Iterable[JsonObject]) -> None:
        """One more page of a group's members (schema Member: USER, GROUP, CUSTOMER, EXTERNAL)."""
        for member in page:
            kind, address = member.get("type"), str(member.get("email") or "")
            # whoever has no id is known by the address
            key = str(member.get("id") or "") or address.lower()
            # thousands of groups have the same members: one copy of each id
            key = self._ids.setdefault(key, key)
            if address:
                self.addresses.setdefault(key, address)
            if not key or kind not in ("USER", "EXTERNAL", "GROUP", "CUSTOMER"):
                members.odd.append(f"{address or key or 'a member without id'} ({kind})")
            elif kind == "GROUP":
                members.groups.add(key)
            elif kind == "CUSTOMER":
                members.customers.add(key)
            else:
                members.people.add(key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the listings of users and groups gave. ``people`` are ids of users, ``by_address`` their ids by primary
    address; ``groups`` the groups that are synced, by id; ``customers`` the account's own ids.
    """

    people: frozenset[str]
    by_address: Mapping[str, str]
    groups: Mapping[str, JsonObject]
    customers: frozenset[str]

    def person(self, key: str) -> str:
        """The id of a user, given an id, or the address of a member without one; empty when there is no such user."""
        return key if key in self.people else self.by_address.get(key, "")


@dataclass(slots=True)
class Put:
    """Groups with their members. ``outside`` are ids of people who are members and no users that were read, each with
    the names of the groups they are in; ``problems`` are members that are neither.
    """

    groups: dict[str, Group] = field(default_factory=dict)
    outside: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    problems: list[Problem] = field(default_factory=list)


def put_together(
    directory: str, name: str, lists: Mapping[str, Members], nested: Mapping[str, Members], known: Known
) -> Put:
    """Groups out of the members that were read: ``lists`` of the groups that are synced, ``nested`` of those that are
    only members of them; the members of the latter count as members of the former. ``name`` is the field that names
    a group.
    """
    put = Put()
    for key, own in lists.items():
        raw = known.groups[key]
        title = str(raw.get(name) or "")
        entry = str(raw.get("email") or key)
        people: set[str] = set()
        subgroups: set[str] = set()
        for members in _with_nested(own, nested):
            for one in members.people:
                person = known.person(one)
                if person:
                    people.add(person)
                else:
                    put.outside[one].append(title or entry)
            subgroups |= {group for group in members.groups if group in known.groups}
            if members.customers & known.customers:
                people |= known.people
            strange = [f"the whole of another account ({key})" for key in members.customers - known.customers]
            put.problems += [
                Problem(directory=directory, entry=entry, why=f"{odd} is a member, of a kind that cannot be synced")
                for odd in members.odd + strange
            ]
        put.groups[key] = Group(
            key=key,
            name=title,
            directory=directory,
            entry=entry,
            members=frozenset(people),
            subgroups=frozenset(subgroups - {key}),
        )
    return put


def _with_nested(own: Members, nested: Mapping[str, Members]) -> list[Members]:
    """The members of a group, and those of groups in it that are not synced themselves, at any depth."""
    found, seen, left = [own], set[str](), list(own.groups)
    while left:
        key = left.pop()
        if key in seen or key not in nested:
            continue
        seen.add(key)
        found.append(nested[key])
        left += nested[key].groups
    return found


def unread(lists: Mapping[str, Members], done: Iterable[str]) -> set[str]:
    """Ids of groups that are members and have not been read."""
    return {group for members in lists.values() for group in members.groups} - {*done}


def outsiders(directory: str, put: Put, addresses: Mapping[str, str], why: str) -> list[Problem]:
    """One line for everybody who is a member and is not read as a user."""
    return few(
        [
            Problem(
                directory=directory, entry=addresses.get(key, key), why=f"is a member of {_names(groups)}, and {why}"
            )
            for key, groups in sorted(put.outside.items(), key=lambda item: addresses.get(item[0], item[0]))
        ],
        directory,
    )


def _names(groups: list[str]) -> str:
    unique = sorted(set(groups))
    more = len(unique) - NAMED
    return ", ".join(unique[:NAMED]) + (f" and {more} more" if more > 0 else "")
