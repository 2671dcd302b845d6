"""What the organization should hold: the result of the rules, and the left side of the plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from dirconnector.model import Accepts, Group, Problem, Snapshot, User
from dirconnector.rules.flatten import flatten
from dirconnector.rules.merge import Merged, merge
from dirconnector.rules.rule import Select
from dirconnector.rules.select import Selection


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """Users and groups in scope, and everything needed to say why somebody is not.

    ``users`` and ``groups`` are selected; ``groups`` are flat and have selected users only. ``selected_by`` has the
    reason for each user. ``merged`` is what they were selected from, ``memberships`` its flattened groups (group
    key -> user keys). ``doubtful`` are the selected people who might not be, had an incomplete read been complete:
    whoever is missing from what excludes them is no reason to let them in.
    """

    users: Mapping[str, User]
    groups: Mapping[str, Group]
    selected_by: Mapping[str, str]
    merged: Merged
    memberships: Mapping[str, frozenset[str]]
    selection: Selection
    doubtful: frozenset[str] = frozenset()

    @property
    def complete(self) -> bool:
        """True when absence from here proves something."""
        return self.merged.complete

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Everything that could not be synced, and rules that select nobody."""
        return self.merged.problems + self.selection.problems

    def snapshot(self) -> Snapshot:
        """What ``dirsync snapshot`` shows: the normalized, selected users and groups."""
        return Snapshot(
            users=self.users,
            groups=self.groups,
            evidence=self.merged.evidence,
            problems=self.problems,
            unsyncable={**self.merged.unsyncable_groups, **self.merged.unsyncable},
            deleted=self.merged.deleted,
        )


def desire(snapshots: Sequence[Snapshot], select: Select, accepts: Accepts) -> Desired:
    """Apply all rules to the snapshots of the directories, in the order of the config.

    Raises :class:`~dirconnector.errors.SelectionError` for a rule that names a group which was not read.
    """
    merged = merge(snapshots, accepts)
    memberships = flatten(merged.groups)
    selection = Selection(select, merged, memberships)
    users: dict[str, User] = {}
    selected_by: dict[str, str] = {}
    words: dict[str, str] = {}
    for key, user in merged.users.items():
        verdict = selection.verdict(user)
        if verdict.selected:
            users[key] = user
            # thousands share the same words: keep one copy of each
            selected_by[key] = words.setdefault(verdict.reason, verdict.reason)
    return Desired(
        users=users,
        groups=_selected_groups(merged, memberships, selection, users),
        selected_by=selected_by,
        merged=merged,
        memberships=memberships,
        selection=selection,
        doubtful=frozenset() if merged.complete else _doubtful(snapshots, select, users),
    )


def _doubtful(snapshots: Sequence[Snapshot], select: Select, users: Mapping[str, User]) -> frozenset[str]:
    """Selected people of whom an incomplete read may hide that they are excluded, or disabled.

    Where a rule excludes the members of a group, members may be missing. Where an earlier directory was not read to
    the end, it may have an entry of the same person, whose word counts.
    """
    if any(rule.group is not None for rule in select.users_exclude):
        return frozenset(users)
    incomplete = next((number for number, snapshot in enumerate(snapshots) if not snapshot.complete), len(snapshots))
    described = frozenset[str]().union(*(snapshot.users for snapshot in snapshots[: incomplete + 1]))
    return frozenset(users) - described


def _selected_groups(
    merged: Merged,
    memberships: Mapping[str, frozenset[str]],
    selection: Selection,
    users: Mapping[str, User],
) -> dict[str, Group]:
    groups: dict[str, Group] = {}
    for key, group in merged.groups.items():
        if key in merged.unsyncable_groups or not selection.group_verdict(group).selected:
            continue
        members = frozenset(filter(users.__contains__, memberships[key]))
        if len(members) != len(group.members) or group.subgroups:
            group = replace(group, members=members, subgroups=frozenset())
        groups[key] = group
    return groups
