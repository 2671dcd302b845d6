"""What documents of Okta mean, and what settings and cursors are accepted. No emulator."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from dirconnector.model import Problem, Snapshot
from dirconnector.readers.okta import OktaSettings, increments
from dirconnector.readers.okta.entries import People, group_of, team_of
from dirconnector.readers.okta.increments import Cursor
from dirconnector.readers.okta.pace import limit_of
from dirconnector.readers.okta.paging import next_of, smaller, url_of
from dirconnector.readers.okta.reading import worth_reading

BASE: dict[str, Any] = {"url": "https://example.okta.com", "token": {"env": "T"}}
PROFILE = {"login": "ana@example.org", "email": "Ana@Example.org", "firstName": "Ana", "lastName": "Silva"}


def people(*documents: Any, attributes: frozenset[str] = frozenset(), **users: Any) -> People:
    settings = OktaSettings.model_validate(BASE | {"users": users})
    found = People("hq", settings, attributes)
    found.receive(documents)
    return found


def document(status: Any = "ACTIVE", key: str = "00u1", **profile: Any) -> dict[str, Any]:
    return {"id": key, "status": status, "lastUpdated": "2026-01-01T00:00:00.000Z", "profile": PROFILE | profile}


@pytest.mark.parametrize(
    ("status", "enabled"),
    [
        ("ACTIVE", True),
        ("PASSWORD_EXPIRED", True),
        ("RECOVERY", True),
        ("LOCKED_OUT", True),
        ("PROVISIONED", True),
        ("STAGED", True),
        ("SUSPENDED", False),
        ("DEPROVISIONED", False),
    ],
)
def test_statuses(status: str, enabled: bool) -> None:
    found = people(document(status))
    assert found.users["00u1"].enabled is enabled
    assert not found.problems


def test_more_statuses_can_count_as_disabled() -> None:
    found = people(document("STAGED"), document("SUSPENDED", "00u2"), disabled=["STAGED"])
    assert [user.enabled for user in found.users.values()] == [False, True]


def test_deactivated_users_can_count_as_deleted() -> None:
    found = people(document("DEPROVISIONED"), deprovisioned="deleted")
    assert not found.users
    assert found.deleted == {"00u1": "deactivated in Okta (DEPROVISIONED)"}


@pytest.mark.parametrize("status", ["FROZEN", None, "", 7])
def test_an_unknown_status_is_neither_disabled_nor_gone(status: Any) -> None:
    found = people(document(status))
    assert not found.users
    assert not found.deleted
    assert found.unsyncable.keys() == {"00u1"}
    [problem] = found.problems
    assert problem == Problem(directory="hq", entry="ana@example.org", why=found.unsyncable["00u1"])
    assert "cannot tell whether the account is in use" in problem.why
    assert found.living == {"00u1"}


def test_a_user_without_a_status_key_is_in_an_unknown_state() -> None:
    found = people({name: value for name, value in document().items() if name != "status"})
    assert found.unsyncable.keys() == {"00u1"}


@pytest.mark.parametrize("profile", [None, {}, {"email": "a@example.org"}])
def test_a_profile_that_the_role_hides_is_no_user_without_an_address(profile: Any) -> None:
    found = people({"id": "00u1", "status": "ACTIVE", "profile": profile})
    assert not found.users
    assert "its profile cannot be read" in found.unsyncable["00u1"]


def test_names_addresses_and_attributes() -> None:
    wanted = frozenset({"department", "costcenters", "vip", "employeenumber", "status", "nix", "empty"})
    found = people(
        document(
            department="Tax",
            costCenters=["1", 2, None, ""],
            vip=False,
            employeeNumber=7,
            empty="",
            email=None,
            secondEmail=" second@example.org ",
        ),
        attributes=wanted,
        email=["email", "SecondEmail"],
    )
    user = found.users["00u1"]
    assert (user.email, user.name, user.username, user.entry) == (
        "second@example.org",
        "Ana Silva",
        "ana@example.org",
        "ana@example.org",
    )
    assert dict(user.attributes) == {
        "department": ("Tax",),
        "costcenters": ("1", "2"),
        "vip": ("false",),
        "employeenumber": ("7",),
        "status": ("ACTIVE",),
    }


def test_the_address_is_as_written_or_empty_and_the_login_is_no_address_unless_asked() -> None:
    assert people(document()).users["00u1"].email == "Ana@Example.org"
    assert people(document(email=None)).users["00u1"].email == ""
    assert people(document(email=None), email=["email", "login"]).users["00u1"].email == "ana@example.org"


def test_the_last_word_about_a_user_counts() -> None:
    found = people(document("FROZEN"), document("DEPROVISIONED"), document("ACTIVE"))
    assert found.users["00u1"].enabled
    assert not found.unsyncable
    assert not found.gone


def test_entries_without_an_id_are_counted() -> None:
    assert people(None, [], {"status": "ACTIVE"}, document(key="")).nameless == 4


def test_groups() -> None:
    team = team_of(
        {
            "id": "00g1",
            "type": "BUILT_IN",
            "profile": {"name": "Everyone"},
            "lastUpdated": "a",
            "lastMembershipUpdated": "b",
            "_embedded": {"stats": {"usersCount": 3}},
        }
    )
    assert team is not None
    assert (team.name, team.stamps, team.everyone, team.count) == ("Everyone", ("a", "b"), True, 3)
    named = team_of({"id": "00g2", "type": "OKTA_GROUP", "profile": {"name": "Everyone"}})
    assert named is not None
    assert not named.everyone, "a group may be called that"
    named.members = frozenset({"1", "2"})
    assert group_of("hq", named, frozenset({"2"})).members == {"2"}
    assert team_of({"profile": {"name": "x"}}) is None


@pytest.mark.parametrize(
    ("count", "moved", "expected"),
    [
        (0, "2026-01-01T00:00:00.000Z", False),
        (0, "2026-01-01T11:59:00.000Z", True),
        (0, "", True),
        (1, "2026-01-01T00:00:00.000Z", True),
        (None, "2026-01-01T00:00:00.000Z", True),
    ],
)
def test_no_members_is_believed_only_when_nothing_moved_lately(count: int | None, moved: str, expected: bool) -> None:
    stats = {} if count is None else {"_embedded": {"stats": {"usersCount": count}}}
    team = team_of({"id": "1", "profile": {"name": "x"}, "lastMembershipUpdated": moved} | stats)
    assert team is not None
    noon = 1767268800.0
    assert worth_reading(team, noon) is expected
    assert worth_reading(team, None)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (('<https://h/a?x=1>; rel="self"', '<https://h/a?after=b%2Bc>; rel="next"'), "/a?after=b%2Bc"),
        (('<https://h/a?after=b>; rel="next"', '<https://h/a?x=1>; rel="self"'), "/a?after=b"),
        (('<https://h/a?x=1>; rel="self", <https://h/a,b?after=c>; rel=next',), "/a,b?after=c"),
        (('<https://h/a?x=1>; rel="self"',), ""),
        ((), ""),
        (('<https://elsewhere.example/a?after=b>; rel="next"',), "/a?after=b"),
    ],
)
def test_the_next_page_from_all_link_lines_and_on_our_own_host(lines: tuple[str, ...], expected: str) -> None:
    assert next_of(lines) == expected


def test_smaller_pages_keep_the_cursor() -> None:
    path = url_of("/a", after="b+/=", limit=200, filter='x eq "ä"')
    assert path == "/a?after=b%2B%2F%3D&limit=200&filter=x%20eq%20%22%C3%A4%22"
    assert smaller(path) == path.replace("200", "100")
    assert smaller("/a?limit=30") == "/a?limit=25"
    assert smaller("/a") == "/a"


def test_the_reset_is_compared_with_the_date_of_the_same_answer() -> None:
    headers = {
        "Date": "Tue, 24 Nov 2026 07:00:00 GMT",
        "X-Rate-Limit-Reset": "1795503630",
        "X-Rate-Limit-Limit": "600",
        "X-Rate-Limit-Remaining": "3",
    }
    limit = limit_of(headers)
    assert (limit.limit, limit.remaining, limit.wait, limit.at_once) == (600, 3, 31.0, False)
    assert limit_of(headers | {"X-Rate-Limit-Reset": "1795500000"}).wait == 1.0
    assert limit_of(headers | {"X-Rate-Limit-Reset": "99999999999"}).wait == 90.0
    assert limit_of({}).wait is None
    assert limit_of({"X-Rate-Limit-Limit": "0", "X-Rate-Limit-Remaining": "0"}).at_once


# ------------------------------------------------------------------------------------------------------------ settings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"url": "http://example.okta.com"}, "give the address of the organization"),
        ({"url": "https://example.okta.com/api/v1"}, "give the address of the organization"),
        ({"url": "https://u:p@example.okta.com"}, "give the address of the organization"),
        ({"url": "https://example-admin.okta.com"}, "the organization's is https://example.okta.com"),
        ({"token": None}, "give either token, or client_id and private_key"),
        ({"client_id": "0oa1"}, "client_id and private_key belong together"),
        ({"client_id": "0oa1", "private_key": {"env": "K"}}, "give either token"),
        ({"dpop": True}, "dpop and key_id are for client_id"),
        ({"tls": {"start_tls": True}}, "start_tls is for LDAP"),
        ({"app": "Bitwarden"}, "which begins with 0oa"),
        ({"app": "0oa1", "users": {"filter": "x"}}, "exclude each other"),
        ({"users": {"filter": "x", "search": "y"}}, "give filter or search, not both"),
        ({"groups": {"filter": "x", "search": "y"}}, "give filter or search, not both"),
        ({"users": {"email": []}}, "nothing is listed"),
        ({"users": {"disabled": ["DEPROVISIONED"]}}, "Input should be 'STAGED'"),
        ({"proxy": "http://u:p@proxy:1"}, "a proxy with a password is a secret"),
        ({"proxy": "proxy"}, "must be a URL"),
        ({"concurrency": 0}, "greater than or equal to 1"),
    ],
)
def test_settings_that_cannot_be_meant(settings: dict[str, Any], message: str) -> None:
    given = {name: value for name, value in (BASE | settings).items() if value is not None}
    with pytest.raises(ValidationError, match=message):
        OktaSettings.model_validate(given)


def test_a_service_app_asks_for_no_scope_that_it_does_not_need() -> None:
    app = {"url": "https://example.okta.com/", "client_id": "0oa1", "private_key": {"env": "K"}}
    assert OktaSettings.model_validate(app).scopes == ("okta.users.read", "okta.groups.read")
    assert OktaSettings.model_validate(app | {"app": "0oa2", "system_log": True}).scopes == (
        "okta.users.read",
        "okta.groups.read",
        "okta.apps.read",
        "okta.logs.read",
    )
    assert OktaSettings.model_validate(app).url == "https://example.okta.com"


# -------------------------------------------------------------------------------------------------------------- cursor

CURSOR = Cursor(
    asks="d",
    since=12.5,
    surplus=-1,
    stamps={"00g1": ("a", "b"), "00g2": ("c", "")},
    everyone="00g1",
    gone=("00u9",),
    names={"00u8": "kim"},
)


def test_a_cursor_comes_back_as_it_was() -> None:
    assert increments.loaded(CURSOR.dumped()) == CURSOR


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "[]",
        "null",
        "{}",
        CURSOR.dumped().replace('"version":1', '"version":2'),
        CURSOR.dumped().replace('["a","b"]', '["a"]'),
        CURSOR.dumped().replace("12.5", '"soon"'),
        json.dumps(json.loads(CURSOR.dumped()) | {"stamps": []}),
    ],
)
def test_what_is_no_cursor_leads_to_a_full_read(text: str) -> None:
    assert increments.loaded(text) is None


def test_the_digest_moves_with_what_is_asked_for() -> None:
    one = OktaSettings.model_validate(BASE)
    other = OktaSettings.model_validate(BASE | {"users": {"deprovisioned": "deleted"}})
    digests = {
        increments.digest(one, frozenset()),
        increments.digest(one, frozenset({"department"})),
        increments.digest(other, frozenset()),
    }
    assert len(digests) == 3
    assert increments.digest(one, frozenset({"a", "b"})) == increments.digest(one, frozenset({"b", "a"}))


def test_what_was_known_before_comes_back() -> None:
    before = people(document(), document("FROZEN", "00u8"), document("DEPROVISIONED", "00u9"))
    snapshot = Snapshot(
        users=before.users, groups={}, unsyncable=before.unsyncable | {"00g2": "no name"}, deleted=before.deleted
    )
    again = people()
    increments.people_before(again, snapshot, CURSOR)
    assert (again.users, again.unsyncable, again.gone) == (before.users, before.unsyncable, before.gone)
    assert [problem.entry for problem in again.problems] == ["kim"]
