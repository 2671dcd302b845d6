"""Sending imports to Vaultwarden, one after the other, and what to do when one is refused or not answered.

There is no transaction: what comes before the entry at which the server stops stays done. But an import is
idempotent, because members are found by address and groups by external id: sending it again does no harm, as long as
the first one is over.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from dirconnector.errors import OrganizationError, OrganizationRefused, OrganizationUnreachable
from dirconnector.organizations import Call, Journal
from dirconnector.organizations.connection import Connection, Unclear, wait
from dirconnector.organizations.endpoints import ApiRefused
from dirconnector.organizations.routes import IMPORT, IMPORT_LIMIT
from dirconnector.plan.model import Change

IMPORT_PATH = "/public/organization/import"
IMPORT_TIMEOUT = 300.0
ATTEMPTS = 3
PHASE = "waiting until the server has finished an import"

LARGEST_PART = 15_000_000
"""Bytes of entries in one import; the server takes 20 MB for the whole (``src/main.rs``)."""

DIVISIBLE = frozenset({400, 413, 422})
"""Refusals that may be the fault of one entry."""

T = TypeVar("T")


class Sender:
    """Sends documents; each attempt is in the journal."""

    def __init__(self, connection: Connection, journal: Journal, settle_seconds: float) -> None:
        self._connection = connection
        self._journal = journal
        self._settle_seconds = settle_seconds
        self.unanswered: list[OrganizationUnreachable] = []
        """The imports in a row that got no answer."""

    def send(
        self,
        items: Sequence[T],
        document: Callable[[Sequence[T]], tuple[Sequence[Mapping[str, Any]], Sequence[Mapping[str, Any]]]],
        carried: Callable[[T], Sequence[Change]],
    ) -> Iterator[tuple[Sequence[T], OrganizationError | None]]:
        """Send items in one import, or, where one of them makes the server stop, in smaller and smaller ones.

        ``document`` makes members and groups of items, ``carried`` says whose changes they are. Gives items together
        with what went wrong with them (None: nothing).
        """
        members, groups = document(items)
        call = Call(IMPORT, "", tuple(change for item in items for change in carried(item)))
        try:
            self._import(call, members, groups)
        except OrganizationUnreachable as error:
            self.unanswered.append(error)
            yield items, error
        except OrganizationRefused as error:
            self.unanswered.clear()
            if isinstance(error, ApiRefused) and error.status in DIVISIBLE and len(items) > 1:
                half = len(items) // 2
                yield from self.send(items[:half], document, carried)
                yield from self.send(items[half:], document, carried)
            else:
                yield items, error
        else:
            self.unanswered.clear()
            yield items, None

    def _import(self, call: Call, members: Sequence[Mapping[str, Any]], groups: Sequence[Mapping[str, Any]]) -> None:
        # both servers take this body; largeImport is for the other one
        body = {"groups": groups, "members": members, "overwriteExisting": False, "largeImport": True}
        digest = hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
        number = self._journal.begin(call, digest)
        try:
            self._until_answered(body)
        except OrganizationError as error:
            self._journal.end(number, str(error) or type(error).__name__)
            raise
        self._journal.end(number, "ok")

    def _until_answered(self, body: object) -> None:
        for attempt in range(ATTEMPTS):
            try:
                self._connection.write("POST", IMPORT_PATH, body, repeatable=False, timeout=IMPORT_TIMEOUT)
            except Unclear as error:
                # nothing can be read back: only time says that it is over
                seconds = max(self._settle_seconds, min(2 * error.seconds, 120.0))
                wait(seconds, self._connection.timing, self._connection.progress, PHASE)
                if attempt + 1 == ATTEMPTS:
                    raise
            except ApiRefused as error:
                if error.status < 500 or attempt + 1 == ATTEMPTS:
                    raise
                wait(1.0, self._connection.timing, self._connection.progress, PHASE)
            else:
                return


def parts(items: Sequence[T], size_of: Callable[[T], int]) -> Iterator[Sequence[T]]:
    """The items in parts that one import takes. Pure."""
    part: list[T] = []
    size = 0
    for item in items:
        bytes_ = size_of(item)
        if part and (len(part) >= IMPORT_LIMIT or size + bytes_ > LARGEST_PART):
            yield part
            part, size = [], 0
        part.append(item)
        size += bytes_
    if part:
        yield part
