"""Several directories become one: who is the same person, who cannot be synced and why.

The order of the directories in the config decides. Within one directory an e-mail address that two entries claim is
given to neither, unless exactly one of them is enabled. Across directories the same address is the same person: the
first directory describes them, memberships from every directory count.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from dirconnector.model import Accepts, Evidence, Group, Problem, Snapshot, User
from dirconnector.rules import emails


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """All directories together. ``users`` are syncable; ``aliases`` map the key of a person in a later directory to
    the first one's.

    ``groups`` still have direct members and subgroups; members are keys of ``users`` or of ``unsyncable``.
    """

    users: Mapping[str, User]
    groups: Mapping[str, Group]
    aliases: Mapping[str, str]
    unsyncable: Mapping[str, str]
    deleted: Mapping[str, str]
    evidence: tuple[Evidence, ...]
    problems: tuple[Problem, ...]

    @property
    def complete(self) -> bool:
        """True when absence from here proves absence from every directory."""
        return bool(self.evidence) and all(e.complete for e in self.evidence)


@dataclass(slots=True)
class _Draft:
    users: dict[str, User]
    by_email: dict[str, str]
    blocked: dict[str, str]
    aliases: dict[str, str]
    unsyncable: dict[str, str]
    problems: list[Problem]

    def refuse(self, user: User, why: str) -> None:
        self.unsyncable[user.key] = why
        self.problems.append(Problem(directory=user.directory, entry=_named(user), why=why))


def merge(snapshots: Sequence[Snapshot], accepts: Accepts) -> Merged:
    """Merge snapshots, one for each directory in the order of the config, for an organization that ``accepts`` what
    it does.
    """
    draft = _Draft({}, {}, {}, {}, {}, [])
    for snapshot in snapshots:
        draft.problems.extend(snapshot.problems)
        draft.unsyncable.update(snapshot.unsyncable)
        _add_users(draft, snapshot.users.values(), accepts)
    groups = _merge_groups(draft, [s.groups for s in snapshots], accepts)
    return Merged(
        users=draft.users,
        groups=groups,
        aliases=draft.aliases,
        unsyncable={k: why for k, why in draft.unsyncable.items() if k not in draft.users and k not in groups},
        deleted={key: how for snapshot in snapshots for key, how in snapshot.deleted.items()},
        evidence=tuple(e for snapshot in snapshots for e in snapshot.evidence),
        problems=tuple(draft.problems),
    )


def _named(user: User) -> str:
    return user.entry or user.username or user.email or user.key


def _add_users(draft: _Draft, users: Iterable[User], accepts: Accepts) -> None:
    claims: dict[str, User | list[User]] = {}
    for user in users:
        address = emails.normalise(user.email)
        why = emails.refused(address, accepts)
        if not why and len(user.key) > accepts.key_max:
            why = f"its id has {len(user.key)} characters, the organization takes {accepts.key_max}"
        if why:
            draft.refuse(user, why)
            continue
        if address != user.email:
            user = replace(user, email=address)
        first = claims.setdefault(address, user)
        if first is not user:
            claims[address] = [*(first if isinstance(first, list) else [first]), user]
    for address, claimants in claims.items():
        winner = _settle(draft, address, claimants) if isinstance(claimants, list) else claimants
        if winner is not None:
            _place(draft, winner)


def _settle(draft: _Draft, address: str, claimants: list[User]) -> User | None:
    """Who of several entries of one directory gets the address; the others become problems, one by one."""
    enabled = [user for user in claimants if user.enabled]
    winner = enabled[0] if len(enabled) == 1 else None
    for user in claimants:
        if user is winner:
            continue
        others = ", ".join(_named(other) for other in claimants if other is not user)
        if winner is not None:
            draft.refuse(user, f"{address} is also the address of {others}, which is enabled and gets it")
        else:
            draft.refuse(user, f"{address} is also the address of {others}: neither is synced, correct one of them")
            draft.blocked[address] = f"{address} is claimed by several entries of {user.directory}"
    return winner


def _place(draft: _Draft, user: User) -> None:
    """Put one person of one directory beside those of the directories before it."""
    if user.email in draft.blocked:
        draft.refuse(user, f"{draft.blocked[user.email]}, which comes first in the config")
        return
    same_key = draft.users.get(user.key)
    first = same_key or draft.users.get(draft.by_email.get(user.email, ""))
    if first is None:
        draft.users[user.key] = user
        draft.by_email[user.email] = user.key
        return
    if same_key is None:
        draft.aliases[user.key] = first.key
    if first.enabled != user.enabled:
        words = {True: "enabled", False: "disabled"}
        why = (
            f"{user.email} is {words[user.enabled]} here and {words[first.enabled]} in {first.directory}: "
            f"{first.directory} comes first in the config and decides"
        )
        draft.problems.append(Problem(directory=user.directory, entry=_named(user), why=why))


def _merge_groups(draft: _Draft, directories: Sequence[Mapping[str, Group]], accepts: Accepts) -> dict[str, Group]:
    groups: dict[str, Group] = {}
    names: dict[str, Group] = {}
    for directory in directories:
        for group in directory.values():
            name = group.name.strip()
            why = _group_refused(name, group, accepts)
            if why:
                draft.unsyncable[group.key] = why
                draft.problems.append(Problem(directory=group.directory, entry=group.entry or group.key, why=why))
                continue
            members = group.members
            if draft.aliases and not draft.aliases.keys().isdisjoint(members):
                members = frozenset(draft.aliases.get(key, key) for key in members)
            if group.key in groups:
                twin = groups[group.key]
                groups[group.key] = replace(
                    twin, members=twin.members | members, subgroups=twin.subgroups | group.subgroups
                )
                continue
            if name in names:
                other = names[name]
                twin_of = f"{other.entry or other.key} in {other.directory}"
                why = f"{twin_of} has the same name: both are synced, under one name"
                draft.problems.append(Problem(directory=group.directory, entry=group.entry or group.key, why=why))
            if name != group.name or members is not group.members:
                group = replace(group, name=name, members=members)
            groups[group.key] = names[name] = group
    return groups


def _group_refused(name: str, group: Group, accepts: Accepts) -> str:
    if not name:
        return "the group has no name"
    if len(name) > accepts.group_name_max:
        return f"the group's name has {len(name)} characters, the organization takes {accepts.group_name_max}"
    if len(group.key) > accepts.key_max:
        return f"the group's id has {len(group.key)} characters, the organization takes {accepts.key_max}"
    return ""
