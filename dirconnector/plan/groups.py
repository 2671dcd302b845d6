"""What has to change about groups and memberships."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from dirconnector.model import Current, Group, OrgGroup, Problem
from dirconnector.plan.diff import protection
from dirconnector.plan.match import Match
from dirconnector.plan.model import Action, Change, Unmanaged
from dirconnector.plan.policy import GroupsGone, Offboarding
from dirconnector.rules.desired import Desired


@dataclass(slots=True, kw_only=True)
class GroupMatch:
    """Desired group key -> the organization's group, and how it was found. ``blocked`` keys are neither matched nor
    created.
    """

    group_of: dict[str, OrgGroup] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    blocked: set[str] = field(default_factory=set)
    settled: set[str] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)


def match_groups(desired: Desired, current: Current) -> GroupMatch:
    """Match by key, then by exact name; decide what is created, adopted, renamed."""
    result = GroupMatch()
    by_key = _groups_by_key(current, result)
    new: dict[str, list[Group]] = {}
    for key, group in sorted(desired.groups.items()):
        found = by_key.get(key)
        if found is None:
            new.setdefault(group.name, []).append(group)
        elif found.id in result.settled:
            result.blocked.add(key)
        else:
            _settle(result, group, found)
            if found.name != group.name:
                reason = f"called {group.name} in {group.directory} now, was {found.name}"
                result.changes.append(_group(Action.RENAME_GROUP, group, reason, found, before=found.name))
    by_name: dict[str, list[OrgGroup]] = {}
    for org_group in current.groups.values():
        if org_group.name in new:
            by_name.setdefault(org_group.name, []).append(org_group)
    for name, groups in new.items():
        _match_by_name(groups, by_name.get(name, []), desired, result)
    return result


def _groups_by_key(current: Current, result: GroupMatch) -> dict[str, OrgGroup]:
    by_key: dict[str, OrgGroup] = {}
    twins: dict[str, list[OrgGroup]] = {}
    for group in current.groups.values():
        if not group.key:
            continue
        if group.key in by_key:
            twins.setdefault(group.key, [by_key[group.key]]).append(group)
        else:
            by_key[group.key] = group
    for key, groups in twins.items():
        result.settled.update(group.id for group in groups)
        names = ", ".join(group.name for group in groups)
        why = (
            f"groups {names} have the same externalId {key}: they are left alone, and every bulk import would fail. "
            "Remove the externalId of the wrong one in the web vault"
        )
        result.problems.append(Problem(directory="", entry=names, why=why))
    return by_key


def _match_by_name(groups: Sequence[Group], named: Sequence[OrgGroup], desired: Desired, result: GroupMatch) -> None:
    """Directory groups of one name that the organization does not know by key, and its groups of this name."""
    free = [g for g in named if g.id not in result.settled]
    unmanaged = [g for g in free if not g.key]
    if len(unmanaged) > 1:
        why = f"{len(unmanaged)} groups of the organization are called {{}}: none is adopted, rename the others"
        _block(groups, why, result)
        return
    if unmanaged and len(groups) > 1:
        why = f"{len(groups)} groups of the directories are called {{}}, and one made by hand is as well: which of them"
        _block(groups, f"{why} that is cannot be told. Rename the others, or that one", result)
        return
    if unmanaged:
        _settle(result, groups[0], unmanaged[0])
        reason = "already a group, made by hand, with exactly this name"
        result.changes.append(_group(Action.ADOPT_GROUP, groups[0], reason, unmanaged[0]))
        return
    known = desired.merged
    orphans = [g for g in free if g.key and g.key not in known.groups and g.key not in known.unsyncable_groups]
    if len(orphans) == len(groups) == 1:
        _settle(result, groups[0], orphans[0])
        reason = f"re-created in {groups[0].directory} with a new id (the old one, {orphans[0].key}, is gone)"
        result.changes.append(_group(Action.ADOPT_GROUP, groups[0], reason, orphans[0], before=orphans[0].key))
        return
    taken = len(named) > len(orphans)
    other = "; another group of this name is in the organization already and belongs to another directory group"
    for group in groups:
        reason = f"in {group.directory}{other if taken else ''}"
        result.changes.append(_group(Action.CREATE_GROUP, group, reason))


def _block(groups: Iterable[Group], why: str, result: GroupMatch) -> None:
    """Groups that are neither adopted nor created until somebody decides, each told in these words."""
    for group in groups:
        result.blocked.add(group.key)
        words = why.format(group.name)
        result.problems.append(Problem(directory=group.directory, entry=group.entry or group.name, why=words))


def _settle(result: GroupMatch, group: Group, found: OrgGroup) -> None:
    result.group_of[group.key] = found
    result.settled.add(found.id)


def _group(action: Action, group: Group, reason: str, found: OrgGroup | None = None, before: str = "") -> Change:
    group_id = found.id if found is not None else ""
    return Change(action, group.key, "", group.name, reason, group_key=group.key, group_id=group_id, before=before)


def groups_that_leave(
    desired: Desired, current: Current, match: GroupMatch, offboarding: Offboarding
) -> Iterator[Change | Unmanaged]:
    """Managed groups that no selected directory group claims: deleted if the policy says so and they grant nothing,
    else listed.
    """
    known = desired.merged
    for group in current.groups.values():
        if group.id in match.settled or group.key in known.unsyncable_groups:
            continue
        if not group.key:
            yield Unmanaged(kind="group", id=group.id, name=group.name, why="made by hand (no externalId)")
            continue
        if group.key in known.groups:
            gone = desired.selection.group_verdict(known.groups[group.key]).reason
        else:
            gone = "no longer in any directory"
        if offboarding.groups is GroupsGone.KEEP:
            yield Unmanaged(kind="group", id=group.id, name=group.name, why=f"{gone}, offboarding.groups: keep")
        elif group.collections:
            why = f"{gone}, but it grants {group.collections} collections: a group that grants access is never deleted"
            yield Unmanaged(kind="group", id=group.id, name=group.name, why=why)
        else:
            yield Change(
                Action.DELETE_GROUP,
                group.key,
                "",
                group.name,
                gone,
                group_key=group.key,
                group_id=group.id,
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Who:
    """Look-ups for memberships: member ids of matched people and of the enabled ones among them, and back to keys.

    ``fixed`` are member ids that must not be taken out of a group, ``untouchable`` keys that must not be put into one.
    ``address`` has everybody's by key.
    """

    address: Mapping[str, str]
    matched: Mapping[str, str]
    enabled: Mapping[str, str]
    key_of: Mapping[str, str]
    fixed: frozenset[str]
    untouchable: frozenset[str]


def _who(desired: Desired, people: Match, offboarding: Offboarding) -> _Who:
    matched = {key: member.id for key, member in people.member_of.items()}
    return _Who(
        address={key: user.email for key, user in desired.users.items()},
        matched=matched,
        enabled={key: member_id for key, member_id in matched.items() if desired.users[key].enabled},
        key_of={member_id: key for key, member_id in matched.items()},
        fixed=frozenset(
            member.id
            for key, member in people.member_of.items()
            if protection(member, offboarding) or desired.users[key].email in offboarding.protect_emails
        ),
        untouchable=frozenset(
            key
            for key, member in people.member_of.items()
            if not offboarding.protect_emails.isdisjoint((member.email.lower(), desired.users[key].email))
        ),
    )


def memberships(
    desired: Desired,
    current: Current,
    people: Match,
    groups: GroupMatch,
    invited: Mapping[str, str],
    offboarding: Offboarding,
) -> list[Change]:
    """Who has to go out of and come into each desired group, in the order of the plan. ``invited`` maps the keys of
    people to be invited to their addresses.

    Only people who are in the directory, selected and not protected are taken out. Members made by hand, people who
    left (they are revoked, and their groups come back with them) and people who cannot be synced stay where they
    are.
    """
    who = _who(desired, people, offboarding)
    by_name = sorted(desired.groups.values(), key=lambda group: (group.name, group.key))
    wanted = [group for group in by_name if group.key not in groups.blocked]
    return [
        *(change for group in wanted for change in _going(group, current, groups, who)),
        *(change for group in wanted for change in _coming(group, people, groups, invited, who)),
    ]


def _going(group: Group, current: Current, groups: GroupMatch, who: _Who) -> list[Change]:
    org_group = groups.group_of.get(group.key)
    if org_group is None:
        return []
    wanted = {who.matched[user] for user in group.members if user in who.matched}
    reason = f"no longer a member of {group.name} in {group.directory}"
    changes = [
        Change(
            Action.REMOVE_MEMBERSHIP,
            who.key_of[member_id],
            current.members[member_id].email,
            group.name,
            reason,
            group_key=group.key,
            member_id=member_id,
            group_id=org_group.id,
        )
        for member_id in org_group.members - wanted
        if member_id in who.key_of and member_id not in who.fixed
    ]
    return sorted(changes, key=lambda change: (change.email, change.key))


def _coming(group: Group, people: Match, groups: GroupMatch, invited: Mapping[str, str], who: _Who) -> Iterator[Change]:
    org_group = groups.group_of.get(group.key)
    now, group_id = (org_group.members, org_group.id) if org_group is not None else (frozenset[str](), "")
    key, name, reason = group.key, group.name, f"member of {group.name} in {group.directory}"
    for user in sorted(group.members, key=who.address.__getitem__):
        if user in invited:
            yield Change(Action.ADD_MEMBERSHIP, user, invited[user], name, reason, key, "", group_id)
            continue
        member_id = who.enabled.get(user)
        if member_id is not None and member_id not in now and user not in who.untouchable:
            email = people.member_of[user].email
            yield Change(Action.ADD_MEMBERSHIP, user, email, name, reason, key, member_id, group_id)
