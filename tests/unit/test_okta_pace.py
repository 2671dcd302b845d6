"""Okta's limits: what is waited for, and how many calls run at the same time. No emulator, no real time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from dirconnector.readers.okta.pace import GOOD_ENOUGH, WAITING, Limit, Pace


class World:
    """A clock that moves when somebody sleeps."""

    def __init__(self, at_once: int = 4) -> None:
        self.now = 1000.0
        self.told: list[tuple[str, int, int | None]] = []
        self.pace = Pace(lambda *told: self.told.append(told), at_once, clock=lambda: self.now, sleep=self.sleep)

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)

    async def most_at_once(self, calls: int) -> int:
        running = most = 0

        async def call() -> None:
            nonlocal running, most
            async with self.pace.turn("members"):
                running += 1
                most = max(most, running)
                await asyncio.sleep(0)
                running -= 1

        await asyncio.gather(*(call() for _ in range(calls)))
        return most


def run(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(scenario())


def limit(remaining: int, *, of: int = 100, wait: float | None = 30.0) -> Limit:
    return Limit(limit=of, remaining=remaining, wait=wait)


def test_calls_wait_for_the_reset_and_say_so() -> None:
    async def scenario() -> None:
        world = World()
        world.pace.refused("users", limit(0, wait=12.5), 1)
        async with world.pace.turn("users"):
            assert world.now == 1012.5
        assert [told[0] for told in world.told] == [WAITING] * 13
        assert [told[1] for told in world.told] == list(range(13))
        assert {told[2] for told in world.told} == {13}

    run(scenario)


def test_a_limit_holds_for_its_own_kind_of_call() -> None:
    async def scenario() -> None:
        world = World()
        world.pace.refused("users", limit(0), 1)
        async with world.pace.turn("groups"):
            assert world.now == 1000.0

    run(scenario)


def test_a_tenth_of_the_limit_is_left_to_others() -> None:
    async def scenario() -> None:
        world = World()
        world.pace.answered("users", limit(11))
        async with world.pace.turn("users"):
            assert world.now == 1000.0
        world.pace.answered("users", limit(10))
        async with world.pace.turn("users"):
            assert world.now == 1030.0

    run(scenario)


def test_a_tiny_limit_can_be_used_all_the_same() -> None:
    async def scenario() -> None:
        world = World()
        world.pace.answered("users", limit(3, of=4))
        async with world.pace.turn("users"):
            assert world.now == 1000.0

    run(scenario)


def test_a_refusal_without_headers_is_waited_out_longer_each_time() -> None:
    async def scenario() -> None:
        world = World()
        waits = []
        for times in (1, 2, 3):
            before = world.now
            world.pace.refused("users", Limit(limit=None, remaining=None, wait=None), times)
            async with world.pace.turn("users"):
                waits.append(world.now - before)
        assert waits == [2, 4, 8]

    run(scenario)


def test_one_waits_and_the_others_wait_for_that_one() -> None:
    async def scenario() -> None:
        world = World()
        world.pace.refused("members", limit(0, wait=5), 1)
        await world.most_at_once(20)
        assert world.now == 1005.0
        assert len(world.told) == 5

    run(scenario)


def test_calls_at_the_same_time_are_bounded_halved_and_come_back() -> None:
    async def scenario() -> None:
        world = World(at_once=8)
        assert await world.most_at_once(30) == 8
        world.pace.refused("members", Limit(limit=0, remaining=0, wait=60), 1)
        before = world.now
        assert await world.most_at_once(30) == 4
        assert world.now - before == 1.0, "the reset is only a guess then"
        for _ in range(GOOD_ENOUGH):
            world.pace.answered("members", limit(99))
        assert await world.most_at_once(30) == 5

    run(scenario)
