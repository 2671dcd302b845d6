"""What a plan is made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from operator import itemgetter
from typing import NamedTuple

from dirconnector.model import Evidence, Problem


class Action(StrEnum):
    """What can happen to a member, a group or a membership. The values are part of the JSON contract."""

    INVITE = "invite"
    ADOPT = "adopt"
    REKEY = "rekey"
    RESTORE = "restore"
    REVOKE = "revoke"
    REMOVE = "remove"
    CREATE_GROUP = "create_group"
    ADOPT_GROUP = "adopt_group"
    RENAME_GROUP = "rename_group"
    DELETE_GROUP = "delete_group"
    ADD_MEMBERSHIP = "add_membership"
    REMOVE_MEMBERSHIP = "remove_membership"

    @property
    def takes_away(self) -> bool:
        """True for what takes access away from somebody: never done on an incomplete read, always limited."""
        return self in _TAKES_AWAY


_TAKES_AWAY = frozenset({Action.REVOKE, Action.REMOVE, Action.DELETE_GROUP, Action.REMOVE_MEMBERSHIP})


class Change(NamedTuple):
    """One change, with everything that applying and explaining it needs.

    ``key`` is the user's key (for group actions the group's), ``email`` the user's address (empty for group
    actions), ``group`` the group's name (empty for user actions), ``group_key`` its key. ``member_id`` and
    ``group_id`` are the organization's ids, empty when the object does not exist there yet. ``before`` is what the
    change replaces: the old key of a rekey, the old name of a renamed group, the old key of a group adopted from a
    predecessor. ``reason`` completes the sentence "ACTION WHAT: ...".
    """

    action: Action
    key: str
    email: str
    group: str
    reason: str
    group_key: str = ""
    member_id: str = ""
    group_id: str = ""
    before: str = ""

    @property
    def what(self) -> str:
        """What the change is about: the person, the group, or both."""
        if self.group and self.email:
            return f"{self.email} in {self.group}"
        return self.group or self.email or self.key

    @property
    def sentence(self) -> str:
        """The change in one sentence, the same everywhere it is shown."""
        return f"{self.action.replace('_', ' ')} {self.what}: {self.reason}"


def count_actions(changes: Iterable[Change]) -> Counter[Action]:
    """Number of changes by action."""
    return Counter(map(itemgetter(0), changes))


class Held(NamedTuple):
    """A change that is not applied. ``limit`` is the config path or word of what holds it, ``why`` the sentence.

    ``approvable`` is False for what no approval can release: an incomplete read, missing seats.
    """

    change: Change
    limit: str
    why: str
    approvable: bool = True


class Exceeded(NamedTuple):
    """A limit that was exceeded: its config path and the sentence. It holds even when there is nothing to hold yet."""

    limit: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmanaged:
    """A member or group of the organization that is left alone because nobody's directory entry claims it."""

    kind: str
    id: str
    name: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Seats:
    """Seats in the forecast: ``needed`` by additions, ``freed`` by revocations and removals, ``free`` now (None =
    unlimited).
    """

    needed: int = 0
    freed: int = 0
    free: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What applying the plan will cost: ``requests`` by endpoint, ``seconds`` at the pace of this server, mails
    sent out.
    """

    requests: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    seats: Seats = Seats()
    mails: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A finished plan: immutable, ordered, countable, printable.

    ``changes`` will be applied, in this order. ``held`` will not. ``desired_digest`` and ``current_digest``
    identify the two sides it was made from. ``complete`` is False when a read was incomplete and removals are
    therefore withheld.
    """

    plan_id: str
    organization: str
    complete: bool
    changes: tuple[Change, ...]
    held: tuple[Held, ...] = ()
    exceeded: tuple[Exceeded, ...] = ()
    unmanaged: tuple[Unmanaged, ...] = ()
    problems: tuple[Problem, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    forecast: Forecast = Forecast()
    desired_digest: str = ""
    current_digest: str = ""

    @property
    def summary(self) -> dict[str, int]:
        """Number of changes to apply by action, every action present."""
        counts = count_actions(self.changes)
        return {action.value: counts.get(action, 0) for action in Action}


class Failure(NamedTuple):
    """A change that was tried and did not happen."""

    change: Change
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a plan: ``applied`` and ``skipped`` are counts of changes, ``failures`` names the rest.

    A change is skipped when something it depends on failed, or when it was already so.
    """

    applied: int = 0
    skipped: int = 0
    failures: tuple[Failure, ...] = ()

    @property
    def failed(self) -> int:
        """Number of changes that failed."""
        return len(self.failures)
