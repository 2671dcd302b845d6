"""What has to change about members: invite, adopt, rekey, restore, revoke, remove."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dirconnector.model import Current, Member, Problem, Status, User
from dirconnector.plan.match import Match
from dirconnector.plan.model import Action, Change, Unmanaged
from dirconnector.plan.policy import Offboard, Offboarding
from dirconnector.plan.recall import Remembered
from dirconnector.rules.desired import Desired

_OFFBOARD = {Offboard.REVOKE: Action.REVOKE, Offboard.REMOVE: Action.REMOVE}


def protection(member: Member, offboarding: Offboarding) -> str:
    """Why a member must never lose anything, empty when nothing protects them."""
    if member.email.lower() in offboarding.protect_emails:
        return "offboarding.protect.emails"
    if member.type in offboarding.protect_types:
        return f"{member.type.word}, offboarding.protect.types"
    return ""


def members_that_stay(desired: Desired, match: Match, offboarding: Offboarding) -> Iterator[Change]:
    """Changes for people who are in the directory and selected."""
    for key, user in desired.users.items():
        if user.email in offboarding.protect_emails:
            continue
        member = match.member_of.get(key)
        if member is None:
            if user.enabled and key not in match.blocked:
                yield _user(Action.INVITE, user, desired.selected_by[key])
            continue
        if member.email.lower() in offboarding.protect_emails:
            continue
        guarded = bool(protection(member, offboarding))
        offboard = not user.enabled and not guarded and _offboards(offboarding.disabled, member)
        # what was made by hand is adopted and revoked first, for everybody to see; only the next run may remove it
        if offboard and offboarding.disabled is Offboard.REMOVE and key not in match.adopt:
            yield _user(Action.REMOVE, user, f"disabled in {user.directory}", member)
            continue
        if key in match.adopt:
            yield _user(Action.ADOPT, user, match.adopt[key], member)
        elif key in match.rekey:
            yield _user(Action.REKEY, user, match.rekey[key], member, before=member.key)
        if offboard and member.status is not Status.REVOKED:
            yield _user(Action.REVOKE, user, f"disabled in {user.directory}", member)
        elif user.enabled and not guarded and member.status is Status.REVOKED:
            yield _user(Action.RESTORE, user, f"enabled {desired.selected_by[key]}", member)


def members_that_leave(
    desired: Desired,
    current: Current,
    match: Match,
    offboarding: Offboarding,
    remembered: Mapping[str, Remembered],
) -> Iterator[Change]:
    """Changes for managed members whom no selected directory entry claims."""
    for member in current.members.values():
        if not member.key or member.id in match.settled or protection(member, offboarding):
            continue
        if reason := _disabled(member, desired, match):
            if _offboards(offboarding.disabled, member):
                action = _OFFBOARD[offboarding.disabled]
                yield Change(action, member.key, member.email, "", reason, member_id=member.id)
            continue
        if member.key in desired.merged.unsyncable or _twin(member, desired) is not None:
            continue
        successor = match.passed_on.get(member.key)
        if _offboards(offboarding.absent, member):
            reason = why_absent(member.key, desired, remembered)
            if successor is not None:
                reason += f"; the address now belongs to {successor.entry or successor.name}, another person"
            yield Change(_OFFBOARD[offboarding.absent], member.key, member.email, "", reason, member_id=member.id)
        if successor is not None and offboarding.absent is Offboard.REMOVE and successor.enabled:
            reason = f"{desired.selected_by[successor.key]}; the address was that of a person who left and is removed"
            yield _user(Action.INVITE, successor, reason)


def passed_on_problems(desired: Desired, current: Current, match: Match, offboarding: Offboarding) -> Iterator[Problem]:
    """People who cannot be invited because the membership of somebody who left still has their address."""
    if not match.passed_on:
        return
    by_key = {member.key: member for member in current.members.values() if member.key}
    for key, user in match.passed_on.items():
        if offboarding.absent is Offboard.REMOVE and not protection(by_key[key], offboarding):
            continue
        why = (
            f"{user.email} was the address of another person, who left; their membership still has it, and "
            "giving it to this one would hand over their vault. Remove that membership in the web vault, then "
            "this person is invited"
        )
        yield Problem(directory=user.directory, entry=user.entry or user.name, why=why)


def why_absent(key: str, desired: Desired, remembered: Mapping[str, Remembered]) -> str:
    """Whether somebody left the scope or the directory, in words."""
    before = remembered.get(key)
    user = desired.merged.users.get(desired.merged.aliases.get(key, key))
    if user is not None:
        reason = desired.selection.verdict(user).reason
        names = [name for name in before.groups if _named_by_rules(name, desired)] if before else []
        return f"{reason} (was in {', '.join(names[:3])} until the last run)" if names else reason
    if key in desired.merged.deleted:
        how = desired.merged.deleted[key]
        return f"deleted in {before.directory if before else 'the directory'}" + (f" ({how})" if how else "")
    return f"no longer in {before.directory if before else 'any directory'}"


def left_alone(desired: Desired, current: Current, match: Match, offboarding: Offboarding) -> Iterator[Unmanaged]:
    """Members whom nothing claims and nothing touches, with the reason."""
    for member in current.members.values():
        if not member.key:
            if member.id not in match.settled:
                yield Unmanaged(kind="member", id=member.id, name=member.email, why="made by hand (no externalId)")
            continue
        why = protection(member, offboarding)
        twin = _twin(member, desired)
        if member.id not in match.settled:
            if twin is not None and twin.enabled:
                second = f"a second membership of {twin.email}, who is also in {twin.directory}"
                yield Unmanaged(kind="member", id=member.id, name=member.email, why=second)
            elif why:
                yield Unmanaged(kind="member", id=member.id, name=member.email, why=f"absent, protected ({why})")
            elif offboarding.absent is Offboard.KEEP and member.key not in desired.merged.unsyncable:
                yield Unmanaged(kind="member", id=member.id, name=member.email, why="absent, offboarding.absent: keep")
            continue
        user = desired.users.get(member.key)
        if why and user is not None and user.enabled != (member.status is not Status.REVOKED):
            state = "disabled in the directory" if not user.enabled else "revoked, enabled in the directory"
            yield Unmanaged(kind="member", id=member.id, name=member.email, why=f"{state}, protected ({why})")


def _twin(member: Member, desired: Desired) -> User | None:
    """The selected person of an earlier directory whom a member's key also stands for."""
    return desired.users.get(desired.merged.aliases.get(member.key, ""))


def _disabled(member: Member, desired: Desired, match: Match) -> str:
    """Why a member whom no selected entry claims is disabled all the same, in words; empty when nothing says so.

    Offboarding often takes the address from an entry and disables it: it cannot be synced any more, but nothing is
    concluded from an absence. Where another entry has the address now, it may be the same person's new one.
    """
    user = desired.merged.disabled.get(member.key)
    if user is not None and member.id not in match.contested:
        return f"disabled in {user.directory}, and {desired.merged.unsyncable[member.key]}"
    twin = _twin(member, desired)
    if twin is not None and not twin.enabled:
        return f"a second membership of {twin.email}, who is disabled in {twin.directory}"
    return ""


def _offboards(how: Offboard, member: Member) -> bool:
    """True when the policy asks for something that is not already so."""
    if how is Offboard.KEEP:
        return False
    return how is Offboard.REMOVE or member.status is not Status.REVOKED


def _named_by_rules(group: str, desired: Desired) -> bool:
    return desired.selection.reaches(group)


def _user(action: Action, user: User, reason: str, member: Member | None = None, before: str = "") -> Change:
    email = member.email if member is not None else user.email
    return Change(action, user.key, email, "", reason, member_id=member.id if member is not None else "", before=before)
