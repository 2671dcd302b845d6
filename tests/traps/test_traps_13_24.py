"""Traps 13 to 24 of the organization's API: single calls, people, tokens, limits."""

from __future__ import annotations

from pathlib import Path

import pytest

from dirconnector.errors import OrganizationRefused
from dirconnector.model import MemberType, Status, no_progress
from dirconnector.organizations.endpoints import member_from
from dirconnector.organizations.pace import WAITING
from tests.bitwarden import FastTime, Site, organization_on, state_collection, why
from tests.build import group, user
from tests.emulators.bitwarden import Account, Association, BitwardenEmulator, Type
from tests.emulators.bitwarden import Status as Theirs

IMPORT = "POST /public/organization/import"
TOKEN = "POST /connect/token"
PUT_GROUP_MEMBERS = "PUT /public/groups/{id}/member-ids"


def test_trap_13_a_put_loses_nothing(site: Site) -> None:
    state = site.emulator.state
    collections = tuple(Association(id=state_collection(site.emulator), read_only=True) for _ in range(2))
    ana = state.enrol(
        "ana@example.org",
        external_id="old",
        type=Type.CUSTOM,
        permissions=("manageGroups",),
        collections=collections,
        access_secrets_manager=True,
    )
    staff = state.add_group("Staff", [ana], collections=collections)
    site.wants([user("ana")], [group("staff", ["ana"])])
    assert site.run().exit_code == 0
    after = state.members[ana.id]
    assert after.external_id == "ana"
    assert (after.type, after.permissions, after.collections) == (ana.type, ana.permissions, collections)
    assert state.groups[staff.id].external_id == "staff"
    assert state.groups[staff.id].collections == collections
    assert site.emails_in("Staff") == {"ana@example.org"}


def test_trap_14_ids_are_sent_as_a_list_without_repetitions(site: Site) -> None:
    state = site.emulator.state
    hand = state.enrol("hand@example.org")
    ana = state.enrol("ana@example.org", external_id="ana")
    staff = state.add_group("Staff", [hand], external_id="staff")
    site.wants([user("ana")], [group("staff", ["ana"])])
    assert site.run().exit_code == 0
    assert site.writes() == {PUT_GROUP_MEMBERS: 1}
    assert site.emails_in("Staff") == {"hand@example.org", "ana@example.org"}
    organization = organization_on(site.emulator, site.folder)
    with organization.client(no_progress) as client:
        client.put_group_member_ids(staff.id, [ana.id, ana.id, hand.id])
        assert sorted(client.group_member_ids(staff.id)) == sorted([ana.id, hand.id])
        client.put_group_member_ids(staff.id, [])
        assert client.group_member_ids(staff.id) == []


@pytest.mark.parametrize("type_", [Type.OWNER, Type.ADMIN])
def test_trap_15_owners_and_admins_are_left_alone(site: Site, type_: Type) -> None:
    state = site.emulator.state
    boss = state.enrol("boss@example.org", external_id="boss", type=type_)
    state.add_group("Staff", [boss], external_id="staff")
    site.wants([user("ana")], [group("staff", ["ana"])])
    assert site.run().exit_code == 0
    assert site.status("boss@example.org") == "confirmed"
    assert site.emails_in("Staff") == {"boss@example.org", "ana@example.org"}


def test_trap_16_the_last_confirmed_owner_is_refused_by_name_and_the_rest_goes_on(site: Site) -> None:
    state = site.emulator.state
    owner = site.member("owner@example.org")
    state.change_member(owner.id, external_id="boss")
    state.enrol("ana@example.org", external_id="ana")
    site.offboarding(protect_types=frozenset())
    site.wants([user("ben")])
    report = site.run()
    assert report.exit_code == 4
    assert "owner@example.org: Organization must have at least one confirmed owner." in why(report)
    assert (site.status("owner@example.org"), site.status("ana@example.org")) == ("confirmed", "revoked")
    assert site.status("ben@example.org") == "invited"


def test_trap_17_leavers_are_revoked_so_that_claimed_accounts_stay_in(site: Site) -> None:
    account = Account(email="ana@example.org", claimed=True)
    site.emulator.state.enrol("ana@example.org", account=account, external_id="ana")
    site.wants([user("ben")])
    assert site.run().exit_code == 0
    assert site.status("ana@example.org") == "revoked"


def test_trap_18_who_returns_is_restored_not_invited(site: Site) -> None:
    site.emulator.state.enrol(
        "ana@example.org", external_id="ana", status=Theirs.REVOKED, status_before=Theirs.CONFIRMED
    )
    site.wants([user("ana")])
    assert site.run().exit_code == 0
    assert site.writes() == {"POST /public/members/{id}/restore": 1}
    assert site.status("ana@example.org") == "confirmed"
    assert site.mailed() == []


def test_trap_19_a_restoration_that_a_policy_forbids_is_named(site: Site) -> None:
    state = site.emulator.state
    state.set_policy(0, enabled=True)
    state.enrol("ana@example.org", external_id="ana", status=Theirs.REVOKED, status_before=Theirs.CONFIRMED)
    site.wants([user("ana"), user("ben")])
    report = site.run()
    assert report.exit_code == 4
    assert "ana@example.org" in why(report)
    assert (site.status("ana@example.org"), site.status("ben@example.org")) == ("revoked", "invited")


def test_trap_19_who_never_accepted_is_invited_again(site: Site) -> None:
    site.wants([user("ana"), user("ben")])
    site.run()
    site.wants([user("ben")])
    site.run()
    site.wants([user("ana"), user("ben")])
    plan = site.plan()
    assert plan.forecast.mails == 1
    assert plan.forecast.requests["POST /public/members/{id}/reinvite"] == 1
    assert site.run().exit_code == 0
    assert site.status("ana@example.org") == "invited"
    assert [(m.kind, m.to) for m in site.emulator.mails[2:]] == [("reinvite", "ana@example.org")]


def test_trap_19_a_staged_member_was_never_invited(site: Site) -> None:
    site.emulator.state.enrol(
        "ana@example.org", external_id="ana", status=Theirs.REVOKED, status_before=Theirs.STAGED, user_id=None
    )
    site.wants([user("ana")])
    assert site.run().exit_code == 0
    assert site.status("ana@example.org") == "staged"


def test_trap_20_nobody_waits_for_anybody_to_accept(site: Site) -> None:
    site.wants([user("ana")], [group("staff", ["ana"])])
    assert site.run().exit_code == 0
    assert site.status("ana@example.org") == "invited"
    assert site.plan().changes == ()


def test_trap_21_staged_and_unknown_statuses_are_provisioned(site: Site) -> None:
    site.emulator.state.enrol("ana@example.org", external_id="ana", status=Theirs.STAGED, user_id=None)
    site.wants([user("ana")])
    report = site.run()
    assert (report.exit_code, site.writes()) == (0, {})
    answer = {"id": "x", "email": "x@example.org", "status": 17, "type": 9}
    member = member_from(answer)
    assert (member.status, member.type) == (Status.OTHER, MemberType.OTHER)
    assert member.status is not Status.REVOKED


def test_trap_22_a_wrong_secret_is_a_400_with_a_cure(site: Site) -> None:
    (site.folder / "secret").write_text("wrong-secret")
    with pytest.raises(OrganizationRefused, match=r"invalid_client.*rotated.*disabled.*plan") as caught:
        site.run()
    assert "wrong-secret" not in str(caught.value)
    assert site.emulator.calls[TOKEN] == 1


@pytest.mark.parametrize("switch", ["enabled", "use_api"])
def test_trap_22_a_disabled_organization_reads_the_same(site: Site, switch: str) -> None:
    setattr(site.emulator.state.organization, switch, False)
    with pytest.raises(OrganizationRefused, match="invalid_client"):
        site.run()


def test_trap_22_a_401_is_one_new_token_once(site: Site) -> None:
    site.wants([user("ana")])
    site.emulator.faults.add("GET /public/members", "401", nth=1)
    assert site.run().exit_code == 0
    assert site.emulator.calls[TOKEN] == 2
    site.emulator.faults.add("GET /public/groups", "401")
    with pytest.raises(OrganizationRefused, match="not even a new one"):
        site.run()
    assert site.emulator.calls[TOKEN] == 3


def test_trap_23_a_429_is_waited_for_as_long_as_it_says(emulator: BitwardenEmulator, tmp_path: Path) -> None:
    time_ = FastTime()
    site = Site(emulator, organization_on(emulator, tmp_path, time_=time_), tmp_path)
    site.wants([user("ana")])
    emulator.faults.add(IMPORT, "429:7", nth=1)
    assert site.run().exit_code == 0
    assert sum(time_.slept) == pytest.approx(7, abs=0.5)
    assert (WAITING, 7, None) in site.progress
    assert site.emulator.calls[IMPORT] == 2
    assert site.mailed() == ["ana@example.org"]


def test_trap_23_a_404_without_a_body_is_understood(site: Site) -> None:
    state = site.emulator.state
    ana = state.enrol("ana@example.org", external_id="ana")
    with organization_on(site.emulator, site.folder).client(no_progress) as client:
        client.delete_member(ana.id)
        with pytest.raises(OrganizationRefused, match="404 without a message"):
            client.delete_member(ana.id)


def test_trap_24_ten_tokens_a_minute_whoever_asks(emulator: BitwardenEmulator, tmp_path: Path) -> None:
    """Eleven runs on one machine: the eleventh waits until the first token is a minute old."""
    time_ = FastTime()
    pace = {"tokens_per_minute": 10}
    for number in range(11):
        organization = organization_on(emulator, tmp_path, time_=time_, pace=pace)
        with organization.client(no_progress) as client:
            client.members()
            client.groups()
        # five in a second are the other limit of the identity service
        assert (sum(time_.slept) > 5) == (number == 10)
    assert emulator.calls[TOKEN] == 11
    assert sum(time_.slept) == pytest.approx(60, abs=3)


def test_trap_24_one_token_is_enough_for_a_run_and_the_next(site: Site) -> None:
    site.wants([user("ana")], [group("staff", ["ana"])])
    site.run()
    site.run()
    assert site.emulator.calls[TOKEN] == 1
