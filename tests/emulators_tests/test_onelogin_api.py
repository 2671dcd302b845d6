"""The OneLogin emulator: each test states one fact of the service. The last ones are about the emulator itself."""

from __future__ import annotations

import base64
import json
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit
from urllib.request import urlopen

import pytest

from tests.emulators.onelogin import OneLoginEmulator
from tests.emulators_tests.onelogin_client import Answer, Client

USERS = "/api/2/users"
ROLES = "/api/2/roles"


@pytest.fixture
def client() -> Iterator[Client]:
    with OneLoginEmulator(users=25, groups=12) as emulator:
        yield Client(emulator)


def walk(client: Client, path: str, **query: str) -> list[Answer]:
    """Every page, by cursor."""
    pages = [client.get(path, **query)]
    while cursor := pages[-1].headers.get("After-Cursor"):
        assert pages[-1].status == 200, pages[-1]
        pages.append(client.get(path, cursor=unquote(cursor)))
    return pages


# --------------------------------------------------------------------------------------------------------- the token


def test_a_token_is_flat_in_v2_and_wrapped_in_v1(client: Client) -> None:
    flat = client.token().json
    assert {"access_token", "created_at", "expires_in", "refresh_token", "token_type", "account_id"} == flat.keys()
    assert (flat["token_type"], flat["expires_in"]) == ("bearer", 36_000)
    wrapped = client.token(path="/auth/oauth2/token").json
    assert wrapped["status"]["code"] == 200
    assert wrapped["data"][0]["access_token"] == flat["access_token"], "the same pair gets the same token"


def test_credentials_come_in_three_ways(client: Client) -> None:
    emulator = client.emulator
    basic = base64.b64encode(f"{emulator.client_id}:{emulator.client_secret}".encode()).decode()
    form = {
        "client_id": emulator.client_id,
        "client_secret": emulator.client_secret,
        "grant_type": "client_credentials",
    }
    answers = [
        client.token(),
        client.token(authorization=f"Basic {basic}"),
        client.fetch(
            "POST",
            "/auth/oauth2/v2/token",
            urlencode(form),
            {"Content-Type": "application/x-www-form-urlencoded"},
        ),
    ]
    assert [answer.status for answer in answers] == [200, 200, 200]
    assert len({answer.json["access_token"] for answer in answers}) == 1


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"authorization": "client_id:x, client_secret:y"}, 401),
        ({"authorization": ""}, 400),
        ({"body": {"grant_type": "password"}}, 400),
        ({"body": {}}, 400),
    ],
)
def test_what_the_token_endpoint_refuses(client: Client, sent: dict[str, Any], status: int) -> None:
    answer = client.token(**sent)
    assert answer.status == status
    assert client.emulator.client_secret not in answer.raw.decode()


def test_wrong_credentials_say_so_in_the_style_of_v1(client: Client) -> None:
    answer = client.token(authorization="client_id:x, client_secret:y")
    status = {"error": True, "code": 401, "type": "Unauthorized", "message": "Authentication Failure"}
    assert answer.json == {"status": status}


def test_credentials_of_a_deleted_owner_are_a_server_error(client: Client) -> None:
    client.emulator.state.credentials[0].owner_deleted = True
    assert client.token().status == 500


def test_a_token_expires(client: Client) -> None:
    token = client.token().json["access_token"]
    assert client.get(USERS, f"bearer {token}").status == 200
    client.emulator.tokens.void()
    assert client.get(USERS, f"bearer {token}").status == 401
    assert client.token().json["access_token"] != token


def test_calls_need_a_token(client: Client) -> None:
    assert client.get(USERS, "").status == 401
    unknown = client.get(USERS, "bearer 00")
    assert unknown.json == {"statusCode": 401, "name": "UnauthorizedError", "message": "Unauthorized"}
    assert client.get("/api/1/groups", "bearer 00").json["status"]["code"] == 401
    token = client.token().json["access_token"]
    assert client.get("/api/1/groups", f"bearer:{token}").status == 200, "the older form"


# ------------------------------------------------------------------------------------------------------------ scopes


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [
        ("authentication_only", set[str]()),
        ("read_users", {USERS, ROLES}),
        ("manage_users", {USERS, ROLES}),
        ("read_all", {USERS, ROLES, "/api/1/groups", "/api/1/events"}),
        ("manage_all", {USERS, ROLES, "/api/1/groups", "/api/1/events", "/api/2/api_authorizations"}),
    ],
)
def test_the_scope_of_a_credential_decides(client: Client, scope: str, allowed: set[str]) -> None:
    client.emulator.restrict(scope)
    asked = [USERS, ROLES, "/api/1/groups", "/api/1/events", "/api/2/api_authorizations"]
    answers = {path: client.get(path).status for path in asked}
    assert {path for path, status in answers.items() if status == 200} == allowed
    assert {status for status in answers.values() if status != 200} <= {403}


# ------------------------------------------------------------------------------------------------------ paging of v2


def test_paging_is_in_headers(client: Client) -> None:
    pages = walk(client, USERS, limit="10")
    assert [page.headers["Page-Items"] for page in pages] == ["10", "10", "5"]
    assert {page.headers["Total-Count"] for page in pages} == {"25"}
    assert {page.headers["Total-Pages"] for page in pages} == {"3"}
    assert [page.headers["Current-Page"] for page in pages] == ["1", "2", "3"]
    assert "Before-Cursor" not in pages[0].headers
    assert "After-Cursor" not in pages[-1].headers
    ids = [row["id"] for page in pages for row in page.json]
    assert ids == sorted(client.emulator.state.users)


def test_a_cursor_is_encoded_in_its_header_and_hides_an_offset(client: Client) -> None:
    header = client.get(USERS, limit="7").headers["After-Cursor"]
    assert "%3D" in header
    assert "limit=7&sort=id&page=2&sort_direction=asc" in base64.b64decode(unquote(header)).decode()
    twice = client.get(USERS, cursor=header)
    assert twice.status == 400, "encoded once more on its way"
    assert twice.json["description"] == "Invalid pagination cursor"


@pytest.mark.parametrize("extra", [{"limit": "10"}, {"page": "2"}, {"sort": "+id"}])
def test_a_cursor_goes_with_nothing_else_of_paging(client: Client, extra: dict[str, str]) -> None:
    cursor = unquote(client.get(USERS, limit="10").headers["After-Cursor"])
    answer = client.get(USERS, cursor=cursor, **extra)
    assert answer.status == 400
    assert answer.json == {
        "status": 400,
        "error": "BadRequestError",
        "description": "Requests can only have cursor xor pagination arguments",
    }


@pytest.mark.parametrize("path", [USERS, ROLES, "/api/1/groups"])
@pytest.mark.parametrize("query", [{"limit": "1001"}, {"limit": "0"}, {"limit": "x"}, {"frob": "1"}])
def test_what_a_list_refuses(client: Client, path: str, query: dict[str, str]) -> None:
    assert client.get(path, **query).status == 400


def test_after_cursor_is_a_name_of_v1_alone(client: Client) -> None:
    assert client.get(USERS, after_cursor="eA==").status == 400


def test_a_deletion_between_two_pages_moves_the_others(client: Client) -> None:
    ids = sorted(client.emulator.state.users)
    first = client.get(USERS, limit="10")
    client.emulator.state.delete_user(ids[0])
    second = client.get(USERS, cursor=unquote(first.headers["After-Cursor"]))
    assert second.json[0]["id"] == ids[11], "the eleventh is on no page"
    assert (first.headers["Total-Count"], second.headers["Total-Count"]) == ("25", "24")


def test_order(client: Client) -> None:
    ids = [row["id"] for row in client.get(USERS, sort="-id").json]
    assert ids == sorted(client.emulator.state.users, reverse=True)
    assert client.get(USERS, sort="+shoesize").status == 400


# ------------------------------------------------------------------------------------------------- users, roles, v1


def test_a_list_of_users_leaves_out_roles_unless_asked(client: Client) -> None:
    usual = client.get(USERS).json[0]
    assert "role_ids" not in usual
    assert "custom_attributes" not in usual
    assert {"email", "status", "state", "group_id", "updated_at"} <= usual.keys()
    asked = client.get(USERS, fields="email,role_ids").json[0]
    assert asked.keys() == {"id", "email", "role_ids"}
    assert client.get(f"{USERS}/{usual['id']}").json["role_ids"] == asked["role_ids"]
    assert client.get(USERS, fields="shoesize").status == 400


def test_updated_since_finds_changes_and_neither_deletions_nor_roles(client: Client) -> None:
    state = client.emulator.state
    ids = sorted(state.users)
    state.change_user(ids[3], title="Head")
    state.delete_user(ids[4])
    state.unassign(min(state.roles), ids[5])
    new = state.add_user(email="new@example.org")
    found = client.get(USERS, updated_since="2024-01-01T00:00:00Z")
    assert {row["id"] for row in found.json} == {ids[3], new}
    assert found.headers["Total-Count"] == "2", "of what was asked for"
    assert client.get(USERS, updated_since="yesterday").status == 400


def test_filters(client: Client) -> None:
    ids = sorted(client.emulator.state.users)
    some = client.get(USERS, user_ids=f"{ids[0]},{ids[2]},1").json
    assert [row["id"] for row in some] == [ids[0], ids[2]]
    assert client.get(USERS, email="plus+vault@example.org").headers["Total-Count"] == "1"
    assert client.get(USERS, email="user2*").headers["Total-Count"] == "5"


def test_roles(client: Client) -> None:
    state = client.emulator.state
    first, empty = sorted(state.roles)[:2]
    listed = {row["id"]: row for row in client.get(ROLES).json}
    assert listed[first].keys() == {"id", "name", "admins", "users", "apps"}
    assert len(listed[first]["users"]) == 25
    assert listed[empty]["users"] == []
    client.emulator.role_users = None
    assert "users" not in client.get(ROLES).json[0]
    client.emulator.role_users = 3
    assert len(client.get(ROLES).json[0]["users"]) == 3, "a list may be cut short"
    pages = walk(client, f"{ROLES}/{first}/users", limit="10")
    rows = [row for page in pages for row in page.json]
    assert {row["id"] for row in rows} == state.users.keys()
    assert rows[0].keys() == {"id", "name", "username", "added_by", "added_at", "assigned"}
    assert client.get(f"{ROLES}/{empty}/users", include_unassigned="true").headers["Total-Count"] == "25"
    assert client.get(f"{ROLES}/1/users").status == 404


def test_groups_are_in_v1_and_paged_by_a_link(client: Client) -> None:
    for number in range(7):
        client.emulator.state.add_group(f"More {number}")
    names, link = [], "/api/1/groups?limit=3"
    while link:
        body = client.get(link).json
        assert body["status"] == {"error": False, "code": 200, "type": "success", "message": "Success"}
        names += [row["name"] for row in body["data"]]
        following = body["pagination"]["next_link"]
        link = following.removeprefix(client.emulator.url) if following else ""
        if link:
            assert parse_qs(urlsplit(following).query)["after_cursor"] == [body["pagination"]["after_cursor"]]
    assert names == [group["name"] for group in client.emulator.state.groups.values()]
    assert len(names) == 8


def test_events_say_who_was_deleted(client: Client) -> None:
    user = min(client.emulator.state.users)
    client.emulator.state.delete_user(user)
    events = client.get("/api/1/events", event_type_id="17", since="2024-01-01T00:00:00Z").json["data"]
    assert [event["user_id"] for event in events] == [user]
    assert client.get("/api/1/events", event_type_id="17", since="2124-01-01T00:00:00Z").json["data"] == []
    types = {row["id"]: row["name"] for row in client.get("/api/1/events/types").json["data"]}
    assert types[17] == "USER_DELETED"


def test_v1_calls_roles_role_id(client: Client) -> None:
    row = client.get("/api/1/users", limit="1").json["data"][0]
    assert row["role_id"] == client.emulator.state.users[row["id"]]["role_ids"]


# ------------------------------------------------------------------------------------------------------------- quota


def test_the_quota_is_told_in_seconds_that_are_left() -> None:
    with OneLoginEmulator(users=3, calls_per_hour=2, hour_seconds=0.4) as emulator:
        client = Client(emulator)
        first, second, third = (client.get(USERS) for _ in range(3))
        assert [a.status for a in (first, second, third)] == [200, 200, 429]
        assert [a.headers["X-RateLimit-Remaining"] for a in (first, second, third)] == ["1", "0", "0"]
        assert {a.headers["X-RateLimit-Reset"] for a in (first, second, third)} == {"1"}
        data = client.get("/auth/rate_limit").json["data"]
        assert data["X-RateLimit-Remaining"] == 0
        deadline = time.monotonic() + 10
        while client.get(USERS).status == 429:
            assert time.monotonic() < deadline, "the window never ends"


# ------------------------------------------------------------------------------------------------ the emulator itself


def test_faults(client: Client) -> None:
    faults = client.emulator.faults
    faults.add(f"GET {USERS}", "status:429", times=1)
    limited = client.get(USERS)
    assert (limited.status, limited.headers["X-RateLimit-Reset"]) == (429, "1")
    faults.replace([{"match": f"GET {USERS}", "fault": "no-paging-headers"}])
    assert "Total-Count" not in client.get(USERS).headers
    faults.replace([{"match": f"GET {USERS}", "fault": "empty-page", "nth": 1}])
    pages = walk(client, USERS, limit="20")
    assert [len(page.json) for page in pages] == [0, 20, 5]
    faults.replace([{"match": f"GET {USERS}", "fault": "html"}])
    assert client.get(USERS).raw.startswith(b"<html>")


def test_a_cursor_may_forget_what_was_asked(client: Client) -> None:
    client.emulator.cursor_carries_query = False
    first = client.get(USERS, limit="10", fields="role_ids")
    cursor = unquote(first.headers["After-Cursor"])
    assert base64.b64decode(cursor) == b"limit=10&sort=id&page=2&sort_direction=asc"
    assert "role_ids" not in client.get(USERS, cursor=cursor).json[0]
    assert client.get(USERS, cursor=cursor, fields="role_ids").json[0].keys() == {"id", "role_ids"}


def test_times_are_iso_8601_in_utc(client: Client) -> None:
    row = client.get(USERS, limit="1").json[0]
    assert row["created_at"] == "2019-08-22T18:43:55.188Z"
    assert datetime.fromisoformat(row["updated_at"]).tzinfo is not None


def test_the_same_seed_gives_the_same_account() -> None:
    first, again, other = (OneLoginEmulator(users=30, groups=9, seed=seed).state_out() for seed in (4, 4, 5))
    assert first == again
    assert first != other


def test_it_runs_alone() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.emulators.onelogin", "--users", "3", "--groups", "2"],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    try:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        assert ready["directory"]["kind"] == "onelogin"
        assert ready["directory"]["client_secret"]["env"] in ready["env"]
        context = ssl.create_default_context(cafile=ready["ca_file"])
        with urlopen(f"{ready['url']}/_emulator/state", context=context) as answer:
            assert len(json.load(answer)["users"]) == 3
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        if process.stdout is not None:
            process.stdout.close()
