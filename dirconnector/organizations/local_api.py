"""What every call to a local organization stands on: the transaction, seats, owners, mails, and the server's
words.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from dirconnector.organizations.local_store import transaction, translated

NO_OWNER = "Organization must have at least one confirmed owner."
NO_SEAT = "Seat limit has been reached."
INVALID = "The request's model state is invalid."
SERVER_ERROR = "An unhandled server error has occurred."


class LocalApi:
    """A connection to the file of a local organization.

    ``seats`` None is unlimited. Seats never grow: what would exceed them is refused.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path, seats: int | None) -> None:
        self.connection = connection
        self.path = path
        self.seats = seats

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One call: all or nothing, errors of SQLite in words."""
        with translated(self.path), transaction(self.connection):
            yield

    def seats_free(self) -> int | None:
        """Seats that are free, None when unlimited
        (``Organization_ReadOccupiedSeatCountByOrganizationId.sql``).
        """
        if self.seats is None:
            return None
        taken = self.connection.execute("SELECT count(*) FROM members WHERE status IN (0, 1, 2)").fetchone()[0]
        return self.seats - int(taken)

    def another_owner(self, member_id: str = "") -> bool:
        """True when there is a confirmed owner besides this member; an organization run by a provider needs
        none.
        """
        query = "SELECT 1 FROM members WHERE type = 0 AND status = 2 AND id <> ? LIMIT 1"
        provider = self.connection.execute("SELECT value FROM meta WHERE name = 'provider'").fetchone()
        found = self.connection.execute(query, (member_id,)).fetchone()
        return found is not None or (provider is not None and provider[0] is not None)

    def mail(self, emails: Iterable[str]) -> None:
        """Log the invitations that a real server would send out."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self.connection.executemany(
            "INSERT INTO mails (email, subject, sent) VALUES (?, 'invitation', ?)", ((email, now) for email in emails)
        )
