"""The limit on resource units per application and tenant (Graph: throttling limits, identity and access)."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable

from tests.emulators.entra.schema import Refused

WINDOW = 10.0
"""Seconds."""

NEAR = 0.8
"""From this part of the limit on, the service says how near it is."""


class Limiter:
    """``window_seconds`` scales the limit in time; ``limit`` overrides what the size of the tenant gives."""

    def __init__(
        self, *, window_seconds: float = WINDOW, limit: int | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.window_seconds = window_seconds
        self.limit = limit
        self._clock = clock
        self._spent: deque[tuple[float, int]] = deque()

    def spend(self, units: int, users: int) -> dict[str, str]:
        """Take the units of one request; the headers that say so. Raises :class:`Refused` (429)."""
        limit = self.limit if self.limit is not None else 3500 if users < 50 else 5000 if users <= 500 else 8000
        now = self._clock()
        while self._spent and self._spent[0][0] <= now - self.window_seconds:
            self._spent.popleft()
        spent = sum(part for _, part in self._spent)
        if spent + units > limit:
            wait = self._spent[0][0] + self.window_seconds - now if self._spent else self.window_seconds
            raise throttled(math.ceil(wait))
        self._spent.append((now, units))
        headers = {"x-ms-resource-unit": str(units)}
        part = (spent + units) / limit
        if part >= NEAR:
            headers["x-ms-throttle-limit-percentage"] = f"{part:.1f}"
        return headers


def throttled(seconds: int) -> Refused:
    """429 as Graph sends it."""
    headers = {
        "Retry-After": str(max(seconds, 1)),
        "x-ms-throttle-scope": "Tenant_Application/ReadWrite/9f64a42c/72f988bf",
        "x-ms-throttle-information": "ResourceUnitLimitExceeded",
    }
    return Refused(429, "TooManyRequests", "Too many requests.", headers)


def cost(method: str, label: str, options: dict[str, str]) -> int:
    """Resource units of one request."""
    base = 1
    if method == "GET":
        tail = label.rpartition("/")[2]
        if label.endswith("/v1.0/users"):
            base = 2
        elif "transitive" in label:
            base = 5
        elif tail == "members" or "/members/" in label:
            base = 3
    if "$select" in options:
        base -= 1
    if "$expand" in options:
        base += 1
    top = options.get("$top", "")
    if top.isdecimal() and int(top) < 20:
        base -= 1
    return max(base, 1)
