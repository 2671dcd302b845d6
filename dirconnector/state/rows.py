"""What the state gives back: plain values without a database behind them. All times are UTC in ISO 8601."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from dirconnector.model import Snapshot

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The :data:`Clock` for the two places where the caller gives no time: the journal and the ledger."""
    return datetime.now(UTC)


def iso(moment: datetime) -> str:
    """``moment`` as UTC in ISO 8601 with milliseconds, so that text order is time order.

    Raises ValueError for a time without a zone: its meaning would depend on the machine.
    """
    if moment.tzinfo is None:
        raise ValueError("a time of the state needs a time zone")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One run. ``finished`` is empty and ``exit_code`` None while it runs, and for ever when it was
    killed.
    """

    number: int
    organization: str
    command: str
    started: str
    finished: str
    exit_code: int | None
    plan_id: str
    dry_run: bool

    @property
    def ending(self) -> str:
        """How the run ended, in words for the history."""
        if self.finished:
            return f"exit code {self.exit_code}"
        return "did not finish: killed, or still running"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRow:
    """One call of the journal. ``finished`` and ``result`` are empty when nobody knows how it ended.

    ``endpoint`` and ``target`` are those of the call, ``changes`` is how many changes it carried, ``digest``
    identifies its body.
    """

    number: int
    run: int
    endpoint: str
    target: str
    changes: int
    digest: str
    started: str
    finished: str
    result: str


class Person(NamedTuple):
    """How a directory of the config described a person when they were last in it."""

    directory: str
    name: str
    username: str


class ManagedRow(NamedTuple):
    """A member (``kind`` "user") or group ("group") of the organization that has an externalId, as last seen
    there.

    ``key`` is the externalId, ``id`` the organization's own id, ``label`` the e-mail or the group's name.
    ``status`` is the member's :class:`~dirconnector.model.Status` as a number, None for groups.
    """

    kind: str
    id: str
    key: str
    label: str
    status: int | None
    first_seen: str
    last_verified: str


class Cursor(NamedTuple):
    """Where an incremental read can go on.

    ``snapshot`` is the whole directory as it was then, ``full_read`` when it was last read in full, ``source`` a
    digest of the settings that it was read with.
    """

    cursor: str
    snapshot: Snapshot
    full_read: datetime
    source: str
