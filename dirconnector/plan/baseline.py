"""How much one directory held when it was last read well: what the shrink limit compares with."""

from __future__ import annotations

from dataclasses import dataclass

from dirconnector.model import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """The size of one directory's raw snapshot (before the rules).

    ``users`` counts people, ``with_email`` those of them that have an address, ``groups`` groups, and
    ``memberships`` direct members of groups, nested groups included. ``taken`` is UTC in ISO 8601, ``digest``
    identifies the content; both are empty for a snapshot that was never stored.
    """

    directory: str
    users: int
    with_email: int
    groups: int
    memberships: int
    taken: str = ""
    digest: str = ""


def baseline_of(directory: str, snapshot: Snapshot) -> Baseline:
    """Count the raw snapshot of the directory with this name in the config."""
    return Baseline(
        directory=directory,
        users=len(snapshot.users),
        with_email=sum(1 for user in snapshot.users.values() if user.email),
        groups=len(snapshot.groups),
        memberships=sum(len(group.members) + len(group.subgroups) for group in snapshot.groups.values()),
    )
