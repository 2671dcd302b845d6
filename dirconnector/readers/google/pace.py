"""How fast and how parallel calls may be, learned from what the service says. No I/O but waiting.

Google allows so many queries a minute and so many at once, tells neither how many are left nor when to come back, and
counts for the whole project ("Directory API: limits and quotas"). So calls go out as fast as they can until there are
as many in a minute as the quota allows; when the service objects all the same (others use the quota too), everybody
pauses, twice as long each time, and goes on evenly spaced; when it objects to how many are open at once, fewer are.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dirconnector.model import Progress

WAITING = "waiting for the service's limit"
"""The phase of progress while waiting: seconds waited, seconds in all."""

MINUTE = 60.0
"""Seconds in which the quota counts. A call counts until it was answered: nobody knows when the service counted it."""

SHORTEST_WAIT = 1.0
LONGEST_WAIT = 64.0
SLOWEST = 16.0
"""Calls are spaced at most so many times as far apart as the quota would have it."""

STEP = 1.0
"""Seconds of one sleep: meanwhile somebody may be watching, or want to stop."""


class Stopped(Exception):
    """The read was given up: no more calls."""


class Pace:
    """Shared by all threads of one read. ``clock`` counts seconds, ``sleep`` waits for so many."""

    def __init__(
        self,
        per_minute: int,
        parallel: int,
        progress: Progress,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._even = MINUTE / per_minute
        self._most = parallel
        self._progress = progress
        self._clock = clock
        self._sleep = sleep
        self._free = threading.Condition()
        self._per_minute = per_minute
        self._answered: deque[float] = deque()
        self._sent = 0
        self._open = 0
        self._allowed = parallel
        self._spacing = 0.0
        self._next = 0.0
        self._paused_at = float("-inf")
        self._resume_at = float("-inf")
        self._objections = 0
        self._good = 0
        self._stopped = False
        self.waited = 0.0

    @contextmanager
    def turn(self) -> Iterator[float]:
        """Wait until one more call may be made, and count it as open until the end of the block. Gives the time
        at which it began. Raises :class:`Stopped` after :meth:`stop`.
        """
        with self._free:
            while self._open >= self._allowed and not self._stopped:
                self._free.wait()
            self._open += 1
        sent = False
        try:
            began = self._wait()
            sent = True
            yield began
        finally:
            with self._free:
                if sent:
                    self._sent -= 1
                    self._answered.append(self._clock())
                self._open -= 1
                self._free.notify()

    def stop(self) -> None:
        """No more calls: whoever waits is woken."""
        with self._free:
            self._stopped = True
            self._free.notify_all()

    def succeeded(self) -> None:
        """A call was answered. After as many as are open at once, one more may be; after a hundred, they may be closer
        together again.
        """
        with self._free:
            self._objections = 0
            self._good += 1
            if self._allowed < self._most and self._good % self._allowed == 0:
                self._allowed += 1
                self._free.notify()
            if self._spacing > self._even and self._good % 100 == 0:
                self._spacing = max(self._even, self._spacing * 0.8)

    def objected(self, began: float, *, concurrency: bool, retry_after: float | None = None) -> None:
        """The service said: too fast, or (``concurrency``) too many at once, to a call that ``began`` then. Calls that
        were open together are one objection.
        """
        with self._free:
            now = self._clock()
            if began <= self._paused_at:
                return
            self._objections += 1
            self._good = 0
            self._allowed = max(1, self._allowed // 2)
            if not concurrency:
                self._spacing = min(max(self._even, self._spacing * 1.25), self._even * SLOWEST)
            pause = min(SHORTEST_WAIT * 2 ** (self._objections - 1), LONGEST_WAIT)
            self._paused_at = now
            self._resume_at = max(self._resume_at, now + max(pause, retry_after or 0.0))

    def failed(self, attempt: int) -> None:
        """A call failed for the ``attempt``-th time for a reason of the service's own: wait before the next."""
        self._until(self._clock() + min(SHORTEST_WAIT * 2 ** (attempt - 1), LONGEST_WAIT))

    def _wait(self) -> float:
        """Until the call may go. Gives the time at which it does."""
        while True:
            with self._free:
                if self._stopped:
                    raise Stopped
                now = self._clock()
                at = max(self._resume_at, self._next, self._within_quota(now))
                if at <= now:
                    self._sent += 1
                    self._next = now + self._spacing
                    return now
            self._until(at)

    def _within_quota(self, now: float) -> float:
        """The earliest time at which one more call is within the quota, as far as is known now."""
        while self._answered and self._answered[0] <= now - MINUTE:
            self._answered.popleft()
        if len(self._answered) + self._sent < self._per_minute:
            return now
        return self._answered[0] + MINUTE if self._answered else now + STEP

    def _until(self, at: float) -> None:
        began = self._clock()
        while (left := at - self._clock()) > 0:
            with self._free:
                if self._stopped:
                    raise Stopped
                if at - began >= STEP:
                    self._progress(WAITING, int(self._clock() - began), int(at - began) + 1)
            slept = self._clock()
            self._sleep(min(left, STEP))
            with self._free:
                self.waited += self._clock() - slept
