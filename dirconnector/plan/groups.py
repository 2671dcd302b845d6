"""What has to change about groups and memberships."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
    by_name: dict[str, list[OrgGroup]] = {}
    for org_group in current.groups.values():
        by_name.setdefault(org_group.name, []).append(org_group)
    for key, group in sorted(desired.groups.items()):
        found = by_key.get(key)
        if found is not None and found.id in result.settled:
            result.blocked.add(key)
        elif found is not None:
            _settle(result, group, found)
            if found.name != group.name:
                reason = f"called {group.name} in {group.directory} now, was {found.name}"
                result.changes.append(_group(Action.RENAME_GROUP, group, reason, found, before=found.name))
        else:
            _match_by_name(group, by_name.get(group.name, []), desired, result)
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


def _match_by_name(group: Group, named: list[OrgGroup], desired: Desired, result: GroupMatch) -> None:
    free = [g for g in named if g.id not in result.settled]
    unmanaged = [g for g in free if not g.key]
    if len(unmanaged) > 1:
        result.blocked.add(group.key)
        why = f"{len(unmanaged)} groups of the organization are called {group.name}: none is adopted, rename the others"
        result.problems.append(Problem(directory=group.directory, entry=group.entry or group.name, why=why))
        return
    if unmanaged:
        _settle(result, group, unmanaged[0])
        reason = "already a group, made by hand, with exactly this name"
        result.changes.append(_group(Action.ADOPT_GROUP, group, reason, unmanaged[0]))
        return
    known = desired.merged
    orphans = [g for g in free if g.key and g.key not in known.groups and g.key not in known.unsyncable]
    if len(orphans) == 1:
        _settle(result, group, orphans[0])
        reason = f"re-created in {group.directory} with a new id (the old one, {orphans[0].key}, is gone)"
        result.changes.append(_group(Action.ADOPT_GROUP, group, reason, orphans[0], before=orphans[0].key))
        return
    taken = [g for g in named if g.key and g.id not in {o.id for o in orphans}]
    reason = f"in {group.directory}"
    if taken:
        reason += "; another group of this name is in the organization already and belongs to another directory group"
    result.changes.append(_group(Action.CREATE_GROUP, group, reason))


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
        if group.id in match.settled or group.key in known.unsyncable:
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


def memberships(
    desired: Desired,
    current: Current,
    people: Match,
    groups: GroupMatch,
    invited: Mapping[str, str],
    offboarding: Offboarding,
) -> Iterator[Change]:
    """Who has to come into and go out of each desired group. ``invited`` maps the keys of people to be invited to
    their addresses.

    Only people who are in the directory, selected and not protected are taken out. Members made by hand, people who
    left (they are revoked, and their groups come back with them) and people who cannot be synced stay where they
    are.
    """
    enabled = {key: member.id for key, member in people.member_of.items() if desired.users[key].enabled}
    every = {key: member.id for key, member in people.member_of.items()}
    key_of = {member_id: key for key, member_id in every.items()}
    frozen = {
        member.id for member in current.members.values() if protection(member, offboarding) and member.id in key_of
    }
    untouchable = {
        key for key, member in people.member_of.items() if member.email.lower() in offboarding.protect_emails
    }
    unsyncable = desired.merged.unsyncable
    address_of = {key: user.email for key, user in desired.users.items()}.__getitem__
    # in the order of the plan already: sorting what is sorted costs next to nothing
    for key, group in sorted(desired.groups.items(), key=lambda item: (item[1].name, item[0])):
        if key in groups.blocked:
            continue
        org_group = groups.group_of.get(key)
        now = org_group.members if org_group is not None else frozenset()
        group_id = org_group.id if org_group is not None else ""
        joined = f"member of {group.name} in {group.directory}"
        for user in sorted(group.members, key=address_of):
            if user in invited:
                yield Change(Action.ADD_MEMBERSHIP, user, invited[user], group.name, joined, key, "", group_id)
                continue
            member_id = enabled.get(user)
            if member_id is not None and member_id not in now and user not in untouchable:
                email = people.member_of[user].email
                yield Change(Action.ADD_MEMBERSHIP, user, email, group.name, joined, key, member_id, group_id)
        if not now:
            continue
        wanted = {every[user] for user in group.members if user in every}
        left = f"no longer a member of {group.name} in {group.directory}"
        for member_id in now - wanted:
            user = key_of.get(member_id, "")
            if not user or member_id in frozen or user in unsyncable:
                continue
            member = current.members[member_id]
            yield Change(Action.REMOVE_MEMBERSHIP, user, member.email, group.name, left, key, member_id, group_id)
