"""Traps 25 to 34 of the organization's API: answers that do not mean what they say, and what cannot be done."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dirconnector.plan.policy import GroupsGone, Offboard
from tests.bitwarden import FastTime, Site, organization_on, problems, state_collection, why
from tests.build import group, user
from tests.emulators.bitwarden import Association, BitwardenEmulator

IMPORT = "POST /public/organization/import"
SUBSCRIPTION = "GET /public/organization/subscription"


def test_trap_25_who_was_skipped_without_a_word_is_a_failure_and_comes_with_the_next_run(site: Site) -> None:
    site.wants([user("ana"), user("ben")], [group("staff", ["ana", "ben"])])
    site.emulator.faults.add(IMPORT, "skip:ana", nth=1)
    report = site.run()
    assert report.exit_code == 4
    assert "ana@example.org" in why(report)
    assert site.emails_in("Staff") == {"ben@example.org"}
    assert site.run().exit_code == 0
    assert site.emails_in("Staff") == {"ana@example.org", "ben@example.org"}


def test_trap_25_a_revocation_that_was_not_carried_out_is_a_failure(site: Site) -> None:
    site.emulator.state.enrol("ana@example.org", external_id="ana")
    site.wants([user("ben")])
    site.emulator.faults.add("POST /public/members/{id}/revoke", "skip:*", nth=1)
    report = site.run()
    assert report.exit_code == 4
    assert "did not do it" in why(report)


@pytest.fixture
def patient(emulator: BitwardenEmulator, tmp_path: Path) -> Iterator[Site]:
    """In real time: what the server does meanwhile takes real time."""
    organization = organization_on(emulator, tmp_path, time_=FastTime(scale=1), settle_seconds=2)
    yield Site(emulator, organization, tmp_path)


def test_trap_26_an_import_that_goes_on_behind_a_504_is_waited_for(patient: Site) -> None:
    patient.wants([user("ana"), user("ben")], [group("staff", ["ana", "ben"])])
    patient.emulator.faults.add(IMPORT, "504_during:1.5", nth=1)
    assert patient.run().exit_code == 0
    assert patient.emulator.calls[IMPORT] == 1
    assert sorted(patient.mailed()) == ["ana@example.org", "ben@example.org"]
    assert patient.emails_in("Staff") == {"ana@example.org", "ben@example.org"}


@pytest.mark.parametrize("fault", ["502_after", "504_after", "drop_after", "500_after"])
def test_trap_26_what_was_done_is_not_done_again(site: Site, fault: str) -> None:
    site.wants([user("ana")], [group("staff", ["ana"])])
    site.emulator.faults.add(IMPORT, fault, nth=1)
    assert site.run().exit_code == 0
    assert site.emulator.calls[IMPORT] == 1
    assert site.mailed() == ["ana@example.org"]


@pytest.mark.parametrize("fault", ["502_before", "drop_before", "500"])
def test_trap_26_what_was_not_done_is_repeated_once_it_is_quiet(
    emulator: BitwardenEmulator, tmp_path: Path, fault: str
) -> None:
    time_ = FastTime()
    site = Site(emulator, organization_on(emulator, tmp_path, time_=time_), tmp_path)
    site.wants([user("ana")], [group("staff", ["ana"])])
    emulator.faults.add(IMPORT, fault, nth=1)
    assert site.run().exit_code == 0
    assert emulator.calls[IMPORT] == 2
    assert site.mailed() == ["ana@example.org"]
    # a server that says 500 has ended; behind a gateway nobody knows
    assert (sum(time_.slept) >= 10) == (fault != "500")


def test_trap_27_arrays_are_never_null(site: Site) -> None:
    site.wants([user("ana")], [group("empty")])
    assert site.run().exit_code == 0
    site.wants([user("ana"), user("ben")], [group("empty")])
    assert site.run().exit_code == 0
    site.wants([user("ana"), user("ben")], [group("empty", ["ben"])])
    assert site.run().exit_code == 0
    assert [a.status for a in site.emulator.answers if a.call == IMPORT] == [200, 200, 200]


def test_trap_28_scim_is_not_spoken_here(site: Site) -> None:
    """An attribute ``active`` that is left out revokes there, and members of groups cannot be read."""
    site.wants([user("ana"), user("ben")], [group("staff", ["ana", "ben"])])
    site.run()
    site.wants([user("ana")], [group("staff", ["ana"])])
    site.run()
    assert all("/public/" in call or "/connect/" in call for call in site.emulator.calls)


def test_trap_28_active_omitted(site: Site) -> None:
    """Every entry of an import says whether it is deleted, and every revocation is a call of its own."""
    site.wants([user("ana", enabled=False), user("ben")])
    site.run()
    assert (site.status("ana@example.org"), site.status("ben@example.org")) == ("gone", "invited")


def test_trap_29_memberships_are_read_where_they_can_be(site: Site) -> None:
    site.wants([user("ana"), user("ben")], [group("staff", ["ana", "ben"])])
    site.run()
    state = site.emulator.state
    state.set_members(site.group("Staff").id, [site.member("ana@example.org").id])
    plan = site.plan(verify=True)
    assert [(c.action, c.email) for c in plan.changes] == [("add_membership", "ben@example.org")]


def test_trap_30_too_few_seats_are_said_before_any_write(site: Site) -> None:
    site.emulator.state.organization.seats = 2
    site.wants([user("ana"), user("ben"), user("cleo")])
    report = site.run()
    assert report.exit_code == 3
    assert "3 seats are needed, 1 are free" in "".join(held.why for held in report.plan.held)
    assert site.plan().forecast.seats.free == 1


def test_trap_30_seats_that_nobody_tells_fail_by_name_and_the_rest_is_done(site: Site) -> None:
    state = site.emulator.state
    state.organization.seats = 3
    ana = state.enrol("ana@example.org", external_id="ana")
    ben = state.enrol("ben@example.org", external_id="ben")
    state.add_group("Staff", [ana], external_id="staff")
    site.emulator.faults.add(SUBSCRIPTION, "500")
    site.wants([user("ana"), user("ben"), user("cleo")], [group("staff", ["ben", "cleo"])])
    report = site.run()
    assert report.exit_code == 4
    assert "no seat is free" in why(report)
    assert site.emails_in("Staff") == {"ben@example.org"}
    assert ben.id in state.members
    state.organization.seats = 4
    assert site.run().exit_code == 0
    assert site.emails_in("Staff") == {"ben@example.org", "cleo@example.org"}


def test_trap_30_leavers_free_the_seats(site: Site) -> None:
    state = site.emulator.state
    state.organization.seats = 2
    state.enrol("ana@example.org", external_id="ana")
    site.wants([user("ben")])
    assert site.run().exit_code == 0
    assert (site.status("ana@example.org"), site.status("ben@example.org")) == ("revoked", "invited")


def test_trap_31_collections_stay_as_they_are(site: Site) -> None:
    state = site.emulator.state
    collections = (Association(id=state_collection(site.emulator)),)
    vault = state.add_group("Vault", external_id="vault", collections=collections)
    site.offboarding(groups=GroupsGone.DELETE)
    site.wants([user("ana")], [group("staff", ["ana"])])
    report = site.run()
    assert report.exit_code == 0
    assert state.groups[vault.id].collections == collections
    assert any("grants 1 collections" in left.why for left in report.plan.unmanaged)


def test_trap_32_a_dry_run_sends_no_mail(site: Site) -> None:
    site.wants([user("ana")], [group("staff", ["ana"])])
    report = site.run(dry_run=True)
    assert report.plan.forecast.mails == 1
    assert (site.writes(), site.mailed()) == ({}, [])
    list(site.organization.check())
    assert (site.writes(), site.mailed()) == ({}, [])


def test_trap_33_access_to_secrets_manager_stays(site: Site) -> None:
    ana = site.emulator.state.enrol("ana@example.org", external_id="old", access_secrets_manager=True)
    site.wants([user("ana")])
    assert site.run().exit_code == 0
    assert site.emulator.state.members[ana.id].external_id == "ana"
    assert site.emulator.state.members[ana.id].access_secrets_manager


def test_trap_34_an_external_id_in_another_spelling_is_made_the_one_spelling(site: Site) -> None:
    site.emulator.state.enrol("ana@example.org", external_id="0A1B")
    site.wants([user("0a1b", "ana@example.org")], [group("staff", ["0a1b"])])
    report = site.run()
    assert report.exit_code == 0
    assert site.member("ana@example.org").external_id == "0a1b"
    assert site.emails_in("Staff") == {"ana@example.org"}
    assert site.plan().changes == ()
    assert problems(report.plan) == ""
    site.offboarding(absent=Offboard.REMOVE)
    assert site.plan().changes == ()
