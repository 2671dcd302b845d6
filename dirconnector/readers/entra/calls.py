"""One request at a time until it has an answer: what may be repeated, and how long to wait before.

Only reads go through here, so every request may be repeated. The pace is the service's: a 429 names the seconds to wait
(Graph, "Throttling guidance"), and everybody who reads at the same time waits with it.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from dirconnector.http import Answer, Http, NoAnswer
from dirconnector.model import Progress

WAITING = "waiting for the service's limit"
AGAIN = "waiting to ask again"

ATTEMPTS = 4
"""How often a request is made before it counts as failed."""

BACKOFF = 0.5
"""Seconds before the first repetition; each further one waits twice as long."""

LIMITED_ATTEMPTS = 8
"""How often one request may meet the service's limit."""

LONGEST_WAIT = 900.0
"""Seconds; a longer wait is for the next run."""

NO_RETRY_AFTER = 10.0
"""Seconds to wait where a 429 does not say how long: the window in which Graph counts."""

NEAR = 0.8
"""From this part of the limit on, the service tells how near it is; requests then go one after the other."""

TRANSIENT = frozenset({500, 502, 503, 504})


@dataclass(frozen=True, kw_only=True)
class Timing:
    """The clock (seconds) and how to wait; tests bring their own."""

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


REAL = Timing()
"""The machine's own."""


class GaveUp(Exception):
    """No usable answer after all attempts, in words without a secret."""


class Stopped(Exception):
    """Somebody else failed, so this request is not needed any more."""


class Calls:
    """Requests of one read; threads may share it. ``waited`` are the seconds spent waiting for the limit."""

    def __init__(self, http: Http, timing: Timing, progress: Progress) -> None:
        self.waited = 0.0
        self._http = http
        self._timing = timing
        self._progress = progress
        self._lock = threading.Lock()
        self._one = threading.Lock()
        self._alone = False
        self._not_before = timing.clock()
        self._held_since = self._not_before
        self._stopped = False

    def stop(self) -> None:
        """Every request that has not been sent raises :class:`Stopped`."""
        self._stopped = True

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def send(self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
        """The answer, whatever its status, 429 excepted. Raises :class:`GaveUp`."""
        failed = limited = 0
        while True:
            self._wait_for_limit()
            answer, silence = self._once(method, url, headers, body)
            if answer is not None and answer.status == 429:
                limited += 1
                self._hold(answer, limited)
                continue
            if answer is not None and answer.status not in TRANSIENT:
                self._adapt(answer)
                return answer
            failed += 1
            if failed >= ATTEMPTS or (silence is not None and silence.lasting):
                if answer is not None:
                    return answer
                raise GaveUp(str(silence))
            self._pause(answer, failed)

    def _once(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> tuple[Answer | None, NoAnswer | None]:
        turn: AbstractContextManager[object] = self._one if self._alone else nullcontext()
        try:
            with turn:
                return self._http.send(method, url, headers=headers, body=body), None
        except NoAnswer as error:
            return None, error

    def _hold(self, answer: Answer, limited: int) -> None:
        """The service is at its limit: nobody asks before the time that it names."""
        seconds = NO_RETRY_AFTER if answer.retry_after is None else max(answer.retry_after, 1.0)
        if limited >= LIMITED_ATTEMPTS or seconds > LONGEST_WAIT:
            raise GaveUp(
                f"Graph's limit on requests was met {limited} times, the last time with {seconds:g} s to wait: run "
                "again later, and let other programs use other applications"
            )
        now = self._timing.clock()
        with self._lock:
            self._alone = True
            if self._not_before <= now:
                self._held_since = now
            self._not_before = max(self._not_before, now + seconds)

    def _wait_for_limit(self) -> None:
        while True:
            if self._stopped:
                raise Stopped
            now = self._timing.clock()
            left = self._not_before - now
            if left <= 0:
                return
            total = math.ceil(self._not_before - self._held_since)
            self._progress(WAITING, min(int(now - self._held_since), total), total)
            self._sleep(min(left, 1.0))

    def _sleep(self, seconds: float) -> None:
        self._timing.sleep(seconds)
        with self._lock:
            self.waited += seconds

    def _adapt(self, answer: Answer) -> None:
        """Graph, "Throttling limits": x-ms-throttle-limit-percentage comes from 0.8 of the limit on."""
        try:
            near = float(answer.headers.get("x-ms-throttle-limit-percentage", "0"))
        except ValueError:
            near = 0.0
        if near >= NEAR:
            self._alone = True

    def _pause(self, answer: Answer | None, failed: int) -> None:
        told = answer.retry_after if answer is not None else None
        seconds = BACKOFF * 2 ** (failed - 1) if told is None else min(told, LONGEST_WAIT)
        until = self._timing.clock() + seconds
        while (left := until - self._timing.clock()) > 0:
            if self._stopped:
                raise Stopped
            self._progress(AGAIN, int(seconds - left), math.ceil(seconds))
            self._timing.sleep(min(left, 1.0))
