"""The organization's SCIM endpoint (bitwarden_license/src/Scim)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.emulators.bitwarden import Status, Type
from tests.emulators_tests.client import Answer, Api, fetch


def _scim(api: Api, method: str, path: str, body: object = None, **headers: str) -> Answer:
    base = api.emulator.scim_url.removeprefix(api.emulator.url)
    sent = {"Authorization": f"Bearer {api.emulator.state.organization.scim_key}"} | headers
    raw = body if isinstance(body, bytes) else None if body is None else json.dumps(body)
    return fetch(api.emulator, method, f"{base}{path}", raw, sent)


def _patch(api: Api, path: str, op: str, value: Any = None, at: str | None = None) -> Answer:
    operation = {"op": op, "value": value} | ({} if at is None else {"path": at})
    return _scim(api, "PATCH", path, {"Operations": [operation]})


def _new(email: str, **fields: Any) -> dict[str, Any]:
    return {"emails": [{"primary": True, "value": email}], "active": True, "userName": email} | fields


@pytest.mark.parametrize("setting", ["enabled", "use_scim", "scim_enabled"])
def test_whatever_is_wrong_with_the_key_is_a_401_without_a_body(api: Api, setting: str) -> None:
    """401 with empty body for: wrong key, organization disabled, plan without SCIM, connection missing or
    disabled.
    """
    assert _scim(api, "GET", "/Users").status == 200
    assert _scim(api, "GET", "/users", Authorization="Bearer wrong").raw == b""
    setattr(api.emulator.state.organization, setting, False)
    answer = _scim(api, "GET", "/users")
    assert (answer.status, answer.raw) == (401, b"")


def test_lists_are_ordered_by_email_with_resources_in_lower_case(api: Api) -> None:
    """Trap 23: `resources` in lower case; itemsPerPage echoes the count that was asked for; every status is
    in it.
    """
    for name in ("c", "a", "b"):
        api.emulator.state.enrol(f"{name}@example.org", status=Status.REVOKED)
    body = _scim(api, "GET", "/users?count=2&startIndex=2").json
    assert set(body) == {"schemas", "totalResults", "startIndex", "itemsPerPage", "resources"}
    assert (body["totalResults"], body["itemsPerPage"], body["startIndex"]) == (4, 2, 2)
    assert [(u["userName"], u["active"]) for u in body["resources"]] == [
        ("b@example.org", False),
        ("c@example.org", False),
    ]
    assert _scim(api, "GET", "/users?count=0").json["resources"] == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('userName eq "ANA@example.org"', 1),
        ("USERNAME EQ ana@example.org", 1),
        ('userName eq "ana"', 0),
        ('externalId eq "Key"', 1),
        ('externalId eq "key"', 0),
        ('displayName eq "ana"', 0),
    ],
)
def test_filters(api: Api, text: str, found: int) -> None:
    """userName is compared in lower case, externalId exactly (trap 34); any other filter is an empty list,
    no error.
    """
    api.emulator.state.enrol("ana@example.org", external_id="Key")
    answer = _scim(api, "GET", f"/users?filter={text.replace(' ', '%20').replace(chr(34), '%22')}")
    assert (answer.status, answer.json["totalResults"]) == (200, found)


def test_errors_have_a_number_as_status(api: Api) -> None:
    """Trap 23: {"schemas", "detail", "status": 404}, status is a number; unparsable JSON ends in 500."""
    answer = _scim(api, "GET", "/users/00000000-0000-0000-0000-000000000000")
    assert (answer.status, answer.json["status"], answer.json["detail"]) == (404, 404, "User not found.")
    assert answer.headers["content-type"].startswith("application/scim+json")
    assert _scim(api, "POST", "/users", b"{").status == 500


def test_creating_invites(api: Api) -> None:
    """201 with a relative Location; type User, status 0, mail, 1500 with system user 1 (trap 32);
    externalId falls back to userName.
    """
    answer = _scim(api, "POST", "/users", _new("Ana@example.org", userName="ana"))
    assert answer.status == 201
    assert answer.headers["location"].startswith("/v2/")
    assert (answer.json["userName"], answer.json["externalId"]) == ("ana@example.org", "ana")
    assert [mail.to for mail in api.emulator.mails] == ["ana@example.org"]
    assert [(e.type, e.system_user) for e in api.emulator.state.events] == [(1500, 1)]


@pytest.mark.parametrize("body", [{"userName": "a@example.org", "active": True}, _new("a@b.org", active=False)])
def test_what_creating_refuses(api: Api, body: dict[str, Any]) -> None:
    """A client that sends only userName gets 400; active false or omitted is 400 (trap 28)."""
    assert _scim(api, "POST", "/users", body).status == 400
    assert _scim(api, "POST", "/users", {"userName": "a@example.org", "active": True}, Adscimversion="1").status == 201


def test_whoever_is_present_in_any_status_is_a_409(api: Api) -> None:
    """Trap 18: it never restores a revoked member."""
    api.emulator.state.enrol("ana@example.org", external_id="k", status=Status.REVOKED)
    for body in (_new("ana@example.org"), _new("bob@example.org", externalId="k")):
        assert _scim(api, "POST", "/users", body).json["detail"] == "Conflict."
    assert _scim(api, "POST", "/users", _new("bob@example.org", externalId="K")).status == 201


def test_put_without_active_revokes_and_ignores_the_rest(api: Api) -> None:
    """Trap 28: active omitted means false. Trap 29: name changes are ignored."""
    member = api.emulator.state.enrol("ana@example.org")
    answer = _scim(api, "PUT", f"/users/{member.id}", {"userName": "new@example.org"})
    assert (answer.json["active"], answer.json["userName"]) == (False, "ana@example.org")
    assert _scim(api, "PUT", f"/users/{member.id}", {"active": True}).json["active"] is True
    assert [(e.type, e.system_user) for e in api.emulator.state.events] == [(1511, 1), (1512, 1)]


def test_patch_of_active(api: Api) -> None:
    """Trap 28: path active with an unexpected value revokes; without a path it must be a boolean, a string
    is a 500.
    """
    member = api.emulator.state.enrol("ana@example.org")
    path = f"/users/{member.id}"
    assert _patch(api, path, "Replace", "yes", at="active").status == 204
    assert api.emulator.state.members[member.id].status is Status.REVOKED
    assert _patch(api, path, "replace", {"active": "true"}).status == 500
    assert _patch(api, path, "replace", {"active": True}).status == 204
    assert api.emulator.state.members[member.id].status is Status.CONFIRMED


def test_patch_ignores_what_it_does_not_know(api: Api) -> None:
    """Trap 25: everything else is accepted with 204 and ignored. externalId: over 300 is 400, taken in any
    case is 409 (trap 34), null clears.
    """
    state = api.emulator.state
    member = state.enrol("ana@example.org", external_id="a")
    state.enrol("bob@example.org", external_id="B")
    path = f"/users/{member.id}"
    assert _patch(api, path, "replace", "new@example.org", at="userName").status == 204
    assert _patch(api, path, "remove", at="active").status == 204
    assert state.members[member.id] == member
    assert _patch(api, path, "replace", "x" * 301, at="externalId").status == 400
    assert _patch(api, path, "replace", "b", at="externalId").status == 409
    assert _patch(api, path, "replace", None, at="externalId").status == 204
    assert state.members[member.id].external_id is None


def test_the_last_confirmed_owner_stays(api: Api) -> None:
    """DELETE of the last confirmed owner is 400; by PATCH nobody at all is revoked when no other confirmed
    owner is left.
    """
    state = api.emulator.state
    owner = next(iter(state.members.values()))
    assert _scim(api, "DELETE", f"/users/{owner.id}").status == 400
    assert _scim(api, "PUT", f"/users/{owner.id}", {}).status == 400
    ana = state.enrol("ana@example.org")
    state.change_member(owner.id, type=Type.ADMIN)
    assert _patch(api, f"/users/{ana.id}", "replace", False, at="active").status == 400
    assert _scim(api, "PUT", f"/users/{ana.id}", {}).status == 200


def test_groups_never_show_their_members(api: Api) -> None:
    """Trap 29: SCIM cannot list group members. Equal names are allowed, an equal externalId is a 409, blank
    is random.
    """
    ana = api.emulator.state.enrol("ana@example.org")
    body = {"displayName": "Staff", "members": [{"value": ana.id}, {"value": "nobody"}]}
    first = _scim(api, "POST", "/groups", body)
    assert (first.status, "members" in first.json, len(first.json["externalId"])) == (201, False, 15)
    assert api.emulator.state.members_of(first.json["id"]) == {ana.id}
    assert _scim(api, "POST", "/groups", body).status == 201
    again = body | {"externalId": first.json["externalId"]}
    assert _scim(api, "POST", "/groups", again).status == 409


def test_putting_a_group(api: Api) -> None:
    """PUT sets the name and, when members is present, replaces them; the externalId is ignored."""
    state = api.emulator.state
    ana = state.enrol("ana@example.org")
    group = state.add_group("Staff", [ana], external_id="s")
    assert _scim(api, "PUT", f"/groups/{group.id}", {"displayName": "All", "externalId": "x"}).status == 200
    assert (state.groups[group.id].name, state.groups[group.id].external_id) == ("All", "s")
    assert state.members_of(group.id) == {ana.id}
    _scim(api, "PUT", f"/groups/{group.id}", {"displayName": "All", "members": []})
    assert state.members_of(group.id) == frozenset()


def test_patching_a_group(api: Api) -> None:
    """The forms of the table: replace, add and remove of members, the bracket form, names and externalIds."""
    state = api.emulator.state
    ana, bob = state.enrol("ana@example.org"), state.enrol("bob@example.org")
    group = state.add_group("Staff")
    path = f"/groups/{group.id}"
    _patch(api, path, "add", at=f'members[value eq "{bob.id}"]')
    _patch(api, path, "Add", [{"value": ana.id}], at="members")
    assert state.members_of(group.id) == {ana.id, bob.id}
    _patch(api, path, "remove", [{"value": ana.id}], at="members")
    assert state.members_of(group.id) == {bob.id}
    assert _patch(api, path, "remove", at=f'members[value eq "{bob.id}"]').status == 204
    assert [(e.type, e.member_id) for e in state.events] == [(1504, bob.id)]
    assert _patch(api, path, "remove", at='members[value eq "x"]').status == 404
    _patch(api, path, "replace", [{"value": ana.id}], at="members")
    assert state.members_of(group.id) == {ana.id}
    assert _patch(api, path, "replace", {"members": []}).status == 204
    assert state.members_of(group.id) == {ana.id}
    _patch(api, path, "replace", {"displayName": "All", "externalId": "ignored"})
    assert (state.groups[group.id].name, state.groups[group.id].external_id) == ("All", None)
    _patch(api, path, "add", "k", at="externalId")
    assert state.groups[group.id].external_id == "k"
    assert _patch(api, path, "remove", at="members").status == 500


def test_there_is_no_limiter_and_unknown_routes_are_empty(api: Api) -> None:
    """Unknown routes: 404, empty body; calls are counted with ids taken out."""
    answer = _scim(api, "GET", "/ServiceProviderConfig")
    assert (answer.status, answer.raw) == (404, b"")
    member = next(iter(api.emulator.state.members))
    _scim(api, "GET", f"/users/{member}")
    assert api.emulator.calls["GET /v2/{organization}/users/{id}"] == 1
