"""From what should be and what is to a finished plan, in the order that never clashes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from operator import itemgetter

from dirconnector.model import Current, Problem
from dirconnector.plan import diff, limits
from dirconnector.plan.baseline import Baseline
from dirconnector.plan.groups import groups_that_leave, match_groups, memberships
from dirconnector.plan.match import Match, match, unknown_keys
from dirconnector.plan.model import Action, Change, Exceeded, Forecast, Held, Plan, Unmanaged
from dirconnector.plan.policy import Policy
from dirconnector.plan.recall import Recall, nothing_remembered
from dirconnector.rules.desired import Desired

ORDER = (
    Action.REMOVE,
    Action.REVOKE,
    Action.REKEY,
    Action.ADOPT,
    Action.RESTORE,
    Action.INVITE,
    Action.ADOPT_GROUP,
    Action.RENAME_GROUP,
    Action.CREATE_GROUP,
    Action.REMOVE_MEMBERSHIP,
    Action.ADD_MEMBERSHIP,
    Action.DELETE_GROUP,
)
"""What frees seats and addresses comes first, then re-keying, then invitations, then groups and memberships, then
group deletion.
"""

_RANK = {action: rank for rank, action in enumerate(ORDER)}
_PLACE = itemgetter(*map(Change._fields.index, ("group", "group_key", "email", "key")))
_IDENTITY = itemgetter(*map(Change._fields.index, ("action", "key", "email", "group_key")))

ForecastOf = Callable[[Sequence[Change], Current], Forecast]


@dataclass(frozen=True, slots=True, kw_only=True)
class Baselines:
    """Counts of each directory: in the last good snapshot (as far as there is one, also of directories that are not in
    the config any more), and now.
    """

    last: tuple[Baseline, ...] = ()
    now: tuple[Baseline, ...] = ()


def make_plan(
    desired: Desired,
    current: Current,
    policy: Policy,
    *,
    forecast: ForecastOf,
    baselines: Baselines = Baselines(),
    recall: Recall = nothing_remembered,
    approved: str = "",
) -> Plan:
    """The plan that makes ``current`` equal to ``desired``.

    ``forecast`` is the organization's. ``recall`` is asked once, for the people whom no selected entry claims.
    ``approved`` is a plan id: when it is this plan's, what limits hold is released (what an incomplete read or
    missing seats hold never is).
    """
    changes, unmanaged, problems = differences(desired, current, policy, recall)
    exceeded = list(_sizes(baselines, changes, current, policy))
    going, held, exceeded = limits.hold(
        changes, current, policy.limits, complete=desired.complete, exceeded=exceeded, doubtful=desired.doubtful
    )
    sides = digest_desired(desired), digest_current(current)
    plan_id = _plan_id(current.organization, going, held, exceeded, sides)
    if approved and approved == plan_id:
        going, held = _released(going, held, current)
        # an incomplete read still holds what the limits would, and its sizes were not what was approved
        exceeded = exceeded if not desired.complete else []
    return Plan(
        plan_id=plan_id,
        organization=current.organization,
        complete=desired.complete,
        changes=tuple(going),
        held=tuple(sorted(held, key=lambda item: _position(item.change))),
        exceeded=tuple(exceeded),
        unmanaged=tuple(sorted(unmanaged, key=lambda u: (u.kind, u.name))),
        problems=(*desired.problems, *current.problems, *problems),
        evidence=desired.merged.evidence,
        forecast=forecast(going, current),
        desired_digest=sides[0],
        current_digest=sides[1],
    )


def differences(
    desired: Desired, current: Current, policy: Policy, recall: Recall = nothing_remembered
) -> tuple[list[Change], list[Unmanaged], list[Problem]]:
    """Everything that differs, before any limit: changes (sorted), what is left alone, and what cannot be synced."""
    offboarding = policy.offboarding
    unknown = unknown_keys(desired, current)
    remembered = recall(unknown) if unknown else {}
    people = match(desired, current, offboarding, remembered)
    groups = match_groups(desired, current) if current.accepts.groups else None
    changes = [
        *diff.members_that_stay(desired, people, offboarding),
        *diff.members_that_leave(desired, current, people, offboarding, remembered),
    ]
    unmanaged = list(diff.left_alone(desired, current, people, offboarding))
    problems = [*people.problems, *diff.passed_on_problems(desired, current, people, offboarding)]
    if groups is None:
        problems.append(_no_groups(current, len(desired.groups)))
        return ordered(changes), unmanaged, problems
    problems += groups.problems
    leaving = list(groups_that_leave(desired, current, groups, offboarding))
    unmanaged += [item for item in leaving if isinstance(item, Unmanaged)]
    invited = {c.key: c.email for c in changes if c.action is Action.INVITE}
    moves = memberships(desired, current, _remaining(people, changes), groups, invited, offboarding)
    deletions = [item for item in leaving if isinstance(item, Change)]
    return [*ordered([*changes, *groups.changes]), *moves, *ordered(deletions)], unmanaged, problems


def ordered(changes: Iterable[Change]) -> list[Change]:
    """Changes in the order in which they are applied: by :data:`ORDER`, then by group and person."""
    buckets: dict[Action, list[Change]] = {action: [] for action in ORDER}
    for change in changes:
        buckets[change.action].append(change)
    return [change for bucket in buckets.values() for change in sorted(bucket, key=_PLACE)]


def _remaining(people: Match, changes: Iterable[Change]) -> Match:
    """The match without the people who are about to be removed: their memberships go with them."""
    removed = {change.key for change in changes if change.action is Action.REMOVE}
    if not removed:
        return people
    return replace(people, member_of={k: m for k, m in people.member_of.items() if k not in removed})


def _no_groups(current: Current, number: int) -> Problem:
    return Problem(
        directory="",
        entry=f"{number} groups",
        why=f"{current.organization} has no groups (its plan, or a switch of the server): only people are synced",
    )


def _sizes(baselines: Baselines, changes: Sequence[Change], current: Current, policy: Policy) -> Iterator[Exceeded]:
    """What the sizes of the directories alone show."""
    yield from limits.shrunken(baselines.last, baselines.now, policy.limits)
    yield from limits.empty(baselines.last, baselines.now, current, policy.limits)
    yield from limits.vanished(baselines.last, baselines.now, changes)


def _released(going: Iterable[Change], held: Iterable[Held], current: Current) -> tuple[list[Change], list[Held]]:
    """What an approval releases goes on, as far as there are seats and nothing that it depends on stays held."""
    held = list(held)
    stays = [item for item in held if not item.approvable]
    changes = ordered([*going, *(item.change for item in held if item.approvable)])
    changes, late = limits.hold_what_cannot_go(changes, stays, current)
    return changes, stays + late


def _position(change: Change) -> tuple[int, tuple[str, ...]]:
    return (_RANK[change.action], _PLACE(change))


def _plan_id(
    organization: str,
    going: Sequence[Change],
    held: Sequence[Held],
    exceeded: Sequence[Exceeded],
    sides: tuple[str, str],
) -> str:
    """Twelve hexadecimal digits that stand for this plan.

    Where something waits for approval, the id covers just that, so that an approval stays good while additions that
    nobody doubts go on; otherwise it covers both sides and all changes.
    """
    waiting = sorted(
        (*_position(item.change), item.change.member_id, item.change.group_id, item.change.before)
        for item in held
        if item.approvable
    )
    covered: Iterable[str]
    if waiting or exceeded:
        covered = [
            organization,
            *(repr(w) for w in waiting),
            # the numbers of a limit move with every addition, its name does not
            *sorted({e.limit if waiting else e.limit + e.why for e in exceeded}),
        ]
    else:
        covered = chain((organization, *sides), map("\0".join, map(_IDENTITY, going)))
    return _digest(covered)[:12]


def digest_desired(desired: Desired) -> str:
    """A digest of what should be: users with address and state, groups with name and members."""
    parts = [f"{u.key}\0{u.email}\0{u.enabled}" for u in desired.users.values()]
    parts.sort()
    groups = [f"{g.key}\0{g.name}\0" + "\0".join(sorted(g.members)) for g in desired.groups.values()]
    groups.sort()
    unsyncable = [*sorted(desired.merged.unsyncable), "", *sorted(desired.merged.unsyncable_groups)]
    return _digest([*parts, "", *groups, "", *unsyncable, str(desired.complete)])


def digest_current(current: Current) -> str:
    """A digest of what is: members with key, address, status and type, groups with name, key and members."""
    parts = [f"{m.id}\0{m.key}\0{m.email}\0{int(m.status)}\0{int(m.type)}" for m in current.members.values()]
    parts.sort()
    groups = [f"{g.id}\0{g.key}\0{g.name}\0" + "\0".join(sorted(g.members)) for g in current.groups.values()]
    groups.sort()
    return _digest([*parts, "", *groups])


def _digest(parts: Iterable[str]) -> str:
    digest = hashlib.sha256()
    rest = iter(parts)
    while some := list(islice(rest, 1000)):
        digest.update("\n".join([*some, ""]).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
