"""Lists, relationships and limits of the Graph emulator: each test states one fact of the service."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest

from tests.emulators.entra import EntraEmulator
from tests.entra import Raw, entra, running

__all__ = ["entra"]

ADVANCED = {"ConsistencyLevel": "eventual"}


@pytest.fixture
def raw(entra: EntraEmulator) -> Raw:
    client = Raw(entra)
    client.sign_in()
    return client


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> Iterator[EntraEmulator]:
    with running(monkeypatch, users=250, groups=12) as emulator:
        yield emulator


def ids(pages: list[dict[str, list[dict[str, str]]]]) -> list[str]:
    return [item["id"] for page in pages for item in page["value"]]


# --------------------------------------------------------------------------------------------------------------- lists


def test_a_page_has_100_users_and_an_absolute_link_to_the_next(full: EntraEmulator) -> None:
    raw = Raw(full)
    raw.sign_in()
    first = raw.graph("/v1.0/users").body
    assert len(first["value"]) == 100
    assert first["@odata.nextLink"].startswith(f"{full.url}/v1.0/users?")
    found = ids(raw.pages("/v1.0/users?$top=60"))
    assert len(found) == len(set(found)) == 248


def test_what_goes_during_paging_moves_nothing(full: EntraEmulator) -> None:
    raw = Raw(full)
    raw.sign_in()
    first = raw.graph("/v1.0/users?$top=100").body
    full.tenant.delete(first["value"][0]["id"])
    rest = raw.pages(first["@odata.nextLink"])
    assert len({item["id"] for item in first["value"]} | set(ids(rest))) == 248


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("$top=1000", 400, "BadRequest"),
        ("$top=0", 400, "BadRequest"),
        ("$skip=10", 400, "BadRequest"),
        ("$frobnicate=1", 400, "BadRequest"),
        ("$select=shoeSize", 400, "BadRequest"),
        ("$select=aboutMe", 501, "NotImplemented"),
        ("$skiptoken=rubbish", 400, "Directory_ExpiredPageToken"),
        ("$filter=shoeSize eq 1", 400, "BadRequest"),
        ("$filter=displayName eq", 400, "BadRequest"),
        ("$filter=displayName ne 'A'", 400, "Request_UnsupportedQuery"),
        ("$filter=endswith(mail,'x')", 400, "Request_UnsupportedQuery"),
        ("$filter=contains(mail,'x')", 400, "Request_UnsupportedQuery"),
        ("$orderby=mail", 400, "Request_UnsupportedQuery"),
    ],
)
def test_what_the_service_refuses(raw: Raw, query: str, status: int, code: str) -> None:
    reply = raw.graph(f"/v1.0/users?{quote(query, safe='=$')}")
    assert (reply.status, reply.body["error"]["code"]) == (status, code)
    assert {"date", "request-id", "client-request-id"} == reply.body["error"]["innerError"].keys()


def test_without_select_the_state_of_an_account_is_missing(entra: EntraEmulator, raw: Raw) -> None:
    entra.tenant.add("user", displayName="A", department="D")
    assert "accountEnabled" not in raw.graph("/v1.0/users").body["value"][0]
    assert raw.graph("/v1.0/users?$select=id,accountEnabled").body["value"][0]["accountEnabled"] is True


def test_filters(entra: EntraEmulator, raw: Raw) -> None:
    entra.tenant.add("user", displayName="O'Neil", department="Sales", accountEnabled=True)
    entra.tenant.add("user", displayName="Berg", department="Sales", accountEnabled=False)
    entra.tenant.add("user", displayName="Smith", department=None, accountEnabled=True)

    def names(text: str, **headers: str) -> set[str]:
        query = quote(text, safe="")
        counted = "&$count=true" if headers else ""
        found = raw.graph(f"/v1.0/users?$filter={query}{counted}", **headers).body
        return {user["displayName"] for user in found["value"]}

    assert names("department eq 'sales' and accountEnabled eq true") == {"O'Neil"}
    assert names("displayName eq 'O''Neil' or startswith(displayName,'b')") == {"O'Neil", "Berg"}
    assert names("displayName in ('Berg', 'Smith')") == {"Berg", "Smith"}
    assert names("not(department eq 'Sales')", **ADVANCED) == {"Smith"}
    assert names("department ne 'Sales'", **ADVANCED) == {"Smith"}


def test_filters_of_group_types(entra: EntraEmulator, raw: Raw) -> None:
    entra.tenant.add("group", displayName="M", groupTypes=["Unified"])
    entra.tenant.add("group", displayName="S")
    query = quote("groupTypes/any(c:c eq 'Unified')", safe="")
    assert [g["displayName"] for g in raw.graph(f"/v1.0/groups?$filter={query}").body["value"]] == ["M"]


def test_a_count_comes_once_and_only_in_an_advanced_query(full: EntraEmulator) -> None:
    raw = Raw(full)
    raw.sign_in()
    pages = raw.pages("/v1.0/users?$count=true&$top=200", **ADVANCED)
    assert [page.get("@odata.count") for page in pages] == [248, None]
    assert "@odata.count" not in raw.graph("/v1.0/users?$count=true").body
    assert raw.graph("/v1.0/users/$count", **ADVANCED).body == "248"
    assert raw.graph("/v1.0/users/$count").status == 400


def test_a_user_is_found_by_id_and_by_escaped_principal_name(entra: EntraEmulator, raw: Raw) -> None:
    guest = "x_y.example#EXT#@contoso.onmicrosoft.com"
    key = entra.tenant.add("user", userPrincipalName=guest)
    assert raw.graph(f"/v1.0/users/{key}").body["id"] == key
    assert raw.graph(f"/v1.0/users/{quote(guest, safe='')}").body["id"] == key
    assert raw.graph("/v1.0/users/nobody").body["error"]["code"] == "Request_ResourceNotFound"


# ------------------------------------------------------------------------------------------------------- relationships


def test_expanded_members_end_at_twenty_and_do_not_say_so(full: EntraEmulator) -> None:
    raw = Raw(full)
    raw.sign_in()
    found = raw.graph("/v1.0/groups?$expand=members($select=id)&$top=20").body["value"]
    sizes = {group["id"]: len(group["members"]) for group in found}
    assert max(sizes.values()) == 20
    assert any(len(full.tenant.members[key]) > size for key, size in sizes.items())
    assert not any("members@odata.nextLink" in group for group in found)


def test_members_are_of_all_types_and_direct(entra: EntraEmulator, raw: Raw) -> None:
    tenant = entra.tenant
    top, below = tenant.add("group", displayName="top"), tenant.add("group", displayName="below")
    user, device = tenant.add("user"), tenant.add("device")
    tenant.set_members(top, [below, device])
    tenant.set_members(below, [user, top])
    kinds = {m["@odata.type"] for m in raw.graph(f"/v1.0/groups/{top}/members").body["value"]}
    assert kinds == {"#microsoft.graph.group", "#microsoft.graph.device"}
    every = raw.graph(f"/v1.0/groups/{top}/transitiveMembers").body["value"]
    assert {m["id"] for m in every} == {below, user, device}
    path = f"/v1.0/groups/{top}/transitiveMembers/microsoft.graph.user"
    assert raw.graph(path).body["error"]["code"] == "Request_UnsupportedQuery"
    assert [m["id"] for m in raw.graph(f"{path}?$count=true", **ADVANCED).body["value"]] == [user]
    assert {g["id"] for g in raw.graph(f"/v1.0/users/{user}/transitiveMemberOf").body["value"]} == {top, below}
    posted = {"securityEnabledOnly": False}
    assert set(raw.graph(f"/v1.0/users/{user}/getMemberGroups", method="POST", posted=posted).body["value"]) == {
        top,
        below,
    }


def test_what_may_not_be_read_is_a_member_with_an_id_and_nothing_else(entra: EntraEmulator, raw: Raw) -> None:
    entra.tenant.app.roles = {"GroupMember.Read.All"}
    raw.sign_in()
    group, user = entra.tenant.add("group"), entra.tenant.add("user", displayName="Ana")
    entra.tenant.add_member(group, user)
    member = raw.graph(f"/v1.0/groups/{group}/members").body["value"][0]
    assert (member["id"], member["@odata.type"]) == (user, "#microsoft.graph.user")
    assert member["displayName"] is None
    assert raw.graph("/v1.0/users").status == 403


def test_hidden_members_are_left_out_without_a_word(entra: EntraEmulator, raw: Raw) -> None:
    group = entra.tenant.add("group", visibility="HiddenMembership")
    entra.tenant.add_member(group, entra.tenant.add("user"))
    assert raw.graph(f"/v1.0/groups/{group}/members").body["value"] == []
    assert "members@delta" not in raw.graph("/v1.0/groups/delta").body["value"][0]
    entra.tenant.app.roles.add("Member.Read.Hidden")
    raw.sign_in()
    assert len(raw.graph(f"/v1.0/groups/{group}/members").body["value"]) == 1
    assert len(raw.graph("/v1.0/groups/delta").body["value"][0]["members@delta"]) == 1


def test_administrative_units(entra: EntraEmulator, raw: Raw) -> None:
    unit, user = entra.tenant.add("administrativeUnit", displayName="North"), entra.tenant.add("user")
    entra.tenant.add_to_unit(unit, user)
    assert raw.graph("/v1.0/directory/administrativeUnits").status == 403
    entra.tenant.app.roles.add("AdministrativeUnit.Read.All")
    raw.sign_in()
    assert raw.graph("/v1.0/directory/administrativeUnits").body["value"][0]["displayName"] == "North"
    path = f"/v1.0/directory/administrativeUnits/{unit}/members/microsoft.graph.user?$count=true"
    assert [m["id"] for m in raw.graph(path, **ADVANCED).body["value"]] == [user]


# ------------------------------------------------------------------------------------------------------------- deleted


def test_the_deleted_are_not_in_the_list_and_have_another_principal_name(entra: EntraEmulator, raw: Raw) -> None:
    key = entra.tenant.add("user", userPrincipalName="ana@example.org")
    entra.tenant.delete(key)
    assert raw.graph("/v1.0/users").body["value"] == []
    found = raw.graph("/v1.0/directory/deletedItems/microsoft.graph.user?$select=id,userPrincipalName").body["value"]
    assert found == [{"id": key, "userPrincipalName": key.replace("-", "") + "ana@example.org"}]
    assert raw.graph("/v1.0/directory/deletedItems").status == 400
    entra.tenant.restore(key)
    assert raw.graph(f"/v1.0/users/{key}").body["userPrincipalName"] == "ana@example.org"


def test_only_microsoft_365_groups_go_to_the_recycle_bin(entra: EntraEmulator, raw: Raw) -> None:
    unified, security = entra.tenant.add("group", groupTypes=["Unified"]), entra.tenant.add("group")
    entra.tenant.delete(unified)
    entra.tenant.delete(security)
    assert raw.graph("/v1.0/directory/deletedItems/microsoft.graph.group").status == 403
    entra.tenant.app.roles.add("Group.Read.All")
    raw.sign_in()
    found = raw.graph("/v1.0/directory/deletedItems/microsoft.graph.group").body["value"]
    assert [group["id"] for group in found] == [unified]


# ------------------------------------------------------------------------------------------------------------- batches


def test_a_batch_has_a_status_for_each_part_in_any_order(full: EntraEmulator) -> None:
    raw = Raw(full)
    raw.sign_in()
    groups = ids(raw.pages("/v1.0/groups?$select=id"))[:5]
    parts = [{"id": str(n), "method": "GET", "url": f"/groups/{g}/members?$select=id"} for n, g in enumerate(groups)]
    parts.append({"id": "x", "method": "GET", "url": "/groups/nothing"})
    reply = raw.graph("/v1.0/$batch", method="POST", posted={"requests": parts})
    assert reply.status == 200
    answers = {part["id"]: part for part in reply.body["responses"]}
    assert [part["id"] for part in reply.body["responses"]] != [part["id"] for part in parts]
    assert answers["x"]["status"] == 404
    for n, group in enumerate(groups):
        body = answers[str(n)]["body"]
        assert len(body["value"]) == min(len(full.tenant.members[group]), 100)
        assert ("@odata.nextLink" in body) == (len(full.tenant.members[group]) > 100)


def test_a_batch_has_at_most_twenty_parts(raw: Raw) -> None:
    parts = [{"id": str(n), "method": "GET", "url": "/users"} for n in range(21)]
    assert raw.graph("/v1.0/$batch", method="POST", posted={"requests": parts}).status == 400


def test_objects_by_id(entra: EntraEmulator, raw: Raw) -> None:
    user, group = entra.tenant.add("user"), entra.tenant.add("group")
    posted = {"ids": [user, group, "none"], "types": ["user"]}
    found = raw.graph("/v1.0/directoryObjects/getByIds", method="POST", posted=posted).body["value"]
    assert [item["id"] for item in found] == [user]
    assert raw.graph("/v1.0/directoryObjects/getByIds", method="POST", posted={"ids": ["x"] * 1001}).status == 400


# -------------------------------------------------------------------------------------------------------------- limits


def test_every_answer_tells_its_units_and_a_select_saves_one(raw: Raw) -> None:
    assert raw.graph("/v1.0/users").headers["x-ms-resource-unit"] == "2"
    assert raw.graph("/v1.0/users?$select=id").headers["x-ms-resource-unit"] == "1"


def test_over_the_limit_there_is_a_429_with_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(monkeypatch, unit_limit=5) as entra:
        raw = Raw(entra)
        raw.sign_in()
        near = [raw.graph("/v1.0/users?$select=id").headers.get("x-ms-throttle-limit-percentage") for _ in range(5)]
        assert near == [None, None, None, "0.8", "1.0"]
        reply = raw.graph("/v1.0/users?$select=id")
        assert (reply.status, reply.body["error"]["code"]) == (429, "TooManyRequests")
        assert 1 <= int(reply.headers["retry-after"]) <= 10
        assert "x-ms-throttle-scope" in reply.headers


def test_a_part_of_a_batch_is_limited_on_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(monkeypatch, unit_limit=2) as entra:
        raw = Raw(entra)
        raw.sign_in()
        parts = [{"id": str(n), "method": "GET", "url": "/users?$select=id"} for n in range(3)]
        reply = raw.graph("/v1.0/$batch", method="POST", posted={"requests": parts})
        assert sorted(part["status"] for part in reply.body["responses"]) == [200, 200, 429]
        limited = next(part for part in reply.body["responses"] if part["status"] == 429)
        assert int(limited["headers"]["Retry-After"]) >= 1
