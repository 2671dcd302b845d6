"""The Vaultwarden mode (src/api/core/public.rs, src/api/identity.rs, src/error.rs of Vaultwarden 1.37)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.emulators.bitwarden import Account, BitwardenEmulator, Member, Status, Type
from tests.emulators_tests.client import IMPORT, Api, fetch, group, person

DEVICE = {"device_identifier": "1", "device_name": "test", "device_type": "14"}


def _members(vault: Api) -> dict[str, Member]:
    state = vault.emulator.state
    return {state.email_of(member): member for member in state.members.values()}


def test_a_token_needs_the_device_fields(vault: Api) -> None:
    """Same form fields plus required device_identifier, device_name, device_type (camelCase also accepted)."""
    assert vault.token(**DEVICE).json["expires_in"] == 3600
    assert vault.token(deviceIdentifier="1", deviceName="test", deviceType="14").status == 200
    for name in DEVICE:
        assert vault.token(**(DEVICE | {name: None})).status == 400


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"client_secret": "wrong"}, "Incorrect client_secret"),
        ({"client_id": "organization.00000000-0000-0000-0000-000000000000"}, "Invalid client_id"),
        ({"scope": "api"}, None),
    ],
)
def test_errors_have_a_shape_of_their_own(vault: Api, changes: dict[str, str], message: str | None) -> None:
    """400 with message, validationErrors {"": [message]}, errorModel, and `error` an empty string, never
    invalid_client.
    """
    answer = vault.token(**(DEVICE | changes))
    body = answer.json
    assert (answer.status, body["error"], body["error_description"], body["object"]) == (400, "", "", "error")
    assert body["validationErrors"] == {"": [body["message"]]}
    assert body["errorModel"] == {"message": body["message"], "object": "error"}
    assert body["exceptionMessage"] is None
    assert message in (None, body["message"])


def test_everything_else_is_an_unknown_route(vault: Api) -> None:
    """Of everything it has only the token endpoint and the import: no GET of members or groups. Unknown API
    route: 404 {"error":{"code":404,"reason":"Not Found",...}}.
    """
    for path in ("/public/members", "/public/groups", "/public/events"):
        answer = vault.call("GET", path)
        assert (answer.status, answer.json["error"]["code"], answer.json["error"]["reason"]) == (
            404,
            404,
            "Not Found",
        )


def test_a_bad_token_is_a_401_with_the_frameworks_body(vault: Api) -> None:
    """Bad or expired token on import: 401 with the web framework's default body."""
    answer = fetch(vault.emulator, "POST", f"/api{IMPORT}", "{}", {"Authorization": "Bearer x"})
    assert answer.status == 401
    assert b"401" in answer.raw


GOOD = {"groups": [group("g", "k")], "members": [person("k")], "overwriteExisting": False}


@pytest.mark.parametrize(
    "changes",
    [
        {"groups": None},
        {"members": None},
        {"overwriteExisting": None},
        {"members": [person("k") | {"email": None}]},
        {"members": [person("k") | {"externalId": 7}]},
        {"members": [{"email": "a@b.c", "externalId": "k"}]},
        {"groups": [{"name": "g", "externalId": "g"}]},
        {"groups": [{"name": "g", "externalId": "g", "memberExternalIds": [7]}]},
        {"groups": [{"name": None, "externalId": "g", "memberExternalIds": []}]},
    ],
)
def test_the_schema_is_strict(vault: Api, changes: dict[str, Any]) -> None:
    """Every field is required and typed (no null email, no numeric ids); violations are 422."""
    assert vault.post(IMPORT, GOOD | changes).status == 422
    assert vault.post(IMPORT, GOOD | {"largeImport": "ignored"}).status == 200


def test_broken_json_and_large_bodies(vault: Api) -> None:
    """Broken JSON 400, over 20 MB 413."""
    assert vault.post(IMPORT, b"{").status == 400
    assert vault.post(IMPORT, b" " * 20_000_001).status == 413


def test_members_are_matched_by_email_only(vault: Api) -> None:
    """E-mail only, lower-cased; the externalId is overwritten each time."""
    vault.emulator.state.enrol("ana@example.org", external_id="old")
    vault.imports(person("new", "Ana@Example.org"), person("old", "Other@example.org"))
    members = _members(vault)
    assert (members["ana@example.org"].external_id, members["other@example.org"].external_id) == ("new", "old")


def test_it_revokes_and_restores(vault: Api) -> None:
    """Trap 1: deleted revokes, by e-mail, and sets the externalId; a live entry restores, unless the
    two-step or single-organization policy forbids: then it stays revoked, without error.
    """
    state = vault.emulator.state
    state.enrol("ana@example.org", external_id="a")
    assert vault.imports(person("b", "ana@example.org", deleted=True)).status == 200
    ana = _members(vault)["ana@example.org"]
    assert (ana.status, ana.external_id) == (Status.REVOKED, "b")
    state.set_policy(0, enabled=True)
    assert vault.imports(person("b", "ana@example.org")).status == 200
    assert _members(vault)["ana@example.org"].status is Status.REVOKED
    state.set_policy(0, enabled=False)
    vault.imports(person("b", "ana@example.org"))
    assert _members(vault)["ana@example.org"].status is Status.CONFIRMED


def test_owners_go_unless_last_confirmed(vault: Api) -> None:
    """Owners may be revoked or deleted unless last confirmed."""
    second = vault.emulator.state.enrol("second@example.org", type=Type.OWNER, external_id="s")
    vault.imports(person("s", "second@example.org", deleted=True))
    assert vault.emulator.state.members[second.id].status is Status.REVOKED
    vault.imports(person("o", "owner@example.org", deleted=True))
    owner = _members(vault)["owner@example.org"]
    assert (owner.status, owner.external_id) == (Status.CONFIRMED, "o")
    vault.imports(overwriteExisting=True)
    assert set(_members(vault)) == {"owner@example.org"}


def test_overwrite_counts_deleted_entries_as_present(vault: Api) -> None:
    """Deletes absent members having an externalId, at the end; no master-password guard; deleted entries
    count as present.
    """
    state = vault.emulator.state
    state.enrol("gone@example.org", external_id="g", account=Account(email="gone@example.org", master_password=False))
    state.enrol("ana@example.org", external_id="a")
    state.enrol("hand@example.org")
    assert vault.imports(person("a", "ana@example.org", deleted=True), overwriteExisting=True).status == 200
    members = _members(vault)
    assert set(members) == {"owner@example.org", "ana@example.org", "hand@example.org"}
    assert members["ana@example.org"].status is Status.REVOKED


@pytest.mark.parametrize(
    ("mail", "has_account", "status"),
    [
        (True, False, Status.INVITED),
        (True, True, Status.INVITED),
        (False, True, Status.ACCEPTED),
        (False, False, Status.INVITED),
    ],
)
def test_new_people(vault: Api, mail: bool, has_account: bool, status: Status) -> None:
    """Mail on: Invited plus e-mail; mail off: an existing account with password becomes Accepted, otherwise
    Invited.
    """
    state = vault.emulator.state
    state.organization.mail_enabled = mail
    if has_account:
        state.put_account(Account(email="ana@example.org"))
    vault.imports(person("a", "ana@example.org"))
    member = _members(vault)["ana@example.org"]
    assert member.status is status
    assert member.user_id is not None
    assert [m.to for m in vault.emulator.mails] == (["ana@example.org"] if mail else [])


def test_a_failing_mail_keeps_the_earlier_ones(vault: Api) -> None:
    """Mail failure: deletes that user or member, 400, earlier ones stay."""
    state = vault.emulator.state
    state.organization.failing_mail = ["b@example.org"]
    assert vault.imports(person("a"), person("b"), person("c")).status == 400
    assert set(_members(vault)) == {"owner@example.org", "a@example.org"}
    assert state.account_by_email("b@example.org") is None


def test_groups_are_ignored_unless_switched_on(vault: Api) -> None:
    """Only if ORG_GROUPS_ENABLED (default false); otherwise ignored with 200. An existing group is not
    renamed; its membership is cleared and rebuilt.
    """
    state = vault.emulator.state
    assert vault.imports(person("a"), groups=[group("g", "a", name="One")]).status == 200
    assert not state.groups
    state.organization.org_groups_enabled = True
    vault.imports(person("a"), person("b"), groups=[group("g", "a", name="One")])
    vault.imports(groups=[group("g", "b", name="Two")])
    [found] = state.groups.values()
    assert found.name == "One"
    assert [state.members[id_].external_id for id_ in state.members_of(found.id)] == ["b"]


def test_there_are_no_caps_limits_seats_or_events(vault: Api) -> None:
    """Seats, rate limits on import, events: none. No length or count limits."""
    state = vault.emulator.state
    state.organization.seats = 1
    people = [person(f"k{number}") for number in range(2001)]
    assert vault.imports(*people, person("x" * 301, "x@example.org")).status == 200
    assert (len(state.members), state.events) == (2003, [])


def test_the_login_limiter_is_there_when_asked_for() -> None:
    """Login limiter per IP: burst 10, else 429 without Retry-After."""
    with BitwardenEmulator(vaultwarden=True, rate_limits=True, minute_seconds=3600.0) as emulator:
        answers = [Api(emulator).token(**DEVICE) for _ in range(11)]
    assert [a.status for a in answers] == [200] * 10 + [429]
    assert "retry-after" not in answers[-1].headers
