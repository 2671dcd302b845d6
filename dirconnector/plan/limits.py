"""What is held back: incomplete reads, shrunken directories, too many removals, missing seats, and what depends on
them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import NamedTuple

from dirconnector.model import Current, Status
from dirconnector.plan.baseline import Baseline
from dirconnector.plan.model import Action, Change, Exceeded, Held, count_actions
from dirconnector.plan.policy import Limits, OnExceed

INCOMPLETE = "incomplete read"
SEATS = "seats"


def shrunken(before: Sequence[Baseline], now: Sequence[Baseline], limits: Limits) -> Iterator[Exceeded]:
    """Directories that say much less than in the last good snapshot, or suddenly nothing at all."""
    last = {baseline.directory: baseline for baseline in before}
    for baseline in now:
        old = last.get(baseline.directory)
        # what the last good snapshot was already like, somebody has approved
        if baseline.users and not baseline.with_email and (old is None or old.with_email):
            users = f"{baseline.users} users of {baseline.directory}"
            why = f"none of the {users} has an e-mail address: is the attribute readable for the bind account?"
            yield Exceeded("limits.shrink", why)
            continue
        if old is None:
            continue
        for what in ("users", "with_email", "groups", "memberships"):
            was, is_now = getattr(old, what), getattr(baseline, what)
            if limits.shrink.exceeded(was - is_now, was) or (was > 0 and is_now == 0):
                words = what.replace("with_email", "users with an e-mail address")
                cure = "" if is_now else ": check base, filter and rights"
                why = f"{baseline.directory} shrank from {was} to {is_now} {words} since {old.taken}{cure}"
                yield Exceeded("limits.shrink", why)


def empty(before: Sequence[Baseline], now: Sequence[Baseline], current: Current, limits: Limits) -> Iterator[Exceeded]:
    """A directory that was never read before and has no user at all, beside an organization that has members of
    ours; or has groups without a single member, beside groups of ours that have many.
    """
    if not any(member.managed for member in current.members.values()):
        return
    memberships = sum(len(group.members) for group in current.groups.values() if group.managed)
    last = {baseline.directory for baseline in before}
    for baseline in now:
        if baseline.directory in last:
            continue
        if not baseline.users:
            yield Exceeded("limits.shrink", f"{baseline.directory} has no users at all: check base, filter and rights")
        elif baseline.groups and not baseline.memberships and limits.shrink.exceeded(memberships, memberships):
            groups = f"{baseline.groups} groups of {baseline.directory}"
            why = f"none of the {groups} has a member: is the attribute readable for the bind account?"
            yield Exceeded("limits.shrink", why)


def vanished(before: Sequence[Baseline], now: Sequence[Baseline], changes: Sequence[Change]) -> Iterator[Exceeded]:
    """Directories that were read before and are not in the config any more, when somebody would lose something.

    All their people are absent at once, and nothing that was read says so. A directory that was only renamed has the
    same people, and holds nothing.
    """
    names = {baseline.directory for baseline in now}
    gone = [baseline for baseline in before if baseline.users and baseline.directory not in names]
    if gone and any(change.action.takes_away for change in changes):
        for baseline in gone:
            why = (
                f"{baseline.directory} is not in the config any more (users when it was last read, {baseline.taken}: "
                f"{baseline.users})"
            )
            yield Exceeded("limits.shrink", why)


def too_many(changes: Sequence[Change], current: Current, limits: Limits) -> Iterator[Exceeded]:
    """Removals and group deletions beyond the limit."""
    counts = count_actions(changes)
    leaving = counts[Action.REVOKE] + counts[Action.REMOVE]
    managed = sum(1 for m in current.members.values() if m.managed and m.status is not Status.REVOKED)
    if limits.removals.exceeded(leaving, managed):
        yield Exceeded("limits.removals", _percent(leaving, managed, "managed members would lose access", limits))
    groups = sum(1 for group in current.groups.values() if group.managed)
    if limits.removals.exceeded(counts[Action.DELETE_GROUP], groups):
        yield Exceeded(
            "limits.removals",
            _percent(counts[Action.DELETE_GROUP], groups, "managed groups would be deleted", limits),
        )


def _percent(number: int, of: int, words: str, limits: Limits) -> str:
    limit = limits.removals
    share = f"{number * 100 / of:.0f} %" if of else "all"
    count = f", count {limit.count}" if limit.count is not None else ""
    return f"{number} of {of} {words} ({share}; limit {limit.percent:g} %, floor {limit.floor}{count})"


def emptied_groups(changes: Iterable[Change], current: Current, limits: Limits) -> dict[str, str]:
    """Group id -> why: groups that would lose more of their members than the limit lets through."""
    losses = Counter([change.group_id for change in changes if change.action is Action.REMOVE_MEMBERSHIP])
    held: dict[str, str] = {}
    for group_id, number in losses.items():
        group = current.groups[group_id]
        if limits.group_members.exceeded(number, len(group.members)):
            held[group_id] = (
                f"{number} of {len(group.members)} members of {group.name} would be taken out "
                f"(limit {limits.group_members.percent:g} %, floor {limits.group_members.floor})"
            )
    return held


def hold(
    changes: Sequence[Change],
    current: Current,
    limits: Limits,
    *,
    complete: bool,
    exceeded: Sequence[Exceeded],
    doubtful: Set[str] = frozenset(),
) -> tuple[list[Change], list[Held], list[Exceeded]]:
    """Split changes into those that go on and those that are held. ``exceeded`` is what the snapshots alone already
    showed, ``doubtful`` are people whom an incomplete read may let in by mistake.

    Returns the changes that go on, what is held, and every limit that was exceeded.
    """
    exceeded = [
        *exceeded,
        *too_many(changes, current, limits),
    ]
    groups = emptied_groups(changes, current, limits)
    stop = _Stop(complete, doubtful, next(iter(exceeded), None), limits.on_exceed is OnExceed.HOLD_ALL, groups)
    going, held = stop.split(changes) if stop else (list(changes), [])
    going, late = hold_what_cannot_go(going, held, current)
    return going, held + late, [*exceeded, *(Exceeded("limits.group_members", why) for why in groups.values())]


def hold_what_cannot_go(going: list[Change], held: Sequence[Held], current: Current) -> tuple[list[Change], list[Held]]:
    """Hold what has no seat, and what depends on something that is held. Returns what goes on, and what is held now."""
    going, seatless = _hold_for_seats(going, current)
    going, waiting = _hold_dependent(going, [*held, *seatless])
    return going, seatless + waiting


class _Stop(NamedTuple):
    """What stands in the way: an incomplete read, the first limit exceeded by people or directories, emptied groups."""

    complete: bool
    doubtful: Set[str]
    first: Exceeded | None
    everything: bool
    groups: Mapping[str, str]

    def __bool__(self) -> bool:
        return not self.complete or self.first is not None or bool(self.groups)

    def split(self, changes: Iterable[Change]) -> tuple[list[Change], list[Held]]:
        """Changes that go on, and changes that are held."""
        going: list[Change] = []
        held: list[Held] = []
        for change in changes:
            why = self._holds(change)
            if why is None:
                going.append(change)
            else:
                held.append(why)
        return going, held

    def _holds(self, change: Change) -> Held | None:
        if not self.complete and _needs_completeness(change):
            return Held(change, INCOMPLETE, "the read was incomplete, so absence proves nothing", approvable=False)
        if change.key in self.doubtful and change.action in (Action.INVITE, Action.RESTORE):
            why = "the read was incomplete: that a group excludes this person, or another directory, may be hidden"
            return Held(change, INCOMPLETE, why, approvable=False)
        if self.first is not None and (self.everything or change.action.takes_away):
            return Held(change, *self.first)
        if change.action is Action.REMOVE_MEMBERSHIP and change.group_id in self.groups:
            return Held(change, "limits.group_members", self.groups[change.group_id])
        if self.everything and self.groups:
            return Held(change, "limits.group_members", next(iter(self.groups.values())))
        return None


def _needs_completeness(change: Change) -> bool:
    """What takes away, and what concludes from the absence of an old id that somebody else is meant now."""
    if change.action.takes_away:
        return True
    return change.action in (Action.REKEY, Action.ADOPT_GROUP) and bool(change.before)


def seats(changes: Iterable[Change], current: Current) -> tuple[int, int]:
    """Seats that changes need, and seats that they free."""
    needed = freed = 0
    for change in changes:
        if change.action in (Action.INVITE, Action.RESTORE):
            needed += 1
        elif change.action in (Action.REVOKE, Action.REMOVE) and current.members[change.member_id].status.takes_seat:
            freed += 1
    return needed, freed


def _hold_for_seats(going: list[Change], current: Current) -> tuple[list[Change], list[Held]]:
    free = current.seats_free
    if free is None or current.accepts.seats_grow:
        return going, []
    needed, freed = seats(going, current)
    if needed <= free + freed:
        return going, []
    why = (
        f"{needed} seats are needed, {max(free, 0)} are free and {freed} become free: buy seats or narrow the selection"
    )
    held = [Held(c, SEATS, why, approvable=False) for c in going if c.action in (Action.INVITE, Action.RESTORE)]
    return [c for c in going if c.action not in (Action.INVITE, Action.RESTORE)], held


def _hold_dependent(going: list[Change], held: Sequence[Held]) -> tuple[list[Change], list[Held]]:
    """Memberships of people whose invitation is held, memberships of groups that are held, invitations that wait
    for an address.
    """
    people: dict[str, Held] = {}
    groups: dict[str, Held] = {}
    addresses: dict[str, Held] = {}
    for item in held:
        if item.change.action in (Action.INVITE, Action.REKEY):
            people[item.change.key] = item
        elif item.change.action in (Action.CREATE_GROUP, Action.ADOPT_GROUP):
            groups[item.change.group_key] = item
        elif item.change.action is Action.REMOVE:
            addresses[item.change.email.lower()] = item
    if not (people or groups or addresses):
        return going, []
    kept: list[Change] = []
    late: list[Held] = []
    for change in going:
        causes: list[Held | None] = []
        if change.action is Action.INVITE:
            causes = [addresses.get(change.email)]
        elif change.action is Action.RESTORE:
            causes = [people.get(change.key)]
        elif change.action in (Action.ADD_MEMBERSHIP, Action.REMOVE_MEMBERSHIP):
            causes = [people.get(change.key), groups.get(change.group_key)]
        # what waits for two things waits for the one that no approval releases
        cause = min(filter(None, causes), key=lambda held: held.approvable, default=None)
        if cause is None:
            kept.append(change)
            continue
        late.append(Held(change, cause.limit, f"waits for: {cause.change.sentence}", cause.approvable))
        if change.action is Action.INVITE:
            people[change.key] = cause
    return kept, late
