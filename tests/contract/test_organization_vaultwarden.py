"""``kind: vaultwarden`` on an emulator of it: the same plan, applied by import, with the ledger as the current state.

The contract of the kinds that can be read does not hold here: what it asks for cannot be read. What it means for the
people does, and is tested through whole runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dirconnector.errors import OrganizationError, OrganizationRefused
from dirconnector.plan.policy import GroupsGone, Offboard
from tests.bitwarden import FastTime, Site, entry_for, organization_on, problems, vaultwarden_on, why
from tests.build import group, user
from tests.emulators.bitwarden import BitwardenEmulator, Type

IMPORT = "POST /public/organization/import"
TOKEN = "POST /connect/token"


@pytest.fixture(scope="module")
def emulator() -> Iterator[BitwardenEmulator]:
    with BitwardenEmulator(vaultwarden=True) as running:
        yield running


@pytest.fixture
def site(emulator: BitwardenEmulator, tmp_path: Path) -> Site:
    """With groups switched on on both sides."""
    emulator.reset()
    emulator.state.organization.org_groups_enabled = True
    return Site(emulator, vaultwarden_on(emulator, tmp_path, groups=True), tmp_path)


def test_a_whole_life(site: Site) -> None:
    ana, ben, cleo = user("ana"), user("ben"), user("cleo")
    site.wants([ana, ben, cleo], [group("staff", ["ana", "ben"]), group("sales", ["cleo"])])
    assert site.run().exit_code == 0
    assert site.writes() == {IMPORT: 2}
    assert site.emails_in("Staff") == {"ana@example.org", "ben@example.org"}
    assert sorted(site.mailed()) == ["ana@example.org", "ben@example.org", "cleo@example.org"]
    assert site.plan().changes == ()

    site.wants([ana, cleo], [group("staff", ["ana", "cleo"]), group("sales", ["cleo"])])
    assert site.run().exit_code == 0
    assert site.status("ben@example.org") == "revoked"
    assert site.emails_in("Staff") == {"ana@example.org", "ben@example.org", "cleo@example.org"}
    assert site.plan().changes == ()

    site.wants([ana, ben, cleo], [group("staff", ["ben"]), group("sales", ["cleo"])])
    assert site.run().exit_code == 0
    assert site.status("ben@example.org") == "invited"
    assert site.emails_in("Staff") == {"ben@example.org"}
    assert site.plan().changes == ()
    assert len(site.mailed()) == 3


def test_nothing_to_do_sends_nothing(site: Site) -> None:
    site.wants([user("ana")], [group("staff", ["ana"])])
    site.run()
    site.emulator.calls.clear()
    assert site.run().exit_code == 0
    assert site.emulator.calls == {}


def test_it_says_that_it_is_memory(site: Site) -> None:
    site.wants([user("ana")])
    assert "nothing is remembered" in problems(site.plan())
    site.run()
    assert "Vaultwarden cannot be read" in problems(site.plan())


def test_a_dry_run_asks_the_server_nothing(site: Site) -> None:
    site.wants([user("ana")], [group("staff", ["ana"])])
    report = site.run(dry_run=True)
    assert site.emulator.calls == {}
    assert report.plan.forecast.requests == {IMPORT: 2}
    assert report.plan.forecast.mails == 1


def test_access_is_taken_away_before_anything_else(site: Site) -> None:
    """An invitation whose mail fails does not keep a leaver inside."""
    site.wants([user("ana"), user("ben")])
    site.run()
    site.emulator.state.organization.failing_mail = ["cleo@example.org"]
    site.wants([user("ben"), user("cleo")])
    assert site.run().exit_code == 4
    assert site.status("ana@example.org") == "revoked"


def test_one_mail_that_fails_does_not_keep_the_others_out(site: Site) -> None:
    everybody = [user(f"p{number:02}") for number in range(20)]
    site.emulator.state.organization.failing_mail = ["p07@example.org", "p13@example.org"]
    site.wants(everybody, [group("staff", [u.key for u in everybody])])
    report = site.run()
    assert report.exit_code == 4
    assert report.outcome is not None
    assert {f.change.email for f in report.outcome.failures} >= {"p07@example.org", "p13@example.org"}
    assert len(site.emails_in("Staff")) == 18
    site.emulator.state.organization.failing_mail = []
    assert site.run().exit_code == 0
    assert len(site.emails_in("Staff")) == 20
    assert sorted(site.mailed()) == [u.email for u in everybody]


def test_a_revoked_member_with_a_new_key_stays_revoked(site: Site) -> None:
    site.wants([user("ana"), user("ben")])
    site.run()
    site.wants([user("ana", enabled=False), user("ben")])
    site.run()
    again = user("ana2", "ana@example.org", name="Ana", username="ana", enabled=False)
    site.wants([again, user("ben")])
    assert site.run().exit_code == 0
    assert (site.status("ana@example.org"), site.member("ana@example.org").external_id) == ("revoked", "ana2")


def test_a_new_key_by_address(site: Site) -> None:
    site.wants([user("ana")], [group("staff", ["ana"])])
    site.run()
    again = user("ana2", "ana@example.org", name="Ana", username="ana")
    site.wants([again], [group("staff", ["ana2"])])
    assert site.run().exit_code == 0
    assert site.member("ana@example.org").external_id == "ana2"
    assert site.emails_in("Staff") == {"ana@example.org"}
    assert site.mailed() == ["ana@example.org"]


def test_removal_is_a_revocation_and_said(site: Site) -> None:
    site.offboarding(absent=Offboard.REMOVE)
    site.wants([user("ana"), user("ben")])
    site.run()
    site.wants([user("ben")])
    report = site.run()
    assert report.exit_code == 4
    assert "cannot remove anybody" in why(report)
    assert site.status("ana@example.org") == "revoked"


def test_an_address_is_not_handed_to_another_person(site: Site) -> None:
    site.offboarding(absent=Offboard.REMOVE)
    site.wants([user("ana"), user("ben")])
    site.run()
    site.wants([user("ada", "ana@example.org"), user("ben")])
    report = site.run()
    assert report.exit_code == 4
    assert (site.status("ana@example.org"), site.member("ana@example.org").external_id) == ("revoked", "ana")
    report = site.run()
    assert (site.status("ana@example.org"), site.member("ana@example.org").external_id) == ("revoked", "ana")


def test_a_rename_is_asked_for_once(site: Site) -> None:
    ana = user("ana")
    site.wants([ana, user("ben")], [group("staff", ["ana"])])
    site.run()
    site.wants([ana, user("ben")], [group("staff", ["ana", "ben"], name="Everybody")])
    report = site.run()
    assert report.exit_code == 4
    assert "rename it from Staff to Everybody in the web vault" in why(report)
    assert site.emails_in("Staff") == {"ana@example.org", "ben@example.org"}
    assert site.plan().changes == ()


def test_a_group_that_goes_is_not_touched_and_said_once(site: Site) -> None:
    site.offboarding(groups=GroupsGone.DELETE)
    site.wants([user("ana")], [group("staff", ["ana"]), group("sales", ["ana"])])
    site.run()
    site.wants([user("ana")], [group("staff", ["ana"])])
    report = site.run()
    assert report.exit_code == 4
    assert "cannot delete a group" in why(report)
    assert site.emails_in("Sales") == {"ana@example.org"}
    assert site.plan().changes == ()


def test_a_recreated_group_is_a_second_one_and_said_once(site: Site) -> None:
    site.wants([user("ana")], [group("staff", ["ana"])])
    site.run()
    site.wants([user("ana")], [group("staff-2", ["ana"], name="Staff")])
    report = site.run()
    assert report.exit_code == 4
    assert "a second group of this name was made" in why(report)
    keys = {g.external_id for g in site.emulator.state.groups.values()}
    assert keys == {"staff", "staff-2"}
    assert site.plan().changes == ()


def test_groups_are_not_sent_unless_switched_on(emulator: BitwardenEmulator, tmp_path: Path) -> None:
    emulator.reset()
    site = Site(emulator, vaultwarden_on(emulator, tmp_path), tmp_path)
    site.wants([user("ana")], [group("staff", ["ana"])])
    report = site.run()
    assert report.exit_code == 0
    assert "has no groups" in problems(report.plan)
    assert site.writes() == {IMPORT: 1}
    assert emulator.state.groups == {}


def test_an_owner_who_is_protected_by_address_stays(site: Site) -> None:
    site.emulator.state.enrol("boss@example.org", type=Type.OWNER)
    site.wants([user("boss"), user("ana")])
    site.run()
    assert site.member("boss@example.org").external_id == "boss"
    site.offboarding(protect_emails=frozenset({"boss@example.org"}))
    site.wants([user("ana")])
    assert site.run().exit_code == 0
    assert site.status("boss@example.org") == "confirmed"


def test_many_go_in_parts(site: Site) -> None:
    everybody = [user(f"p{number}") for number in range(2001)]
    site.wants(everybody)
    assert site.plan().forecast.requests == {IMPORT: 2}
    assert site.run().exit_code == 0
    assert site.writes() == {IMPORT: 2}


# ------------------------------------------------------------------------------------------------------------- faults

FAULTS = ("401", "429", "500", "500_after", "502_before", "502_after", "504_after", "drop_before", "drop_after")


@pytest.mark.parametrize("nth", [1, 2, 3])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_happens_once_is_got_over(site: Site, fault: str, nth: int) -> None:
    life(site)
    site.emulator.faults.add(IMPORT, fault, nth=nth)
    assert site.run().exit_code == 0
    is_done(site)


@pytest.mark.parametrize("call", [TOKEN, IMPORT])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_lasts_is_said_and_the_next_run_finishes(site: Site, call: str, fault: str) -> None:
    life(site)
    # as a run of its own process: the token of the one before is gone
    site.organization = vaultwarden_on(site.emulator, site.folder, groups=True)
    site.emulator.faults.add(call, fault)
    try:
        assert site.run().exit_code == 4
    except OrganizationError as error:
        assert str(error)
    site.emulator.faults.clear()
    assert site.run().exit_code == 0
    is_done(site)


def life(site: Site) -> None:
    """An organization between which and the directory a run revokes, restores, re-keys, invites and sends groups."""
    names = ["stay", "off", "back", "again"]
    site.wants([user(name) for name in names], [group("staff", names)])
    site.run()
    site.wants([user(name, enabled=name != "back") for name in names], [group("staff", names)])
    site.run()
    again = user("again-2", "again@example.org", name="Again", username="again")
    people = [user("stay"), user("back"), again, user("new")]
    site.wants([*people, user("off", enabled=False)], [group("staff", ["stay", "new"]), group("fresh", ["again-2"])])


def is_done(site: Site) -> None:
    assert {name: site.status(f"{name}@example.org") for name in ("stay", "off", "back", "again", "new")} == {
        "stay": "invited",
        "off": "revoked",
        "back": "invited",
        "again": "invited",
        "new": "invited",
    }
    assert site.member("again@example.org").external_id == "again-2"
    assert site.emails_in("Staff") == {"stay@example.org", "new@example.org"}
    assert site.emails_in("Fresh") == {"again@example.org"}
    assert len(site.mailed()) == len(set(site.mailed())) == 5
    assert site.plan().changes == ()


# -------------------------------------------------------------------------------------------------------------- check


def test_check_says_what_works(site: Site) -> None:
    findings = list(site.organization.check())
    assert all(finding.ok for finding in findings)
    said = " ".join(finding.detail for finding in findings)
    assert "a Vaultwarden server" in said
    assert "cannot be read" in said
    assert IMPORT not in site.emulator.calls


def test_check_explains_a_wrong_secret(site: Site) -> None:
    (site.folder / "secret").write_text("wrong-secret")
    findings = list(site.organization.check())
    assert [finding.ok for finding in findings] == [False]
    assert "Incorrect client_secret" in findings[0].detail
    assert "wrong-secret" not in findings[0].detail


def test_each_kind_recognises_the_other(site: Site, tmp_path: Path) -> None:
    organization = organization_on(site.emulator, tmp_path)
    (finding,) = organization.check()
    assert "kind: vaultwarden" in finding.detail
    with BitwardenEmulator() as other:
        findings = list(vaultwarden_on(other, tmp_path).check())
    assert [f.cure for f in findings if not f.ok] == ["write kind: bitwarden"]


def test_the_login_limiter_is_waited_for(tmp_path: Path) -> None:
    with BitwardenEmulator(vaultwarden=True, rate_limits=True, minute_seconds=3) as strict:
        # a minute of the emulator is three seconds, and so is one of this clock: ten logins must fit into it on a slow
        # machine, for the eleventh to be refused
        time_ = FastTime(scale=20)
        for _ in range(12):
            organization = vaultwarden_on(strict, tmp_path, time_=time_)
            assert all(finding.ok for finding in organization.check())
        assert any(time_.slept)


def test_a_server_that_is_elsewhere_is_named(site: Site, tmp_path: Path) -> None:
    entry = entry_for(site.emulator, tmp_path, server=f"{site.emulator.url}/nowhere")
    organization = vaultwarden_on(site.emulator, tmp_path, server=entry["server"])
    (finding,) = organization.check()
    assert "no identity service at this address" in finding.detail
    site.organization = organization
    site.wants([user("ana")])
    with pytest.raises(OrganizationRefused, match="no identity service"):
        site.run()
