"""The request limiters: the cloud's fixed windows, and Vaultwarden's login limiter.

A counter is kept for each client address, period and verb. The cloud's library may count exact paths apart;
its users are told not to rely on that, so ``per_path`` is off unless asked for.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple


class Limit(NamedTuple):
    """``calls`` in a ``period`` of ``1s`` or ``1m``."""

    period: str
    calls: int


WRITES = (Limit("1s", 5), Limit("1m", 60))
API = {"POST": WRITES, "PUT": WRITES, "DELETE": WRITES, "GET": (Limit("1m", 200),)}
IDENTITY = (Limit("1s", 5), Limit("1m", 60))
TOKEN = Limit("1m", 10)
LOGIN_BURST = 10


class Refused(NamedTuple):
    """``retry_after`` in whole seconds of the client's clock."""

    period: str
    retry_after: int


class Allowed(NamedTuple):
    """What the headers of an allowed response say: the longest period, calls left in it, seconds to its
    end.
    """

    period: str
    remaining: int
    reset_seconds: float


@dataclass(slots=True)
class _Window:
    start: float
    calls: int = 0


@dataclass(slots=True, kw_only=True)
class Limiter:
    """Fixed windows that begin with their first call. ``minute_seconds`` is how long a minute of the limits
    lasts.
    """

    minute_seconds: float = 60.0
    per_path: bool = False
    clock: Callable[[], float] = time.monotonic
    _windows: dict[tuple[str, ...], _Window] = field(default_factory=dict)

    def check(self, address: str, method: str, path: str) -> Refused | Allowed | None:
        """Count one call. ``path`` starts with ``/connect/`` or ``/.well-known/`` for the identity service.
        None: no rule applies.
        """
        exact = self.per_path or not path.startswith("/public/")
        key = (address, method, path) if exact else (address, method)
        allowed: Allowed | None = None
        for rule, limit in self._limits(method, path):
            window, left = self._window((*key, rule, limit.period), limit)
            # a refused call is not added to the longer windows (StackBlockedRequests is off by default)
            window.calls += 1
            if window.calls > limit.calls:
                return Refused(limit.period, max(1, math.ceil(left)))
            allowed = Allowed(limit.period, limit.calls - window.calls, left)
        return allowed

    def _limits(self, method: str, path: str) -> list[tuple[str, Limit]]:
        if path.startswith("/public/"):
            return [("*", limit) for limit in API.get(method, ())]
        if path.startswith("/v2/"):
            # the SCIM service has no request limiter of its own
            return []
        limits = [("*", limit) for limit in IDENTITY]
        if (method, path) == ("POST", "/connect/token"):
            limits.append(("token", TOKEN))
        return limits

    def _window(self, key: tuple[str, ...], limit: Limit) -> tuple[_Window, float]:
        length = self.minute_seconds / (60 if limit.period == "1s" else 1)
        now = self.clock()
        window = self._windows.get(key)
        if window is None or now >= window.start + length:
            window = self._windows[key] = _Window(start=now)
        return window, window.start + length - now


@dataclass(slots=True, kw_only=True)
class LoginLimiter:
    """Vaultwarden's: ten logins at once from an address, then one a minute."""

    minute_seconds: float = 60.0
    clock: Callable[[], float] = time.monotonic
    _tokens: dict[str, tuple[float, float]] = field(default_factory=dict)

    def allows(self, address: str) -> bool:
        now = self.clock()
        tokens, since = self._tokens.get(address, (float(LOGIN_BURST), now))
        tokens = min(LOGIN_BURST, tokens + (now - since) / self.minute_seconds)
        self._tokens[address] = (max(0.0, tokens - 1) if tokens >= 1 else tokens, now)
        return tokens >= 1
