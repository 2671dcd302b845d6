"""Whose members are read? Each group costs one call, so the ledger is believed where it knows. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import islice

from dirconnector.model import Member, OrgGroup
from dirconnector.organizations.bitwarden.client import Sent


def before_planning(groups: Collection[str], known: Iterable[str], *, budget: int, verify: bool) -> list[str]:
    """Ids of the groups to read before a plan: all that are not known, and of the others ``budget``.

    ``known`` are the ids that the ledger knows, those first that were verified longest ago.
    """
    if verify:
        return list(groups)
    ledger = list(known)
    rotating = islice((id_ for id_ in ledger if id_ in groups), budget)
    remembered = set(ledger)
    return [*(id_ for id_ in groups if id_ not in remembered), *rotating]


def after_applying(
    groups: Collection[str], known: Collection[str], expected: Collection[str], *, at_most: int
) -> tuple[list[str], list[str]]:
    """Ids of the groups to read back: those that must be read, and a sample of ``at_most`` of those whose call was
    answered without a doubt, spread over all of them.
    """
    unknown = [id_ for id_ in groups if id_ not in known]
    return [id_ for id_ in unknown if id_ not in expected], spread([id_ for id_ in unknown if id_ in expected], at_most)


def spread(items: Sequence[str], number: int) -> list[str]:
    """``number`` of the items, at equal distances; all when there are not more."""
    if len(items) <= number:
        return list(items)
    return [items[i * len(items) // number] for i in range(number)]


def expected_memberships(
    sent: Sent, members: Iterable[Member], groups: Iterable[OrgGroup]
) -> dict[str, frozenset[str]]:
    """Group id -> member ids as they were sent, without those whose call had no clean answer.

    External ids that no member has are left out: whoever was skipped is in no group.
    """
    members = list(members)
    id_of = {member.key: member.id for member in members if member.key}
    present = {member.id for member in members}
    expected: dict[str, frozenset[str]] = {}
    for group in groups:
        if group.id in sent.doubtful or group.key in sent.doubtful:
            continue
        if group.id in sent.by_id:
            expected[group.id] = sent.by_id[group.id] & present
        elif group.key in sent.by_key:
            expected[group.id] = frozenset(id_of[key] for key in sent.by_key[group.key] if key in id_of)
    return expected


def still_there(memberships: Mapping[str, frozenset[str]], members: Collection[str]) -> dict[str, frozenset[str]]:
    """Memberships without the members who have been removed since: an id is never given twice."""
    present = frozenset(members)
    return {id_: ids & present for id_, ids in memberships.items()}
