"""Traps 1 to 12 of the organization's API: imports, and what they do without a word."""

from __future__ import annotations

from pathlib import Path

from dirconnector.model import no_progress
from dirconnector.plan.policy import GroupsGone, Offboard
from tests.bitwarden import Site, organization_on, problems, why
from tests.build import group, user
from tests.emulators.bitwarden import BitwardenEmulator

IMPORT = "POST /public/organization/import"
REVOKE = "POST /public/members/{id}/revoke"
RESTORE = "POST /public/members/{id}/restore"
DELETE = "DELETE /public/members/{id}"
PUT_MEMBER = "PUT /public/members/{id}"


def forget_calls(site: Site) -> None:
    """Count from here on."""
    site.emulator.calls.clear()


def test_trap_01_import_neither_revokes_nor_restores(site: Site, vault: Site) -> None:
    ana, ben = user("ana"), user("ben")
    for place in (site, vault):
        place.wants([ana, ben])
        assert place.run().exit_code == 0
        place.wants([ana])
        forget_calls(place)
        assert place.run().exit_code == 0
        assert (place.status(ben.email), place.status(ana.email)) == ("revoked", "invited")
        assert place.writes() == ({REVOKE: 1} if place is site else {IMPORT: 1})
        place.wants([ana, ben])
        forget_calls(place)
        assert place.run().exit_code == 0
        assert place.status(ben.email) == "invited"
        assert (RESTORE in place.writes()) == (place is site)
        assert place.plan().changes == ()


def test_trap_02_removal_goes_by_id_and_only_where_the_config_says_so(site: Site) -> None:
    site.wants([user("ana"), user("ben")])
    site.run()
    site.offboarding(absent=Offboard.REMOVE)
    site.wants([user("ana")])
    forget_calls(site)
    assert site.run().exit_code == 0
    assert site.writes() == {DELETE: 1}
    assert (site.status("ben@example.org"), site.status("ana@example.org")) == ("gone", "invited")


def test_trap_03_groups_are_deleted_by_a_call_of_their_own(site: Site) -> None:
    ana = user("ana")
    site.wants([ana], [group("sales", ["ana"]), group("staff", ["ana"]), group("other", ["ana"])])
    site.run()
    site.wants([ana], [group("staff"), group("other", ["ana"])])
    assert site.run().exit_code == 0
    assert site.emails_in("Staff") == set()
    assert site.emails_in("Sales") == {"ana@example.org"}
    site.offboarding(groups=GroupsGone.DELETE)
    forget_calls(site)
    assert site.run().exit_code == 0
    assert site.writes() == {"DELETE /public/groups/{id}": 1}
    assert {g.name for g in site.emulator.state.groups.values()} == {"Staff", "Other"}


def test_trap_04_an_incomplete_read_throws_nobody_out_of_a_group(site: Site) -> None:
    everybody = [user("ana"), user("ben"), user("cleo")]
    site.wants(everybody, [group("sales", ["ana", "ben"])])
    site.run()
    site.wants(everybody, [group("sales", ["cleo"])], complete=False)
    assert site.run().exit_code == 6
    assert site.emails_in("Sales") == {"ana@example.org", "ben@example.org", "cleo@example.org"}


def test_trap_04_what_others_did_since_is_read_before_it_is_replaced(site: Site) -> None:
    """The ledger remembers ana alone; cleo was put there by hand since, and has an externalId."""
    everybody = [user("ana"), user("ben"), user("cleo")]
    site.wants(everybody, [group("sales", ["ana"]), group("staff", ["cleo"])])
    site.run()
    state = site.emulator.state
    hand = state.enrol("hand@example.org")
    state.set_members(site.group("Sales").id, [site.member("ana@example.org").id, hand.id])
    site.organization = organization_on(site.emulator, site.folder, verify_groups_per_run=0)
    site.wants(everybody, [group("sales", ["ana", "ben"]), group("staff", ["cleo"])])
    assert site.run().exit_code == 0
    assert site.emails_in("Sales") == {"ana@example.org", "ben@example.org", "hand@example.org"}


def test_trap_05_two_with_one_external_id_are_named_before_any_import(site: Site) -> None:
    state = site.emulator.state
    state.enrol("one@example.org", external_id="twin")
    state.enrol("two@example.org", external_id="twin")
    site.wants([user("ana")])
    report = site.run()
    assert report.exit_code == 4
    assert "twin" in why(report)
    assert "one@example.org, two@example.org have the same externalId twin" in problems(report.plan)
    assert IMPORT not in site.emulator.calls
    assert site.status("one@example.org") == site.status("two@example.org") == "confirmed"


def test_trap_05_no_put_makes_a_second_one(site: Site) -> None:
    """Somebody gave ana's future key to ben while we were planning."""
    state = site.emulator.state
    ana = state.enrol("ana@example.org", external_id="old")
    ben = state.enrol("ben@example.org", external_id="ben")
    site.wants([user("ana"), user("ben")])
    plan = site.plan()
    assert [c.action for c in plan.changes] == ["rekey"]
    state.change_member(ben.id, external_id="ana")
    report = site.run()
    assert state.members[ana.id].external_id == "old"
    assert state.members[ben.id].external_id == "ana"
    assert "ana" in problems(report.plan)


def test_trap_06_one_address_twice_is_one_entry(site: Site) -> None:
    site.wants([user("ana", "same@example.org"), user("ben", "SAME@example.org"), user("cleo")])
    report = site.run()
    assert "same@example.org" in problems(report.plan)
    assert site.status("cleo@example.org") == "invited"
    assert IMPORT in site.emulator.calls
    assert all(answer.status == 200 for answer in site.emulator.answers)


def test_trap_07_a_recreated_account_gets_its_new_key_before_the_import(site: Site) -> None:
    site.wants([user("ana")], [group("sales", ["ana"])])
    site.run()
    site.wants(
        [user("ana2", "ana@example.org", name="Ana", username="ana"), user("ben")], [group("sales", ["ana2", "ben"])]
    )
    forget_calls(site)
    assert site.run().exit_code == 0
    assert site.writes() == {PUT_MEMBER: 1, IMPORT: 1}
    assert site.member("ana@example.org").external_id == "ana2"
    assert site.emails_in("Sales") == {"ana@example.org", "ben@example.org"}
    assert site.mailed() == ["ana@example.org", "ben@example.org"]


def test_trap_08_a_changed_address_is_said_and_not_sent(site: Site) -> None:
    site.wants([user("ana")])
    site.run()
    site.wants([user("ana", "anna@example.org")])
    forget_calls(site)
    report = site.run()
    assert report.exit_code == 0
    assert site.writes() == {}
    assert "anna@example.org in the directory and ana@example.org in the organization" in problems(report.plan)


def test_trap_09_a_stored_address_with_capitals_is_adopted_by_a_put(site: Site) -> None:
    dora = site.emulator.state.enrol("Dora@Example.org")
    site.wants([user("dora")], [group("sales", ["dora"])])
    assert site.run().exit_code == 0
    assert site.emulator.state.members[dora.id].external_id == "dora"
    assert site.writes()[PUT_MEMBER] == 1
    assert site.emails_in("Sales") == {"dora@example.org"}
    assert site.mailed() == []


def test_trap_10_one_odd_entry_does_not_reject_the_others(site: Site) -> None:
    odd = [
        user("no-at", "nobody"),
        user("two-at", "a@b@example.org"),
        user("first", "@example.org"),
        user("long", f"{'x' * 250}@example.org"),
        user("k" * 301, "longkey@example.org"),
    ]
    groups = [group("g", ["ana"], name="n" * 101), group("blank", ["ana"], name=" "), group("good", ["ana"])]
    site.wants([user("ana"), *odd], groups)
    report = site.run()
    assert site.status("ana@example.org") == "invited"
    assert {g.name for g in site.emulator.state.groups.values()} == {"Good"}
    assert site.emails_in("Good") == {"ana@example.org"}
    said = problems(report.plan) + why(report)
    for word in ("nobody", "a@b@example.org", "262 characters", "301 characters", "101 characters"):
        assert word in said, said
    assert all(answer.status == 200 for answer in site.emulator.answers)


def test_trap_11_more_than_two_thousand_go_in_parts(tmp_path: Path) -> None:
    with BitwardenEmulator(cloud=True, rate_limits=False) as cloud:
        site = Site(cloud, organization_on(cloud, tmp_path), tmp_path)
        everybody = [user(f"p{number}") for number in range(2001)]
        site.wants(everybody, [group("all", [u.key for u in everybody])])
        assert site.run().exit_code == 0
        assert site.writes() == {IMPORT: 3}
        assert len(site.emails_in("All")) == 2001
        assert len(site.mailed()) == 2001
        # and what is larger all the same, a document of one group for example, is announced as such
        with organization_on(cloud, tmp_path).client(no_progress) as client:
            client.import_(
                members=[{"email": u.email, "externalId": u.key, "deleted": False} for u in everybody], groups=[]
            )


def test_trap_12_nothing_absent_from_an_import_is_touched(site: Site) -> None:
    state = site.emulator.state
    for number in range(5):
        state.enrol(f"old{number}@example.org", external_id=f"old{number}")
    site.wants([user("ana")], complete=False)
    assert site.run().exit_code == 6
    assert {site.status(f"old{number}@example.org") for number in range(5)} == {"confirmed"}
    assert site.status("ana@example.org") == "invited"
