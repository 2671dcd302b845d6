"""Incremental reads of the emulator of Okta: the same as a whole read, in few calls, or no answer at all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from dirconnector.errors import DirectoryUnreachable
from dirconnector.model import Snapshot, no_progress
from dirconnector.readers import Reading
from tests.emulators.okta import OktaEmulator
from tests.okta import HOUR, as_app, reader_of

MEMBERS = "GET /api/v1/groups/{id}/users"


@pytest.fixture
def okta(monkeypatch: pytest.MonkeyPatch) -> Iterator[OktaEmulator]:
    with OktaEmulator(users=60, groups=7) as emulator:
        for name, value in emulator.env.items():
            monkeypatch.setenv(name, value)
        emulator.state.advance(HOUR * 2)
        yield emulator


def whole(okta: OktaEmulator, **settings: Any) -> Reading:
    reading = reader_of(okta, **settings).read_with_cursor(no_progress)
    okta.state.advance(HOUR * 2)
    okta.calls.clear()
    return reading


def since(okta: OktaEmulator, before: Reading, **settings: Any) -> Reading | None:
    return reader_of(okta, **settings).read_since(before, no_progress)


def content(snapshot: Snapshot) -> Any:
    return (
        dict(snapshot.users),
        dict(snapshot.groups),
        dict(snapshot.unsyncable),
        dict(snapshot.deleted),
        set(snapshot.problems),
    )


def some(okta: OktaEmulator) -> list[str]:
    return [key for key in okta.state.order if okta.state.users[key]["status"] == "ACTIVE" and key != okta.token.owner]


def test_nothing_changed_costs_two_calls(okta: OktaEmulator) -> None:
    before = whole(okta)
    after = since(okta, before)
    assert after is not None
    assert okta.calls == {"GET /api/v1/users": 1, "GET /api/v1/groups": 1}
    assert content(after.snapshot) == content(before.snapshot)
    assert after.snapshot.complete


def test_ten_changes_cost_at_most_six_calls(okta: OktaEmulator) -> None:
    before = whole(okta, system_log=True)
    state, users = okta.state, some(okta)
    one, two = [key for key in state.groups if key != state.everyone][:2]
    state.change_user(users[0], department="New", email="new@example.org")
    state.change_user(users[1], displayName="Renamed")
    state.set_status(users[2], "SUSPENDED")
    state.delete_user(next(key for key, user in state.users.items() if user["status"] == "DEPROVISIONED"))
    hired = state.add_user("hired@example.org")
    state.add_user("hired.too@example.org", status="STAGED")
    state.add_member(one, hired)
    state.add_member(one, users[3])
    state.remove_member(two, next(iter(state.members[two]))) if state.members[two] else state.add_member(two, hired)
    state.rename_group(two, "Renamed")
    after = since(okta, before, system_log=True)
    assert after is not None
    assert sum(okta.calls.values()) <= 6, okta.calls
    assert content(after.snapshot) == content(whole(okta, system_log=True).snapshot)


def test_a_deactivated_user_leaves_all_groups(okta: OktaEmulator) -> None:
    big = max(okta.state.members, key=lambda key: len(okta.state.members[key]))
    before = whole(okta)
    leaver = sorted(okta.state.members[big])[0]
    okta.state.set_status(leaver, "DEPROVISIONED")
    after = since(okta, before)
    assert after is not None
    assert not after.snapshot.users[leaver].enabled
    assert not any(leaver in group.members for group in after.snapshot.groups.values())
    assert content(after.snapshot) == content(whole(okta).snapshot)


def test_a_deactivated_user_leaves_all_groups_even_if_no_time_stamp_of_them_moves(okta: OktaEmulator) -> None:
    big = max(okta.state.members, key=lambda key: len(okta.state.members[key]))
    before = whole(okta)
    leaver = sorted(okta.state.members[big])[0]
    stamps = {key: group["lastMembershipUpdated"] for key, group in okta.state.groups.items()}
    okta.state.set_status(leaver, "DEPROVISIONED")
    for key, group in okta.state.groups.items():
        group["lastMembershipUpdated"] = stamps[key]
    after = since(okta, before)
    assert after is not None
    assert not any(leaver in group.members for group in after.snapshot.groups.values())
    assert len(after.snapshot.groups[big].members) == len(before.snapshot.groups[big].members) - 1


def test_deleted_groups_are_gone(okta: OktaEmulator) -> None:
    before = whole(okta)
    group = next(key for key in okta.state.groups if key != okta.state.everyone)
    okta.state.delete_group(group)
    after = since(okta, before)
    assert after is not None
    assert group not in after.snapshot.groups


def test_somebody_deleted_for_good_is_noticed_by_the_count_and_leads_to_a_whole_read(okta: OktaEmulator) -> None:
    """Deactivated and deleted between two reads: neither the changed nor the deactivated users mention them."""
    before = whole(okta)
    okta.state.delete_user(some(okta)[0])
    assert since(okta, before) is None


def test_somebody_deleted_for_good_is_named_by_the_log(okta: OktaEmulator) -> None:
    before = whole(okta, system_log=True)
    leaver = some(okta)[0]
    okta.state.delete_user(leaver)
    after = since(okta, before, system_log=True)
    assert after is not None
    assert leaver not in after.snapshot.users
    assert content(after.snapshot) == content(whole(okta, system_log=True).snapshot)


def test_a_status_that_becomes_known_is_no_problem_any_more(okta: OktaEmulator) -> None:
    key = some(okta)[0]
    okta.state.change_user(key, title="x")
    okta.state.users[key]["status"] = "FROZEN"
    before = whole(okta)
    assert before.snapshot.problems
    quiet = since(okta, before)
    assert quiet is not None
    assert content(quiet.snapshot) == content(before.snapshot)
    okta.state.set_status(key, "ACTIVE")
    after = since(okta, quiet)
    assert after is not None
    assert not after.snapshot.problems
    assert key in after.snapshot.users


def test_changes_that_show_up_late_are_found_by_the_overlap(okta: OktaEmulator) -> None:
    """Changed a minute before the first read began, and not shown by it."""
    key = some(okta)[0]
    held = okta.state.users[key]["profile"].get("department")
    before = whole(okta, attributes=frozenset({"department"}))
    okta.state.advance(-HOUR * 2 - 60)
    okta.state.change_user(key, department="Late")
    okta.state.advance(HOUR * 2 + 60)
    assert before.snapshot.users[key].attributes.get("department", (None,))[0] == held
    after = since(okta, before, attributes=frozenset({"department"}))
    assert after is not None
    assert after.snapshot.users[key].attributes["department"] == ("Late",)


def test_the_clock_is_that_of_okta(okta: OktaEmulator) -> None:
    """An organization whose clock is a day ahead of ours, or behind it, loses nothing."""
    for skew in (-86400.0, 2 * 86400.0):
        okta.state.advance(skew)
        before = reader_of(okta).read_with_cursor(no_progress)
        okta.state.advance(HOUR)
        key = some(okta)[0]
        okta.state.change_user(key, email=f"moved{skew}@example.org")
        after = since(okta, before)
        assert after is not None
        assert after.snapshot.users[key].email == f"moved{skew}@example.org"


@pytest.mark.parametrize(
    "settings",
    [
        {"users": {"filter": 'status eq "ACTIVE"'}},
        {"users": {"search": 'profile.department eq "Sales"'}},
        {"app": True},
        {"restricted_role": True},
    ],
)
def test_a_scope_from_which_somebody_may_fall_unnoticed_is_read_as_a_whole(
    okta: OktaEmulator, settings: dict[str, Any]
) -> None:
    if "app" in settings:
        settings = {"app": okta.state.add_app("Bitwarden", some(okta)[:3])}
    before = whole(okta, **settings)
    assert since(okta, before, **settings) is None
    assert not okta.calls


def test_another_config_a_strange_cursor_and_an_incomplete_snapshot_lead_to_a_whole_read(okta: OktaEmulator) -> None:
    before = whole(okta)
    assert since(okta, before, users={"deprovisioned": "deleted"}) is None
    assert since(okta, before, attributes=frozenset({"department"})) is None
    assert since(okta, before._replace(cursor="{}")) is None
    evidence = tuple(replace(e, complete=False) for e in before.snapshot.evidence)
    assert since(okta, before._replace(snapshot=replace(before.snapshot, evidence=evidence))) is None
    assert not okta.calls


def test_what_cannot_be_read_to_its_end_leads_to_a_whole_read(okta: OktaEmulator) -> None:
    before = whole(okta)
    group = next(key for key in okta.state.groups if key != okta.state.everyone)
    okta.state.add_member(group, next(key for key in some(okta) if key not in okta.state.members[group]))
    okta.faults.add(MEMBERS, "status:403")
    assert since(okta, before) is None
    okta.faults.replace([{"match": "GET /api/v1/users", "fault": "status:500"}])
    with pytest.raises(DirectoryUnreachable):
        since(okta, before)


def test_a_role_that_was_limited_since_leads_to_a_whole_read_that_says_so(okta: OktaEmulator) -> None:
    before = whole(okta)
    okta.token.role, okta.token.targets = "USER_ADMIN", frozenset()
    assert since(okta, before) is None
    assert not reader_of(okta).read(no_progress).complete


def test_groups_out_of_scope_still_count_everyone(okta: OktaEmulator) -> None:
    before = whole(okta, groups=False)
    after = since(okta, before, groups=False)
    assert after is not None
    assert okta.calls == {"GET /api/v1/users": 1, "GET /api/v1/groups": 1}
    okta.state.delete_user(some(okta)[0])
    assert since(okta, after, groups=False) is None


def test_the_cursor_has_no_secret(okta: OktaEmulator) -> None:
    for settings in ({}, as_app(okta)):
        cursor = whole(okta, **settings).cursor
        assert okta.token.value not in cursor
        assert okta.service_app.pem[40:80] not in cursor
