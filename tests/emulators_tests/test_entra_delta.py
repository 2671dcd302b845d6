"""Delta queries of the Graph emulator: each test states one fact of the service."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.emulators.entra import EntraEmulator
from tests.entra import Raw, entra, running

__all__ = ["entra"]

ROOT = Path(__file__).parents[2]


@pytest.fixture
def raw(entra: EntraEmulator) -> Raw:
    client = Raw(entra)
    client.sign_in()
    return client


def round_of(raw: Raw, url: str, **headers: str) -> tuple[list[dict[str, Any]], str]:
    """The items of a round, and where the next one begins."""
    pages = raw.pages(url, **headers)
    return [item for page in pages for item in page["value"]], pages[-1]["@odata.deltaLink"]


USERS = "/v1.0/users/delta?$select=displayName,accountEnabled"
GROUPS = "/v1.0/groups/delta?$select=displayName,members"


def test_the_first_round_has_everything_and_a_quiet_one_has_a_new_link(entra: EntraEmulator, raw: Raw) -> None:
    keys = {entra.tenant.add("user") for _ in range(450)}
    pages = raw.pages(USERS)
    assert [len(page["value"]) for page in pages] == [200, 200, 50]
    assert [("@odata.nextLink" in page, "@odata.deltaLink" in page) for page in pages] == [
        (True, False),
        (True, False),
        (False, True),
    ]
    assert {item["id"] for page in pages for item in page["value"]} == keys
    items, link = round_of(raw, pages[-1]["@odata.deltaLink"])
    assert items == []
    assert link.startswith(f"{entra.url}/v1.0/users/delta?$deltatoken=")


def test_latest_gives_a_link_and_no_data_also_at_the_very_beginning(entra: EntraEmulator, raw: Raw) -> None:
    entra.tenant.add("user")
    entra.tenant.log.clear()
    items, link = round_of(raw, f"{USERS}&$deltatoken=latest")
    assert items == []
    assert round_of(raw, link)[0] == []


def test_changes_come_with_all_selected_values_and_only_those_of_selected_properties(
    entra: EntraEmulator, raw: Raw
) -> None:
    key = entra.tenant.add("user", displayName="Ana")
    _, link = round_of(raw, USERS)
    entra.tenant.update(key, department="Sales")
    items, link = round_of(raw, link)
    assert items == []
    entra.tenant.update(key, accountEnabled=False)
    assert round_of(raw, link)[0] == [{"id": key, "displayName": "Ana", "accountEnabled": False}]


def test_minimal_replies_carry_what_changed(entra: EntraEmulator, raw: Raw) -> None:
    key = entra.tenant.add("user", displayName="Ana")
    _, link = round_of(raw, USERS, Prefer="return=minimal")
    entra.tenant.update(key, displayName="Anna")
    assert round_of(raw, link)[0] == [{"id": key, "displayName": "Anna"}]


def test_what_was_never_set_is_absent_and_what_was_cleared_is_null(entra: EntraEmulator, raw: Raw) -> None:
    key = entra.tenant.add("user", displayName="Ana", mail="a@example.org")
    other = entra.tenant.add("user", displayName="Bo")
    items, link = round_of(raw, "/v1.0/users/delta?$select=displayName,mail")
    assert {"displayName": "Bo", "id": other} in items
    entra.tenant.update(key, mail=None)
    assert round_of(raw, link)[0] == [{"id": key, "displayName": "Ana", "mail": None}]


def test_deleted_restored_and_purged(entra: EntraEmulator, raw: Raw) -> None:
    key = entra.tenant.add("user", displayName="Ana")
    _, link = round_of(raw, USERS)
    entra.tenant.delete(key)
    items, link = round_of(raw, link)
    assert items == [{"id": key, "@removed": {"reason": "changed"}}]
    entra.tenant.restore(key)
    items, link = round_of(raw, link)
    assert items == [{"id": key, "displayName": "Ana", "accountEnabled": True}]
    entra.tenant.delete(key)
    entra.tenant.purge(key)
    assert round_of(raw, link)[0] == [{"id": key, "@removed": {"reason": "deleted"}}]


def test_a_first_round_may_have_removed_objects(entra: EntraEmulator, raw: Raw) -> None:
    key = entra.tenant.add("user")
    entra.tenant.delete(key)
    assert round_of(raw, USERS)[0] == [{"id": key, "@removed": {"reason": "changed"}}]


def test_direct_members_by_id_and_type_and_a_deleted_user_looks_like_a_removed_member(
    entra: EntraEmulator, raw: Raw
) -> None:
    tenant = entra.tenant
    group, below = tenant.add("group", displayName="G"), tenant.add("group", displayName="B")
    ana, bo = tenant.add("user"), tenant.add("user")
    tenant.set_members(group, [ana, bo, below])
    tenant.set_members(below, [bo])
    items, link = round_of(raw, GROUPS)
    found = {item["id"]: {m["id"]: m["@odata.type"] for m in item.get("members@delta", ())} for item in items}
    assert found[group] == {
        ana: "#microsoft.graph.user",
        bo: "#microsoft.graph.user",
        below: "#microsoft.graph.group",
    }
    tenant.remove_member(group, ana)
    tenant.delete(bo)
    items, _ = round_of(raw, link)
    gone = {item["id"]: [m["@removed"]["reason"] for m in item["members@delta"]] for item in items}
    assert gone == {group: ["deleted", "deleted"], below: ["deleted"]}


def test_a_big_group_appears_on_several_pages(entra: EntraEmulator, raw: Raw) -> None:
    entra.delta.sizes.chunk = entra.delta.sizes.members = 10
    group = entra.tenant.add("group", displayName="big")
    members = [entra.tenant.add("user") for _ in range(25)]
    entra.tenant.set_members(group, members)
    pages = raw.pages(GROUPS)
    assert [[item["id"] for item in page["value"]] for page in pages] == [[group]] * 3
    assert [m["id"] for page in pages for item in page["value"] for m in item["members@delta"]] == members


@pytest.mark.parametrize(
    "query",
    ["$top=10", "$expand=members", "$orderby=displayName", "$filter=displayName%20eq%20'x'", "$select=shoeSize"],
)
def test_what_a_delta_query_does_not_know(raw: Raw, query: str) -> None:
    assert raw.graph(f"/v1.0/groups/delta?{query}").status == 400


def test_a_filter_by_id_is_known(entra: EntraEmulator, raw: Raw) -> None:
    one, two, _ = (entra.tenant.add("user") for _ in range(3))
    query = quote(f"id eq '{one}' or id eq '{two}'", safe="")
    assert {item["id"] for item in round_of(raw, f"/v1.0/users/delta?$filter={query}")[0]} == {one, two}


@pytest.mark.parametrize("name", ["delta", "delta()", "microsoft.graph.delta", "microsoft.graph.delta()"])
def test_the_long_names_of_the_sdks(raw: Raw, entra: EntraEmulator, name: str) -> None:
    assert raw.graph(f"/v1.0/users/{name}").status == 200
    assert entra.calls["GET /v1.0/users/delta"] == 1


def test_an_old_token_is_gone_and_says_where_to_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(monkeypatch, delta_seconds=-1.0) as entra:
        raw = Raw(entra)
        raw.sign_in()
        _, link = round_of(raw, USERS)
        reply = raw.graph(link)
        assert (reply.status, reply.body["error"]["code"]) == (410, "syncStateNotFound")
        assert reply.headers["location"].startswith(f"{entra.url}/v1.0/users/delta")


@pytest.fixture
def three(entra: EntraEmulator) -> Iterator[tuple[EntraEmulator, Raw]]:
    entra.delta.sizes.users = 1
    for name in "abc":
        entra.tenant.add("user", displayName=name)
    client = Raw(entra)
    client.sign_in()
    yield entra, client


def test_the_faults_of_delta_queries(three: tuple[EntraEmulator, Raw]) -> None:
    entra, raw = three
    call = "GET /v1.0/users/delta"
    entra.faults.replace([{"match": call, "fault": "replay", "nth": 2}])
    items, link = round_of(raw, USERS)
    assert len(items) == 4 and len({item["id"] for item in items}) == 3
    entra.faults.replace([{"match": call, "fault": "empty", "nth": 2}])
    assert [len(page["value"]) for page in raw.pages(USERS)] == [1, 0, 1, 1]
    entra.faults.replace([{"match": call, "fault": "nolink", "nth": 1}])
    assert not {"@odata.nextLink", "@odata.deltaLink"} & raw.graph(USERS).body.keys()
    entra.faults.replace([{"match": call, "fault": "gone"}])
    assert raw.graph(link).status == 410
    entra.faults.replace([{"match": call, "fault": "resync:ResyncRequired"}])
    assert raw.graph(link).body["error"]["code"] == "ResyncRequired"


def test_a_change_may_arrive_a_round_later(entra: EntraEmulator, raw: Raw) -> None:
    _, link = round_of(raw, USERS)
    key = entra.tenant.add("user", displayName="late")
    entra.faults.add("GET /v1.0/users/delta", "lag", nth=1)
    items, link = round_of(raw, link)
    assert items == []
    assert [item["id"] for item in round_of(raw, link)[0]] == [key]


def test_it_runs_alone_and_its_state_can_be_edited(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.emulators.entra", "--users", "30", "--groups", "6", "--seed", "7"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            assert ready["directory"]["kind"] == "entra"
            assert set(ready["env"]) == {ready["directory"]["client_secret"]["env"]}
            emulator = EntraEmulator()
            emulator.url, emulator.ca_file = ready["url"], Path(ready["ca_file"])
            raw = Raw(emulator)
            state = raw.send("GET", "/_emulator/state").body
            assert (len(state["users"]), len(state["groups"])) == (28, 6)
            body = json.dumps({"users": [{"id": state["users"][0]["id"], "@removed": {"reason": "changed"}}]}).encode()
            assert len(raw.send("POST", "/_emulator/state", body=body).body["users"]) == 27
            assert raw.send("POST", "/_emulator/state", body=b'{"nonsense": 1}').status == 400
        finally:
            process.terminate()


def test_the_same_seed_gives_the_same_tenant() -> None:
    one, two, other = (EntraEmulator(users=40, groups=8, seed=seed).tenant for seed in (1, 1, 2))
    assert one.objects == two.objects
    assert one.members == two.members
    assert one.objects.keys() != other.objects.keys()
