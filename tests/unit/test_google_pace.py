"""The pace towards Google, with a clock of our own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from dirconnector.model import Progress, no_progress
from dirconnector.readers.google.pace import LONGEST_WAIT, WAITING, Pace, Stopped


class Clock:
    """Moves only when somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert 0 < seconds <= 1.0, "long waits are made of short ones"
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pace(clock: Clock) -> Callable[..., Pace]:
    def make(per_minute: int = 2400, parallel: int = 8, progress: Progress = no_progress) -> Pace:
        return Pace(per_minute, parallel, progress, clock=clock, sleep=clock.sleep)

    return make


def call(pace: Pace) -> float:
    with pace.turn() as began:
        pace.succeeded()
        return began


def test_calls_within_the_quota_do_not_wait(pace: Callable[..., Pace], clock: Clock) -> None:
    mine = pace(per_minute=100)
    for _ in range(100):
        call(mine)
    assert clock.now == 0


def test_never_more_than_the_quota_in_any_minute(pace: Callable[..., Pace]) -> None:
    mine = pace(per_minute=10)
    times = [call(mine) for _ in range(35)]
    assert times[9] == 0
    assert all(later - earlier >= 60 for earlier, later in zip(times, times[10:], strict=False))
    assert times[-1] < 4 * 61


def test_a_call_counts_until_it_was_answered(pace: Callable[..., Pace], clock: Clock) -> None:
    mine = pace(per_minute=1)
    with mine.turn():
        clock.now += 30
    assert call(mine) == 90


def test_waiting_is_shown(pace: Callable[..., Pace]) -> None:
    shown: list[tuple[str, int, int | None]] = []
    mine = pace(per_minute=1, progress=lambda *told: shown.append(told))
    call(mine)
    call(mine)
    assert shown[0] == (WAITING, 0, 61)
    assert shown[-1] == (WAITING, 59, 61)
    assert mine.waited == pytest.approx(60)


def test_pauses_get_longer_and_end_with_a_success(pace: Callable[..., Pace], clock: Clock) -> None:
    mine = pace()
    pauses = []
    for _ in range(9):
        with mine.turn() as began:
            mine.objected(began, concurrency=False)
        pauses.append(began)
    gaps = [round(later - earlier) for earlier, later in pairwise(pauses)]
    assert gaps == [1, 2, 4, 8, 16, 32, LONGEST_WAIT, LONGEST_WAIT]
    call(mine)
    with mine.turn() as began:
        mine.objected(began, concurrency=False)
    assert call(mine) - began == pytest.approx(1.0)


def test_calls_that_were_open_together_are_one_objection(pace: Callable[..., Pace], clock: Clock) -> None:
    mine = pace()
    with mine.turn() as one, mine.turn() as two, mine.turn() as three:
        clock.now += 0.1
        for began in (one, two, three):
            mine.objected(began, concurrency=False)
    assert call(mine) == pytest.approx(1.1)


def test_a_wait_that_the_service_names_is_kept(pace: Callable[..., Pace]) -> None:
    mine = pace()
    with mine.turn() as began:
        mine.objected(began, concurrency=False, retry_after=17)
    assert call(mine) == 17


def test_after_an_objection_calls_are_spaced_as_the_quota_allows(pace: Callable[..., Pace]) -> None:
    mine = pace(per_minute=60)
    with mine.turn() as began:
        mine.objected(began, concurrency=False)
    times = [call(mine) for _ in range(5)]
    assert [later - earlier for earlier, later in pairwise(times)] == pytest.approx([1.0] * 4)


def test_too_many_at_once_means_fewer_at_once_and_then_more_again(pace: Callable[..., Pace]) -> None:
    mine = pace(parallel=8)
    assert _at_once(mine, 8) == 8
    with mine.turn() as began:
        mine.objected(began, concurrency=True)
    assert _at_once(mine, 8) < 8
    for _ in range(100):
        call(mine)
    assert _at_once(mine, 8) == 8


def _at_once(pace: Pace, threads: int) -> int:
    """So many threads are in a turn at the same time, when all want one."""
    inside, most, lock = 0, 0, threading.Lock()
    full = threading.Event()
    done = threading.Event()

    def one() -> None:
        nonlocal inside, most
        with pace.turn():
            with lock:
                inside += 1
                most = max(most, inside)
                if most == threads:
                    full.set()
            done.wait()
            with lock:
                inside -= 1

    with ThreadPoolExecutor(threads) as pool:
        futures = [pool.submit(one) for _ in range(threads)]
        full.wait(0.3)
        done.set()
        for future in futures:
            future.result()
    return most


def test_whoever_waits_is_told_to_stop(pace: Callable[..., Pace], clock: Clock) -> None:
    mine = pace(parallel=1)
    stopped = threading.Event()

    def waiting() -> None:
        try:
            call(mine)
        except Stopped:
            stopped.set()

    with ThreadPoolExecutor(1) as pool, mine.turn():
        future = pool.submit(waiting)
        mine.stop()
        future.result(timeout=20)
    assert stopped.is_set()
    with pytest.raises(Stopped):
        call(mine)
