"""The pace that OneLogin asks for: how many calls are left, when there will be more, how many may go at once.

``X-RateLimit-Remaining`` are calls that are left in this hour, ``X-RateLimit-Reset`` is how many *seconds* are left of
it (not a time, as with Okta), ``Retry-After`` goes before it.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from dirconnector.model import Progress

WAITING = "waiting for the service's limit"
LONGEST_WAIT = 3700.0
"""Seconds: an hour, and a little. A service that wants more than that is not waited for."""

NO_HEADERS = 15.0
"""Seconds to wait after the first 429 that does not say how long; twice as long after each further one."""

WIDEN_AFTER = 20
"""So many answers without a 429 let one more call go at once."""


@dataclass(frozen=True, kw_only=True)
class Timing:
    """The clock (seconds) and how to wait; tests bring their own."""

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


REAL = Timing()
"""The machine's own."""


class Stopped(Exception):
    """Somebody else's call has failed: nobody waits any longer."""


class Throttle:
    """Shared by all calls of one read. ``most`` is how many may be under way at once."""

    def __init__(self, timing: Timing, progress: Progress, most: int) -> None:
        self._timing = timing
        self._progress = progress
        self._most = most
        self._width = most
        self._under_way = 0
        self._good = 0
        self._until = -math.inf
        self._state = threading.Condition()
        self._waiting = threading.Lock()
        self._stopped = False
        self.waited = 0.0
        """Seconds spent waiting for the limit, measured."""

    @property
    def width(self) -> int:
        """How many calls may be under way at once now."""
        return self._width

    def stop(self) -> None:
        """Let whoever waits give up with :class:`Stopped`."""
        with self._state:
            self._stopped = True
            self._state.notify_all()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait until a call may be sent, and count it as under way until the end of the block."""
        self._wait()
        with self._state:
            self._state.wait_for(lambda: self._stopped or self._under_way < self._width)
            self._check()
            self._under_way += 1
        try:
            yield
        finally:
            with self._state:
                self._under_way -= 1
                self._state.notify_all()

    def note(self, status: int, headers: Mapping[str, str], limited_before: int) -> float:
        """Take notice of an answer. For a 429: the seconds that everybody waits now; ``limited_before`` is how often
        this call was refused so far.
        """
        reset = _number(headers.get("X-RateLimit-Reset"))
        with self._state:
            if status != 429:
                self._succeeded()
                if _number(headers.get("X-RateLimit-Remaining")) == 0 and reset is not None and reset <= LONGEST_WAIT:
                    self._pause(reset)
                return 0.0
            after = _number(headers.get("Retry-After"))
            told = after if after is not None else reset
            seconds = NO_HEADERS * 2**limited_before if told is None else max(told, 1.0)
            self._good = 0
            self._width = max(1, self._width // 2)
            if seconds <= LONGEST_WAIT:
                self._pause(seconds)
            return seconds

    def _succeeded(self) -> None:
        self._good += 1
        if self._good >= WIDEN_AFTER and self._width < self._most:
            self._good = 0
            self._width += 1
            self._state.notify_all()

    def _pause(self, seconds: float) -> None:
        self._until = max(self._until, self._timing.clock() + seconds)

    def _wait(self) -> None:
        with self._waiting:
            begun = self._timing.clock()
            total = 0
            while (left := self._until - self._timing.clock()) > 0:
                self._check()
                done = self._timing.clock() - begun
                total = math.ceil(done + left)
                self._progress(WAITING, min(int(done), total), total)
                self._timing.sleep(min(left, 1.0))
            if total:
                self.waited += self._timing.clock() - begun
                self._progress(WAITING, total, total)

    def _check(self) -> None:
        if self._stopped:
            raise Stopped


def _number(text: str | None) -> float | None:
    text = (text or "").strip()
    return float(text) if text.isascii() and text.isdecimal() else None
