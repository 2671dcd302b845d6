"""The groups, collections, policies and events endpoints (GroupsController and siblings)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode
from uuid import uuid4

import pytest

from tests.emulators.bitwarden import Association, Collection
from tests.emulators_tests.client import Api


def _collection(api: Api, **fields: str) -> Collection:
    collection = Collection(**fields)
    api.emulator.state.collections[collection.id] = collection
    return collection


def test_neither_name_nor_external_id_need_be_unique(api: Api) -> None:
    """Neither name nor externalId uniqueness is checked: duplicates are created happily. Creating logs
    1400.
    """
    for _ in range(2):
        assert api.post("/public/groups", {"name": "Staff", "externalId": "s"}).status == 200
    body = api.get("/public/groups")
    assert [(g["name"], g["externalId"]) for g in body["data"]] == [("Staff", "s")] * 2
    assert set(body["data"][0]) == {"object", "id", "name", "externalId", "collections"}
    assert [e.type for e in api.emulator.state.events] == [1400, 1400]


@pytest.mark.parametrize(
    ("body", "key"),
    [
        ({"name": " "}, "Name"),
        ({}, "Name"),
        ({"name": "x" * 101}, "Name"),
        ({"name": "x", "externalId": "x" * 301}, "ExternalId"),
        ({"name": 1}, "$.name"),
    ],
)
def test_invalid_groups(api: Api, body: dict[str, object], key: str) -> None:
    """Group name is required and at most 100, externalId at most 300."""
    assert list(api.post("/public/groups", body).errors) == [key]


def test_a_put_clears_the_external_id_and_keeps_collections(api: Api) -> None:
    """Trap 13: group PUT clears an omitted externalId but keeps omitted collections; [] wipes. Logs 1401."""
    collection = _collection(api)
    access = (Association(id=collection.id, read_only=True),)
    group = api.emulator.state.add_group("Staff", external_id="s", collections=access)
    path = f"/public/groups/{group.id}"
    answer = api.put(path, {"name": "All staff"}).json
    assert (answer["name"], answer["externalId"], len(answer["collections"])) == ("All staff", None, 1)
    assert api.put(path, {"name": "Staff", "collections": []}).json["collections"] == []
    assert [e.type for e in api.emulator.state.events] == [1401, 1401]


def test_foreign_collections_are_dropped_by_post_and_refused_by_put(api: Api) -> None:
    """POST silently drops collection ids not in the organization; PUT with one is a 404 with body, with a
    personal default collection a 400.
    """
    own = _collection(api, default_for=str(uuid4()))
    body = {"name": "Staff", "collections": [{"id": str(uuid4()), "readOnly": True}]}
    created = api.post("/public/groups", body).json
    assert created["collections"] == []
    path = f"/public/groups/{created['id']}"
    assert api.put(path, body).message == "Resource not found."
    assert api.put(path, {"name": "Staff", "collections": [{"id": own.id, "readOnly": True}]}).status == 400


def test_member_ids_are_replaced_without_an_event(api: Api) -> None:
    """PUT member-ids: exact replacement, ids are member ids and not user ids, foreign ones are ignored; no
    audit event. Trap 14: `{}` means remove all; repeated ids are a 500.
    """
    state = api.emulator.state
    ana = state.enrol("ana@example.org")
    group = state.add_group("Staff")
    path = f"/public/groups/{group.id}/member-ids"
    assert api.put(path, {"memberIds": [ana.id, ana.user_id, str(uuid4())]}).status == 200
    assert api.get(path) == [ana.id]
    assert api.get(f"/public/members/{ana.id}/group-ids") == [group.id]
    assert api.put(path, {"memberIds": [ana.id, ana.id]}).status == 500
    assert api.put(path, {}).status == 200
    assert api.get(path) == []
    assert not state.events


def test_a_group_can_be_deleted(api: Api) -> None:
    """DELETE returns an empty body and writes no event; an unknown group is a 404 with an empty body."""
    ana = api.emulator.state.enrol("ana@example.org")
    group = api.emulator.state.add_group("Staff", [ana])
    answer = api.delete(f"/public/groups/{group.id}")
    assert (answer.status, answer.raw) == (200, b"")
    answer = api.delete(f"/public/groups/{group.id}")
    assert (answer.status, answer.raw) == (404, b"")
    assert api.get(f"/public/members/{ana.id}/group-ids") == []
    assert not api.emulator.state.events


def test_writing_groups_needs_the_plan(api: Api) -> None:
    """Create and update need a plan with groups, else 400."""
    group = api.emulator.state.add_group("Staff")
    api.emulator.state.organization.use_groups = False
    assert api.post("/public/groups", {"name": "x"}).status == 400
    assert api.put(f"/public/groups/{group.id}", {"name": "x"}).status == 400


def test_collections_have_no_names_and_hide_personal_ones(api: Api) -> None:
    """Trap 31: no name, since names are encrypted; no create; personal default collections are hidden."""
    shared = _collection(api, external_id="c")
    hidden = _collection(api, default_for=str(uuid4()))
    group = api.emulator.state.add_group("Staff")
    path = f"/public/collections/{shared.id}"
    body = {"externalId": "d", "groups": [{"id": group.id, "readOnly": True}]}
    assert api.put(path, body).status == 200
    [listed] = api.get("/public/collections")["data"]
    assert set(listed) == {"object", "id", "externalId", "groups"}
    assert (listed["externalId"], listed["groups"][0]["id"]) == ("d", group.id)
    assert api.get(f"/public/groups/{group.id}")["collections"][0]["id"] == shared.id
    assert api.call("GET", f"/public/collections/{hidden.id}").status == 404
    assert api.post("/public/collections", {}).status == 405
    assert api.delete(path).status == 200
    assert api.get(f"/public/groups/{group.id}")["collections"] == []


def test_policies(api: Api) -> None:
    """Policy type numbers run 0..22."""
    assert api.put("/public/policies/3", {"enabled": True, "data": None}).status == 200
    assert api.get("/public/policies/3")["enabled"] is True
    assert [p["type"] for p in api.get("/public/policies")["data"]] == [3]
    assert api.call("GET", "/public/policies/23").status == 400


def test_events_come_in_pages_of_50_without_the_system_user(api: Api) -> None:
    """50 per page with continuationToken; no system-user field; a span over 367 days is a 400."""
    for number in range(60):
        api.post("/public/groups", {"name": f"g{number}"})
    first = api.get("/public/events")
    assert (len(first["data"]), "systemUser" in first["data"][0]) == (50, False)
    second = api.get(f"/public/events?continuationToken={first['continuationToken']}")
    assert (len(second["data"]), second["continuationToken"]) == (10, None)
    now = datetime.now(UTC)
    span = urlencode({"start": (now - timedelta(days=368)).isoformat(), "end": now.isoformat()})
    assert api.call("GET", f"/public/events?{span}").status == 400


def test_events_need_the_feature(api: Api) -> None:
    """Events are kept only for organizations with the events feature."""
    api.emulator.state.organization.use_events = False
    api.post("/public/groups", {"name": "g"})
    assert api.get("/public/events")["data"] == []
