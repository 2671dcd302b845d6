"""Waiting for OneLogin's limit: seconds that are left, never a time, never longer than needed, always shown."""

from __future__ import annotations

import threading

import pytest

from dirconnector.model import no_progress
from dirconnector.readers.onelogin.throttle import LONGEST_WAIT, WAITING, WIDEN_AFTER, Stopped, Throttle
from tests.onelogin import Clock

Shown = list[tuple[str, int, int | None]]


def throttle(clock: Clock, shown: Shown | None = None, most: int = 6) -> Throttle:
    progress = (lambda *call: shown.append(call)) if shown is not None else no_progress
    return Throttle(clock.timing, progress, most)


def one_call(pace: Throttle) -> None:
    with pace.turn():
        pass


def test_a_429_is_waited_out_by_the_seconds_that_are_left() -> None:
    clock, shown = Clock(), Shown()
    pace = throttle(clock, shown)
    assert pace.note(429, {"X-RateLimit-Reset": "3"}, 0) == 3
    one_call(pace)
    assert sum(clock.naps) == pytest.approx(3)
    assert shown == [(WAITING, 0, 3), (WAITING, 1, 3), (WAITING, 2, 3), (WAITING, 3, 3)]
    assert pace.waited == pytest.approx(3)
    one_call(pace)
    assert sum(clock.naps) == pytest.approx(3), "once"


def test_retry_after_goes_before_reset() -> None:
    clock = Clock()
    pace = throttle(clock)
    assert pace.note(429, {"X-RateLimit-Reset": "900", "Retry-After": "2"}, 0) == 2


def test_a_429_without_a_word_is_waited_out_longer_each_time() -> None:
    pace = throttle(Clock())
    assert [pace.note(429, {}, before) for before in range(3)] == [15, 30, 60]


def test_a_reset_that_is_a_time_is_not_waited_for() -> None:
    clock = Clock()
    pace = throttle(clock)
    assert pace.note(429, {"X-RateLimit-Reset": "1795590000"}, 0) > LONGEST_WAIT
    one_call(pace)
    assert clock.naps == []


def test_the_last_call_of_the_hour_is_followed_by_a_pause_and_not_by_a_refusal() -> None:
    clock = Clock()
    pace = throttle(clock)
    pace.note(200, {"X-RateLimit-Remaining": "1", "X-RateLimit-Reset": "60"}, 0)
    one_call(pace)
    assert clock.naps == []
    pace.note(200, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "60"}, 0)
    assert clock.naps == [], "nobody waits after the last call"
    one_call(pace)
    assert sum(clock.naps) == pytest.approx(60)


@pytest.mark.parametrize("headers", [{}, {"X-RateLimit-Remaining": "0"}, {"X-RateLimit-Remaining": "many"}])
def test_headers_that_say_nothing(headers: dict[str, str]) -> None:
    clock = Clock()
    pace = throttle(clock)
    pace.note(200, headers, 0)
    one_call(pace)
    assert clock.naps == []


def test_the_width_halves_and_grows_again() -> None:
    pace = throttle(Clock())
    widths = []
    for _ in range(4):
        pace.note(429, {"Retry-After": "1"}, 0)
        widths.append(pace.width)
    assert widths == [3, 1, 1, 1]
    for _ in range(WIDEN_AFTER * 9):
        pace.note(200, {}, 0)
    assert pace.width == 6


def test_no_more_calls_than_the_width_are_under_way() -> None:
    pace = throttle(Clock(), most=2)
    inside, most, lock, both = 0, 0, threading.Lock(), threading.Barrier(2)

    def call(number: int) -> None:
        nonlocal inside, most
        with pace.turn():
            with lock:
                inside += 1
                most = max(most, inside)
            if number < 2:
                both.wait(10)
            with lock:
                inside -= 1

    threads = [threading.Thread(target=call, args=(number,)) for number in range(8)]
    for thread in threads[:2]:
        thread.start()
    for thread in threads[:2]:
        thread.join(10)
    for thread in threads[2:]:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert most == 2


def test_whoever_waits_gives_up_when_the_read_has_failed() -> None:
    clock = Clock()
    pace = throttle(clock)
    pace.note(429, {"Retry-After": "600"}, 0)
    pace.stop()
    with pytest.raises(Stopped):
        one_call(pace)
    assert clock.naps == []
