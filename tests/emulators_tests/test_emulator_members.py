"""The members endpoints (MembersController and the commands below it)."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import pytest

from tests.emulators.bitwarden import Account, Association, Collection, Status, Type
from tests.emulators_tests.client import Api

OWNER_MESSAGE = "Organization must have at least one confirmed owner."


def _ids(api: Api) -> dict[str, str]:
    return {email: str(member["id"]) for email, member in api.members().items()}


def test_a_list_is_whole_and_a_member_shows_neither_groups_nor_secrets_manager(api: Api) -> None:
    """Lists are {"object": "list", "data"}, without paging or continuationToken, and include owners and
    revoked ones; a member has exactly these properties, nulls included (trap 33: no Secrets Manager flag).
    """
    api.emulator.state.enrol("gone@example.org", status=Status.REVOKED)
    body = api.get("/public/members")
    assert set(body) == {"object", "data"}
    assert {m["email"]: m["status"] for m in body["data"]} == {"owner@example.org": 2, "gone@example.org": -1}
    assert set(body["data"][0]) == {
        "object", "id", "userId", "name", "email", "twoFactorEnabled", "status", "type", "externalId",
        "permissions", "collections", "resetPasswordEnrolled", "ssoExternalId",
    }  # fmt: skip


def test_the_email_is_that_of_the_account_once_there_is_one(api: Api) -> None:
    """A member who changes the account address drifts from the directory."""
    member = api.emulator.state.enrol("old@example.org")
    account = api.emulator.state.account_of(member)
    assert account is not None
    api.emulator.state.put_account(replace(account, email="new@example.org"))
    assert api.get(f"/public/members/{member.id}")["email"] == "new@example.org"
    assert api.post("/public/members", {"email": "old@example.org", "type": 2}).status == 400
    assert api.post("/public/members", {"email": "new@example.org", "type": 2}).status == 400


def test_creating_invites_and_sends_a_mail(api: Api) -> None:
    """Stored lower-cased, blank externalId becomes null, status 0, no userId, collections echo the request;
    logged 1500 with system user 3; trap 32: the mail is a side effect, its token lives 120 hours.
    """
    answer = api.post("/public/members", {"email": "Ana@Example.org", "type": 0, "externalId": " "})
    body = answer.json
    assert answer.status == 200
    assert (body["email"], body["status"], body["userId"], body["name"]) == ("ana@example.org", 0, None, None)
    assert (body["externalId"], body["collections"], body["type"]) == (None, None, 0)
    [mail] = api.emulator.mails
    assert (mail.kind, mail.to, mail.valid_hours) == ("invite", "ana@example.org", 120)
    [event] = api.emulator.state.events
    assert (event.type, event.system_user) == (1500, 3)


@pytest.mark.parametrize("status", list(Status))
def test_an_email_that_is_present_in_any_status_blocks_creating(api: Api, status: Status) -> None:
    """Email already present in any status, revoked included: 400 "This user has already been invited."
    (trap 18).
    """
    api.emulator.state.enrol("Ana@example.org", status=status)
    answer = api.post("/public/members", {"email": "ana@example.org", "type": 2})
    assert (answer.status, answer.message) == (400, "This user has already been invited.")


def test_external_ids_need_not_be_unique(api: Api) -> None:
    """externalId uniqueness is not checked when inviting."""
    for email in ("a@example.org", "b@example.org"):
        assert api.post("/public/members", {"email": email, "type": 2, "externalId": "same"}).status == 200


@pytest.mark.parametrize(
    ("body", "key"),
    [
        ({"email": "a@example.org"}, "$"),
        ({"email": "a@example.org", "type": None}, "Type"),
        ({"email": "a@example.org", "type": 3}, "Type"),
        ({"email": "a@example.org", "type": "2"}, "$.type"),
        ({"type": 2}, "Email"),
        ({"email": "a@localhost", "type": 2}, "Email"),
        ({"email": "ä@example.org", "type": 2}, "Email"),
        ({"email": "a@example.or1", "type": 2}, "Email"),
        ({"email": "Ana <a@example.org>", "type": 2}, "Email"),
        ({"email": f"{'a' * 250}@example.org", "type": 2}, "Email"),
        ({"email": "a@example.org", "type": 2, "externalId": "x" * 301}, "ExternalId"),
        ({"email": "a@example.org", "type": 2, "externalId": 7}, "$.externalId"),
        ({"email": "a@example.org", "type": 2, "permissions": {"manageUsers": True}}, "Permissions"),
        ({"email": "a@example.org", "type": 2, "groups": ["no-uuid"]}, "$.groups[0]"),
        ({"email": "a@example.org", "type": 2, "collections": [{"readOnly": True}]}, "Collections[0].Id"),
        ({"email": "a@example.org", "type": 2, "collections": [{"id": str(uuid4())}]}, "Collections[0].ReadOnly"),
    ],
)
def test_what_is_invalid_names_the_property(api: Api, body: dict[str, object], key: str) -> None:
    """Validation failure: 400, "The request's model state is invalid.", errors keyed by PascalCase path;
    what cannot be read is keyed by JSON path. Omitting type is `$`; type null or 3 is under Type; the email
    format is strict (trap 10); limits are 256 and 300; externalId must be a JSON string here.
    """
    answer = api.post("/public/members", body)
    assert (answer.status, answer.message) == (400, "The request's model state is invalid.")
    assert list(answer.errors) == [key]
    assert not api.emulator.mails


def test_property_names_match_in_any_case(api: Api) -> None:
    """Input property names match case-insensitively."""
    assert api.post("/public/members", {"EMAIL": "a@example.org", "Type": 2}).status == 200


def test_a_failing_mail_or_an_unknown_group_leaves_nothing(api: Api) -> None:
    """A mail failure deletes the new row, reverts seats and answers 400 "Failed to invite users"; so does
    an unknown group or collection id.
    """
    api.emulator.state.organization.failing_mail = ["a@example.org"]
    bodies = [
        {"email": "a@example.org", "type": 2},
        {"email": "b@example.org", "type": 2, "groups": [str(uuid4())]},
        {"email": "b@example.org", "type": 2, "collections": [{"id": str(uuid4()), "readOnly": True}]},
    ]
    for body in bodies:
        answer = api.post("/public/members", body)
        assert (answer.status, answer.message) == (400, "Failed to invite users")
    assert list(api.members()) == ["owner@example.org"]


def test_custom_permissions(api: Api) -> None:
    """Type 4 without permissions: create gives all false, update keeps the stored ones; without the plan an
    update to type 4 is a 400.
    """
    created = api.post("/public/members", {"email": "a@example.org", "type": 4}).json
    assert set(created["permissions"].values()) == {False}
    assert len(created["permissions"]) == 13
    path = f"/public/members/{created['id']}"
    api.put(path, {"type": 4, "permissions": {"manageUsers": True}})
    assert api.put(path, {"type": 4}).json["permissions"]["manageUsers"] is True
    api.emulator.state.organization.use_custom_permissions = False
    assert api.put(path, {"type": 4}).status == 400


def test_a_put_clears_external_id_and_collections_but_keeps_groups(api: Api) -> None:
    """Trap 13: omitted externalId and collections are cleared, omitted groups are kept, [] removes all. The
    response echoes the collections of the request, also null. Logged 1502, no system user.
    """
    state = api.emulator.state
    collection = Collection()
    state.collections[collection.id] = collection
    access = (Association(id=collection.id, read_only=True),)
    member = state.enrol("ana@example.org", external_id="k", collections=access)
    group = state.add_group("Staff", [member])
    path = f"/public/members/{member.id}"
    answer = api.put(path, {"type": 2})
    assert (answer.json["externalId"], answer.json["collections"]) == (None, None)
    assert api.get(path)["collections"] == []
    assert api.get(f"{path}/group-ids") == [group.id]
    api.put(path, {"type": 2, "groups": []})
    assert api.get(f"{path}/group-ids") == []
    assert [(e.type, e.system_user) for e in state.events] == [(1502, None), (1502, None)]


def test_a_put_with_unknown_ids_is_a_404_with_a_body(api: Api) -> None:
    """Unknown or foreign collection or group id: 404 with "Resource not found."; unknown member: 404, empty
    body.
    """
    member = api.emulator.state.enrol("ana@example.org")
    answer = api.put(f"/public/members/{member.id}", {"type": 2, "groups": [str(uuid4())]})
    assert (answer.status, answer.message) == (404, "Resource not found.")
    answer = api.put(f"/public/members/{uuid4()}", {"type": 2})
    assert (answer.status, answer.raw) == (404, b"")


def test_manage_contradicts_read_only(api: Api) -> None:
    """manage together with readOnly or hidePasswords is a 400."""
    member = api.emulator.state.enrol("ana@example.org")
    collection = Collection()
    api.emulator.state.collections[collection.id] = collection
    access = [{"id": collection.id, "readOnly": True, "manage": True}]
    assert api.put(f"/public/members/{member.id}", {"type": 2, "collections": access}).status == 400


def test_path_ids_and_content_types_are_checked(api: Api) -> None:
    """A path id that is not a uuid: 400 with errors.id. Wrong content type: 415. Unparsable JSON: 400."""
    assert list(api.call("GET", "/public/members/ana").errors) == ["id"]
    answer = api.call("POST", "/public/members", b"email=a", Content_Type="text/plain")
    assert (answer.status, answer.raw) == (415, b"")
    assert list(api.post("/public/members", b"{").errors) == ["$"]


def test_the_last_confirmed_owner_stays(api: Api) -> None:
    """Trap 16: remove, revoke or demote of the last confirmed owner is 400; a pending or revoked owner does
    not count as the other one; trap 15: with another confirmed owner all three work.
    """
    state = api.emulator.state
    owner = next(iter(state.members.values()))
    state.enrol("pending@example.org", type=Type.OWNER, status=Status.ACCEPTED)
    state.enrol("revoked@example.org", type=Type.OWNER, status=Status.REVOKED)
    path = f"/public/members/{owner.id}"
    for answer in (api.delete(path), api.post(f"{path}/revoke"), api.put(path, {"type": 2})):
        assert (answer.status, answer.message) == (400, OWNER_MESSAGE)
    state.enrol("second@example.org", type=Type.OWNER)
    assert api.post(f"{path}/revoke").status == 200
    assert api.delete(path).status == 200


def test_a_demotion_looks_at_other_confirmed_owners_only(api: Api) -> None:
    """A new type that is not Owner while no other confirmed owner exists is a 400, whoever the member is; a
    confirmed provider user counts as an owner.
    """
    state = api.emulator.state
    owner = next(iter(state.members.values()))
    state.change_member(owner.id, status=Status.ACCEPTED)
    member = state.enrol("ana@example.org")
    assert api.put(f"/public/members/{member.id}", {"type": 2}).message == OWNER_MESSAGE
    state.organization.confirmed_provider_user = True
    assert api.put(f"/public/members/{member.id}", {"type": 2}).status == 200


def test_group_ids_are_replaced_and_foreign_ones_ignored(api: Api) -> None:
    """PUT group-ids replaces the whole set; ids not in the organization are ignored; logged 1504. Trap 14:
    `{}` or null wipes on SQL Server and is an error elsewhere; repeated ids are a 500.
    """
    state = api.emulator.state
    member = state.enrol("ana@example.org")
    group = state.add_group("Staff")
    path = f"/public/members/{member.id}/group-ids"
    assert api.put(path, {"groupIds": [group.id, str(uuid4())]}).status == 200
    assert api.get(path) == [group.id]
    assert [e.type for e in state.events] == [1504]
    assert api.put(path, {"groupIds": [group.id, group.id]}).status == 500
    assert api.put(path, {}).status == 200
    assert api.get(path) == []
    state.organization.database = "other"
    assert api.put(path, {"groupIds": None}).status == 500


def test_a_removal_ends_the_membership_and_not_the_account(api: Api) -> None:
    """DELETE removes the membership, not the account; trap 17: claimed accounts are not protected; logged
    1503, no system user.
    """
    state = api.emulator.state
    claimed = Account(email="ana@example.org", claimed=True)
    member = state.enrol("ana@example.org", account=claimed)
    group = state.add_group("Staff", [member])
    assert api.delete(f"/public/members/{member.id}").status == 200
    assert api.call("GET", f"/public/members/{member.id}").status == 404
    assert claimed.id in state.accounts
    assert api.get(f"/public/groups/{group.id}/member-ids") == []
    assert [(e.type, e.system_user) for e in state.events] == [(1503, None)]


def test_a_reinvite_is_for_invited_members_only(api: Api) -> None:
    """Reinvite: only status 0, anything else 400 "User invalid."; nothing is logged (traps 19 and 21)."""
    state = api.emulator.state
    invited = api.post("/public/members", {"email": "ana@example.org", "type": 2}).json["id"]
    state.events.clear()
    assert api.post(f"/public/members/{invited}/reinvite").status == 200
    assert [mail.kind for mail in api.emulator.mails] == ["invite", "reinvite"]
    for status in set(Status) - {Status.INVITED}:
        state.change_member(invited, status=status)
        assert api.post(f"/public/members/{invited}/reinvite").message == "User invalid."
    assert not state.events


@pytest.mark.parametrize("before", [s for s in Status if s is not Status.REVOKED])
def test_a_revoke_keeps_links_and_a_restore_returns_to_the_status_before(api: Api, before: Status) -> None:
    """Revoke works from any status, links survive, and restore returns to the status before without a mail;
    logged 1511 and 1512 with system user 3; "Already revoked." and "Already active.".
    """
    state = api.emulator.state
    member = state.enrol("ana@example.org", status=before)
    group = state.add_group("Staff", [member])
    path = f"/public/members/{member.id}"
    assert api.post(f"{path}/revoke").status == 200
    assert api.get(path)["status"] == -1
    assert api.get(f"{path}/group-ids") == [group.id]
    assert api.post(f"{path}/revoke").message == "Already revoked."
    assert api.post(f"{path}/restore").status == 200
    assert api.get(path)["status"] == before
    assert api.post(f"{path}/restore").message == "Already active."
    assert [(e.type, e.system_user) for e in state.events] == [(1511, 3), (1512, 3)]
    assert not api.emulator.mails


@pytest.mark.parametrize(
    ("policy", "account"),
    [
        (0, Account(email="ana@example.org", two_factor=False)),
        (3, Account(email="ana@example.org", two_factor=True, other_organizations=1)),
    ],
)
def test_policies_block_a_restore(api: Api, policy: int, account: Account) -> None:
    """Members once accepted or confirmed must satisfy the two-step-login and single-organization policies,
    otherwise 400 with a message that names the email; invited rows skip these checks (trap 19).
    """
    state = api.emulator.state
    state.set_policy(policy, enabled=True)
    member = state.enrol("ana@example.org", account=account, status=Status.REVOKED, status_before=2)
    answer = api.post(f"/public/members/{member.id}/restore")
    assert answer.status == 400
    assert "ana@example.org" in answer.message
    state.change_member(member.id, status_before=Status.INVITED)
    assert api.post(f"/public/members/{member.id}/restore").status == 200


def test_a_full_self_hosted_organization_refuses(api: Api) -> None:
    """Self-hosted never autoscales: "Cannot auto scale self-host." for an invite, "Cannot autoscale on
    self-hosted instance." for a restore. Revoked members take no seat, invited ones do.
    """
    state = api.emulator.state
    gone = state.enrol("gone@example.org", status=Status.REVOKED, status_before=Status.CONFIRMED)
    state.organization.seats = 2
    assert api.post("/public/members", {"email": "a@example.org", "type": 2}).status == 200
    answer = api.post("/public/members", {"email": "b@example.org", "type": 2})
    assert (answer.status, answer.message) == (400, "Cannot auto scale self-host.")
    answer = api.post(f"/public/members/{gone.id}/restore")
    assert answer.message == "Cannot autoscale on self-hosted instance."


def test_the_cloud_adds_seats_up_to_the_maximum(cloud: Api) -> None:
    """A cloud organization autoscales; past the configured maximum "Seat limit has been reached.", without
    payment "No payment method found.". A failed invite reverts the seats.
    """
    organization = cloud.emulator.state.organization
    organization.seats, organization.max_autoscale_seats = 1, 2
    organization.failing_mail = ["a@example.org"]
    assert cloud.post("/public/members", {"email": "a@example.org", "type": 2}).status == 400
    assert organization.seats == 1
    assert cloud.post("/public/members", {"email": "b@example.org", "type": 2}).status == 200
    assert organization.seats == 2
    answer = cloud.post("/public/members", {"email": "c@example.org", "type": 2})
    assert answer.message == "Seat limit has been reached."
    organization.payment_method = False
    answer = cloud.post("/public/members", {"email": "c@example.org", "type": 2})
    assert answer.message == "No payment method found."


def test_secrets_manager_access_is_the_servers_choice(api: Api) -> None:
    """Trap 33: it cannot be sent or read; it is set on create only with the standalone offer and then
    stays.
    """
    api.emulator.state.organization.standalone_secrets_manager = True
    body = {"email": "a@example.org", "type": 2, "accessSecretsManager": False}
    id_ = api.post("/public/members", body).json["id"]
    api.put(f"/public/members/{id_}", {"type": 2, "accessSecretsManager": False})
    assert api.emulator.state.members[id_].access_secrets_manager


def test_unknown_routes_and_methods_have_empty_bodies(api: Api) -> None:
    """There is no public confirm, no bulk variant, no lookup."""
    id_ = next(iter(_ids(api).values()))
    assert api.post(f"/public/members/{id_}/confirm").status == 404
    assert api.call("PATCH", f"/public/members/{id_}", {}).status == 405
