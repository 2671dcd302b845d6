"""Staying under Okta's limits: calls a minute by its own headers, and calls at the same time.

https://developer.okta.com/docs/reference/rl-best-practices/
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

from dirconnector.model import Progress

RESERVE = 0.1
"""This share of a limit is left to the other programs of the organization, which has one limit for all."""
LONGEST_WAIT = 90.0
"""Seconds. Windows last a minute; a reset further away than this is a mistake, and worth a try before it."""
GOOD_ENOUGH = 25
"""So many answers in a row, after the calls at the same time were halved, allow one more of them."""
WAITING = "waiting for the service's limit"

Clock = Callable[[], float]
Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """What the headers of an answer say. ``wait`` is the number of seconds until the limit is full again, None when
    the headers do not say.
    """

    limit: int | None
    remaining: int | None
    wait: float | None

    @property
    def at_once(self) -> bool:
        """Too many calls at the same time; the reset is then no more than a guess."""
        return self.limit == 0 and self.remaining == 0


def limit_of(headers: Mapping[str, str]) -> Limit:
    """Reads X-Rate-Limit-Limit, -Remaining and -Reset (epoch seconds) and Date. The reset is compared with the Date of
    the same answer: the clock of this computer may be wrong.
    """
    date, reset = date_of(headers), _number(headers, "X-Rate-Limit-Reset")
    return Limit(
        limit=_number(headers, "X-Rate-Limit-Limit"),
        remaining=_number(headers, "X-Rate-Limit-Remaining"),
        wait=None if date is None or reset is None else min(max(0.0, reset - date) + 1, LONGEST_WAIT),
    )


def date_of(headers: Mapping[str, str]) -> float | None:
    """The Date of an answer in seconds since the epoch, None without a readable one."""
    try:
        return parsedate_to_datetime(headers.get("Date", "")).timestamp()
    except (ValueError, TypeError):
        return None


def _number(headers: Mapping[str, str], name: str) -> int | None:
    text = headers.get(name, "").strip()
    return int(text) if text.isdecimal() else None


@dataclass(slots=True)
class _Bucket:
    until: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Pace:
    """Lets calls through, as many at the same time as Okta bears, each kind of call within its own limit."""

    def __init__(
        self, progress: Progress, at_once: int, *, clock: Clock = time.monotonic, sleep: Sleep = asyncio.sleep
    ) -> None:
        self._progress, self._clock, self._sleep = progress, clock, sleep
        self._most = self._slots = at_once
        self._running = 0
        self._good = 0
        self._free = asyncio.Condition()
        self._buckets: dict[str, _Bucket] = {}

    @asynccontextmanager
    async def turn(self, bucket: str) -> AsyncIterator[None]:
        """Wait for the limit and for a place, and hold the place."""
        await self._until_open(self._bucket(bucket))
        async with self._free:
            await self._free.wait_for(lambda: self._running < self._slots)
            self._running += 1
        try:
            yield
        finally:
            async with self._free:
                self._running -= 1
                self._free.notify_all()

    async def pause(self, seconds: float) -> None:
        """Sleep, for a reason other than a limit."""
        await self._sleep(seconds)

    def answered(self, bucket: str, limit: Limit) -> None:
        """An answer that was not refused for a limit."""
        self._good += 1
        if self._slots < self._most and self._good >= GOOD_ENOUGH:
            self._slots, self._good = self._slots + 1, 0
        if limit.limit and limit.remaining is not None and limit.wait is not None:
            reserve = min(max(self._most, math.ceil(limit.limit * RESERVE)), limit.limit // 2)
            if limit.remaining <= reserve:
                self._close(bucket, limit.wait)

    def refused(self, bucket: str, limit: Limit, times: int) -> None:
        """A 429, the ``times``-th for the same call."""
        self._good = 0
        if limit.at_once:
            self._slots = max(1, self._slots // 2)
            self._close(bucket, min(2.0**times, 30.0) / 2)
        else:
            self._close(bucket, limit.wait if limit.wait is not None else min(2.0**times, LONGEST_WAIT))

    def _bucket(self, name: str) -> _Bucket:
        return self._buckets.setdefault(name, _Bucket())

    def _close(self, name: str, seconds: float) -> None:
        bucket = self._bucket(name)
        bucket.until = max(bucket.until, self._clock() + seconds)

    async def _until_open(self, bucket: _Bucket) -> None:
        if bucket.until <= self._clock():
            return
        async with bucket.lock:  # one waits and tells; the others wait for that one
            start = self._clock()
            while (left := bucket.until - self._clock()) > 0:
                total = math.ceil(bucket.until - start)
                self._progress(WAITING, min(total, int(self._clock() - start)), total)
                await self._sleep(min(left, 1.0))
