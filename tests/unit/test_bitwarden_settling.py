"""When is an import over, and did it happen? The server is a list of states, and the clock waits for nobody."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import pytest

from dirconnector.errors import OrganizationUnreachable
from dirconnector.model import no_progress
from dirconnector.organizations.bitwarden.settling import FORGOTTEN, Document, Seen, Settling, missing
from dirconnector.organizations.connection import Connection, Timing, Unclear
from dirconnector.organizations.endpoints import ApiRefused


class Server:
    """Changes with time: ``states`` maps the second from which it holds to the external ids of the members."""

    def __init__(self, states: dict[float, list[str]]) -> None:
        self.states = states
        self.now = 0.0
        self.reads = 0
        self.down_until = 0.0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def members(self) -> list[dict[str, Any]]:
        if self.now < self.down_until:
            raise OrganizationUnreachable("nobody answers")
        self.reads += 1
        keys = next(keys for since, keys in sorted(self.states.items(), reverse=True) if since <= self.now)
        return [{"id": f"id-{key}", "externalId": key, "email": f"{key}@x.org", "status": 0} for key in keys]

    def groups(self) -> list[dict[str, Any]]:
        return []

    def group_member_ids(self, group_id: str) -> list[str]:
        raise AssertionError(group_id)


@dataclass
class Talk:
    """As much of a connection as waiting needs."""

    timing: Timing
    progress: Callable[..., None] = no_progress


def settling(server: Server, quiet: float = 10.0) -> Settling:
    talk = Talk(Timing(clock=server.clock, sleep=server.sleep))
    return Settling(server, cast("Connection", talk), quiet)


def carried(*keys: str) -> Document:
    return Document(members=[{"externalId": key} for key in keys], groups=[])


def test_what_is_there_and_stands_still_is_over_at_once() -> None:
    server = Server({0.0: ["a", "b"]})
    assert settling(server).happened(carried("a", "b"), Unclear("lost", 0.1))
    assert server.reads == 2


def test_what_is_missing_is_waited_for() -> None:
    server = Server({0.0: [], 8.0: ["a"]})
    assert settling(server).happened(carried("a"), Unclear("lost", 0.1))
    assert 8.0 <= server.now < 20.0


def test_what_never_comes_is_given_up_after_the_silence() -> None:
    server = Server({0.0: []})
    assert not settling(server).happened(carried("a"), Unclear("lost", 0.1))
    assert 10.0 <= server.now < 20.0


def test_a_long_call_is_waited_for_twice_as_long() -> None:
    server = Server({0.0: [], 70.0: ["a"]})
    assert settling(server).happened(carried("a"), Unclear("no answer", 45.0))


def test_a_state_that_moves_is_waited_for() -> None:
    server = Server({float(n): [str(n)] for n in range(0, 40, 7)} | {40.0: ["a", "b"]})
    assert settling(server, quiet=10.0).happened(carried("a", "b"), Unclear("lost", 0.1))
    assert server.now >= 40.0


def test_one_that_moves_for_ever_is_given_up() -> None:
    server = Server({n / 2: [str(n)] for n in range(10_000)})
    assert not settling(server).happened(carried("a"), Unclear("lost", 0.1))
    assert FORGOTTEN <= server.now < FORGOTTEN + 30


def test_a_refusal_is_an_end() -> None:
    server = Server({0.0: []})
    assert not settling(server).happened(carried("a"), ApiRefused(500, "An unhandled server error has occurred."))
    assert server.reads == 2


def test_an_import_that_could_not_be_watched_is_waited_for_before_the_next() -> None:
    server = Server({0.0: [], 8.0: ["a"]})
    server.down_until = 5.0
    watch = settling(server)
    with pytest.raises(OrganizationUnreachable):
        watch.happened(carried("a"), Unclear("lost", 0.1))
    server.now = 6.0
    watch.finish()
    assert server.now >= 16.0
    before = server.now
    watch.finish()
    assert server.now == before


@pytest.mark.parametrize(
    ("ago", "shortest", "longest"), [(0.5, 2.0, 5.0), (5.0, 5.0, 10.0), (60.0, 10.0, 20.0), (FORGOTTEN, 0.0, 0.0)]
)
def test_after_a_kill_it_may_take_as_long_again(ago: float, shortest: float, longest: float) -> None:
    server = Server({0.0: ["a"]})
    settling(server).after_a_kill(ago)
    assert shortest <= server.now <= longest


def seen(members: dict[str, str], groups: dict[str, str], memberships: dict[str, set[str]]) -> Seen:
    return Seen(
        members={id_: (key, "", 0) for id_, key in members.items()},
        groups={f"g-{key}": (key, name) for key, name in groups.items()},
        memberships={key: frozenset(ids) for key, ids in memberships.items()},
    )


GROUP = {"externalId": "g", "name": "Staff", "memberExternalIds": ["a", "b"]}


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        (seen({"1": "a", "2": "b"}, {"g": "Staff"}, {"g": {"1", "2"}}), False),
        (seen({"1": "a", "2": "b"}, {"g": "Staff"}, {}), False),
        (seen({"1": "a", "2": "b"}, {"g": "Staff"}, {"g": {"1"}}), True),
        (seen({"1": "a", "2": "b"}, {"g": "Staff"}, {"g": {"1", "2", "3"}}), True),
        (seen({"1": "a", "2": "b"}, {"g": "Old name"}, {"g": {"1", "2"}}), True),
        (seen({"1": "a", "2": "b"}, {}, {}), True),
        (seen({"1": "a"}, {"g": "Staff"}, {"g": {"1"}}), False),
        (seen({"2": "b"}, {"g": "Staff"}, {"g": {"2"}}), True),
    ],
)
def test_missing(there: Seen, expected: bool) -> None:
    assert missing(Document(members=[{"externalId": "a"}], groups=[GROUP]), there) is expected
