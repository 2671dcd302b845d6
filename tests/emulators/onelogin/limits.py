"""The quota: so many calls an hour for the whole account, told in three headers."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass


@dataclass(slots=True)
class Quota:
    """``calls`` in each window of ``seconds``, which begins with the first call in it; 0 calls: no limit."""

    calls: int = 5000
    seconds: float = 3600.0
    used: int = 0
    begun: float = 0.0
    refused: int = 0

    def take(self) -> bool:
        """Count a call; False when it is over the quota."""
        now = time.monotonic()
        if now - self.begun >= self.seconds:
            self.begun, self.used = now, 0
        if self.calls and self.used >= self.calls:
            self.refused += 1
            return False
        self.used += 1
        return True

    def headers(self) -> dict[str, str]:
        """Reset is in seconds that are left, not a time."""
        left = max(0.0, self.begun + self.seconds - time.monotonic()) if self.used else self.seconds
        return {
            "X-RateLimit-Limit": str(self.calls or 5000),
            "X-RateLimit-Remaining": str(max(0, (self.calls or 5000) - self.used) if self.calls else 5000),
            "X-RateLimit-Reset": str(math.ceil(left)),
        }
