"""What the administrator allows: offboarding and limits, as the plan uses them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dirconnector.model import MemberType


class Offboard(StrEnum):
    """What happens to a managed member who is absent from, or disabled in, the directory."""

    REVOKE = "revoke"
    REMOVE = "remove"
    KEEP = "keep"


class GroupsGone(StrEnum):
    """What happens to a managed group that is gone from the directory. A group that grants collections is always
    kept.
    """

    KEEP = "keep"
    DELETE = "delete"


class OnExceed(StrEnum):
    """What a limit holds when it is exceeded: what takes access away, or the whole plan."""

    HOLD_REMOVALS = "hold_removals"
    HOLD_ALL = "hold_all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """Exceeded when more than ``floor`` are concerned **and** they are more than ``percent`` of the whole, or more
    than ``count``.

    ``count`` None means no absolute number.
    """

    percent: float
    floor: int
    count: int | None = None

    def exceeded(self, number: int, of: int) -> bool:
        """True when ``number`` out of ``of`` is more than this limit lets through."""
        if self.count is not None and number > self.count:
            return True
        return number > self.floor and number * 100 > self.percent * of


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The ``limits`` section. Percent are of managed members, of a group's members, and of the last good snapshot."""

    removals: Limit = Limit(percent=20, floor=5)
    group_members: Limit = Limit(percent=50, floor=10)
    shrink: Limit = Limit(percent=30, floor=20)
    on_exceed: OnExceed = OnExceed.HOLD_REMOVALS


@dataclass(frozen=True, slots=True, kw_only=True)
class Offboarding:
    """The ``offboarding`` section. ``protect_emails`` are lower case; owners and break-glass addresses are never
    touched.
    """

    absent: Offboard = Offboard.REVOKE
    disabled: Offboard = Offboard.REVOKE
    groups: GroupsGone = GroupsGone.KEEP
    protect_types: frozenset[MemberType] = frozenset({MemberType.OWNER, MemberType.ADMIN})
    protect_emails: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Offboarding and limits together: everything the plan needs to know from the config."""

    offboarding: Offboarding = Offboarding()
    limits: Limits = Limits()
