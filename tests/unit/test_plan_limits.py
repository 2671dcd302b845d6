"""What holds, what goes on all the same, and what an approval releases."""

from __future__ import annotations

import pytest

from dirconnector.model import MemberType
from dirconnector.plan.model import Plan
from dirconnector.plan.policy import GroupsGone, Limit, Limits, Offboard, Offboarding, OnExceed, Policy
from dirconnector.plan.recall import Remembered
from dirconnector.plan.report import exit_code
from dirconnector.rules.patterns import Pattern
from dirconnector.rules.rule import Select, UserRule
from tests.build import actions, applied, current, group, member, org_group, plan, snapshot, user

DEFAULT = Policy()
TEN = [f"u{n}" for n in range(10)]


def people(keys: list[str], **more: object) -> list:  # type: ignore[type-arg]
    return [user(key, **more) for key in keys]


def members(keys: list[str]) -> list:  # type: ignore[type-arg]
    return [member(key) for key in keys]


def held(made: Plan) -> list[tuple[str, str, str]]:
    return [(h.change.action.value, h.change.what, h.limit) for h in made.held]


@pytest.mark.parametrize(("leaving", "exceeds"), [(5, False), (6, True)])
def test_removals_are_held_above_floor_and_percent(leaving: int, exceeds: bool) -> None:
    made = plan(snapshot(people([*TEN[leaving:], "new"])), current(members(TEN)), policy=DEFAULT)
    assert ("invite", "new@example.org") in actions(made), "additions go on"
    assert len(held(made)) == (6 if exceeds else 0)
    assert exit_code(made) == (3 if exceeds else 0)
    if exceeds:
        assert "6 of 10 managed members would lose access (60 %; limit 20 %, floor 5)" in made.held[0].why


def test_percent_alone_does_not_hold_below_it() -> None:
    many = [f"u{n:03}" for n in range(100)]
    assert plan(snapshot(people(many[20:])), current(members(many)), policy=DEFAULT).held == ()
    assert len(plan(snapshot(people(many[21:])), current(members(many)), policy=DEFAULT).held) == 21


def test_count_holds_whatever_the_percentage() -> None:
    strict = Policy(limits=Limits(removals=Limit(percent=100, floor=100, count=2)))
    assert len(plan(snapshot(people(TEN[3:])), current(members(TEN)), policy=strict).held) == 3


def test_revoked_members_are_not_part_of_the_whole() -> None:
    from dirconnector.model import Status

    gone = [member(f"x{n}", status=Status.REVOKED) for n in range(90)]
    made = plan(snapshot(people(TEN[6:])), current([*members(TEN), *gone]), policy=DEFAULT)
    assert len(made.held) == 6


def test_disabled_people_count_as_removals() -> None:
    made = plan(snapshot(people(TEN[:6], enabled=False) + people(TEN[6:])), current(members(TEN)), policy=DEFAULT)
    assert len(made.held) == 6


def test_group_that_loses_most_members_is_held_and_others_go_on() -> None:
    twelve = [f"u{n:02}" for n in range(12)]
    ids = [f"m-{key}" for key in twelve]
    made = plan(
        snapshot(people(twelve), [group("big", twelve[11:]), group("small", twelve[1:3])]),
        current(members(twelve), [org_group("big", ids), org_group("small", ids[:3])]),
        policy=DEFAULT,
    )
    assert actions(made) == [("remove_membership", "u00@example.org in Small")]
    assert len(made.held) == 11
    assert "11 of 12 members of Big would be taken out (limit 50 %, floor 10)" in made.held[0].why


def test_mass_deletion_of_groups_is_held() -> None:
    policy = Policy(offboarding=Offboarding(groups=GroupsGone.DELETE))
    made = plan(snapshot(people(["a"])), current(members(["a"]), [org_group(f"g{n}") for n in range(6)]), policy=policy)
    assert len(made.held) == 6
    assert "6 of 6 managed groups would be deleted" in made.held[0].why


def test_directory_that_shrank_holds_every_removal_however_few() -> None:
    sixty = [f"u{n:02}" for n in range(60)]
    made = plan(
        snapshot(people(sixty[:30])),
        current(members(sixty[29:31])),
        policy=DEFAULT,
        last=snapshot(people(sixty)),
    )
    assert held(made) == [("revoke", "u30@example.org", "limits.shrink")]
    assert "hq shrank from 60 to 30 users" in made.held[0].why


def test_directory_of_nobody_holds_even_below_every_floor() -> None:
    made = plan(snapshot(), current(members(["a", "b"])), policy=DEFAULT, last=snapshot(people(["a", "b"])))
    assert len(made.held) == 2
    assert exit_code(made) == 3


def test_directory_of_nobody_holds_without_any_memory() -> None:
    made = plan(snapshot(), current(members(["a"])), policy=DEFAULT)
    assert len(made.held) == 1
    assert "hq has no users at all" in made.held[0].why


def test_directory_of_nobody_and_an_organization_of_nobody_is_nothing_to_do() -> None:
    made = plan(snapshot(), current([member(email="hand@example.org")]), policy=DEFAULT)
    assert (made.changes, made.held, exit_code(made)) == ((), (), 0)


def test_every_entry_without_address_is_an_alarm_and_nobody_is_touched() -> None:
    made = plan(snapshot([user(key, "") for key in TEN]), current(members(TEN)), policy=DEFAULT)
    assert (made.changes, made.held) == ((), ())
    assert exit_code(made) == 3
    assert "none of the 10 users of hq has an e-mail address" in made.exceeded[0].why
    assert len(made.problems) == 10


def test_all_memberships_gone_is_an_alarm_even_in_small_groups() -> None:
    before = snapshot(people(["a", "b"]), [group("g", ["a", "b"]), group("h", ["a"])])
    made = plan(
        snapshot(people(["a", "b"]), [group("g"), group("h")]),
        current(members(["a", "b"]), [org_group("g", ["m-a", "m-b"]), org_group("h", ["m-a"])]),
        policy=DEFAULT,
        last=before,
    )
    assert made.changes == ()
    assert len(made.held) == 3


def test_half_of_the_groups_missing_holds() -> None:
    groups = [group(f"g{n:02}", ["a"]) for n in range(60)]
    policy = Policy(
        offboarding=Offboarding(groups=GroupsGone.DELETE), limits=Limits(removals=Limit(percent=100, floor=0))
    )
    made = plan(
        snapshot(people(["a"]), groups[:30]),
        current(members(["a"]), [org_group(g.key, ["m-a"]) for g in groups]),
        policy=policy,
        last=snapshot(people(["a"]), groups),
    )
    assert len(made.held) == 30
    assert "shrank from 60 to 30 groups" in made.held[0].why


def test_incomplete_read_adds_and_restores_and_takes_nothing_away() -> None:
    from dirconnector.model import Status

    made = plan(
        snapshot([user("new"), user("back"), user("off", enabled=False)], [group("g", ["new"])], complete=False),
        current([member("back", status=Status.REVOKED), member("off"), member("gone")], [org_group("g", ["m-back"])]),
    )
    assert actions(made) == [
        ("restore", "back@example.org"),
        ("invite", "new@example.org"),
        ("add_membership", "new@example.org in G"),
    ]
    assert held(made) == [
        ("revoke", "gone@example.org", "incomplete read"),
        ("revoke", "off@example.org", "incomplete read"),
        ("remove_membership", "back@example.org in G", "incomplete read"),
    ]
    assert exit_code(made) == 6


def test_incomplete_read_never_rekeys_nor_takes_over_a_group() -> None:
    made = plan(
        snapshot([user("ana2", "ana@example.org")], [group("s2", ["ana2"], name="Sales")], complete=False),
        current([member("ana1", "ana@example.org")], [org_group("s1", name="Sales")]),
    )
    assert made.changes == ()
    assert [h.change.action for h in made.held] == ["rekey", "adopt_group", "add_membership"]


def test_no_approval_releases_what_an_incomplete_read_holds() -> None:
    sides = snapshot([user("a")], complete=False), current(members(["a", "b"]))
    first = plan(*sides)
    assert plan(*sides, approved=first.plan_id).held == first.held


def test_a_snapshot_without_evidence_is_not_complete() -> None:
    from dirconnector.model import Snapshot

    made = plan(Snapshot(users={"a": user("a")}, groups={}), current(members(["a", "b"])))
    assert made.changes == ()
    assert len(made.held) == 1


def test_approval_releases_exactly_this_plan() -> None:
    now = current(members(TEN))
    first = plan(snapshot(people(TEN[6:])), now, policy=DEFAULT)
    released = plan(snapshot(people(TEN[6:])), now, policy=DEFAULT, approved=first.plan_id)
    assert released.plan_id == first.plan_id
    assert len(released.changes) == 6
    assert (released.held, released.exceeded) == ((), ())
    another = plan(snapshot(people(TEN[7:])), now, policy=DEFAULT, approved=first.plan_id)
    assert len(another.held) == 7, "one more person makes it another plan"


def test_approval_stays_good_while_additions_go_on() -> None:
    first = plan(snapshot(people([*TEN[6:], "new"])), current(members(TEN)), policy=DEFAULT)
    later = plan(
        snapshot(people([*TEN[6:], "new", "newer"])),
        current(members([*TEN, "new"])),
        policy=DEFAULT,
        approved=first.plan_id,
    )
    assert later.held == ()
    assert len([c for c in later.changes if c.action == "revoke"]) == 6


def test_plan_id_is_stable_and_differs_when_anything_does() -> None:
    base = plan(snapshot(people(["a"])), current())
    assert base.plan_id == plan(snapshot(people(["a"])), current()).plan_id
    assert len({base.plan_id, plan(snapshot(people(["b"])), current()).plan_id}) == 2
    assert base.plan_id != plan(snapshot(people(["a"])), current(members(["b"]))).plan_id


def test_hold_all_holds_additions_too() -> None:
    policy = Policy(limits=Limits(on_exceed=OnExceed.HOLD_ALL))
    made = plan(snapshot(people([*TEN[6:], "new"])), current(members(TEN)), policy=policy)
    assert made.changes == ()
    assert len(made.held) == 7


def test_invitation_waits_for_an_address_whose_removal_is_held() -> None:
    policy = Policy(offboarding=Offboarding(absent=Offboard.REMOVE), limits=Limits(removals=Limit(percent=0, floor=0)))
    made = plan(
        snapshot([user("zoe", "info@example.org", name="Zoe"), user("b")], [group("g", ["zoe"])]),
        current([member("ana", "info@example.org"), member("b")], [org_group("g")]),
        policy=policy,
        recall=lambda keys: {"ana": Remembered(directory="hq", name="Ana")},
    )
    assert made.changes == ()
    assert [h.change.action for h in made.held] == ["remove", "invite", "add_membership"]
    assert made.held[1].why.startswith("waits for: remove info@example.org")


# ------------------------------------------------------------------------------------------------- incomplete, again


def test_incomplete_read_lets_nobody_in_whom_a_group_may_exclude() -> None:
    from dirconnector.model import Status

    select = Select(users_exclude=(UserRule(group=Pattern("Suspended")),))
    directory = snapshot([user("new"), user("back")], [group("s", name="Suspended")], complete=False)
    made = plan(directory, current([member("back", status=Status.REVOKED)]), select=select)
    assert [c.action for c in made.changes if c.action in ("invite", "restore")] == []
    assert [(h.change.action, h.limit, h.approvable) for h in made.held] == [
        ("restore", "incomplete read", False),
        ("invite", "incomplete read", False),
    ]


def test_incomplete_first_directory_lets_nobody_in_through_a_later_one() -> None:
    from dirconnector.model import Status

    made = plan(
        [
            snapshot([user("hq")], complete=False),
            snapshot([user("ana2", "ana@example.org"), user("hq2", "hq@example.org")], directory="b"),
        ],
        current([member("ana2", "ana@example.org", status=Status.REVOKED)]),
    )
    assert actions(made) == [("invite", "hq@example.org")], "hq may have disabled Ana"
    assert held(made) == [("restore", "ana@example.org", "incomplete read")]


def test_approval_on_an_incomplete_read_does_not_accept_the_sizes() -> None:
    sixty = [f"u{n:02}" for n in range(60)]
    sides = snapshot(people(sixty[:10]), complete=False), current(members(sixty))
    first = plan(*sides, policy=DEFAULT, last=snapshot(people(sixty)))
    approved = plan(*sides, policy=DEFAULT, last=snapshot(people(sixty)), approved=first.plan_id)
    assert (approved.changes, approved.exceeded) == ((), first.exceeded)


# ------------------------------------------------------------------------------------------------ what approval means


def test_approval_invites_nobody_for_whom_there_is_no_seat() -> None:
    policy = Policy(limits=Limits(on_exceed=OnExceed.HOLD_ALL))
    sides = snapshot(people([*TEN[6:], *(f"n{n}" for n in range(9))])), current(members(TEN), seats=10)
    first = plan(*sides, policy=policy)
    released = plan(*sides, policy=policy, approved=first.plan_id)
    assert {c.action for c in released.changes} == {"revoke"}
    assert {(h.change.action, h.limit) for h in released.held} == {("invite", "seats")}
    applied(released.changes, sides[1])


def test_approval_puts_nobody_into_a_group_whose_adoption_stays_held() -> None:
    policy = Policy(limits=Limits(removals=Limit(percent=0, floor=0), on_exceed=OnExceed.HOLD_ALL))
    sides = (
        snapshot(people(["ana"]), [group("new", ["ana"], name="Sales")], complete=False),
        current(members(["ana", "gone"]), [org_group("old", name="Sales")]),
    )
    released = plan(*sides, policy=policy, approved=plan(*sides, policy=policy).plan_id)
    assert released.changes == ()
    assert [h.approvable for h in released.held] == [False, False, False]


def test_approval_covers_what_a_change_replaces() -> None:
    policy = Policy(limits=Limits(removals=Limit(percent=0, floor=0), on_exceed=OnExceed.HOLD_ALL))
    ids = [
        plan(
            snapshot(people(["ana2"], email="ana@example.org")),
            current([member(old, "ana@example.org", id="m"), member("gone")]),
            policy=policy,
        ).plan_id
        for old in ("ana0", "ana1")
    ]
    assert ids[0] != ids[1]


def test_approval_of_removals_is_no_approval_of_a_directory_that_shrank_meanwhile() -> None:
    sixty = [f"u{n:02}" for n in range(60)]
    now = current(members(sixty[:10]))
    directory = snapshot(people(sixty[6:]))
    first = plan(directory, now, policy=DEFAULT, last=directory)
    larger = snapshot(people([*sixty, *(f"x{n}" for n in range(60))]))
    later = plan(directory, now, policy=DEFAULT, last=larger, approved=first.plan_id)
    assert len(first.held) == len(later.held) == 6


# ------------------------------------------------------------------------------------------------------------- shrink


def test_groups_without_any_member_hold_without_any_memory() -> None:
    keys = [f"u{n:02}" for n in range(30)]
    groups = [(f"g{n}", keys[n * 10 : n * 10 + 10]) for n in range(3)]
    made = plan(
        snapshot(people(keys), [group(key) for key, _ in groups]),
        current(members(keys), [org_group(key, [f"m-{k}" for k in inside]) for key, inside in groups]),
        policy=DEFAULT,
    )
    assert made.changes == ()
    assert len(made.held) == 30
    assert "none of the 3 groups of hq has a member" in made.held[0].why


def test_directory_that_left_the_config_holds_its_people() -> None:
    many = [f"u{n:02}" for n in range(40)]
    made = plan(
        snapshot(people(many), directory="new"),
        current(members([*many, "branch"])),
        policy=DEFAULT,
        last=snapshot(people(["branch"])),
    )
    assert held(made) == [("revoke", "branch@example.org", "limits.shrink")]
    assert made.held[0].why == "hq is not in the config any more (users when it was last read, : 1)"


def test_directory_that_was_only_renamed_holds_nothing() -> None:
    made = plan(
        snapshot(people(["a", "b", "c"]), directory="new"),
        current(members(["a", "b"])),
        policy=DEFAULT,
        last=snapshot(people(["a", "b"])),
    )
    assert (actions(made), made.held, made.exceeded) == ([("invite", "c@example.org")], (), ())


def test_directory_without_addresses_is_no_alarm_once_that_was_approved() -> None:
    nobody = snapshot([user(key, "") for key in TEN])
    made = plan(nobody, current([member("x", type=MemberType.OWNER)]), policy=DEFAULT, last=nobody)
    assert (made.exceeded, exit_code(made)) == ((), 0)
