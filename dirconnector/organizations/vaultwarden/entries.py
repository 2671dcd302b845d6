"""Changes -> entries of Vaultwarden's import, and what is known once they were accepted. Pure.

Members are found by address alone, and the external id is overwritten each time. ``deleted: true`` revokes, an entry
that is not deleted restores. So a revoked member may only be mentioned as deleted, unless restoring is meant. An
existing group keeps its name, and its members are replaced.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from dirconnector.model import Accepts, Member, OrgGroup, Status
from dirconnector.organizations.imports import email_fault, key_fault, name_fault
from dirconnector.plan.model import Action, Change, Failure

REMOVE = (
    "Vaultwarden's import cannot remove anybody: the access was taken away (revoked) instead. Remove the member in "
    "the web vault, or write offboarding.absent: revoke"
)
RENAME = (
    "Vaultwarden's import cannot rename a group: rename it from {before} to {name} in the web vault. It is remembered "
    "under its new name from now on"
)
DELETE = (
    "Vaultwarden's import cannot delete a group, and whether this one grants collections cannot be read: nothing was "
    "changed. Delete it in the web vault; it is not managed any more from now on"
)
REPLACE = (
    "Vaultwarden's import cannot give a group another external ID: a second group of this name was made and is managed "
    "from now on. Give it the collections of the old one in the web vault and delete that"
)

HANDED_OVER = (
    "{email} is the address of another person's membership (external ID {key}), and Vaultwarden, which finds people "
    "by address alone, would hand that over: remove it in the web vault and give this person another address"
)

PEOPLE = frozenset({Action.REMOVE, Action.REVOKE, Action.REKEY, Action.ADOPT, Action.RESTORE, Action.INVITE})


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonEntry:
    """One entry of ``members``, the member that it makes, and the change it carries. ``why`` is not empty when the
    change fails although the entry is sent.
    """

    entry: Mapping[str, Any]
    member: Member
    change: Change
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupEntry:
    """One entry of ``groups``, the group that it makes, and the changes it carries. ``replaces`` is the id of a group
    that is not managed any more once it is sent.
    """

    group: OrgGroup
    changes: tuple[Change, ...]
    replaces: str = ""
    failures: tuple[Failure, ...] = ()

    def entry(self, key_of: Mapping[str, str]) -> dict[str, Any]:
        """As it is sent; ``key_of`` maps member ids to external ids."""
        keys = sorted({key_of[id_] for id_ in self.group.members if key_of.get(id_)})
        return {"name": self.group.name, "externalId": self.group.key, "memberExternalIds": keys}


@dataclass(slots=True, kw_only=True)
class People:
    """Entries of people in the order in which they are sent, and the changes that cannot be sent."""

    entries: list[PersonEntry] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


def people(changes: Iterable[Change], members: Mapping[str, Member], accepts: Accepts) -> People:
    """The entries of people. Several changes of one person (a new key and a restoration) make one entry each, in
    their order.
    """
    result = People()
    now = dict(members)
    holders = {member.key: member.id for member in members.values() if member.key}
    for change in changes:
        member = now.get(change.member_id)
        email = (member.email if member else change.email).lower()
        key = change.key or (member.key if member else "")
        fault = email_fault(email, accepts) or key_fault(key, accepts)
        holder = holders.get(key)
        if not fault and holder is not None and holder != (member.id if member else email):
            fault = f"{now[holder].email} has the external ID {key} already"
        if not fault and member is None and email in now and now[email].key != key:
            fault = HANDED_OVER.format(email=email, key=now[email].key)
        if fault:
            result.failures.append(Failure(change, fault))
            continue
        made = _person(change, email, key, member)
        result.entries.append(made)
        if member is not None and holders.get(member.key) == member.id:
            del holders[member.key]
        now[made.member.id] = made.member
        holders[key] = made.member.id
    return result


def _person(change: Change, email: str, key: str, member: Member | None) -> PersonEntry:
    status = member.status if member is not None else Status.INVITED
    match change.action:
        case Action.REMOVE | Action.REVOKE:
            status = Status.REVOKED
        case Action.RESTORE | Action.INVITE:
            status = Status.INVITED
        case _:
            pass
    known = member or Member(id=email, email=email)
    return PersonEntry(
        entry={"email": email, "externalId": key, "deleted": status is Status.REVOKED},
        member=replace(known, key=key, status=status),
        change=change,
        why=REMOVE if change.action is Action.REMOVE else "",
    )


@dataclass(slots=True, kw_only=True)
class Groups:
    """Entries of groups; ``renamed`` and ``dropped`` change what is known without a call; ``skipped`` counts
    memberships of people who are not there.
    """

    entries: list[GroupEntry] = field(default_factory=list)
    renamed: list[OrgGroup] = field(default_factory=list)
    dropped: set[str] = field(default_factory=set)
    failures: list[Failure] = field(default_factory=list)
    skipped: int = 0


def groups(
    changes: Iterable[Change], known: Mapping[str, OrgGroup], members: Mapping[str, Member], accepts: Accepts
) -> Groups:
    """The entries of groups, each with its whole membership: the one that is known, and what changes in it."""
    result = Groups()
    by_ref: dict[str, list[Change]] = {}
    for change in changes:
        by_ref.setdefault(change.group_id or change.group_key or change.key, []).append(change)
    id_of = {member.key: member.id for member in members.values() if member.key}
    for ref, work in by_ref.items():
        _group(ref, work, known.get(ref), id_of, members, accepts, result)
    return result


def _group(
    ref: str,
    work: list[Change],
    known: OrgGroup | None,
    id_of: Mapping[str, str],
    members: Collection[str],
    accepts: Accepts,
    result: Groups,
) -> None:
    if any(change.action is Action.DELETE_GROUP for change in work):
        result.failures.extend(Failure(c, DELETE) for c in work if c.action is Action.DELETE_GROUP)
        result.dropped.add(ref)
        return
    key = work[0].group_key or work[0].key
    group = known or OrgGroup(id=key, name=work[0].group, key=key)
    failures: list[Failure] = []
    sent: list[Change] = []
    replaces = ""
    for change in work:
        match change.action:
            case Action.RENAME_GROUP:
                failures.append(Failure(change, RENAME.format(before=change.before, name=change.group)))
                group = replace(group, name=change.group)
            case Action.ADOPT_GROUP:
                failures.append(Failure(change, REPLACE))
                replaces = ref
                group = replace(group, id=key, key=key, name=change.group)
            case Action.CREATE_GROUP:
                sent.append(change)
            case Action.REMOVE_MEMBERSHIP:
                group = replace(group, members=group.members - {_member(change, id_of)})
                sent.append(change)
            case _:
                member_id = _member(change, id_of)
                if member_id not in members:
                    result.skipped += 1
                    continue
                group = replace(group, members=group.members | {member_id})
                sent.append(change)
    fault = name_fault(group.name, accepts) or key_fault(group.key, accepts)
    if fault:
        result.failures.extend(Failure(c, fault) for c in work if c.action is Action.CREATE_GROUP)
        result.skipped += sum(1 for c in work if c.action is not Action.CREATE_GROUP)
    elif sent or replaces:
        made = GroupEntry(group=group, changes=tuple(sent), failures=tuple(failures), replaces=replaces)
        result.entries.append(made)
    else:
        result.failures.extend(failures)
        result.renamed.append(group)


def _member(change: Change, id_of: Mapping[str, str]) -> str:
    return change.member_id or id_of.get(change.key, change.email.lower())
