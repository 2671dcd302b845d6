"""The local organization answers and refuses like the real one, where no plan of ours would go."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from dirconnector.organizations.endpoints import ApiRefused
from dirconnector.organizations.local import LocalOrganization, LocalSettings
from dirconnector.organizations.local_endpoints import LocalEndpoints

OWNER = {"email": "olga@example.org", "type": "owner", "externalId": "k-olga"}
ANA = {"email": "ana@example.org", "externalId": "k-ana", "collections": 2}

Start = Callable[..., LocalEndpoints]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with ExitStack() as stack:

        def start(*members: dict[str, Any], seats: int | None = None, groups: Any = ()) -> LocalEndpoints:
            seed = {"seats": seats, "members": list(members) or [OWNER, ANA], "groups": list(groups)}
            (tmp_path / "seed.json").write_text(json.dumps(seed))
            settings = LocalSettings.model_validate({"path": "o.db", "seed": "seed.json"}, context={"folder": tmp_path})
            return stack.enter_context(LocalOrganization(settings).endpoints())

        yield start


def entry(name: str, key: str = "") -> dict[str, Any]:
    return {"email": f"{name}@example.org", "externalId": key or f"k-{name}", "deleted": False}


def group(name: str, *keys: str) -> dict[str, Any]:
    return {"name": name, "externalId": f"g-{name}", "memberExternalIds": list(keys)}


def found(api: LocalEndpoints, name: str) -> dict[str, Any]:
    (member,) = [m for m in api.members() if m["email"].lower() == f"{name}@example.org"]
    return api.member(member["id"])


def members_of(api: LocalEndpoints, name: str) -> set[str]:
    (group_id,) = [g["id"] for g in api.groups() if g["name"] == name]
    return {api.member(i)["email"].partition("@")[0] for i in api.group_member_ids(group_id)}


def mails(api: LocalEndpoints) -> list[str]:
    return [row[0] for row in api.connection.execute("SELECT email FROM mails ORDER BY number")]


def refused(status: int, message: str, call: Callable[[], object]) -> None:
    with pytest.raises(ApiRefused) as caught:
        call()
    assert (caught.value.status, caught.value.message) == (status, message)


STATE = "The request's model state is invalid."
ERROR = "An unhandled server error has occurred."
LAST = "Organization must have at least one confirmed owner."


# ----------------------------------------------------------------------------------------------------------- members


def test_a_put_wipes_what_it_omits(start: Start) -> None:
    api = start()
    ana = found(api, "ana")
    assert len(ana["collections"]) == 2
    api.put_member(ana["id"], {"type": 2})
    assert found(api, "ana") == {**ana, "externalId": None, "collections": []}


def test_a_put_keeps_omitted_groups_and_replaces_given_ones(start: Start) -> None:
    api = start(groups=[{"name": "One", "members": ["ana@example.org"]}, {"name": "Two"}])
    ana = found(api, "ana")
    api.put_member(ana["id"], {"type": 2})
    assert members_of(api, "One") == {"ana"}
    (two,) = [g["id"] for g in api.groups() if g["name"] == "Two"]
    api.put_member(ana["id"], {"type": 2, "groups": [two]})
    assert (members_of(api, "One"), members_of(api, "Two")) == (set(), {"ana"})


@pytest.mark.parametrize(
    "body",
    [{}, {"type": 3}, {"type": 2, "permissions": {"manageUsers": True}}, {"type": 2, "externalId": "k" * 301}],
)
def test_a_put_is_validated(start: Start, body: dict[str, Any]) -> None:
    api = start()
    before = found(api, "ana")
    refused(400, STATE, lambda: api.put_member(before["id"], body))
    assert found(api, "ana") == before


def test_permissions_of_a_custom_member_stay_unless_sent(start: Start) -> None:
    api = start()
    ana = found(api, "ana")["id"]
    api.put_member(ana, {"type": 4, "permissions": {"manageUsers": True}})
    assert api.put_member(ana, {"type": 4})["permissions"] == {"manageUsers": True}
    assert api.put_member(ana, {"type": 2})["permissions"] is None


def test_an_unknown_collection_is_a_404_and_nothing_changes(start: Start) -> None:
    api = start()
    before = found(api, "ana")
    body = {"type": 2, "collections": [{"id": "nope", "readOnly": True}]}
    refused(404, "Resource not found.", lambda: api.put_member(before["id"], body))
    assert found(api, "ana") == before


def test_the_last_confirmed_owner(start: Start) -> None:
    pending = {"email": "pam@example.org", "type": "owner", "status": "accepted"}
    api = start(OWNER, pending, ANA)
    olga, pam = found(api, "olga")["id"], found(api, "pam")["id"]
    refused(400, LAST, lambda: api.revoke(olga))
    refused(400, LAST, lambda: api.delete_member(olga))
    refused(400, LAST, lambda: api.put_member(olga, {"type": 1}))
    api.revoke(pam)
    api.delete_member(pam)


def test_an_owner_may_go_while_there_is_another_confirmed_one(start: Start) -> None:
    api = start(OWNER, {"email": "pam@example.org", "type": "owner"})
    api.revoke(found(api, "olga")["id"])
    refused(400, LAST, lambda: api.revoke(found(api, "pam")["id"]))


def test_an_organization_without_an_owner_is_run_by_a_provider(start: Start) -> None:
    api = start(ANA)
    api.import_(members=[entry("zoe")], groups=[])
    api.delete_member(found(api, "ana")["id"])


@pytest.mark.parametrize("status", ["invited", "accepted", "confirmed", "staged"])
def test_restore_returns_to_the_status_before(start: Start, status: str) -> None:
    api = start(OWNER, {**ANA, "status": status})
    before = found(api, "ana")
    api.revoke(before["id"])
    refused(400, "Already revoked.", lambda: api.revoke(before["id"]))
    assert found(api, "ana")["status"] == -1
    api.restore(before["id"])
    refused(400, "Already active.", lambda: api.restore(before["id"]))
    assert found(api, "ana") == before
    assert mails(api) == []


def test_reinvite_is_for_the_invited(start: Start) -> None:
    api = start(OWNER, {**ANA, "status": "invited"})
    api.reinvite(found(api, "ana")["id"])
    assert mails(api) == ["ana@example.org"]
    refused(400, "User invalid.", lambda: api.reinvite(found(api, "olga")["id"]))


@pytest.mark.parametrize(
    "call",
    [
        lambda api: api.member("x"),
        lambda api: api.put_member("x", {"type": 2}),
        lambda api: api.delete_member("x"),
        lambda api: api.revoke("x"),
        lambda api: api.restore("x"),
        lambda api: api.reinvite("x"),
        lambda api: api.group("x"),
        lambda api: api.put_group("x", {"name": "n"}),
        lambda api: api.delete_group("x"),
        lambda api: api.group_member_ids("x"),
        lambda api: api.put_group_member_ids("x", []),
    ],
)
def test_unknown_ids(start: Start, call: Callable[[LocalEndpoints], object]) -> None:
    api = start()
    refused(404, "", lambda: call(api))


# ------------------------------------------------------------------------------------------------------------ groups


def test_a_group_put_wipes_the_key_and_keeps_the_collections(start: Start) -> None:
    api = start(groups=[{"name": "G", "externalId": "g", "collections": 2}])
    (before,) = api.groups()
    assert api.put_group(before["id"], {"name": "H"}) == {**before, "name": "H", "externalId": None}
    assert api.put_group(before["id"], {"name": "H", "collections": []})["collections"] == []


@pytest.mark.parametrize("name", ["", "  ", "n" * 101, None])
def test_group_names_are_validated(start: Start, name: str | None) -> None:
    api = start()
    refused(400, STATE, lambda: api.post_group({"name": name}))


def test_member_ids_are_exact_and_unknown_ones_vanish(start: Start) -> None:
    api = start(groups=[{"name": "G", "members": ["olga@example.org"]}])
    group_id, ana = api.groups()[0]["id"], found(api, "ana")["id"]
    api.put_group_member_ids(group_id, [ana, "nobody"])
    assert members_of(api, "G") == {"ana"}
    refused(500, ERROR, lambda: api.put_group_member_ids(group_id, [ana, ana]))
    assert members_of(api, "G") == {"ana"}


# ------------------------------------------------------------------------------------------------------------ import


def test_import_invites_and_mails(start: Start) -> None:
    api = start()
    api.import_(members=[{**entry("zoe"), "email": "Zoe@Example.ORG"}, entry("ana")], groups=[])
    zoe = found(api, "zoe")
    assert (zoe["email"], zoe["status"], zoe["type"], zoe["externalId"]) == ("zoe@example.org", 0, 2, "k-zoe")
    assert mails(api) == ["zoe@example.org"]


def test_import_adopts_exactly_equal_addresses_without_a_key(start: Start) -> None:
    api = start(OWNER, {"email": "low@example.org", "status": "revoked"}, {"email": "Cap@example.org"})
    api.import_(members=[entry("low"), entry("cap"), entry("olga", "k-other")], groups=[])
    assert (found(api, "low")["externalId"], found(api, "low")["status"]) == ("k-low", -1)
    assert found(api, "cap")["externalId"] is None
    assert found(api, "olga")["externalId"] == "k-olga"
    assert len(api.members()) == 3
    assert mails(api) == []


def test_import_never_changes_an_address(start: Start) -> None:
    api = start()
    api.import_(members=[entry("new-address", "k-ana")], groups=[])
    assert found(api, "ana")["externalId"] == "k-ana"
    assert len(api.members()) == 2


@pytest.mark.parametrize(
    "bad",
    [
        entry("x", "k" * 301),
        entry("x", " "),
        {**entry("x"), "email": "x" * 250 + "@example.org"},
        {**entry("x"), "email": "no address"},
        {**entry("x"), "email": "a@b@c"},
        {**entry("x"), "email": "@x"},
        {**entry("x"), "email": None},
    ],
)
def test_one_bad_member_rejects_the_whole_document(start: Start, bad: dict[str, Any]) -> None:
    api = start()
    refused(400, STATE, lambda: api.import_(members=[entry("zoe"), bad], groups=[]))
    assert len(api.members()) == 2


@pytest.mark.parametrize(
    "bad", [{**group("x"), "name": "n" * 101}, {**group("x"), "name": " "}, {**group("x"), "externalId": None}]
)
def test_one_bad_group_rejects_the_whole_document(start: Start, bad: dict[str, Any]) -> None:
    api = start()
    refused(400, STATE, lambda: api.import_(members=[entry("zoe")], groups=[bad]))
    assert len(api.members()) == 2


def test_what_a_real_server_fails_on_with_a_500(start: Start) -> None:
    api = start(OWNER, ANA, {"email": "hand@example.org"})
    twice = [entry("zoe", "k1"), {**entry("zoe", "k2"), "email": "ZOE@example.org"}]
    refused(500, ERROR, lambda: api.import_(members=twice, groups=[]))
    refused(500, ERROR, lambda: api.import_(members=[entry("hand", "k-ana")], groups=[]))
    refused(500, ERROR, lambda: api.import_(members=[], groups=[group("G"), group("G")]))
    refused(500, ERROR, lambda: api.import_(members=[], groups=[{**group("G"), "memberExternalIds": None}]))
    api.post_group({"name": "A", "externalId": "g"})
    api.post_group({"name": "B", "externalId": "g"})
    refused(500, ERROR, lambda: api.import_(members=[], groups=[group("G")]))
    api.import_(members=[], groups=[])
    api.put_member(found(api, "hand")["id"], {"type": 2, "externalId": "k-ana"})
    refused(500, ERROR, lambda: api.import_(members=[], groups=[]))


def test_import_groups_match_by_key_replace_members_and_drop_unknown_ones(start: Start) -> None:
    hand = {"email": "hand@example.org"}
    before = {"name": "Old", "externalId": "g-G", "members": ["hand@example.org"], "collections": 1}
    api = start(OWNER, ANA, hand, groups=[before, {"name": "Same"}])
    api.import_(members=[entry("zoe")], groups=[group("G", "k-ana", "k-zoe", "k-nobody"), group("Same")])
    assert members_of(api, "G") == {"ana", "zoe"}
    assert sorted(g["name"] for g in api.groups()) == ["G", "Same", "Same"]
    assert [len(g["collections"]) for g in api.groups() if g["name"] == "G"] == [1]
    api.import_(members=[], groups=[group("G")])
    assert members_of(api, "G") == set()
    assert len(api.groups()) == 3


def test_seats(start: Start) -> None:
    api = start(OWNER, {**ANA, "status": "revoked"}, {"email": "s@example.org", "status": "staged"}, seats=2)
    refused(400, "Seat limit has been reached.", lambda: api.import_(members=[entry("x"), entry("y")], groups=[]))
    assert len(api.members()) == 3
    api.import_(members=[entry("x")], groups=[])
    refused(400, "Seat limit has been reached.", lambda: api.restore(found(api, "ana")["id"]))
    api.delete_member(found(api, "x")["id"])
    api.restore(found(api, "ana")["id"])


def test_an_organization_over_its_seats_takes_no_import(start: Start) -> None:
    api = start(seats=1)
    refused(400, "Seat limit has been reached.", lambda: api.import_(members=[], groups=[]))


@pytest.mark.parametrize(("number", "large", "taken"), [(2000, False, True), (2001, False, False), (2001, True, True)])
def test_the_size_of_an_import(start: Start, number: int, large: bool, taken: bool) -> None:
    api = start()
    people = [entry(f"p{i}") for i in range(number)]
    if taken:
        api.import_(members=people, groups=[], large=large)
    else:
        refused(400, "You cannot import this much data at once.", lambda: api.import_(members=people, groups=[]))
    assert len(api.members()) == 2 + (number if taken else 0)
