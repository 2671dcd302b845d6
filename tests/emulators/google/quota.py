"""Queries per minute and user ("Directory API: limits and quotas"), with minutes that a test can shorten."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable


class Quota:
    """At most ``per_minute`` calls of one subject in any minute of ``minute_seconds``; None is no limit.

    ``reason`` is how the service says no.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.per_minute: int | None = None
        self.minute_seconds = 60.0
        self.reason = "userRateLimitExceeded"
        self.refused = 0
        self._calls: dict[str, deque[float]] = {}

    def allows(self, subject: str) -> bool:
        """Whether one more call is within the quota; a call that is refused is not counted."""
        if self.per_minute is None:
            return True
        now = self.clock()
        calls = self._calls.setdefault(subject, deque())
        while calls and calls[0] <= now - self.minute_seconds:
            calls.popleft()
        if len(calls) >= self.per_minute:
            self.refused += 1
            return False
        calls.append(now)
        return True
