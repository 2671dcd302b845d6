"""What the emulator of Okta sends and refuses. Each test names the fact that it checks."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
import requests

from dirconnector.model import no_progress
from dirconnector.readers import reader_class
from tests.emulators.okta import ApiToken, Limits, OktaEmulator


@pytest.fixture(scope="module")
def seeded() -> Iterator[OktaEmulator]:
    with OktaEmulator(users=450, groups=8) as emulator:
        yield emulator


@pytest.fixture
def okta() -> Iterator[OktaEmulator]:
    with OktaEmulator() as emulator:
        yield emulator


class Caller:
    """A plain HTTP client."""

    def __init__(self, emulator: OktaEmulator, authorization: str = "") -> None:
        self.emulator = emulator
        self.authorization = authorization or f"SSWS {emulator.token.value}"

    def __call__(self, path: str, **query: str) -> requests.Response:
        return self.send("GET", path, params=query)

    def send(self, method: str, path: str, **options: Any) -> requests.Response:
        url = path if path.startswith("https:") else self.emulator.url + path
        with requests.Session() as session:
            session.trust_env = False
            session.verify = str(self.emulator.ca_file)
            return session.request(method, url, headers={"Authorization": self.authorization}, timeout=10, **options)

    def everything(self, path: str, **query: str) -> list[dict[str, Any]]:
        answer = self(path, **query)
        found = list(answer.json())
        while "next" in answer.links:
            answer = self(answer.links["next"]["url"])
            found += answer.json()
        return found


def link_lines(answer: requests.Response) -> list[str]:
    return answer.raw.headers.getlist("Link")


def test_users_come_200_at_most_and_two_link_lines_tell_self_before_next(seeded: OktaEmulator) -> None:
    answer = Caller(seeded)("/api/v1/users")
    assert len(answer.json()) == 200
    assert ['rel="self"' in line for line in link_lines(answer)] == [True, False]
    assert 'rel="next"' in link_lines(answer)[1]
    assert link_lines(answer)[1].startswith(f"<{seeded.url}/api/v1/users?")


def test_the_last_page_has_no_next_and_every_user_comes_once(seeded: OktaEmulator) -> None:
    caller = Caller(seeded)
    found = caller.everything("/api/v1/users", limit="7")
    living = {key for key, user in seeded.state.users.items() if user["status"] != "DEPROVISIONED"}
    assert sorted(user["id"] for user in found) == sorted(living)


def test_deactivated_users_are_hidden_unless_a_filter_or_search_asks_for_them(seeded: OktaEmulator) -> None:
    caller = Caller(seeded)
    assert not [u for u in caller.everything("/api/v1/users") if u["status"] == "DEPROVISIONED"]
    gone = caller.everything("/api/v1/users", filter='status eq "DEPROVISIONED"')
    assert gone
    assert len(caller.everything("/api/v1/users", search='status eq "DEPROVISIONED"')) == len(gone)
    assert {u["id"] for u in gone} < {
        u["id"] for u in caller.everything("/api/v1/users", filter='lastUpdated gt "2020-01-01T00:00:00.000Z"')
    }


@pytest.mark.parametrize(
    ("path", "query", "code"),
    [
        ("/api/v1/users", {"limit": "201"}, "E0000001"),
        ("/api/v1/users", {"limit": "0"}, "E0000001"),
        ("/api/v1/users", {"$filter": "x"}, "E0000001"),
        ("/api/v1/users", {"after": "me"}, "E0000001"),
        ("/api/v1/users", {"filter": 'nickName eq "x"'}, "E0000031"),
        ("/api/v1/users", {"filter": "status eq"}, "E0000031"),
        ("/api/v1/users", {"search": '(status eq "ACTIVE"'}, "E0000031"),
        ("/api/v1/users", {"filter": 'status eq "ACTIVE"', "search": "status pr"}, "E0000001"),
        ("/api/v1/groups", {"limit": "10001"}, "E0000001"),
        ("/api/v1/groups", {"expand": "members"}, "E0000001"),
        ("/api/v1/groups", {"filter": 'profile.name eq "x"'}, "E0000031"),
        ("/api/v1/groups/{everyone}/users", {"limit": "1001"}, "E0000001"),
        ("/api/v1/groups/{everyone}/users", {"filter": "x"}, "E0000001"),
    ],
)
def test_what_okta_does_not_know_is_refused(seeded: OktaEmulator, path: str, query: dict[str, str], code: str) -> None:
    answer = Caller(seeded)(path.format(everyone=seeded.state.everyone), **query)
    assert (answer.status_code, answer.json()["errorCode"]) == (400, code)
    assert set(answer.json()) == {"errorCode", "errorSummary", "errorLink", "errorId", "errorCauses"}


def test_a_cursor_of_another_list_is_refused(seeded: OktaEmulator) -> None:
    caller = Caller(seeded)
    after = requests.utils.unquote(caller("/api/v1/users").links["next"]["url"].rpartition("after=")[2])
    assert caller("/api/v1/users", after=after).status_code == 200
    assert caller(f"/api/v1/groups/{seeded.state.everyone}/users", after=after).status_code == 400


@pytest.mark.parametrize(
    "expression", ['status eq "SUSPENDED"', '(status eq "suspended") and lastUpdated gt "2020-01-01T00:00:00Z"']
)
def test_filters(seeded: OktaEmulator, expression: str) -> None:
    found = Caller(seeded).everything("/api/v1/users", filter=expression)
    wanted = {key for key, user in seeded.state.users.items() if user["status"] == "SUSPENDED"}
    assert {user["id"] for user in found} == wanted != set()


def test_search_knows_every_attribute_and_sorts(seeded: OktaEmulator) -> None:
    caller = Caller(seeded)
    found = caller.everything(
        "/api/v1/users",
        search='profile.department sw "eng" and not (status eq "DEPROVISIONED") and profile.employeeNumber pr',
        sortBy="profile.lastName",
        sortOrder="desc",
        limit="50",
    )
    names = [user["profile"]["lastName"] for user in found]
    assert len(names) > 50
    assert names == sorted(names, reverse=True)
    assert {user["profile"]["department"] for user in found} == {"Engineering"}


def test_search_lags_behind_and_filter_does_not(okta: OktaEmulator) -> None:
    ana = okta.state.add_user("ana@example.org", department="Sales")
    okta.state.search_lag = 60
    okta.state.advance(120)
    okta.state.change_user(ana, department="Tax")
    caller = Caller(okta)
    assert len(caller("/api/v1/users", search='profile.department eq "Sales"').json()) == 1
    assert (
        caller("/api/v1/users", filter='profile.login eq "ana@example.org"').json()[0]["profile"]["department"] == "Tax"
    )
    okta.state.advance(120)
    assert caller("/api/v1/users", search='profile.department eq "Sales"').json() == []


def test_null_attributes_are_omitted(seeded: OktaEmulator) -> None:
    user = Caller(seeded)("/api/v1/users/no.mail@example.org").json()
    assert "email" not in user["profile"]
    assert "lastLogin" not in user


def test_groups_tell_what_they_count_when_asked(seeded: OktaEmulator) -> None:
    caller = Caller(seeded)
    assert "_embedded" not in caller("/api/v1/groups").json()[0]
    for group in caller("/api/v1/groups", expand="stats").json():
        members = caller.everything(f"/api/v1/groups/{group['id']}/users", limit="1000")
        assert group["_embedded"]["stats"]["usersCount"] == len(members)


def test_a_query_of_groups_does_not_page(seeded: OktaEmulator) -> None:
    answer = Caller(seeded)("/api/v1/groups", q="team", limit="1")
    assert len(answer.json()) == 1
    assert "next" not in answer.links


def test_everyone_has_all_who_are_not_deactivated(seeded: OktaEmulator) -> None:
    caller = Caller(seeded)
    everyone = next(g for g in caller("/api/v1/groups").json() if g["type"] == "BUILT_IN")
    assert everyone["profile"]["name"] == "Everyone"
    members = {u["id"] for u in caller.everything(f"/api/v1/groups/{everyone['id']}/users")}
    assert members == {u["id"] for u in caller.everything("/api/v1/users")}


def test_a_membership_moves_the_group_and_not_the_user(okta: OktaEmulator) -> None:
    ana, group = okta.state.add_user("ana@example.org"), okta.state.add_group("Vault")
    before = json.loads(json.dumps([okta.state.users[ana], okta.state.groups[group]]))
    okta.state.advance(60)
    okta.state.add_member(group, ana)
    assert okta.state.users[ana] == before[0]
    assert okta.state.groups[group]["lastMembershipUpdated"] > before[1]["lastMembershipUpdated"]
    assert okta.state.groups[group]["lastUpdated"] == before[1]["lastUpdated"]


def test_deactivation_takes_groups_and_apps_and_deletion_leaves_only_the_log(okta: OktaEmulator) -> None:
    state, caller = okta.state, Caller(okta)
    ana = state.add_user("ana@example.org")
    group, app = state.add_group("Vault", [ana]), state.add_app("Bitwarden", [ana])
    state.set_status(ana, "DEPROVISIONED")
    assert caller(f"/api/v1/groups/{group}/users").json() == []
    assert caller(f"/api/v1/apps/{app}/users").json() == []
    state.delete_user(ana)
    assert caller(f"/api/v1/users/{ana}").status_code == 404
    assert ana not in [u["id"] for u in caller("/api/v1/users", filter='lastUpdated gt "2020-01-01T00:00:00Z"').json()]
    event = 'eventType eq "user.lifecycle.delete.completed"'
    [deleted] = caller("/api/v1/logs", filter=event, until="2999-01-01T00:00:00Z").json()
    assert [target["id"] for target in deleted["target"]] == [ana]


def test_the_log_always_has_a_next_page_when_polling(okta: OktaEmulator) -> None:
    caller = Caller(okta)
    answer = caller("/api/v1/logs")
    pages = 1
    while answer.json():
        answer = caller(answer.links["next"]["url"])
        pages += 1
    assert pages == 2
    assert "next" not in caller("/api/v1/logs", until="2999-01-01T00:00:00Z").links


def test_assignments_of_an_app_embed_the_user_when_asked(okta: OktaEmulator) -> None:
    ana, bo = okta.state.add_user("ana@example.org"), okta.state.add_user("bo@example.org")
    group = okta.state.add_group("Vault", [bo])
    app = okta.state.add_app("Bitwarden", [ana], [group])
    caller = Caller(okta)
    assert "_embedded" not in caller(f"/api/v1/apps/{app}/users").json()[0]
    found = caller.everything(f"/api/v1/apps/{app}/users", expand="user", limit="1")
    assert {u["_embedded"]["user"]["profile"]["login"] for u in found} == {"ana@example.org", "bo@example.org"}
    assert [g["id"] for g in caller(f"/api/v1/apps/{app}/groups").json()] == [group]
    assert caller(f"/api/v1/apps/{app}/users", limit="501").status_code == 400
    assert caller("/api/v1/apps/0oanone").status_code == 404


@pytest.mark.parametrize("authorization", ["SSWS wrong", "Bearer wrong", "Basic YTpi", "none"])
def test_wrong_credentials_are_401_E0000011(okta: OktaEmulator, authorization: str) -> None:  # noqa: N802
    answer = Caller(okta, authorization)("/api/v1/users")
    assert (answer.status_code, answer.json()["errorCode"]) == (401, "E0000011")


def test_a_token_without_a_space_is_understood_as_generated_methods_send_it(okta: OktaEmulator) -> None:
    assert Caller(okta, f"SSWS{okta.token.value}")("/api/v1/users").status_code == 200


def test_a_group_administrator_sees_neither_everyone_nor_the_others(seeded: OktaEmulator) -> None:
    big = next(key for key, group in seeded.state.groups.items() if group["profile"]["name"] == "Twins")
    seeded.door.tokens["limited"] = ApiToken(value="limited", owner="", role="USER_ADMIN", targets=frozenset({big}))
    caller = Caller(seeded, "SSWS limited")
    assert [group["id"] for group in caller("/api/v1/groups").json()] == [big]
    assert {user["id"] for user in caller.everything("/api/v1/users")} == set(seeded.state.members[big])
    assert caller(f"/api/v1/groups/{seeded.state.everyone}/users").status_code == 404
    seeded.door.tokens["nothing"] = ApiToken(value="nothing", owner="", role="")
    refused = Caller(seeded, "SSWS nothing")("/api/v1/users")
    assert (refused.status_code, refused.json()["errorCode"]) == (403, "E0000006")


def test_every_answer_has_the_limits_headers_and_a_429_too() -> None:
    with OktaEmulator(limits=Limits(plan="developer", enforced=True, minute=30)) as okta:
        caller = Caller(okta)
        remaining = [int(caller("/api/v1/groups").headers["X-Rate-Limit-Remaining"]) for _ in range(100)]
        assert remaining == list(range(99, -1, -1))
        answer = caller("/api/v1/groups")
        assert (answer.status_code, answer.json()["errorCode"]) == (429, "E0000047")
        assert answer.headers["X-Rate-Limit-Limit"] == "100"
        assert 0 < int(answer.headers["X-Rate-Limit-Reset"]) - okta.state.now() <= 31
        assert caller("/api/v1/users").status_code == 200, "each kind of call has a limit of its own"
        okta.state.advance(31)
        assert caller("/api/v1/groups").status_code == 200


def test_too_many_calls_at_the_same_time_are_a_429_without_limit() -> None:
    with OktaEmulator(limits=Limits(at_once=0)) as okta:
        answer = Caller(okta)("/api/v1/users")
        assert answer.status_code == 429
        assert {answer.headers[f"X-Rate-Limit-{name}"] for name in ("Limit", "Remaining")} == {"0"}


def test_date_is_sent_once_and_is_the_organizations_clock(okta: OktaEmulator) -> None:
    okta.state.advance(86400)
    answer = Caller(okta)("/api/v1/users")
    assert answer.raw.headers.getlist("Date") == [answer.headers["Date"]]
    assert abs(parsedate_to_datetime(answer.headers["Date"]).timestamp() - okta.state.now()) < 5


def test_side_doors(okta: OktaEmulator) -> None:
    door = Caller(okta)
    posted = {"users": [{"profile": {"login": "x@example.org"}}], "groups": [{"name": "G"}], "advance": 5}
    state = door.send("POST", "/_emulator/state", json=posted).json()
    user = next(u for u in state["users"] if u["profile"]["login"] == "x@example.org")
    group = next(g for g in state["groups"] if g["profile"]["name"] == "G")
    change = {
        "users": [{"id": user["id"], "status": "SUSPENDED", "profile": {"title": "Dr"}}],
        "groups": [{"id": group["id"], "name": "H", "members": [user["id"]]}],
    }
    door.send("POST", "/_emulator/state", json=change)
    assert door(f"/api/v1/groups/{group['id']}/users").json()[0]["status"] == "SUSPENDED"
    assert door(f"/api/v1/groups/{group['id']}").json()["profile"]["name"] == "H"
    door.send("POST", "/_emulator/state", json={"delete": [user["id"], group["id"]]})
    assert door(f"/api/v1/groups/{group['id']}").status_code == 404


def test_the_same_seed_makes_the_same_organization() -> None:
    def made(number: int) -> list[tuple[str, str]]:
        with OktaEmulator(users=30, groups=6, seed_number=number) as okta:
            return [(key, user["profile"]["login"]) for key, user in okta.state.users.items()]

    assert made(3) == made(3) != made(4)


def test_it_runs_alone_and_says_how_to_read_it() -> None:
    command = [sys.executable, "-m", "tests.emulators.okta", "--users", "20", "--groups", "3", "--seed", "5"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            kind = reader_class(ready["directory"].pop("kind"))
            settings = kind.settings_class.model_validate(ready["directory"])
            with pytest.MonkeyPatch.context() as patch:
                for name, value in ready["env"].items():
                    patch.setenv(name, value)
                snapshot = kind("hq", settings, frozenset()).read(no_progress)
            assert (len(snapshot.users), len(snapshot.groups)) == (21, 4)
            assert snapshot.complete
        finally:
            process.terminate()
        assert process.wait(10) == 0


CLIENT = """
import asyncio, ssl, sys, warnings
import aiohttp
from okta.client import Client
async def main(url, token, ca):
    client = Client({"orgUrl": url, "token": token})
    tls = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=ca))
    async with aiohttp.ClientSession(connector=tls) as session:
        client.get_request_executor().set_session(session)
        users, answer, error = await client.list_users(limit=200)
        assert error is None, error
        groups, _, error = await client.list_groups(expand="stats")
        assert error is None, error
        members, _, error = await client.list_group_users(groups[0].id, limit=200)
        assert error is None, error
        print(len(users), len(groups), len(members))
asyncio.run(main(*sys.argv[1:]))
"""


def test_oktas_own_client_with_all_its_models_is_content() -> None:
    with OktaEmulator(users=40, groups=3) as okta:
        living = sum(1 for user in okta.state.users.values() if user["status"] != "DEPROVISIONED")
        command = [sys.executable, "-c", CLIENT, okta.url, okta.token.value, str(okta.ca_file)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr[-2000:]
        first = min(okta.state.groups)
        assert done.stdout.split() == [str(living), "4", str(okta.state.count_of(first))]
