"""Which member of the organization is which person of the directory.

People are matched by key (the directory's immutable id, the organization's externalId), then by e-mail address. An
address that is found under another key is the interesting case, and there are five of them; each has its own words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dirconnector.model import Current, Member, Problem, Status, User
from dirconnector.plan.policy import Offboard, Offboarding
from dirconnector.plan.recall import Remembered
from dirconnector.rules.desired import Desired


@dataclass(slots=True, kw_only=True)
class Match:
    """The result of matching.

    ``member_of`` maps user keys to their member, whatever way they were found. ``adopt`` and ``rekey`` name the
    user keys whose member has no key yet, or another one, with the reason. ``passed_on`` maps keys of departed
    members whose address now belongs to somebody else to the user who has it. ``blocked`` has the user keys that
    can be neither matched nor invited. ``settled`` are ids of members that were matched or must be left alone
    because they are ambiguous, ``contested`` ids of those whose address a selected entry with another key has.
    """

    member_of: dict[str, Member] = field(default_factory=dict)
    adopt: dict[str, str] = field(default_factory=dict)
    rekey: dict[str, str] = field(default_factory=dict)
    passed_on: dict[str, User] = field(default_factory=dict)
    blocked: set[str] = field(default_factory=set)
    settled: set[str] = field(default_factory=set)
    contested: set[str] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)


def match(desired: Desired, current: Current, offboarding: Offboarding, remembered: Mapping[str, Remembered]) -> Match:
    """Match every desired user. ``remembered`` knows the keys returned by :func:`unknown_keys` as far as anybody
    does.
    """
    result = Match()
    by_key = _members_by_key(current, result)
    by_email = {member.email.lower(): member for member in current.members.values()}
    shared = _shared_addresses(current) if len(by_email) < len(current.members) else {}
    by_alias = _members_by_alias(desired, by_key)
    for user in desired.users.values():
        member = by_key.get(user.key)
        if member is not None:
            if member.id not in result.settled:
                result.member_of[user.key] = member
                result.settled.add(member.id)
            else:
                result.blocked.add(user.key)
            if member.email.lower() != user.email:
                result.problems.append(_drifted(user, member, by_email, desired))
            continue
        member = by_email.get(user.email)
        if member is None:
            if user.key in by_alias:
                _match_by_alias(user, by_alias[user.key], by_email, desired, result)
            elif user.enabled and user.email in offboarding.protect_emails:
                result.problems.append(_never_invited(user))
        elif user.email in shared:
            result.blocked.add(user.key)
            result.problems.append(_several(user, shared[user.email]))
        else:
            _match_by_email(user, member, desired, offboarding, remembered, result)
    return result


def unknown_keys(desired: Desired, current: Current) -> frozenset[str]:
    """Keys of members that no selected user has: those of whom the plan may have to say something from memory."""
    return frozenset(
        member.key for member in current.members.values() if member.key and member.key not in desired.users
    )


def _members_by_key(current: Current, result: Match) -> dict[str, Member]:
    by_key: dict[str, Member] = {}
    twins: dict[str, list[Member]] = {}
    for member in current.members.values():
        if not member.key:
            continue
        if member.key in by_key:
            twins.setdefault(member.key, [by_key[member.key]]).append(member)
        else:
            by_key[member.key] = member
    for key, members in twins.items():
        result.settled.update(member.id for member in members)
        emails = _some([member.email for member in members])
        why = (
            f"members {emails} have the same externalId {key}: they are left alone, and every bulk import would fail. "
            "Remove the externalId of the wrong one in the web vault"
        )
        result.problems.append(Problem(directory="", entry=emails, why=why))
    return by_key


def _members_by_alias(desired: Desired, by_key: Mapping[str, Member]) -> dict[str, list[Member]]:
    """A person's key -> memberships under a key that the person has in a later directory."""
    found: dict[str, list[Member]] = {}
    for alias, first in sorted(desired.merged.aliases.items()):
        if alias in by_key:
            found.setdefault(first, []).append(by_key[alias])
    return found


def _match_by_alias(
    user: User, members: Sequence[Member], by_email: Mapping[str, Member], desired: Desired, result: Match
) -> None:
    """The membership of somebody who is in an earlier directory as well by now, and whose address has changed since:
    without a look at the other key they would be invited a second time.
    """
    free = [member for member in members if member.id not in result.settled]
    if not free:
        return
    result.rekey[user.key] = _same_person(user)
    result.member_of[user.key] = free[0]
    result.settled.add(free[0].id)
    result.problems.append(_drifted(user, free[0], by_email, desired))


def _same_person(user: User) -> str:
    return f"the same person is in {user.directory}, which comes first in the config"


def _shared_addresses(current: Current) -> dict[str, int]:
    """Addresses that several members have -> how many. It should not be; a server may let it happen."""
    number = Counter(member.email.lower() for member in current.members.values())
    return {email: times for email, times in number.items() if times > 1}


def _never_invited(user: User) -> Problem:
    why = f"{user.email} is in offboarding.protect.emails, so nothing is done about it: invite them in the web vault"
    return Problem(directory=user.directory, entry=_named(user), why=why)


def _several(user: User, number: int) -> Problem:
    why = f"{number} memberships have the address {user.email}: none is taken over, remove all but one in the web vault"
    return Problem(directory=user.directory, entry=_named(user), why=why)


def _some(names: Sequence[str]) -> str:
    """The first few of many names."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _match_by_email(
    user: User,
    member: Member,
    desired: Desired,
    offboarding: Offboarding,
    remembered: Mapping[str, Remembered],
    result: Match,
) -> None:
    if user.email in offboarding.protect_emails and member.key != user.key:
        result.blocked.add(user.key)
        return
    if member.status is Status.REVOKED and user.enabled and member.key not in remembered and _gone(member, desired):
        _refuse_revoked(user, member, offboarding, result)
        return
    if not member.key:
        result.adopt[user.key] = f"already a member, made by hand; the address is that of {_named(user)}"
        result.member_of[user.key] = member
        result.settled.add(member.id)
        return
    merged = desired.merged
    if merged.aliases.get(member.key) == user.key:
        reason = _same_person(user)
    elif not _gone(member, desired):
        result.blocked.add(user.key)
        result.contested.add(member.id)
        result.problems.append(_moved(user, member, desired))
        return
    elif member.id in result.settled:
        result.blocked.add(user.key)
        return
    elif _another_person(user, remembered.get(member.key)):
        result.passed_on[member.key] = user
        result.blocked.add(user.key)
        return
    else:
        reason = f"re-created in {user.directory} with a new id (the old one, {member.key}, is gone)"
    result.rekey[user.key] = reason
    result.member_of[user.key] = member
    result.settled.add(member.id)


def _gone(member: Member, desired: Desired) -> bool:
    """True when nothing that was read has the member's key (or the member has none)."""
    merged = desired.merged
    return not any(member.key in known for known in (merged.users, merged.unsyncable, merged.aliases))


def _refuse_revoked(user: User, member: Member, offboarding: Offboarding, result: Match) -> None:
    """Nobody is restored into a membership of which we do not know that it was theirs: addresses are given to other
    people.
    """
    result.blocked.add(user.key)
    if not member.key:
        result.settled.add(member.id)
        whose = "was made by hand and is revoked"
    elif offboarding.absent is Offboard.REMOVE:
        result.passed_on[member.key] = user
        return
    else:
        whose = f"is revoked and belongs to an entry that is gone ({member.key}); we do not know who that was"
    why = (
        f"the membership of {user.email} {whose}. If it is this person's, restore it in the web vault and it is "
        "taken over by the next run; if it is somebody else's, remove it there and this person is invited"
    )
    result.problems.append(Problem(directory=user.directory, entry=_named(user), why=why))


def _named(user: User) -> str:
    return user.entry or user.username or user.key


def _another_person(user: User, before: Remembered | None) -> bool:
    """True when the departed owner of an address is known to have been somebody else: neither name nor login name
    are the same.

    Whoever had the address already in another directory, beside the one that is gone now, is the same person. Handing
    a membership to another person would hand over the vault that belongs to the account, so only what is
    known counts; whoever is not remembered is taken for the same person, and the rekey is visible in the plan.
    """
    if before is None or user.key in before.also:
        return False
    pairs = [(before.name, user.name), (before.username, user.username)]
    known = [(old.strip().casefold(), new.strip().casefold()) for old, new in pairs if old.strip() and new.strip()]
    return bool(known) and all(old != new for old, new in known)


def _moved(user: User, member: Member, desired: Desired) -> Problem:
    other = desired.merged.users.get(desired.merged.aliases.get(member.key, member.key))
    now = f", whose address is now {other.email}" if other is not None else ""
    who = _named(other) if other is not None else f"the entry {member.key}"
    why = (
        f"{user.email} moved to this person from {who}{now}, but the membership still has it: Bitwarden does not "
        "let an organization change a member's address. Once that person has changed it in their account "
        "settings, this one is invited"
    )
    return Problem(directory=user.directory, entry=_named(user), why=why)


def _drifted(user: User, member: Member, by_email: Mapping[str, Member], desired: Desired) -> Problem:
    holder = by_email.get(user.email)
    cure = "Bitwarden does not let an organization change it: the person changes it in their account settings"
    if holder is not None and holder.id != member.id:
        other = desired.users.get(holder.key)
        if other is not None and other.email == member.email.lower():
            why = (
                f"exchanged addresses with {_named(other)}: now {user.email}, the membership has {member.email}. {cure}"
            )
        else:
            why = (
                f"now has {user.email}, which is still the address of another membership; "
                f"theirs has {member.email}. {cure}"
            )
    else:
        why = f"the address is {user.email} in the directory and {member.email} in the organization. {cure}"
    return Problem(directory=user.directory, entry=_named(user), why=why)
