"""The limiters of the cloud (CustomIpRateLimitMiddleware, appsettings) against a clock that the test moves,
and on the wire.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.emulators.bitwarden import BitwardenEmulator
from tests.emulators.bitwarden.limits import Allowed, Limiter, LoginLimiter, Refused
from tests.emulators_tests.client import Api, fetch


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def _allowed(limiter: Limiter, calls: int, method: str, path: str) -> int:
    return sum(isinstance(limiter.check("ip", method, path), Allowed) for _ in range(calls))


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_writes_are_5_a_second_and_60_a_minute(clock: Clock, method: str) -> None:
    """POST, PUT and DELETE: 5 per second, 60 per minute."""
    limiter = Limiter(clock=clock)
    passed = 0
    for _ in range(13):
        passed += _allowed(limiter, 5, method, "/public/members")
        clock.now += 1
    assert passed == 60
    assert limiter.check("ip", method, "/public/members") == Refused("1m", 47)
    clock.now += 47
    assert _allowed(limiter, 6, method, "/public/members") == 5


def test_reads_are_200_a_minute(clock: Clock) -> None:
    """GET: 200 per minute, without a rule per second."""
    assert _allowed(Limiter(clock=clock), 300, "GET", "/public/members") == 200


def test_tokens_are_10_a_minute_and_5_a_second(clock: Clock) -> None:
    """Trap 24: POST /connect/token 10 per minute per IP; any identity endpoint 5 per second."""
    limiter = Limiter(clock=clock)
    assert _allowed(limiter, 6, "POST", "/connect/token") == 5
    clock.now += 1
    assert _allowed(limiter, 5, "POST", "/connect/token") == 5
    clock.now += 1
    assert limiter.check("ip", "POST", "/connect/token") == Refused("1m", 58)


def test_counters_are_kept_for_each_address_and_verb_and_on_request_for_each_path(clock: Clock) -> None:
    """A counter is kept per client IP, period and verb, and seemingly per exact path: treat the numbers as
    per verb.
    """
    limiter = Limiter(clock=clock)
    assert _allowed(limiter, 5, "DELETE", "/public/members/1") == 5
    assert isinstance(limiter.check("ip", "DELETE", "/public/members/2"), Refused)
    assert isinstance(limiter.check("ip", "POST", "/public/members"), Allowed)
    assert isinstance(limiter.check("other", "DELETE", "/public/members/2"), Allowed)
    exact = Limiter(clock=clock, per_path=True)
    assert _allowed(exact, 5, "DELETE", "/public/members/1") == 5
    assert isinstance(exact.check("ip", "DELETE", "/public/members/2"), Allowed)


def test_a_minute_may_last_a_second(clock: Clock) -> None:
    """Scaled in time: Retry-After stays in whole seconds of the client's clock."""
    limiter = Limiter(clock=clock, minute_seconds=1.0)
    assert _allowed(limiter, 201, "GET", "/public/groups") == 200
    assert limiter.check("ip", "GET", "/public/groups") == Refused("1m", 1)
    clock.now += 1
    assert _allowed(limiter, 1, "GET", "/public/groups") == 1


def test_vaultwarden_allows_a_burst_of_10_logins_and_then_one_a_minute(clock: Clock) -> None:
    """Login limiter per IP: burst 10, then one per 60 s."""
    limiter = LoginLimiter(clock=clock)
    assert sum(limiter.allows("ip") for _ in range(12)) == 10
    clock.now += 60
    assert [limiter.allows("ip"), limiter.allows("ip")] == [True, False]


@pytest.fixture(scope="module")
def limited() -> Iterator[BitwardenEmulator]:
    # an hour for a minute, so that no window ends within a test
    with BitwardenEmulator(cloud=True, minute_seconds=3600.0) as emulator:
        yield emulator


def test_a_refusal_has_another_shape_and_comes_before_authentication(limited: BitwardenEmulator) -> None:
    """Trap 23: 429 with Retry-After and {"object":"error","message":"Slow down! Too many requests. Try
    again in 1m." and four nulls}, not the public error shape; limiting runs before authentication; the
    address is X-Connecting-IP.
    """
    limited.reset()
    path = "/api/public/members"
    statuses = [fetch(limited, "POST", path).status for _ in range(6)]
    assert statuses == [401] * 5 + [429]
    answer = fetch(limited, "POST", path)
    assert answer.json == {
        "object": "error",
        "message": "Slow down! Too many requests. Try again in 1s.",
        "validationErrors": None,
        "exceptionMessage": None,
        "exceptionStackTrace": None,
        "innerExceptionMessage": None,
    }
    assert answer.headers["retry-after"].isdecimal()
    assert fetch(limited, "POST", path, headers={"X-Connecting-IP": "203.0.113.9"}).status == 401
    assert limited.calls["POST /public/members"] == 8


def test_allowed_responses_say_what_is_left(limited: BitwardenEmulator) -> None:
    """Allowed responses carry X-Rate-Limit-Limit (the longest period), -Remaining and -Reset."""
    limited.reset()
    api = Api(limited)
    answer = api.call("GET", "/public/groups")
    assert answer.headers["x-rate-limit-limit"] == "1m"
    assert answer.headers["x-rate-limit-remaining"] == "199"
    assert answer.headers["x-rate-limit-reset"].endswith("Z")


def test_only_the_cloud_limits(api: Api) -> None:
    """Enabled only when not self-hosted."""
    assert [api.token().status for _ in range(12)] == [200] * 12
