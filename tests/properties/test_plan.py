"""What must hold for any two sides."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from dirconnector.model import Current, MemberType, Snapshot, Status
from dirconnector.plan.build import ORDER
from dirconnector.plan.model import Action, Plan
from dirconnector.plan.policy import Limit, Limits, Offboard, OnExceed, Policy
from dirconnector.plan.recall import Remembered
from tests.build import applied, plan
from tests.properties.strategies import memories, organizations, policies, snapshots

Memory = dict[str, Remembered]


def recall_of(memory: Memory):  # type: ignore[no-untyped-def]
    return lambda keys: {k: v for k, v in memory.items() if k in keys}


def approved_plan(directories: Snapshot | list[Snapshot], now: Current, **more) -> Plan:  # type: ignore[no-untyped-def]
    """The plan with everything released that can be: an empty directory holds, whatever the limits."""
    return plan(directories, now, **more, approved=plan(directories, now, **more).plan_id)


def assert_converges(directories: Snapshot | list[Snapshot], now: Current, **more) -> None:  # type: ignore[no-untyped-def]
    """Apply, then plan: nothing is left.

    With ``remove`` it takes more runs in two cases: a person with two memberships (one by key, one by address) loses
    one each run, and a membership made by hand is adopted and revoked before a later run may remove it.
    """
    offboarding = more["policy"].offboarding
    removes = Offboard.REMOVE in (offboarding.absent, offboarding.disabled)
    for _ in range(3 if removes else 1):
        now = applied(approved_plan(directories, now, **more).changes, now)
    left = plan(directories, now, **more)
    assert left.changes == ()
    assert left.held == ()


@given(snapshots(), organizations(), policies, memories)
def test_apply_then_plan_is_empty(directory: Snapshot, now: Current, policy: Policy, memory: Memory) -> None:
    assert_converges(directory, now, policy=policy, recall=recall_of(memory))


@given(snapshots(), snapshots(directory="branch"), organizations(), policies)
def test_two_directories_converge_too(one: Snapshot, two: Snapshot, now: Current, policy: Policy) -> None:
    assert_converges([one, two], now, policy=policy)


@given(snapshots(), organizations(), policies, memories)
def test_nobody_protected_loses_anything(directory: Snapshot, now: Current, policy: Policy, memory: Memory) -> None:
    made = plan(directory, now, policy=policy, recall=recall_of(memory))
    for change in made.changes:
        if not change.member_id:
            continue
        target = now.members[change.member_id]
        assert target.email not in policy.offboarding.protect_emails
        if target.type in (MemberType.OWNER, MemberType.ADMIN):
            assert not change.action.takes_away
            assert change.action is not Action.RESTORE


@given(snapshots(), organizations(), policies)
def test_what_was_made_by_hand_is_adopted_or_untouched(directory: Snapshot, now: Current, policy: Policy) -> None:
    made = plan(directory, now, policy=policy)
    adopted = {c.member_id for c in made.changes if c.action is Action.ADOPT}
    adopted_groups = {c.group_id for c in made.changes if c.action is Action.ADOPT_GROUP}
    for change in made.changes:
        if change.member_id and not now.members[change.member_id].key:
            assert change.member_id in adopted
        if change.group_id and not now.groups[change.group_id].key:
            assert change.group_id in adopted_groups


@given(snapshots(complete=False), organizations(), policies, memories)
def test_incomplete_never_takes_away(directory: Snapshot, now: Current, policy: Policy, memory: Memory) -> None:
    made = plan(directory, now, policy=policy, recall=recall_of(memory))
    after = applied(made.changes, now)
    assert after.members.keys() >= now.members.keys()
    for member_id, before in now.members.items():
        assert before.status is Status.REVOKED or after.members[member_id].status is not Status.REVOKED
        assert not before.key or after.members[member_id].key == before.key
    for group_id, group in now.groups.items():
        assert after.groups[group_id].members >= group.members


@given(snapshots(), organizations(), policies, st.integers(0, 6))
def test_seats_are_never_exceeded(directory: Snapshot, now: Current, policy: Policy, free: int) -> None:
    used = sum(1 for m in now.members.values() if m.status.takes_seat)
    limited = replace(now, seats=used + free)
    applied(plan(directory, limited, policy=policy).changes, limited)


@given(snapshots(), organizations(), policies)
def test_order_and_reasons(directory: Snapshot, now: Current, policy: Policy) -> None:
    made = plan(directory, now, policy=policy)
    ranks = [ORDER.index(change.action) for change in made.changes]
    assert ranks == sorted(ranks)
    assert all(change.reason and change.key for change in made.changes)
    identities = [(c.action, c.key, c.group_key) for c in made.changes]
    assert len(identities) == len(set(identities)), "no change twice"


@given(snapshots(), organizations(), policies)
def test_the_plan_depends_on_nothing_else(directory: Snapshot, now: Current, policy: Policy) -> None:
    shuffled = Snapshot(
        users=dict(reversed(directory.users.items())),
        groups=dict(reversed(directory.groups.items())),
        evidence=directory.evidence,
    )
    assert plan(directory, now, policy=policy).plan_id == plan(directory, now, policy=policy).plan_id
    assert plan(shuffled, now, policy=policy).plan_id == plan(directory, now, policy=policy).plan_id


@given(snapshots(), snapshots(directory="b"), snapshots(directory="c"), organizations(), policies)
def test_the_order_in_which_an_organization_answers_changes_nothing(
    one: Snapshot, two: Snapshot, three: Snapshot, now: Current, policy: Policy
) -> None:
    turned = replace(now, members=dict(reversed(now.members.items())), groups=dict(reversed(now.groups.items())))
    made = plan([one, two, three], now, policy=policy)
    other = plan([one, two, three], turned, policy=policy)
    assert (made.changes, made.plan_id) == (other.changes, other.plan_id)


@given(snapshots(), snapshots(directory="b", complete=False), organizations(), policies, memories, st.booleans())
def test_one_incomplete_directory_of_two_takes_nothing_away_whatever_is_approved(
    one: Snapshot, two: Snapshot, now: Current, policy: Policy, memory: Memory, everything: bool
) -> None:
    tight = Limits(
        removals=Limit(percent=0, floor=0), on_exceed=OnExceed("hold_all" if everything else "hold_removals")
    )
    strict = Policy(offboarding=policy.offboarding, limits=tight)
    made = approved_plan([one, two], now, policy=strict, recall=recall_of(memory))
    assert not any(change.action.takes_away for change in made.changes)
    applied(made.changes, now)


@given(snapshots(), organizations(), policies, st.integers(0, 4))
def test_an_approval_releases_what_it_names_and_what_can_go(
    directory: Snapshot, now: Current, policy: Policy, free: int
) -> None:
    used = sum(1 for m in now.members.values() if m.status.takes_seat)
    limited = replace(now, seats=used + free)
    tight = Limits(removals=Limit(percent=0, floor=0), on_exceed=OnExceed.HOLD_ALL)
    strict = Policy(offboarding=policy.offboarding, limits=tight)
    held = plan(directory, limited, policy=strict)
    released = plan(directory, limited, policy=strict, approved=held.plan_id)
    named = {item.change for item in held.held if item.approvable} | {*held.changes}
    assert set(released.changes) <= named
    applied(released.changes, limited)
