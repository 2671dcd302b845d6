"""Several directories become one: who is the same person, who cannot be synced and why.

The order of the directories in the config decides. Within one directory an e-mail address that two entries claim is
given to neither, unless exactly one of them is enabled. Across directories the same address is the same person: the
first directory describes them, memberships from every directory count. The same key in two directories is the same
entry, read twice, when something else agrees as well; otherwise it is a coincidence (employee numbers, row numbers),
and the later entry is refused.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from dirconnector.model import Accepts, Evidence, Group, Problem, Snapshot, User, utf16_length
from dirconnector.rules import emails

NAMED = 3
"""How many others a message names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """All directories together. ``users`` are syncable; ``aliases`` map the key of a person in a later directory to
    the first one's.

    ``groups`` still have direct members and subgroups; members are keys of ``users`` or of ``unsyncable``. Groups that
    cannot be synced (``unsyncable_groups``) are among them: their members are in the groups that hold them, and are
    selected through them. ``unsyncable`` are keys of people. ``disabled`` has those of them of whom the directory says
    that they are disabled. ``complete`` is True when absence from here proves absence from every directory.
    """

    users: Mapping[str, User]
    groups: Mapping[str, Group]
    aliases: Mapping[str, str]
    unsyncable: Mapping[str, str]
    unsyncable_groups: Mapping[str, str]
    disabled: Mapping[str, User]
    deleted: Mapping[str, str]
    evidence: tuple[Evidence, ...]
    problems: tuple[Problem, ...]
    complete: bool


@dataclass(slots=True)
class _Draft:
    users: dict[str, User] = field(default_factory=dict)
    by_email: dict[str, str] = field(default_factory=dict)
    blocked: dict[str, str] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    later: dict[str, User] = field(default_factory=dict)
    refused: dict[str, User] = field(default_factory=dict)
    disabled: dict[str, User] = field(default_factory=dict)
    unsyncable: dict[str, str] = field(default_factory=dict)
    unsyncable_groups: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def refuse(self, user: User, why: str) -> None:
        self.unsyncable.setdefault(user.key, why)
        self.refused.setdefault(user.key, user)
        self.problems.append(Problem(directory=user.directory, entry=_named(user), why=why))

    def refuse_group(self, group: Group, why: str) -> None:
        self.unsyncable_groups[group.key] = why
        self.problems.append(Problem(directory=group.directory, entry=group.entry or group.key, why=why))


def merge(snapshots: Sequence[Snapshot], accepts: Accepts) -> Merged:
    """Merge snapshots, one for each directory in the order of the config, for an organization that ``accepts`` what
    it does.
    """
    draft = _Draft()
    strangers: list[frozenset[str]] = []
    for snapshot in snapshots:
        draft.problems.extend(snapshot.problems)
        strangers.append(_add_users(draft, snapshot.users, accepts))
    groups = _merge_groups(draft, [s.groups for s in snapshots], strangers, accepts)
    unusable = {key: why for snapshot in snapshots for key, why in snapshot.unsyncable.items()}
    # a reader does not say whether a key that it could not use is a person's or a group's: it may be either
    unsyncable = {k: why for k, why in (unusable | draft.unsyncable).items() if k not in draft.users}
    unsyncable_groups = {k: why for k, why in unusable.items() if k not in groups} | draft.unsyncable_groups
    return Merged(
        users=draft.users,
        groups=groups,
        aliases=draft.aliases,
        unsyncable=unsyncable,
        unsyncable_groups=unsyncable_groups,
        disabled={k: user for k, user in draft.disabled.items() if k in unsyncable and k not in draft.aliases},
        deleted={key: how for snapshot in snapshots for key, how in snapshot.deleted.items()},
        evidence=tuple(e for snapshot in snapshots for e in snapshot.evidence),
        problems=tuple(draft.problems),
        complete=bool(snapshots) and all(snapshot.complete for snapshot in snapshots),
    )


def _named(user: User) -> str:
    return user.entry or user.username or user.email or user.key


# ------------------------------------------------------------------------------------------------------------- people


def _add_users(draft: _Draft, users: Mapping[str, User], accepts: Accepts) -> frozenset[str]:
    """Add the people of one directory. Returns those of its keys that are somebody else's in an earlier one."""
    first = not draft.refused and not draft.users
    strangers = frozenset[str]() if first else frozenset(key for key, u in users.items() if _coincidence(draft, u))
    claims: dict[str, User | list[User]] = {}
    for user in users.values():
        if strangers and user.key in strangers:
            continue
        address = emails.normalise(user.email)
        why = emails.refused(address, accepts) or _text_refused("its id", user.key, accepts.key_max)
        if why:
            draft.refuse(user, why)
            if not user.enabled:
                draft.disabled.setdefault(user.key, user)
            continue
        if address != user.email:
            user = replace(user, email=address)
        other = claims.setdefault(address, user)
        if isinstance(other, list):
            other.append(user)
        elif other is not user:
            claims[address] = [other, user]
    for address, claimants in claims.items():
        winner = _settle(draft, address, claimants) if isinstance(claimants, list) else claimants
        if winner is not None:
            _place(draft, winner)
    return strangers


def _coincidence(draft: _Draft, user: User) -> bool:
    """True, and told, when the key of an entry belongs to another person in an earlier directory."""
    other = draft.users.get(user.key) or draft.later.get(user.key) or draft.refused.get(user.key)
    if other is None or _same_entry(other, user):
        return False
    why = (
        f"its id {user.key} is also that of {_named(other)} in {other.directory}, another person, which comes first in "
        "the config: give the directories ids that are unique in all of them (users.key)"
    )
    draft.refuse(user, why)
    return True


def _same_entry(one: User, other: User) -> bool:
    """True when two entries with one key agree in something that tells people apart."""
    if emails.normalise(one.email) == emails.normalise(other.email):
        return True
    same_login = bool(one.username) and one.username.casefold() == other.username.casefold()
    # "people.csv:12" is a place that two files have, a DN is not
    return same_login or ("=" in one.entry and one.entry.casefold() == other.entry.casefold())


def _settle(draft: _Draft, address: str, claimants: list[User]) -> User | None:
    """Who of several entries of one directory gets the address; the others become problems, one by one."""
    enabled = [user for user in claimants if user.enabled]
    winner = enabled[0] if len(enabled) == 1 else None
    for user in claimants:
        if user is winner:
            continue
        if winner is not None:
            draft.refuse(user, f"{address} is also the address of {_named(winner)}, which is enabled and gets it")
            continue
        draft.refuse(user, f"{address} is also the address of {_others(user, claimants)}")
        draft.blocked[address] = f"{address} is claimed by several entries of {user.directory}"
    return winner


def _others(user: User, claimants: Sequence[User]) -> str:
    """The first few of the others, and what to do: thousands may share an address, and each of them is told."""
    others = [_named(other) for other in claimants[: NAMED + 1] if other is not user][:NAMED]
    if len(claimants) == 2:
        return f"{others[0]}: neither is synced, correct one of them"
    more = len(claimants) - 1 - len(others)
    names = ", ".join(others) + (f" and {more} more" if more else "")
    return f"{names}: none of them is synced, correct all but one"


def _place(draft: _Draft, user: User) -> None:
    """Put one person of one directory beside those of the directories before it."""
    if user.email in draft.blocked:
        draft.refuse(user, f"{draft.blocked[user.email]}, which comes first in the config")
        return
    read_before = user.key in draft.users or user.key in draft.aliases
    own = draft.aliases.get(user.key, user.key) if read_before else draft.by_email.setdefault(user.email, user.key)
    first = draft.users.setdefault(own, user)
    if first is user:
        return
    if not read_before:
        draft.aliases[user.key] = first.key
        draft.later[user.key] = user
    if first.enabled != user.enabled:
        words = {True: "enabled", False: "disabled"}
        why = (
            f"{user.email} is {words[user.enabled]} here and {words[first.enabled]} in {first.directory}: "
            f"{first.directory} comes first in the config and decides"
        )
        draft.problems.append(Problem(directory=user.directory, entry=_named(user), why=why))


# ------------------------------------------------------------------------------------------------------------- groups


def _merge_groups(
    draft: _Draft, directories: Sequence[Mapping[str, Group]], strangers: Sequence[frozenset[str]], accepts: Accepts
) -> dict[str, Group]:
    groups: dict[str, Group] = {}
    names: dict[str, Group] = {}
    for directory, people in zip(directories, strangers, strict=True):
        others = {key for key, group in directory.items() if _coincidental(draft, groups.get(key), group)}
        for key, group in directory.items():
            if key in others:
                continue
            group = _cleaned(group, draft.aliases, people, others)
            if key in groups:
                groups[key] = _united(groups[key], group)
                continue
            groups[key] = group
            if why := _group_refused(group, accepts):
                draft.refuse_group(group, why)
                continue
            other = names.setdefault(group.name, group)
            if other is not group:
                twin_of = f"{other.entry or other.key} in {other.directory}"
                why = f"{twin_of} has the same name: both are synced, under one name"
                draft.problems.append(Problem(directory=group.directory, entry=group.entry or group.key, why=why))
    return groups


def _coincidental(draft: _Draft, other: Group | None, group: Group) -> bool:
    """True, and told, when the key of a group belongs to another group of an earlier directory."""
    same_entry = other is not None and "=" in group.entry and group.entry.casefold() == other.entry.casefold()
    if other is None or same_entry or group.name.strip() == other.name:
        return False
    why = (
        f"its id {group.key} is also that of {other.entry or other.name} in {other.directory}, another group, which "
        "comes first in the config: give the directories ids that are unique in all of them (groups.key)"
    )
    draft.problems.append(Problem(directory=group.directory, entry=group.entry or group.name, why=why))
    return True


def _cleaned(
    group: Group, aliases: Mapping[str, str], strangers: frozenset[str], other_groups: Collection[str]
) -> Group:
    """The group with its name trimmed, its members under the keys of the people that they are, and without keys that
    belong to somebody, or to a group, of another directory.
    """
    name, members, subgroups = group.name.strip(), group.members, group.subgroups
    if strangers and not strangers.isdisjoint(members):
        members -= strangers
    if aliases and not aliases.keys().isdisjoint(members):
        members = frozenset(aliases.get(key, key) for key in members)
    if other_groups and not subgroups.isdisjoint(other_groups):
        subgroups = subgroups.difference(other_groups)
    if name == group.name and members is group.members and subgroups is group.subgroups:
        return group
    return replace(group, name=name, members=members, subgroups=subgroups)


def _united(one: Group, other: Group) -> Group:
    """One group that was read in two directories."""
    return replace(one, members=one.members | other.members, subgroups=one.subgroups | other.subgroups)


def _group_refused(group: Group, accepts: Accepts) -> str:
    if not group.name:
        return "the group has no name"
    return _text_refused("the group's name", group.name, accepts.group_name_max) or _text_refused(
        "the group's id", group.key, accepts.key_max
    )


def _text_refused(what: str, text: str, longest: int) -> str:
    """Why the organization would refuse a text, and with it the whole import; empty when it takes it."""
    if not text.strip():
        return f"{what} is empty"
    if utf16_length(text) > longest:
        return f"{what} has {utf16_length(text)} characters, the organization takes {longest}"
    if not text.isascii() and not _is_unicode(text):
        return f"{what} is not valid Unicode: {text!r}"
    return ""


def _is_unicode(text: str) -> bool:
    """False for half a surrogate pair, which no JSON document and no database may hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
