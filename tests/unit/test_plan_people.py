"""People in the plan: every case has its own outcome and its own words."""

from __future__ import annotations

import pytest

from dirconnector.model import Accepts, MemberType, Status
from dirconnector.plan.model import Action
from dirconnector.plan.policy import Limits, Offboard, Offboarding, Policy
from dirconnector.plan.recall import Remembered
from dirconnector.rules.patterns import Pattern
from dirconnector.rules.rule import Select, UserRule
from tests.build import NO_LIMITS, actions, applied, current, group, member, org_group, plan, snapshot, user


def policy(**offboarding: object) -> Policy:
    return Policy(offboarding=Offboarding(**offboarding), limits=NO_LIMITS)  # type: ignore[arg-type]


REMOVE = policy(absent=Offboard.REMOVE, disabled=Offboard.REMOVE)


def why(made: object, what: str) -> str:
    return next(c.reason for c in made.changes if c.what == what)  # type: ignore[attr-defined]


def test_new_person_is_invited() -> None:
    made = plan(snapshot([user("ana")]), current())
    assert actions(made) == [("invite", "ana@example.org")]
    assert why(made, "ana@example.org") == "in hq"


def test_disabled_person_who_is_no_member_is_not_invited() -> None:
    assert actions(plan(snapshot([user("ana", enabled=False)]), current())) == []


def test_nothing_to_do() -> None:
    made = plan(snapshot([user("ana")]), current([member("ana")]))
    assert (made.changes, made.held, made.problems, made.unmanaged) == ((), (), (), ())


def test_disabled_person_is_revoked_and_says_so() -> None:
    made = plan(snapshot([user("ana", enabled=False)]), current([member("ana")]))
    assert [c.sentence for c in made.changes] == ["revoke ana@example.org: disabled in hq"]


def test_disabled_and_revoked_is_done() -> None:
    made = plan(snapshot([user("ana", enabled=False)]), current([member("ana", status=Status.REVOKED)]))
    assert made.changes == ()


def test_person_enabled_again_is_restored() -> None:
    made = plan(snapshot([user("ana")]), current([member("ana", status=Status.REVOKED)]))
    assert [c.sentence for c in made.changes] == ["restore ana@example.org: enabled in hq"]


def test_person_who_left_the_directory_is_revoked() -> None:
    made = plan(snapshot([user("ben")]), current([member("ana"), member("ben")]))
    assert [c.sentence for c in made.changes] == ["revoke ana@example.org: no longer in any directory"]


def test_person_who_left_is_named_with_the_directory_that_is_remembered() -> None:
    made = plan(
        snapshot([user("ben")]),
        current([member("ana"), member("ben")]),
        recall=lambda keys: {"ana": Remembered(directory="hq")},
    )
    assert why(made, "ana@example.org") == "no longer in hq"


def test_person_who_was_deleted_is_named_as_deleted() -> None:
    made = plan(
        snapshot([user("ben")], deleted={"ana": "last parent OU=Sales"}), current([member("ana"), member("ben")])
    )
    assert why(made, "ana@example.org") == "deleted in the directory (last parent OU=Sales)"


def test_person_who_left_the_scope_is_told_from_one_who_left_the_directory() -> None:
    select = Select(users_include=(UserRule(group=Pattern("Vault-*")),))
    made = plan(
        snapshot([user("ana"), user("ben")], [group("v", ["ben"], name="Vault-Users")]),
        current([member("ana"), member("ben")], [org_group("v", ["m-ben"], name="Vault-Users")]),
        select=select,
        recall=lambda keys: {"ana": Remembered(directory="hq", groups=("Other", "Vault-Users"))},
    )
    assert [c.sentence for c in made.changes] == [
        "revoke ana@example.org: not in any group of select.users.include (was in Vault-Users until the last run)"
    ]


def test_person_excluded_by_a_rule_says_which() -> None:
    select = Select(users_exclude=(UserRule(email=Pattern("ana@*")),))
    made = plan(snapshot([user("ana"), user("ben")]), current([member("ana"), member("ben")]), select=select)
    assert why(made, "ana@example.org") == "excluded by select.users.exclude {email: ana@*}"


def test_removal_instead_of_revocation_is_a_choice() -> None:
    made = plan(snapshot([user("ben", enabled=False)]), current([member("ana"), member("ben")]), policy=REMOVE)
    assert actions(made) == [("remove", "ana@example.org"), ("remove", "ben@example.org")]


def test_what_was_made_by_hand_is_never_removed_in_the_run_that_finds_it() -> None:
    made = plan(snapshot([user("ana", enabled=False)]), current([member(email="ana@example.org")]), policy=REMOVE)
    assert actions(made) == [("revoke", "ana@example.org"), ("adopt", "ana@example.org")]


def test_keep_touches_nobody_and_lists_them() -> None:
    keep = policy(absent=Offboard.KEEP, disabled=Offboard.KEEP)
    made = plan(snapshot([user("ben", enabled=False)]), current([member("ana"), member("ben")]), policy=keep)
    assert made.changes == ()
    assert [(u.name, u.why) for u in made.unmanaged] == [("ana@example.org", "absent, offboarding.absent: keep")]


def test_member_made_by_hand_is_adopted_by_address() -> None:
    made = plan(snapshot([user("ana")]), current([member(email="ana@example.org")]))
    assert [c.sentence for c in made.changes] == [
        "adopt ana@example.org: already a member, made by hand; the address is that of uid=ana"
    ]
    assert made.changes[0].key == "ana"


def test_member_made_by_hand_whom_nobody_claims_is_listed_and_left() -> None:
    made = plan(snapshot([user("ben")]), current([member(email="ana@example.org"), member("ben")]))
    assert made.changes == ()
    assert [(u.name, u.why) for u in made.unmanaged] == [("ana@example.org", "made by hand (no externalId)")]


@pytest.mark.parametrize("kind", [MemberType.OWNER, MemberType.ADMIN])
def test_owners_and_admins_are_never_revoked_restored_or_removed(kind: MemberType) -> None:
    members = [
        member("gone", type=kind),
        member("off", type=kind),
        member("back", type=kind, status=Status.REVOKED),
    ]
    made = plan(snapshot([user("off", enabled=False), user("back")]), current(members), policy=REMOVE)
    assert made.changes == ()
    word = kind.word
    assert [(u.name, u.why) for u in made.unmanaged] == [
        ("back@example.org", f"revoked, enabled in the directory, protected ({word}, offboarding.protect.types)"),
        ("gone@example.org", f"absent, protected ({word}, offboarding.protect.types)"),
        ("off@example.org", f"disabled in the directory, protected ({word}, offboarding.protect.types)"),
    ]


def test_owners_can_be_given_free() -> None:
    made = plan(
        snapshot([user("ben")]),
        current([member("ana", type=MemberType.OWNER)]),
        policy=policy(protect_types=frozenset()),
    )
    assert ("revoke", "ana@example.org") in actions(made)


def test_break_glass_addresses_are_never_touched_in_any_way() -> None:
    glass = policy(protect_emails=frozenset({"glass@example.org"}))
    for members in ([member("glass")], [member(email="glass@example.org")], [member("old", "glass@example.org")], []):
        for people in ([user("glass")], [user("glass", enabled=False)], []):
            made = plan(
                snapshot([*people, user("x")], [group("g", [p.key for p in people])]),
                current([*members, member("x")], [org_group("g", [m.id for m in members])]),
                policy=glass,
            )
            assert made.changes == (), (members, people)


def test_person_re_created_with_a_new_id_is_rekeyed() -> None:
    made = plan(snapshot([user("ana2", "ana@example.org")]), current([member("ana1", "ana@example.org")]))
    assert [c.sentence for c in made.changes] == [
        "rekey ana@example.org: re-created in hq with a new id (the old one, ana1, is gone)"
    ]
    assert (made.changes[0].key, made.changes[0].before) == ("ana2", "ana1")


def test_person_re_created_and_remembered_is_rekeyed_and_restored() -> None:
    made = plan(
        snapshot([user("ana2", "ana@example.org", name="Ana", username="ana")]),
        current([member("ana1", "ana@example.org", status=Status.REVOKED)]),
        recall=lambda keys: {"ana1": Remembered(directory="hq", name="Ana", username="ana")},
    )
    assert actions(made) == [("rekey", "ana@example.org"), ("restore", "ana@example.org")]


def test_nobody_is_restored_into_a_revoked_membership_that_is_not_known_to_be_theirs() -> None:
    """An address can be given to somebody else; restoring the old membership would restore the old person."""
    for revoked in (
        member("ana1", "ana@example.org", status=Status.REVOKED),
        member(email="ana@example.org", status=Status.REVOKED),
    ):
        made = plan(snapshot([user("ana2", "ana@example.org")]), current([revoked]))
        assert made.changes == ()
        assert "restore it in the web vault" in made.problems[0].why


def test_address_passed_on_from_a_leaver_to_another_person_is_not_handed_over() -> None:
    made = plan(
        snapshot([user("zoe", "info@example.org", name="Zoe", username="zoe")]),
        current([member("ana", "info@example.org")]),
        recall=lambda keys: {"ana": Remembered(directory="hq", name="Ana", username="ana")},
    )
    assert [c.sentence for c in made.changes] == [
        "revoke info@example.org: no longer in hq; the address now belongs to uid=zoe, another person"
    ]
    assert "was the address of another person, who left" in made.problems[0].why


def test_address_passed_on_with_removal_removes_first_and_then_invites() -> None:
    now = current([member("ana", "info@example.org")], [org_group("g", ["m-ana"])])
    made = plan(
        snapshot([user("zoe", "info@example.org", name="Zoe", username="zoe")], [group("g", ["zoe"])]),
        now,
        policy=REMOVE,
        recall=lambda keys: {"ana": Remembered(directory="hq", name="Ana", username="ana")},
    )
    assert actions(made) == [
        ("remove", "info@example.org"),
        ("invite", "info@example.org"),
        ("add_membership", "info@example.org in G"),
    ]
    assert made.problems == ()
    applied(made.changes, now)


def test_address_moved_between_two_people_who_are_both_there() -> None:
    made = plan(
        snapshot([user("ana", "ana.new@example.org"), user("ben", "ana@example.org")]),
        current([member("ana")]),
    )
    assert made.changes == ()
    by_entry = {p.entry: p.why for p in made.problems}
    assert by_entry["uid=ben"].startswith(
        "ana@example.org moved to this person from uid=ana, whose address is now ana.new@example.org"
    )
    assert by_entry["uid=ana"].startswith("the address is ana.new@example.org in the directory and ana@example.org in")


def test_swapped_addresses_are_told_and_change_nothing() -> None:
    made = plan(
        snapshot([user("ana", "ben@example.org"), user("ben", "ana@example.org")]),
        current([member("ana"), member("ben")]),
    )
    assert made.changes == ()
    assert [p.why.split(":")[0] for p in made.problems] == [
        "exchanged addresses with uid=ben",
        "exchanged addresses with uid=ana",
    ]


def test_changed_address_is_told() -> None:
    made = plan(snapshot([user("ana", "new@example.org")]), current([member("ana")]))
    assert made.changes == ()
    assert "new@example.org in the directory and ana@example.org in the organization" in made.problems[0].why


def test_new_address_that_another_membership_has_is_told() -> None:
    made = plan(snapshot([user("ana", "hand@example.org")]), current([member("ana"), member(email="hand@example.org")]))
    assert "still the address of another membership" in made.problems[0].why


def test_two_members_with_one_external_id_are_left_alone_and_named() -> None:
    members = [member("ana", id="m1"), member("ana", "ana2@example.org", id="m2"), member("ben")]
    made = plan(snapshot([user("ana"), user("ben", enabled=False)]), current(members))
    assert actions(made) == [("revoke", "ben@example.org")]
    assert "have the same externalId ana" in made.problems[0].why


def test_entry_without_address_is_a_problem_and_its_member_is_not_revoked() -> None:
    made = plan(snapshot([user("ana", ""), user("ben")]), current([member("ana"), member("ben")]))
    assert made.changes == ()
    assert [(p.entry, p.why) for p in made.problems] == [("uid=ana", "has no e-mail address")]


def test_entry_that_the_reader_could_not_use_is_not_gone() -> None:
    made = plan(snapshot([user("ben")], unsyncable={"ana": "damaged"}), current([member("ana"), member("ben")]))
    assert made.changes == ()


def test_too_long_ids_and_odd_addresses_are_problems_while_everybody_else_goes_on() -> None:
    people = [
        user("k" * 301, "a@example.org"),
        user("b", "b@" + "x" * 255),
        user("c", "not an address"),
        user("d", "d@e@f"),
        user("e", "@example.org"),
        user("ok"),
    ]
    made = plan(snapshot(people), current())
    assert actions(made) == [("invite", "ok@example.org")]
    assert len(made.problems) == 5


def test_seats_that_are_missing_hold_invitations_before_anything_is_sent() -> None:
    now = current([member("ana"), member("ben")], seats=3)
    made = plan(snapshot([user("ben"), user("c"), user("d"), user("e")]), now)
    assert actions(made) == [("revoke", "ana@example.org")]
    assert {h.limit for h in made.held} == {"seats"}
    assert "3 seats are needed, 1 are free and 1 become free" in made.held[0].why
    assert not any(h.approvable for h in made.held)


def test_seats_that_become_free_are_counted() -> None:
    now = current([member("ana"), member("ben")], seats=2)
    made = plan(snapshot([user("ben"), user("c")]), now)
    assert actions(made) == [("revoke", "ana@example.org"), ("invite", "c@example.org")]
    applied(made.changes, now)


def test_order_never_clashes() -> None:
    now = current(
        [
            member("gone"),
            member("old", "re@example.org"),
            member(email="hand@example.org"),
            member("rev", status=Status.REVOKED),
        ],
        [org_group("x", name="Old"), org_group(name="Hand"), org_group("dead")],
    )
    people = [user("re"), user("hand"), user("rev"), user("new")]
    groups = [group("x", ["new"], name="New"), group("h", ["hand"], name="Hand"), group("n", ["re"])]
    offboarding = Offboarding(groups="delete")  # type: ignore[arg-type]
    made = plan(snapshot(people, groups), now, policy=Policy(offboarding=offboarding, limits=NO_LIMITS))
    order = list(dict.fromkeys(c.action for c in made.changes))
    assert order == [
        Action.REVOKE,
        Action.REKEY,
        Action.ADOPT,
        Action.RESTORE,
        Action.INVITE,
        Action.ADOPT_GROUP,
        Action.RENAME_GROUP,
        Action.CREATE_GROUP,
        Action.ADD_MEMBERSHIP,
        Action.DELETE_GROUP,
    ]
    applied(made.changes, now)


def test_organization_without_groups_syncs_people_and_says_so() -> None:
    made = plan(snapshot([user("ana")], [group("g", ["ana"])]), current(accepts=Accepts(groups=False)))
    assert actions(made) == [("invite", "ana@example.org")]
    assert "has no groups" in made.problems[0].why


def test_default_limits_are_those_of_the_documentation() -> None:
    limits = Limits()
    assert (limits.removals.percent, limits.removals.floor) == (20, 5)
    assert (limits.group_members.percent, limits.group_members.floor) == (50, 10)
    assert (limits.shrink.percent, limits.shrink.floor) == (30, 20)


# ----------------------------------------------------------------------------------------------- several directories


def test_person_who_joins_an_earlier_directory_is_not_invited_twice_when_the_address_drifted() -> None:
    directories = [snapshot([user("k1", "ana@example.org")]), snapshot([user("k2", "ana@example.org")], directory="b")]
    now = current([member("k2", "ana.private@example.org")])
    made = plan(directories, now)
    assert [c.sentence for c in made.changes] == [
        "rekey ana.private@example.org: the same person is in hq, which comes first in the config"
    ]
    assert "ana@example.org in the directory and ana.private@example.org in the organization" in made.problems[0].why
    assert plan(directories, applied(made.changes, now)).changes == ()


def test_second_membership_of_somebody_who_is_disabled_is_revoked_too() -> None:
    for enabled, expected in ((True, []), (False, [("revoke", "ana2@example.org"), ("revoke", "ana@example.org")])):
        made = plan(
            [
                snapshot([user("k1", "ana@example.org", enabled=enabled)]),
                snapshot([user("k2", "ana@example.org", enabled=enabled)], directory="b"),
            ],
            current([member("k1", "ana@example.org"), member("k2", "ana2@example.org")]),
        )
        assert actions(made) == expected
        assert [u.why for u in made.unmanaged] == (
            ["a second membership of ana@example.org, who is also in hq"] if enabled else []
        )


# --------------------------------------------------------------------------------------------------------- unsyncable


def test_leaver_whose_entry_lost_its_address_and_is_disabled_is_revoked() -> None:
    made = plan(snapshot([user("ana", "", enabled=False), user("ben")]), current([member("ana"), member("ben")]))
    assert [c.sentence for c in made.changes] == [
        "revoke ana@example.org: disabled in hq, and has no e-mail address",
    ]
    assert [p.why for p in made.problems] == ["has no e-mail address"]


def test_old_entry_without_address_is_no_reason_when_a_new_one_has_it() -> None:
    made = plan(
        snapshot([user("ana1", "", enabled=False), user("ana2", "ana@example.org")]),
        current([member("ana1", "ana@example.org")]),
    )
    assert made.changes == ()


def test_disabled_entry_that_lost_an_address_to_another_is_left_alone() -> None:
    made = plan(
        snapshot([user("ana1", "ana@example.org", enabled=False), user("ana2", "ana@example.org")]),
        current([member("ana1", "ana@example.org")]),
    )
    assert made.changes == ()


def test_two_memberships_with_one_address_are_left_alone_in_whatever_order_they_come() -> None:
    twins = [member("old", "ana@example.org", id="m1"), member(email="Ana@example.org", id="m2")]
    for members in (twins, twins[::-1]):
        made = plan(snapshot([user("ana")]), current(members), policy=policy(absent=Offboard.KEEP))
        assert made.changes == ()
        assert "2 memberships have the address ana@example.org" in made.problems[0].why


def test_break_glass_address_of_the_directory_protects_the_groups_of_a_membership_with_another() -> None:
    glass = policy(protect_emails=frozenset({"glass@example.org"}))
    made = plan(
        snapshot([user("g", "glass@example.org")], [group("in", ["g"]), group("out")]),
        current([member("g", "other@example.org")], [org_group("in"), org_group("out", ["m-g"])]),
        policy=glass,
    )
    assert made.changes == ()


def test_break_glass_address_that_is_no_member_is_told_and_not_invited() -> None:
    glass = policy(protect_emails=frozenset({"glass@example.org"}))
    made = plan(snapshot([user("glass"), user("x")]), current([member("x")]), policy=glass)
    assert made.changes == ()
    assert made.problems[0].why.startswith("glass@example.org is in offboarding.protect.emails")


def test_hundreds_of_members_with_one_external_id_are_named_in_one_line() -> None:
    twins = [member("ana", f"a{n:03}@example.org", id=f"m{n:03}") for n in range(300)]
    made = plan(snapshot([user("ben")]), current([*twins, member("ben")]))
    assert made.changes == ()
    assert len(made.problems[0].why) < 400
    assert "and 295 more" in made.problems[0].why
