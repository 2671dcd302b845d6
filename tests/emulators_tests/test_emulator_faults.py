"""The injected faults and the side doors."""

from __future__ import annotations

import json
import time
from http.client import RemoteDisconnected
from typing import Any

import pytest

from tests.emulators.bitwarden import BitwardenEmulator
from tests.emulators.bitwarden.faults import Faults
from tests.emulators_tests.client import Answer, Api, fetch, group, person

CALL = "POST /public/organization/import"


def _invited(api: Api) -> bool:
    return any(m.external_id == "k" for m in api.emulator.state.members.values())


@pytest.mark.parametrize(
    ("fault", "status", "done"),
    [
        ("401", 401, False),
        ("429:7", 429, False),
        ("500", 500, False),
        ("500_after", 500, True),
        ("502_before", 502, False),
        ("502_after", 502, True),
        ("504_after", 504, True),
    ],
)
def test_answers_instead_of_and_after_the_work(api: Api, fault: str, status: int, done: bool) -> None:
    """A 502 or 504 does not say whether the work was done (trap 26)."""
    api.emulator.faults.add(CALL, fault, nth=1)
    answer = api.imports(person("k"))
    assert answer.status == status
    assert _invited(api) is done
    assert answer.headers.get("retry-after") == ("7" if status == 429 else None)
    assert api.imports(person("k")).status == 200
    assert api.emulator.calls[CALL] == 2
    assert [a.status for a in api.emulator.answers] == [status, 200]


@pytest.mark.parametrize(("fault", "done"), [("drop_before", False), ("drop_after", True)])
def test_dropped_connections(api: Api, fault: str, done: bool) -> None:
    """A connection may be dropped before or after the server did the work."""
    api.emulator.faults.add(CALL, fault, times=1)
    with pytest.raises((RemoteDisconnected, ConnectionError, OSError)):
        api.imports(person("k"))
    assert _invited(api) is done
    assert api.emulator.answers[0].status == 0
    assert api.imports(person("k")).status == 200


def test_the_proxy_gives_up_while_the_server_carries_on(api: Api) -> None:
    """Trap 26: a big import may outlast the proxy; the server carries on, so read state back until it stops
    changing.
    """
    api.emulator.faults.add(CALL, "504_during:0.3", nth=1)
    assert api.imports(person("k")).status == 504
    assert not _invited(api)
    deadline = time.monotonic() + 10
    while not _invited(api) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert _invited(api)


def test_silent_skips(api: Api) -> None:
    """Trap 25: 200 does not mean done."""
    state = api.emulator.state
    ana = state.enrol("ana@example.org", external_id="ana")
    api.emulator.faults.add(CALL, "skip:k")
    api.emulator.faults.add("POST /public/members/*", "skip:ana", times=1)
    assert api.imports(person("k"), person("l"), groups=[group("g", "k", "l")]).status == 200
    assert not _invited(api)
    assert "l@example.org" in api.members()
    assert api.post(f"/public/members/{ana.id}/revoke").status == 200
    assert state.members[ana.id].status == 2
    assert api.post(f"/public/members/{ana.id}/revoke").status == 200
    assert state.members[ana.id].status == -1


def test_when_rules_strike() -> None:
    """nth, every, probability with a seed, times, and the glob of match."""
    faults = Faults()
    faults.add("GET /public/*", "500", nth=2)
    faults.add("POST *", "429", every=3, times=1)
    faults.add("PUT *", "401", probability=0.5, seed=7)
    assert [bool(faults.strike("GET /public/members")) for _ in range(4)] == [False, True, False, False]
    assert [bool(faults.strike("POST /public/members")) for _ in range(7)] == [False, False, True] + [False] * 4
    first = [bool(faults.strike("PUT /public/members/{id}")) for _ in range(50)]
    again = Faults()
    again.add("PUT *", "401", probability=0.5, seed=7)
    assert first == [bool(again.strike("PUT /public/members/{id}")) for _ in range(50)]
    assert 10 < sum(first) < 40


@pytest.mark.parametrize(
    "rule",
    [
        {"match": "*", "fault": "503"},
        {"match": "*", "fault": "slow"},
        {"match": "*", "fault": "slow:x"},
        {"match": "*", "fault": "skip:"},
        {"match": "*", "fault": "500", "nth": 0},
        {"match": "*", "fault": "500", "nth": 1, "every": 2},
        {"match": "*", "fault": "500", "never": 1},
        {"fault": "500"},
    ],
)
def test_what_is_no_rule_is_refused_and_changes_nothing(api: Api, rule: dict[str, object]) -> None:
    door = "/_emulator/faults"
    assert _door(api, "POST", door, [{"match": "GET *", "fault": "500"}]).status == 200
    assert _door(api, "POST", door, [rule]).status == 400
    assert [r["fault"] for r in _door(api, "GET", door).json] == ["500"]


def _door(api: Api, method: str, path: str, body: object = None) -> Answer:
    return fetch(api.emulator, method, path, None if body is None else json.dumps(body))


def test_the_doors_are_not_counted_limited_or_hit() -> None:
    with BitwardenEmulator(cloud=True, minute_seconds=3600.0) as emulator:
        api = Api(emulator)
        emulator.faults.add("*", "500")
        answers = [_door(api, "POST", "/_emulator/state", {}) for _ in range(70)]
        assert {answer.status for answer in answers} == {200}
        assert _door(api, "GET", "/_emulator/calls").json == {}


def test_calls_are_counted_with_ids_taken_out(api: Api) -> None:
    id_ = next(iter(api.emulator.state.members))
    api.get(f"/public/members/{id_}")
    api.get(f"/public/members/{id_}/group-ids")
    api.call("GET", "/public/groups/nonsense/member-ids")
    api.token()
    assert _door(api, "GET", "/_emulator/calls").json == {
        "GET /public/members/{id}": 1,
        "GET /public/members/{id}/group-ids": 1,
        "GET /public/groups/{id}/member-ids": 1,
        "POST /connect/token": 1,
    }
    assert _door(api, "DELETE", "/_emulator/calls").json == {}


def test_the_state_goes_out_and_comes_back(api: Api) -> None:
    state = api.emulator.state
    ana = state.enrol("ana@example.org", external_id="ana", status=-1, status_before=2)
    state.add_group("Staff", [ana], external_id="s")
    api.imports(person("k"))
    before = _door(api, "GET", "/_emulator/state").json
    assert [mail["to"] for mail in before["mails"]] == ["k@example.org"]
    after = _door(api, "POST", "/_emulator/state", before)
    assert after.status == 200
    assert after.json == before
    assert api.emulator.state is not state
    assert api.post(f"/public/members/{ana.id}/restore").status == 200


def test_a_section_takes_the_place_of_the_old_one_and_settings_are_merged(api: Api) -> None:
    members = [
        {"email": "owner@example.org", "status": 2, "type": 0},
        {"email": "ana@example.org", "status": 2, "externalId": "a"},
    ]
    body = {"organization": {"seats": 9}, "members": members}
    answer = _door(api, "POST", "/_emulator/state", body)
    assert answer.json["organization"]["seats"] == 9
    assert api.members()["ana@example.org"]["userId"] is not None
    broken: list[Any] = [{"people": []}, {"members": [{"mail": "x"}]}, {"members": [{"email": "x", "type": 9}]}, []]
    for wrong in broken:
        assert _door(api, "POST", "/_emulator/state", wrong).status == 400
    assert set(api.members()) == {"owner@example.org", "ana@example.org"}
