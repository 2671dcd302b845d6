"""POST /public/organization/import (ImportOrganizationUsersAndGroupsCommand)."""

from __future__ import annotations

from threading import Thread
from typing import Any

import pytest

from tests.emulators.bitwarden import Account, Status, Type
from tests.emulators_tests.client import Api, group, person

UNHANDLED = "An unhandled server error has occurred."


def _groups(api: Api) -> dict[str, Any]:
    return {g["externalId"]: g for g in api.get("/public/groups")["data"]}


def _in_group(api: Api, external_id: str) -> set[str]:
    """The e-mails in a group."""
    ids = set(api.get(f"/public/groups/{_groups(api)[external_id]['id']}/member-ids"))
    return {email for email, member in api.members().items() if member["id"] in ids}


def _event_types(api: Api) -> list[tuple[int, int | None]]:
    return [(int(e.type), e.system_user) for e in api.emulator.state.events]


def test_success_has_an_empty_body_and_invites(api: Api) -> None:
    """200 with an empty body; new people are type 2, status 0, without collections, and get a mail (trap
    32); e-mails of live members are lower-cased on the way in; 1500 per invite and 1400 per new group with
    system user 3.
    """
    answer = api.imports(person("k", "Ana@Example.org"), groups=[group("g", "k")])
    assert (answer.status, answer.raw) == (200, b"")
    member = api.members()["ana@example.org"]
    assert (member["type"], member["status"], member["externalId"]) == (2, 0, "k")
    assert [mail.to for mail in api.emulator.mails] == ["ana@example.org"]
    assert _in_group(api, "g") == {"ana@example.org"}
    assert _event_types(api) == [(1500, 3), (1400, 3)]


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"members": [person("k", "no address")]}, "Members[0].Email"),
        ({"members": [person("k"), person("l", f"{'x' * 250}@example.org")]}, "Members[1].Email"),
        ({"members": [person("k") | {"email": None}]}, "Members[0].Email"),
        ({"members": [person("k") | {"email": "", "deleted": True}]}, "Members[0].Email"),
        ({"members": [person("x" * 301, "a@b.c")]}, "Members[0].ExternalId"),
        ({"members": [person("", "a@b.c")]}, "Members[0].ExternalId"),
        ({"members": [person("k") | {"deleted": None}]}, "$.members[0].deleted"),
        ({"groups": [group("g", name="x" * 101)]}, "Groups[0].Name"),
        ({"groups": [group("g", name=" ")]}, "Groups[0].Name"),
        ({"overwriteExisting": None}, "OverwriteExisting"),
    ],
)
def test_one_bad_entry_rejects_everything(api: Api, changes: dict[str, Any], key: str) -> None:
    """Validation covers the whole document first: 400 and nothing is changed (trap 10); the e-mail format
    is loose, null is fine only when deleted, "" never; overwriteExisting is required.
    """
    body: dict[str, Any] = {"members": [], "groups": [], "overwriteExisting": False} | changes
    body["members"] = [*body["members"], person("good")]
    answer = api.post("/public/organization/import", body)
    assert (answer.status, list(answer.errors)) == (400, [key])
    assert list(api.members()) == ["owner@example.org"]


def test_addresses_that_only_the_member_endpoint_refuses(api: Api) -> None:
    """Import takes a loose format (one @, not first or last); POST /public/members is stricter (trap 10)."""
    assert api.imports(person("k", "ana@localhost")).status == 200
    assert api.post("/public/members", {"email": "bob@localhost", "type": 2}).status == 400


def test_external_ids_may_be_numbers_and_booleans(api: Api) -> None:
    """Numbers become their decimal text, true and false "True" and "False"; a lone scalar where the id
    array is expected becomes a one-item list.
    """
    members = [person("a") | {"externalId": 7}, person("b") | {"externalId": True}]
    sent = {"name": "g", "externalId": 1000.0, "memberExternalIds": 7}
    assert api.imports(*members, groups=[sent]).status == 200
    assert {m["externalId"] for m in api.members().values()} == {None, "7", "True"}
    assert _in_group(api, "1000.0") == {"a@example.org"}


def test_a_null_email_is_fine_for_a_deleted_member(api: Api) -> None:
    """email is required unless deleted; null is fine then."""
    assert api.imports({"externalId": "k", "email": None, "deleted": True}).status == 200


@pytest.mark.parametrize("field", ["groups", "members"])
def test_null_arrays_are_a_500(api: Api, field: str) -> None:
    """Trap 27: null or missing groups or members is a 500."""
    body = {"groups": [], "members": [], "overwriteExisting": False} | {field: None}
    answer = api.post("/public/organization/import", body)
    assert (answer.status, answer.message) == (500, UNHANDLED)


def test_null_member_ids_are_a_500_after_the_members(api: Api) -> None:
    """Trap 27: null memberExternalIds is a 500 after members were already processed."""
    answer = api.imports(person("k"), groups=[{"name": "g", "externalId": "g"}])
    assert answer.status == 500
    assert "k@example.org" in api.members()
    assert _groups(api) == {}


def test_it_neither_revokes_nor_restores(api: Api) -> None:
    """Trap 1: a live member who is known by externalId is left alone: e-mail never updated (trap 8), status
    kept, revoked stays revoked.
    """
    api.emulator.state.enrol("ana@example.org", external_id="k", status=Status.REVOKED)
    assert api.imports(person("k", "new@example.org")).status == 200
    assert {e: m["status"] for e, m in api.members().items()} == {"owner@example.org": 2, "ana@example.org": -1}


def test_deleted_removes_by_external_id_only(api: Api) -> None:
    """Trap 2: deleted is removal, matched by externalId, the e-mail is ignored; skipped when unknown, when
    the member is an Owner (trap 15), or when the same externalId is also live. Admins and claimed accounts
    are removed (trap 17).
    """
    state = api.emulator.state
    state.enrol("ana@example.org", external_id="ana", type=Type.ADMIN)
    state.enrol("own@example.org", external_id="own", type=Type.OWNER)
    state.enrol("bob@example.org", external_id="bob", account=Account(email="bob@example.org", claimed=True))
    state.enrol("eve@example.org", external_id="eve")
    gone = [person(id_, "x@example.org", deleted=True) for id_ in ("ana", "own", "bob", "unknown")]
    answer = api.imports(*gone, person("other", "eve@example.org", deleted=True))
    assert answer.status == 200
    assert set(api.members()) == {"owner@example.org", "own@example.org", "eve@example.org"}
    assert _event_types(api) == [(1503, 3), (1503, 3)]
    assert api.imports(person("eve"), person("eve", deleted=True)).status == 200
    assert api.members()["eve@example.org"]["status"] == 2


def test_overwrite_deletes_the_absent(api: Api) -> None:
    """Trap 12: everybody who has an externalId, is not an Owner and is absent is deleted; members without
    externalId are never touched; a part of a split import deletes the other parts (trap 11).
    """
    state = api.emulator.state
    state.enrol("ana@example.org", external_id="ana")
    state.enrol("bob@example.org", external_id="bob")
    state.enrol("own@example.org", external_id="own", type=Type.OWNER)
    state.enrol("hand@example.org")
    assert api.imports(person("ana"), overwriteExisting=True).status == 200
    assert set(api.members()) == {
        "owner@example.org",
        "ana@example.org",
        "own@example.org",
        "hand@example.org",
    }


@pytest.mark.parametrize("status", [Status.INVITED, Status.CONFIRMED])
def test_overwrite_refuses_when_somebody_has_no_master_password(api: Api, status: Status) -> None:
    """Trap 12: if any member about to be deleted has no master password, the call ends with 400 "Sync
    failed...."; an unlinked row counts as having none. Step 1 has already happened by then, and its events
    are lost.
    """
    state = api.emulator.state
    linked = {} if status is Status.CONFIRMED else {"user_id": None}
    account = Account(email="sso@example.org", master_password=False)
    state.enrol("sso@example.org", account=account, external_id="sso", status=status, **linked)
    state.enrol("ana@example.org", external_id="ana")
    answer = api.imports(person("ana", deleted=True), overwriteExisting=True)
    assert answer.status == 400
    assert answer.message.startswith("Sync failed.")
    assert set(api.members()) == {"owner@example.org", "sso@example.org"}
    assert _event_types(api) == []


def test_members_without_external_id_are_adopted_by_email(api: Api) -> None:
    """Existing members without externalId whose e-mail equals an imported one get that externalId, whatever
    their type or status; nothing else changes. Trap 9: a stored address with capitals does not match and is
    then skipped as known.
    """
    state = api.emulator.state
    state.enrol("ana@example.org", status=Status.REVOKED, type=Type.ADMIN)
    state.enrol("Bob@example.org")
    people = [person("ana"), person("bob"), person("own", "owner@example.org")]
    assert api.imports(*people, groups=[group("g", "ana", "bob")]).status == 200
    members = api.members()
    assert (members["ana@example.org"]["externalId"], members["ana@example.org"]["status"]) == ("ana", -1)
    assert members["owner@example.org"]["externalId"] == "own"
    assert members["Bob@example.org"]["externalId"] is None
    assert _in_group(api, "g") == {"ana@example.org"}
    assert not api.emulator.mails


def test_the_same_email_with_a_new_external_id_is_skipped_in_silence(api: Api) -> None:
    """Trap 7 and 25: an e-mail already in the organization is skipped, its new externalId stays unknown and
    group links to it are dropped, with 200; with overwriteExisting the old row is deleted and invited anew.
    """
    api.emulator.state.enrol("ana@example.org", external_id="old")
    assert api.imports(person("new", "ana@example.org"), groups=[group("g", "new")]).status == 200
    assert api.members()["ana@example.org"]["externalId"] == "old"
    assert _in_group(api, "g") == set()
    assert api.imports(person("new", "ana@example.org"), overwriteExisting=True).status == 200
    member = api.members()["ana@example.org"]
    assert (member["externalId"], member["status"]) == ("new", 0)


def test_external_ids_are_compared_case_sensitively(api: Api) -> None:
    """Trap 34: externalIds are compared case-sensitively in an import."""
    api.emulator.state.enrol("ana@example.org", external_id="K")
    api.imports(person("k", "bob@example.org"))
    assert api.members()["bob@example.org"]["externalId"] == "k"


def test_a_duplicate_email_is_a_500_with_partial_effects(api: Api) -> None:
    """Trap 6: two live members with the same e-mail after lower-casing: 500, after the removals of step 1."""
    api.emulator.state.enrol("gone@example.org", external_id="gone")
    people = [person("a", "x@example.org"), person("b", "X@example.org"), person("gone", deleted=True)]
    assert api.imports(*people).status == 500
    assert set(api.members()) == {"owner@example.org"}


def test_a_duplicate_group_external_id_is_a_500_after_the_members(api: Api) -> None:
    """Trap 6: group externalIds repeated in the request: 500; members are already done."""
    assert api.imports(person("k"), groups=[group("g"), group("g")]).status == 500
    assert "k@example.org" in api.members()


def test_an_adopted_external_id_that_is_taken_is_a_500(api: Api) -> None:
    """An adopted externalId that another existing member already has: 500."""
    api.emulator.state.enrol("ana@example.org", external_id="k")
    api.emulator.state.enrol("bob@example.org")
    assert api.imports(person("k", "bob@example.org")).status == 500
    assert api.members()["bob@example.org"]["externalId"] is None


def test_duplicate_external_ids_among_members_break_every_import(api: Api) -> None:
    """Trap 5: two existing members with the same externalId make every import fail with 500; the member
    endpoint does not prevent it. Once cured, the same document converges.
    """
    for email in ("a@example.org", "b@example.org"):
        api.post("/public/members", {"email": email, "type": 2, "externalId": "same"})
    assert api.imports().status == 500
    api.delete(f"/public/members/{api.members()['b@example.org']['id']}")
    assert api.imports().status == 200


def test_duplicate_external_ids_among_groups_break_imports_with_groups(api: Api) -> None:
    """Trap 5: likewise for groups; step 5 is skipped when groups is empty."""
    for _ in range(2):
        api.post("/public/groups", {"name": "Staff", "externalId": "s"})
    assert api.imports(groups=[group("x")]).status == 500
    assert api.imports().status == 200


def test_group_membership_is_replaced_and_names_updated(api: Api) -> None:
    """Trap 4: anyone not listed leaves the group, including members without externalId; the name is
    updated, unknown ids are dropped, references go to all existing members; 1401 for every matched group
    even unchanged.
    """
    state = api.emulator.state
    ana = state.enrol("ana@example.org", external_id="ana")
    hand = state.enrol("hand@example.org")
    state.enrol("bob@example.org", external_id="bob")
    state.add_group("Old name", [ana, hand], external_id="g")
    sent = group("g", "bob", "nobody", name="New name")
    assert api.imports(groups=[sent]).status == 200
    assert _in_group(api, "g") == {"bob@example.org"}
    assert _groups(api)["g"]["name"] == "New name"
    api.imports(groups=[sent])
    assert _event_types(api) == [(1401, 3), (1401, 3)]


def test_groups_are_matched_by_external_id_and_never_deleted(api: Api) -> None:
    """Trap 3: groups missing from the request are never deleted or emptied, also not with
    overwriteExisting; a same-named group without externalId is not adopted.
    """
    ana = api.emulator.state.enrol("ana@example.org")
    api.emulator.state.add_group("Staff", [ana])
    assert api.imports(groups=[group("s", name="Staff")], overwriteExisting=True).status == 200
    assert [g["name"] for g in api.get("/public/groups")["data"]] == ["Staff", "Staff"]
    assert _in_group(api, "s") == set()
    assert len(api.get(f"/public/members/{ana.id}/group-ids")) == 1


def test_flags_of_the_plan(api: Api) -> None:
    """useDirectory off: 400 "Organization cannot use directory syncing."; useGroups is checked only in step
    5: 400 "Organization cannot use groups.", members are already done.
    """
    organization = api.emulator.state.organization
    organization.use_groups = False
    answer = api.imports(person("k"), groups=[group("g")])
    assert answer.message == "Organization cannot use groups."
    assert "k@example.org" in api.members()
    organization.use_directory = False
    assert api.imports(person("l")).message == "Organization cannot use directory syncing."


def test_the_cap_of_2000_is_the_clouds(api: Api, cloud: Api) -> None:
    """Trap 11: in the cloud more than 2000 groups or non-deleted members without largeImport: 400; exactly
    2000 passes, deleted ones do not count; self-hosted never checks.
    """
    people = [person(f"k{number}") for number in range(2001)]
    refused = cloud.imports(*people)
    assert (refused.status, refused.message) == (400, "You cannot import this much data at once.")
    assert cloud.imports(groups=[group(f"g{number}") for number in range(2001)]).status == 400
    most = [group(f"g{number}") for number in range(2000)]
    assert cloud.imports(*people[:2000], person("gone", deleted=True), groups=most).status == 200
    assert cloud.imports(*people, largeImport=True).status == 200
    assert api.imports(*people).status == 200


def test_a_body_over_30_megabytes_is_a_413(api: Api) -> None:
    """The application server's own default body cap of 30,000,000 bytes is not raised for any public
    endpoint.
    """
    assert api.post("/public/organization/import", b" " * 30_000_001).status == 413


def test_full_seats_fail_the_add_step_as_a_whole(api: Api) -> None:
    """Trap 30: the import fails as a whole at the add step, after removals and adoptions took place; an
    over-full self-hosted organization fails even with nothing to add.
    """
    state = api.emulator.state
    state.enrol("ana@example.org")
    state.enrol("gone@example.org", external_id="gone")
    state.organization.seats = 2
    answer = api.imports(person("ana"), person("gone", deleted=True), person("new"))
    assert (answer.status, answer.message) == (400, "Cannot autoscale on self-hosted instance.")
    assert {e: m["externalId"] for e, m in api.members().items()} == {
        "owner@example.org": None,
        "ana@example.org": "ana",
    }
    state.organization.seats = 1
    assert api.imports().status == 400


def test_someone_must_own_the_organization_when_somebody_is_added(api: Api) -> None:
    """The organization must have a confirmed owner, else 400; checked only when someone is added."""
    owner = next(iter(api.emulator.state.members.values()))
    api.emulator.state.change_member(owner.id, status=Status.ACCEPTED)
    assert api.imports().status == 200
    assert api.imports(person("k")).message == "Organization must have at least one confirmed owner."


def test_a_failing_mail_rolls_back_the_batch(api: Api) -> None:
    """Errors inside the invite step are 400 "Errors have occurred." with the reason under "An error has
    occurred."; the step cleans up its own rows.
    """
    api.emulator.state.organization.failing_mail = ["b@example.org"]
    answer = api.imports(person("a"), person("b"))
    assert (answer.status, answer.message) == (400, "Errors have occurred.")
    assert list(answer.errors) == ["An error has occurred."]
    assert set(api.members()) == {"owner@example.org"}


def test_staged_members_need_the_server_flag(api: Api) -> None:
    """Trap 21: with inviteUsersAfterProvisioning false and the flag on people are Staged (3): no mail, no
    seat; logged 1523. With the flag off the field is ignored. Public reinvite refuses them and POST reports
    the e-mail as invited.
    """
    organization = api.emulator.state.organization
    assert api.imports(person("a"), inviteUsersAfterProvisioning=False).status == 200
    assert api.members()["a@example.org"]["status"] == 0
    organization.flags, organization.seats = ["pm-34423-staged-status"], 2
    api.emulator.state.events.clear()
    api.emulator.mails.clear()
    assert api.imports(person("b"), inviteUsersAfterProvisioning=False).status == 200
    staged = api.members()["b@example.org"]
    assert staged["status"] == 3
    assert not api.emulator.mails
    assert _event_types(api) == [(1523, 3)]
    assert api.post(f"/public/members/{staged['id']}/reinvite").message == "User invalid."
    assert api.post("/public/members", {"email": "b@example.org", "type": 2}).status == 400


def test_invited_people_are_not_seen_on_other_databases(api: Api) -> None:
    """On non-SQL-Server self-hosts the lookup of present e-mails does not see purely invited rows: a
    duplicate invite is possible.
    """
    api.emulator.state.organization.database = "other"
    api.imports(person("a", "ana@example.org"))
    api.imports(person("b", "ana@example.org"))
    assert [m["email"] for m in api.get("/public/members")["data"]].count("ana@example.org") == 2


def test_two_imports_at_once_create_duplicates(api: Api) -> None:
    """Trap 26: nothing locks an organization: two imports running at once can both see a person as new and
    both insert, after which every import is a 500.
    """
    api.emulator.faults.add("POST /public/organization/import", "slow:0.5", times=2)
    both = [Thread(target=api.imports, args=(person("k"),)) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    emails = [m["email"] for m in api.get("/public/members")["data"]]
    assert emails.count("k@example.org") == 2
    assert api.imports().status == 500
