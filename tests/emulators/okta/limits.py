"""Rate limits: buckets of a minute per endpoint, and calls at the same time.

https://developer.okta.com/docs/reference/rl-global-mgmt/
"""

from __future__ import annotations

from dataclasses import dataclass, field

WORKFORCE = {
    "GET /api/v1/users": 600,
    "GET /api/v1/groups": 500,
    "GET /api/v1/groups/{id}": 1000,
    "GET /api/v1/apps": 100,
    "GET /api/v1/apps/{id}": 500,
    "GET /api/v1/logs": 120,
}
OTHERS = "others"
OTHERS_LIMIT = 1200


@dataclass(slots=True)
class Limits:
    """``plan`` is ``workforce`` or ``developer`` (100 for everything). Without ``enforced`` nothing is refused, and the
    headers say that this was the first call of the minute. ``minute`` is how many seconds a minute lasts, ``at_once``
    how many calls may run.
    """

    plan: str = "workforce"
    enforced: bool = False
    minute: float = 60.0
    at_once: int | None = None
    most: int = 0
    """The most calls that ran at the same time."""
    refused: int = 0
    _windows: dict[str, tuple[float, int]] = field(default_factory=dict)

    def count(self, label: str, now: float) -> tuple[bool, int, int, float]:
        """Count a call: whether it is let through, the limit, what remains, and when the window ends."""
        bucket = label if label in WORKFORCE else OTHERS
        limit = 100 if self.plan == "developer" else WORKFORCE.get(bucket, OTHERS_LIMIT)
        start, used = self._windows.get(bucket, (now, 0))
        if now >= start + self.minute:
            start, used = now, 0
        passed = used < limit or not self.enforced
        self.refused += not passed
        self._windows[bucket] = (start, used + passed)
        remaining = limit - 1 if not self.enforced else max(0, limit - used - 1)
        return passed, limit, remaining, start + self.minute
