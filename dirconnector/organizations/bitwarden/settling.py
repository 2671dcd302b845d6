"""What became of an import that was not answered?

The server goes on working when a proxy gives up or a connection breaks, and nothing locks an organization: a second
import beside the first can insert the same person twice, and from then on every import fails. So: read until the
organization does not change any more, compare with what was carried, and only then go on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from dirconnector.errors import OrganizationError
from dirconnector.organizations.connection import Connection, Unclear, wait
from dirconnector.organizations.endpoints import Answer, ApiRefused

PHASE = "waiting until the server has finished an import"

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 5.0
SHORTEST_QUIET = 2.0
LONGEST_QUIET = 120.0

FORGOTTEN = 900.0
"""Seconds after which no server works on an import any more."""

SAMPLE = 4
"""Groups of an import whose members are compared: the first and the last ones, as a server takes them in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What one import carries."""

    members: Sequence[Mapping[str, Any]]
    groups: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The organization at one moment, as far as an import changes it. ``memberships`` are of a sample of groups."""

    members: Mapping[str, tuple[str, str, int]]
    groups: Mapping[str, tuple[str, str]]
    memberships: Mapping[str, frozenset[str]]


class Reads(Protocol):
    """What is needed to look."""

    def members(self) -> list[Answer]: ...

    def groups(self) -> list[Answer]: ...

    def group_member_ids(self, group_id: str) -> list[str]: ...


class Settling:
    """Knows whether an import may still be going on, and waits for its end.

    ``quiet_seconds`` is how long nothing must have changed, at least, when something of the import is missing.
    """

    def __init__(self, reads: Reads, connection: Connection, quiet_seconds: float) -> None:
        self._reads = reads
        self._connection = connection
        self._quiet_seconds = quiet_seconds
        self._open: float | None = None
        """How many seconds of silence end the import that is open; None when none is."""

    def finish(self) -> None:
        """Wait for the end of an import that nobody could wait for when it was sent: then nobody answered."""
        if self._open is not None:
            self._settled(Document(members=(), groups=()), self._open)

    def after_a_kill(self, seconds_ago: float) -> None:
        """The same for the import of a run that was killed so long ago.

        It may take as long again as it has taken already, and longer than ``quiet_seconds`` nobody waits.
        """
        if seconds_ago < FORGOTTEN:
            quiet = min(max(seconds_ago, SHORTEST_QUIET), self._quiet_seconds)
            self._settled(Document(members=(), groups=()), quiet)

    def happened(self, document: Document, error: OrganizationError) -> bool:
        """Wait for the end of an import that ended with ``error``. True when everything that it carried is there.

        Raises :class:`OrganizationError` when that cannot be seen; then the import counts as open.
        """
        quiet = self._quiet(error)
        self._open = quiet
        seen = self._settled(document, quiet)
        return not missing(document, seen)

    def group_with(self, key: str, error: OrganizationError) -> Answer | None:
        """The group with this external id, once nobody works on it any more."""
        quiet, silent = self._quiet(error), 0.0
        while True:
            found = [group for group in self._reads.groups() if key and group.get("externalId") == key]
            if found or silent >= quiet:
                return found[0] if found else None
            self._wait(FIRST_PAUSE)
            silent += FIRST_PAUSE

    def _quiet(self, error: OrganizationError) -> float:
        """Seconds of silence that end it: none when the server itself has answered, twice what it has taken else."""
        if isinstance(error, ApiRefused):
            return 0.0
        seconds = error.seconds if isinstance(error, Unclear) else 0.0
        return min(max(2 * seconds, self._quiet_seconds), max(LONGEST_QUIET, self._quiet_seconds))

    def _settled(self, document: Document, quiet: float) -> Seen:
        """Read until two reads in a row are the same, and have been for ``quiet`` seconds unless nothing is missing."""
        clock = self._connection.timing.clock
        begun = since = clock()
        pause, last = FIRST_PAUSE, self._look(document)
        while True:
            self._wait(pause)
            seen, now = self._look(document), clock()
            if seen != last:
                last, since = seen, now
            elif now - since >= quiet or ((document.members or document.groups) and not missing(document, seen)):
                self._open = None
                return seen
            if now - begun > FORGOTTEN:
                self._open = None
                return seen
            pause = min(pause * 1.5, LONGEST_PAUSE)

    def _wait(self, seconds: float) -> None:
        wait(seconds, self._connection.timing, self._connection.progress, PHASE)

    def _look(self, document: Document) -> Seen:
        members = {
            m["id"]: (m.get("externalId") or "", (m.get("email") or "").lower(), m["status"])
            for m in self._reads.members()
        }
        groups = {g["id"]: (g.get("externalId") or "", g.get("name") or "") for g in self._reads.groups()}
        sample = {g["externalId"] for g in (*document.groups[:SAMPLE], *document.groups[-SAMPLE:])}
        memberships: dict[str, frozenset[str]] = {}
        for group_id, (key, _) in groups.items():
            if key in sample:
                memberships[key] = frozenset(self._reads.group_member_ids(group_id))
        return Seen(members=members, groups=groups, memberships=memberships)


def missing(document: Document, seen: Seen) -> bool:
    """True when something that the document carries is not there. Pure."""
    id_of = {key: id_ for id_, (key, _, _) in seen.members.items() if key}
    if any(member["externalId"] not in id_of for member in document.members):
        return True
    names = dict(seen.groups.values())
    for group in document.groups:
        if names.get(group["externalId"]) != group["name"]:
            return True
        found = seen.memberships.get(group["externalId"])
        wanted = {id_of[key] for key in group["memberExternalIds"] if key in id_of}
        if found is not None and found != wanted:
            return True
    return False
