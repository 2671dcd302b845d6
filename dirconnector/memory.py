"""What the state remembers of people whom no selected entry claims: for reasons, and to tell people apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from dirconnector.model import Snapshot
from dirconnector.plan.recall import Remembered
from dirconnector.rules.emails import normalise
from dirconnector.rules.flatten import flatten
from dirconnector.state import State


def remembered(
    state: State, organization: str, directories: Sequence[str], keys: frozenset[str]
) -> dict[str, Remembered]:
    """What the state knows of people: names as last seen while they were members, groups from the last good
    snapshots.
    """
    known = {
        key: Remembered(directory=person.directory, name=person.name, username=person.username)
        for key, person in state.people(organization, keys).items()
    }
    names = dict.fromkeys([*directories, *state.baselines(organization)])
    snapshots = {name: state.good_snapshot(organization, name) for name in names}
    found = {name: snapshot for name, snapshot in snapshots.items() if snapshot is not None}
    for name, snapshot in found.items():
        known |= _in_snapshot(name, snapshot, keys)
    return _with_other_keys(known, list(found.values())) if len(found) > 1 else known


def _in_snapshot(name: str, snapshot: Snapshot, keys: frozenset[str]) -> dict[str, Remembered]:
    groups: dict[str, list[str]] = {key: [] for key in keys & snapshot.users.keys()}
    for group_key, members in flatten(snapshot.groups).items():
        for key in groups.keys() & members:
            groups[key].append(snapshot.groups[group_key].name)
    return {
        key: Remembered(
            directory=name,
            name=snapshot.users[key].name,
            username=snapshot.users[key].username,
            groups=tuple(sorted(names)),
        )
        for key, names in groups.items()
    }


def _with_other_keys(known: Mapping[str, Remembered], snapshots: Sequence[Snapshot]) -> dict[str, Remembered]:
    """What is known, with the keys of the entries that had the same address."""
    address = {k: normalise(s.users[k].email) for s in snapshots for k in known.keys() & s.users.keys()}
    wanted = {email: set[str]() for email in address.values() if email}
    for snapshot in snapshots:
        for user in snapshot.users.values():
            if (email := normalise(user.email)) in wanted:
                wanted[email].add(user.key)
    return {
        key: replace(before, also=frozenset(wanted.get(address.get(key, ""), ())) - {key})
        for key, before in known.items()
    }
