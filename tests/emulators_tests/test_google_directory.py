"""The emulated Directory API: paging, parameters, partial answers, rights, errors, batches, as Google has them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import google_auth_httplib2
import httplib2
import pytest
from google.oauth2 import service_account
from googleapiclient.discovery import build
from googleapiclient.http import BatchHttpRequest

from tests.emulators.google import ADMIN, GROUP_READ, USER_READ, GoogleEmulator, Role
from tests.emulators_tests.google_client import get, path_of, send, token

MINE = {"customer": "my_customer"}


@pytest.fixture(scope="module")
def _running() -> Iterator[GoogleEmulator]:
    with GoogleEmulator() as emulator:
        yield emulator


@pytest.fixture
def google(_running: GoogleEmulator) -> GoogleEmulator:
    _running.reset()
    for number in range(12):
        _running.state.add_user(f"user{number:02d}@example.com", orgUnitPath="/Sales" if number % 2 else "/")
    return _running


@pytest.fixture
def word(google: GoogleEmulator) -> str:
    return token(google)


def emails(answer: Any) -> list[str]:
    return [user["primaryEmail"] for user in answer.body.get("users", [])]


# ------------------------------------------------------------------------------------------------------------- paging


def test_pages_follow_the_token_to_the_end(google: GoogleEmulator, word: str) -> None:
    found, params = [], dict[str, Any](MINE, maxResults=5)
    for size in (5, 5, 3):
        answer = get(google, "users", word, **params)
        assert answer.body["kind"] == "admin#directory#users"
        assert len(answer.body["users"]) == size
        found += emails(answer)
        params["pageToken"] = answer.body.get("nextPageToken", "")
    assert "nextPageToken" not in answer.body
    assert found == sorted(found)
    assert len(set(found)) == 13


def test_a_page_token_is_bound_to_the_question_and_dies_after_three_days(google: GoogleEmulator, word: str) -> None:
    first = get(google, "users", word, **MINE, maxResults=5)
    page = {"pageToken": first.body["nextPageToken"], "maxResults": 5}
    assert get(google, "users", word, **MINE, **page).status == 200
    other = get(google, "users", word, **MINE, **page, query="email:u*")
    assert (other.status, other.body["error"]["message"]) == (400, "Invalid Input: pageToken")
    assert get(google, "users", word, **MINE, pageToken="nonsense").status == 400
    google.ahead_seconds = 3 * 86400 + 1
    assert get(google, "users", token(google, iat=_now(google), exp=_now(google) + 60), **MINE, **page).status == 400


def _now(google: GoogleEmulator) -> int:
    return int(google.now())


def test_people_who_come_and_go_between_pages_do_not_shift_them(google: GoogleEmulator, word: str) -> None:
    first = get(google, "users", word, **MINE, maxResults=5)
    google.state.add_user("aaa@example.com")
    google.state.delete_user(google.state.user("user01@example.com")["id"])  # type: ignore[index]  # it was added above
    second = get(google, "users", word, **MINE, maxResults=5, pageToken=first.body["nextPageToken"])
    assert emails(second)[0] == "user04@example.com"


def test_an_empty_page_has_no_key(google: GoogleEmulator, word: str) -> None:
    assert "users" not in get(google, "users", word, **MINE, query="email:nobody*").body
    assert "groups" not in get(google, "groups", word, **MINE).body


def test_defaults_of_page_sizes(google: GoogleEmulator, word: str) -> None:
    for number in range(210):
        google.state.add_user(f"more{number:03d}@example.com")
    google.state.add_group("all@example.com", *google.state.users.values())
    assert len(get(google, "users", word, **MINE).body["users"]) == 100
    assert len(get(google, path_of("all@example.com"), word).body["members"]) == 200


@pytest.mark.parametrize(("path", "most"), [("users", 500), ("groups", 200), (path_of("g@example.com"), 200)])
def test_page_sizes_over_the_maximum_are_refused(google: GoogleEmulator, word: str, path: str, most: int) -> None:
    google.state.add_group("g@example.com")
    more = {} if "members" in path else MINE
    assert get(google, path, word, **more, maxResults=most).status == 200
    for size in (0, most + 1, "x"):
        answer = get(google, path, word, **more, maxResults=size)
        assert (answer.status, answer.reason) == (400, "invalidParameter")


# --------------------------------------------------------------------------------------------------------- parameters


@pytest.mark.parametrize(
    ("path", "params", "status", "message"),
    [
        ("users", {}, 400, "Bad Request"),
        ("users", MINE | {"domain": "example.com"}, 400, "Bad Request"),
        ("users", MINE | {"updatedMin": "2026-01-01"}, 400, 'Unknown name "updatedMin"'),
        ("users", MINE | {"fields": "users(id,shoeSize)"}, 400, "Invalid field selection shoeSize"),
        ("users", MINE | {"fields": "users(id"}, 400, "Invalid field selection"),
        ("users", MINE | {"projection": "everything"}, 400, "projection"),
        ("users", MINE | {"projection": "custom"}, 400, "custom_field_mask"),
        ("users", MINE | {"showDeleted": "True"}, 400, "showDeleted"),
        ("users", MINE | {"query": "shoeSize=4"}, 400, "Invalid Input: query"),
        ("users", {"customer": "C0other"}, 400, "Invalid Input: customer"),
        ("users", {"domain": "nowhere.example"}, 404, "Domain not found."),
        ("users/nobody@example.com", {}, 404, "Resource Not Found: userKey"),
        ("users/nobody@elsewhere.example", {}, 403, "Not Authorized"),
        ("groups", {}, 400, "Bad Request"),
        ("groups", MINE | {"userKey": ADMIN}, 400, "Bad Request"),
        ("groups", MINE | {"showDeleted": "true"}, 400, 'Unknown name "showDeleted"'),
        ("groups/none@example.com", {}, 404, "Resource Not Found: groupKey"),
        (path_of("none@example.com"), {}, 404, "Resource Not Found: groupKey"),
        ("planets", {}, 404, "Not Found"),
    ],
)
def test_what_is_refused(
    google: GoogleEmulator, word: str, path: str, params: dict[str, str], status: int, message: str
) -> None:
    answer = get(google, path, word, **params)
    assert answer.status == status
    assert message in answer.body["error"]["message"]
    assert answer.body["error"]["code"] == status
    assert answer.body["error"]["errors"][0].keys() == {"message", "domain", "reason"}


def test_a_partial_answer_has_nothing_else(google: GoogleEmulator, word: str) -> None:
    answer = get(google, "users", word, **MINE, maxResults=5, fields="users(id,name/fullName)")
    assert answer.body.keys() == {"users"}
    assert all(user.keys() == {"id", "name"} and user["name"].keys() == {"fullName"} for user in answer.body["users"])
    whole = get(google, "users", word, **MINE, maxResults=5, fields="nextPageToken,users/id")
    assert whole.body.keys() == {"users", "nextPageToken"}


def test_custom_schemas_are_shown_when_asked_for(google: GoogleEmulator, word: str) -> None:
    google.admin["customSchemas"] = {"Vault": {"level": 1}, "Other": {"x": 2}}

    def shown(**params: str) -> Any:
        return get(google, f"users/{ADMIN}", word, **params).body.get("customSchemas")

    assert shown() is None
    assert shown(projection="full") == {"Vault": {"level": 1}, "Other": {"x": 2}}
    assert shown(projection="custom", customFieldMask="Vault") == {"Vault": {"level": 1}}


def test_deleted_users_alone(google: GoogleEmulator, word: str) -> None:
    google.state.delete_user(google.admin["id"])
    google.state.users[google.admin["id"]] = google.admin
    gone = google.state.add_user("gone@example.com")
    google.state.delete_user(gone["id"])
    answer = get(google, "users", word, **MINE, showDeleted="true")
    assert sorted(emails(answer)) == [ADMIN, "gone@example.com"]
    assert all(user["deletionTime"] for user in answer.body["users"])
    assert "gone@example.com" not in emails(get(google, "users", word, **MINE, maxResults=500))


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("email:user0*", 10),
        ("email=user03@example.com", 1),
        ("orgUnitPath=/Sales", 6),
        ("orgUnitPath='/Sales' email:user03*", 1),
        ("isSuspended=true", 0),
        ("isAdmin=true", 1),
        ("givenName:ADA", 1),
    ],
)
def test_queries_of_users(google: GoogleEmulator, word: str, query: str, found: int) -> None:
    assert len(emails(get(google, "users", word, **MINE, query=query))) == found


def test_order(google: GoogleEmulator, word: str) -> None:
    down = get(google, "users", word, **MINE, orderBy="email", sortOrder="DESCENDING", maxResults=5)
    assert emails(down)[0] == "user11@example.com"
    more = get(
        google,
        "users",
        word,
        **MINE,
        orderBy="email",
        sortOrder="DESCENDING",
        maxResults=5,
        pageToken=down.body["nextPageToken"],
    )
    assert emails(more)[0] == "user06@example.com"


# -------------------------------------------------------------------------------------------------- groups and members


def test_groups_and_members_as_google_writes_them(google: GoogleEmulator, word: str) -> None:
    inner = google.state.add_group("inner@example.com", google.admin)
    outer = google.state.add_group("outer@example.com", inner, "CUSTOMER", "guest@elsewhere.example")
    groups = {g["email"]: g for g in get(google, "groups", word, **MINE).body["groups"]}
    assert groups["inner@example.com"]["directMembersCount"] == "1"
    assert groups["outer@example.com"]["directMembersCount"] == "2", "groups do not count"
    assert "members" not in groups["outer@example.com"]
    members = {m["type"]: m for m in get(google, f"groups/{outer['id']}/members", word).body["members"]}
    assert members["CUSTOMER"]["id"] == google.state.customer
    assert "email" not in members["CUSTOMER"]
    assert members["GROUP"]["id"] == inner["id"]
    assert members["USER"]["email"] == "guest@elsewhere.example"
    derived = get(google, f"groups/{outer['id']}/members", word, includeDerivedMembership="true").body["members"]
    assert ADMIN in {m.get("email") for m in derived}
    mine = get(google, "groups", word, userKey=ADMIN).body["groups"]
    assert [g["email"] for g in mine] == ["inner@example.com"]
    assert get(google, f"groups/{outer['id']}/hasMember/{ADMIN}", word).body == {"isMember": True}
    outside = get(google, f"groups/{outer['id']}/hasMember/guest@elsewhere.example", word)
    assert outside.body["error"]["message"] == "Invalid Input: memberKey"


def test_organizational_units(google: GoogleEmulator, word: str) -> None:
    answer = get(google, "customer/my_customer/orgunits", word, type="all")
    assert answer.reason == "insufficientPermissions"
    scope = "https://www.googleapis.com/auth/admin.directory.orgunit.readonly"
    google.state.clients[google.client_id].scopes.append(scope)
    answer = get(google, "customer/my_customer/orgunits", token(google, scope=scope), type="all")
    assert [unit["orgUnitPath"] for unit in answer.body["organizationUnits"]] == ["/Sales"]


# -------------------------------------------------------------------------------------------------------------- rights


def test_without_a_token(google: GoogleEmulator) -> None:
    answer = get(google, "users", **MINE)
    assert (answer.status, answer.reason) == (401, "required")
    assert get(google, "users", "ya29.invented", **MINE).reason == "authError"


def test_each_call_needs_its_scope(google: GoogleEmulator) -> None:
    google.state.add_group("g@example.com")
    for scope, path, other in ((USER_READ, "users", "groups"), (GROUP_READ, "groups", "users")):
        word = token(google, scope=scope)
        assert get(google, path, word, **MINE).status == 200
        assert get(google, other, word, **MINE).reason == "insufficientPermissions"
    assert get(google, path_of("g@example.com"), token(google, scope=GROUP_READ)).status == 200


def test_a_role_shows_what_it_is_for(google: GoogleEmulator, word: str) -> None:
    google.admin["isAdmin"] = False
    assert get(google, "users", word, **MINE).reason == "forbidden"
    assert get(google, "users", word, **MINE, viewType="domain_public").status == 200
    google.state.roles[google.admin["id"]] = Role(groups=False, org_unit="/Sales")
    assert len(emails(get(google, "users", word, **MINE))) == 6
    assert get(google, f"users/{ADMIN}", word).reason == "forbidden"
    assert get(google, "groups", word, **MINE).reason == "forbidden"


def test_the_api_may_be_off(google: GoogleEmulator, word: str) -> None:
    google.state.api_enabled = False
    assert get(google, "users", word, **MINE).reason == "accessNotConfigured"


def test_the_quota_counts_calls_of_a_minute(google: GoogleEmulator, word: str) -> None:
    google.quota.per_minute = 2
    now = [0.0]
    google.quota.clock = lambda: now[0]
    answers = [get(google, "users", word, **MINE) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 403]
    assert answers[2].reason == "userRateLimitExceeded"
    assert "retry-after" not in answers[2].headers
    now[0] = 61.0
    assert get(google, "users", word, **MINE).status == 200


@pytest.mark.parametrize(
    ("fault", "status", "reason"),
    [
        ("reason:quotaExceeded", 403, "quotaExceeded"),
        ("status:429", 429, "rateLimitExceeded"),
        ("status:503", 503, "backendError"),
    ],
)
def test_faults_have_googles_bodies(google: GoogleEmulator, word: str, fault: str, status: int, reason: str) -> None:
    google.faults.add("GET /admin/directory/v1/users", fault)
    answer = get(google, "users", word, **MINE)
    assert (answer.status, answer.reason) == (status, reason)


# ----------------------------------------------------------------------------------------------- the vendor's library


def test_the_vendors_library_reads_everything(google: GoogleEmulator) -> None:
    google.state.add_group("eng+all@example.com", *google.state.users.values())
    credentials: Any = service_account.Credentials.from_service_account_info(  # type: ignore[no-untyped-call]  # stubs
        google.key_info(), subject=ADMIN, scopes=[USER_READ, GROUP_READ]
    )
    plain = httplib2.Http(ca_certs=str(google.ca_file), timeout=20)
    http = google_auth_httplib2.AuthorizedHttp(credentials, http=plain)
    try:
        service = build(
            "admin",
            "directory_v1",
            http=http,
            static_discovery=True,
            cache_discovery=False,
            client_options={"api_endpoint": google.url},
        )
        request, found = service.users().list(customer="my_customer", maxResults=5, projection="full"), 0
        while request is not None:
            answer = request.execute()
            found += len(answer["users"])
            request = service.users().list_next(request, answer)
        assert found == 13
        replies: dict[str, Any] = {}
        batch = BatchHttpRequest(
            batch_uri=f"{google.url}/batch", callback=lambda key, reply, error: replies.update({key: (reply, error)})
        )
        batch.add(service.members().list(groupKey="eng+all@example.com"), request_id="good")
        batch.add(service.members().list(groupKey="none@example.com"), request_id="bad")
        with warnings.catch_warnings():
            batch.execute(http=http)
        assert len(replies["good"][0]["members"]) == 13
        assert replies["bad"][1].status_code == 404
    finally:
        http.close()
        service.close()


def test_parts_of_a_batch_count_as_queries(google: GoogleEmulator, word: str) -> None:
    google.quota.per_minute = 1
    part = (
        "Content-Type: application/http\r\nContent-ID: <x+{n}>\r\n\r\n"
        "GET /admin/directory/v1/users?customer=my_customer\r\n"
    )
    body = "".join(f"--b\r\n{part.format(n=n)}\r\n" for n in (1, 2)) + "--b--\r\n"
    answer = send(
        google,
        "POST",
        "/batch/admin/directory_v1",
        body,
        Authorization=f"Bearer {word}",
        Content_Type="multipart/mixed; boundary=b",
    )
    assert "HTTP/1.1 200 OK" in answer.body
    assert "HTTP/1.1 403 Forbidden" in answer.body
    assert "<response-x+1>" in answer.body
