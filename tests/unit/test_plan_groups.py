"""Groups and memberships in the plan."""

from __future__ import annotations

from dirconnector.model import MemberType, Status
from dirconnector.plan.policy import GroupsGone, Offboard, Offboarding, Policy
from dirconnector.rules.patterns import Pattern
from dirconnector.rules.rule import GroupRule, Select
from tests.build import NO_LIMITS, actions, applied, current, group, member, org_group, plan, snapshot, user

DELETE = Policy(offboarding=Offboarding(groups=GroupsGone.DELETE), limits=NO_LIMITS)


def test_group_is_created_with_its_members() -> None:
    made = plan(snapshot([user("ana")], [group("sales", ["ana"])]), current([member("ana")]))
    assert [c.sentence for c in made.changes] == [
        "create group Sales: in hq",
        "add membership ana@example.org in Sales: member of Sales in hq",
    ]


def test_group_renamed_in_the_directory() -> None:
    made = plan(snapshot([user("ana")], [group("s", [], name="Sales EU")]), current([member("ana")], [org_group("s")]))
    assert [c.sentence for c in made.changes] == ["rename group Sales EU: called Sales EU in hq now, was S"]


def test_group_made_by_hand_is_adopted_by_exact_name_only() -> None:
    by_hand = current([member("ana")], [org_group(name="Sales"), org_group(name="support")])
    made = plan(snapshot([user("ana")], [group("sales"), group("support")]), by_hand)
    assert actions(made) == [("adopt_group", "Sales"), ("create_group", "Support")]
    assert made.changes[0].reason == "already a group, made by hand, with exactly this name"
    assert [(u.kind, u.name) for u in made.unmanaged] == [("group", "support")]


def test_two_groups_made_by_hand_with_the_name_are_left_and_told() -> None:
    twins = current([member("ana")], [org_group(name="Sales", id="g1"), org_group(name="Sales", id="g2")])
    made = plan(snapshot([user("ana")], [group("sales", ["ana"])]), twins)
    assert made.changes == ()
    assert "2 groups of the organization are called Sales" in made.problems[0].why


def test_group_replaced_by_another_of_the_same_name_keeps_its_collections() -> None:
    now = current([member("ana")], [org_group("old", ["m-ana"], name="Sales", collections=3)])
    made = plan(snapshot([user("ana")], [group("new", ["ana"], name="Sales")]), now)
    assert [c.sentence for c in made.changes] == [
        "adopt group Sales: re-created in hq with a new id (the old one, old, is gone)"
    ]
    assert made.changes[0].before == "old"
    applied(made.changes, now)


def test_group_renamed_and_its_name_given_to_a_new_one() -> None:
    now = current([member("ana")], [org_group("a", ["m-ana"], name="Sales")])
    made = plan(snapshot([user("ana")], [group("a", ["ana"], name="Sales old"), group("b", [], name="Sales")]), now)
    assert actions(made) == [("rename_group", "Sales old"), ("create_group", "Sales")]
    assert "belongs to another directory group" in made.changes[1].reason


def test_group_that_left_is_kept_and_listed() -> None:
    made = plan(snapshot([user("ana")]), current([member("ana")], [org_group("sales", ["m-ana"])]))
    assert made.changes == ()
    assert made.unmanaged[0].why == "no longer in any directory, offboarding.groups: keep"


def test_group_that_left_the_selection_says_so() -> None:
    select = Select(groups_include=(GroupRule(name=Pattern("Vault-*")),))
    made = plan(
        snapshot([user("ana")], [group("sales")]), current([member("ana")], [org_group("sales")]), select=select
    )
    assert made.unmanaged[0].why == "matches no rule of select.groups.include, offboarding.groups: keep"


def test_group_deletion_is_a_choice_and_never_for_one_that_grants_collections() -> None:
    now = current([member("ana")], [org_group("sales"), org_group("ops", collections=2), org_group(name="Hand")])
    made = plan(snapshot([user("ana")]), now, policy=DELETE)
    assert [c.sentence for c in made.changes] == ["delete group Sales: no longer in any directory"]
    assert (
        "Ops",
        "no longer in any directory, but it grants 2 collections: a group that grants access is never deleted",
    ) in [(u.name, u.why) for u in made.unmanaged]


def test_membership_that_ended_is_removed() -> None:
    made = plan(
        snapshot([user("ana"), user("ben")], [group("sales", ["ben"])]),
        current([member("ana"), member("ben")], [org_group("sales", ["m-ana", "m-ben"])]),
    )
    assert [c.sentence for c in made.changes] == [
        "remove membership ana@example.org in Sales: no longer a member of Sales in hq"
    ]


def test_members_made_by_hand_stay_in_managed_groups() -> None:
    made = plan(
        snapshot([user("ana")], [group("sales", ["ana"])]),
        current([member("ana"), member(email="hand@example.org")], [org_group("sales", ["m-ana", "m-hand"])]),
    )
    assert made.changes == ()


def test_protected_members_are_not_taken_out_of_groups() -> None:
    owner = member("ana", type=MemberType.OWNER)
    made = plan(snapshot([user("ana")], [group("sales")]), current([owner], [org_group("sales", ["m-ana"])]))
    assert made.changes == ()


def test_who_is_revoked_keeps_the_groups_so_that_restoring_brings_them_back() -> None:
    now = current([member("ana"), member("ben")], [org_group("sales", ["m-ana", "m-ben"])])
    made = plan(snapshot([user("ben")], [group("sales", ["ben"])]), now)
    assert actions(made) == [("revoke", "ana@example.org")]
    after = applied(made.changes, now)
    back = plan(snapshot([user("ana"), user("ben")], [group("sales", ["ana", "ben"])]), after)
    assert actions(back) == [("restore", "ana@example.org")]


def test_disabled_person_is_taken_out_of_a_group_they_left_but_not_put_into_one() -> None:
    now = current([member("ana", status=Status.REVOKED)], [org_group("sales", ["m-ana"]), org_group("ops")])
    made = plan(snapshot([user("ana", enabled=False)], [group("sales"), group("ops", ["ana"])]), now)
    assert actions(made) == [("remove_membership", "ana@example.org in Sales")]


def test_entry_without_address_stays_in_its_groups() -> None:
    made = plan(
        snapshot([user("ana", ""), user("ben")], [group("sales", ["ben"])]),
        current([member("ana"), member("ben")], [org_group("sales", ["m-ana", "m-ben"])]),
    )
    assert made.changes == ()


def test_removed_person_needs_no_membership_change() -> None:
    remove = Policy(offboarding=Offboarding(absent=Offboard.REMOVE, disabled=Offboard.REMOVE), limits=NO_LIMITS)
    now = current([member("ana"), member("ben")], [org_group("sales", ["m-ana", "m-ben"])])
    made = plan(snapshot([user("ana", enabled=False), user("ben")], [group("sales", ["ben"])]), now, policy=remove)
    assert actions(made) == [("remove", "ana@example.org")]


def test_nested_groups_are_flattened_cycles_included() -> None:
    groups = [group("a", ["ana"], ["b"]), group("b", ["ben"], ["c"]), group("c", [], ["a"])]
    made = plan(snapshot([user("ana"), user("ben")], groups), current([member("ana"), member("ben")]))
    assert sorted(c.what for c in made.changes if c.action == "add_membership") == [
        "ana@example.org in A",
        "ana@example.org in B",
        "ana@example.org in C",
        "ben@example.org in A",
        "ben@example.org in B",
        "ben@example.org in C",
    ]


def test_groups_with_one_external_id_twice_are_left_alone_and_named() -> None:
    twins = current([member("ana")], [org_group("s", id="g1", name="S1"), org_group("s", id="g2", name="S2")])
    made = plan(snapshot([user("ana")], [group("s", ["ana"])]), twins)
    assert made.changes == ()
    assert "groups S1, S2 have the same externalId s" in made.problems[0].why


def test_two_directory_groups_of_one_name_are_both_synced_and_told() -> None:
    made = plan(snapshot([user("ana")], [group("a", name="Sales"), group("b", name="Sales")]), current())
    assert [c.action for c in made.changes if c.group] == ["create_group", "create_group"]
    assert "has the same name" in made.problems[0].why


def test_group_names_that_the_organization_refuses_are_problems() -> None:
    made = plan(snapshot([], [group("a", name=" "), group("b", name="x" * 101), group("c" * 301)]), current())
    assert made.changes == ()
    assert len(made.problems) == 3


def test_group_that_cannot_be_synced_is_not_gone_and_not_emptied() -> None:
    long = "Sales " + "x" * 100
    now = current([member("ana")], [org_group("s", ["m-ana"], name="Sales")])
    made = plan(snapshot([user("ana")], [group("s", [], name=long)]), now, policy=DELETE)
    assert (made.changes, made.unmanaged) == ((), ())
    assert "106 characters" in made.problems[0].why


def test_person_whose_key_a_group_has_as_well_is_not_gone() -> None:
    made = plan(
        snapshot([user("5", ""), user("6")], [group("5")]),
        current([member("5", "five@example.org"), member("6", "6@example.org")], [org_group("5")]),
    )
    assert made.changes == ()


def test_group_made_by_hand_is_not_adopted_when_two_directory_groups_have_its_name() -> None:
    by_hand = current([member("ana")], [org_group(name="Sales", collections=3)])
    made = plan(snapshot([user("ana")], [group("a", ["ana"], name="Sales"), group("b", name="Sales")]), by_hand)
    assert made.changes == ()
    assert "2 groups of the directories are called Sales" in made.problems[-1].why


def test_thousands_of_groups_of_one_name_take_linear_time() -> None:
    groups = [group(f"g{n}", name="Team") for n in range(8000)]
    now = current([member("ana")], [org_group(f"x{n}", name="Team") for n in range(8000)])
    made = plan(snapshot([user("ana")], groups), now)
    assert made.summary["create_group"] == 8000
