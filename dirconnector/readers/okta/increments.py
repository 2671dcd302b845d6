"""Where a read ended, so that the next can go on: the cursor, and what is known from the snapshot of before. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dirconnector.model import Snapshot
from dirconnector.readers.okta.entries import People, Team
from dirconnector.readers.okta.settings import OktaSettings

VERSION = 1
HOW = {"tls", "proxy", "concurrency", "timeout", "full_read_every"}
"""Settings that say how to read, not what."""
OVERLAP = 300.0
"""Seconds by which a query for changes begins before the last read began: changes show up late."""
LOG_OVERLAP = 3600.0
"""The same for the System Log, whose events may be later still."""
LOG_DAYS = 80
"""The System Log keeps 90 days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """``asks`` is a digest of what the config asks for; ``since`` Okta's clock (epoch seconds) when the read began;
    ``surplus`` how many more members Everyone had, by Okta's count, than users were read; ``stamps`` when each group
    and its membership last changed; ``everyone`` the key of that group when it is in scope; ``gone`` the ids of
    deactivated users; ``names`` those of unsyncable ones for messages.
    """

    asks: str
    since: float
    surplus: int
    stamps: Mapping[str, tuple[str, str]]
    everyone: str
    gone: tuple[str, ...]
    names: Mapping[str, str]

    def dumped(self) -> str:
        """As text."""
        return json.dumps(
            {
                "version": VERSION,
                "asks": self.asks,
                "since": self.since,
                "surplus": self.surplus,
                "stamps": {key: list(stamps) for key, stamps in self.stamps.items()},
                "everyone": self.everyone,
                "gone": list(self.gone),
                "names": dict(self.names),
            },
            separators=(",", ":"),
        )


def loaded(text: str) -> Cursor | None:
    """The cursor of a text; None for what is none, or of another version."""
    try:
        found: Any = json.loads(text)
        if found["version"] != VERSION:
            return None
        return Cursor(
            asks=str(found["asks"]),
            since=float(found["since"]),
            surplus=int(found["surplus"]),
            stamps={str(key): (str(a), str(b)) for key, (a, b) in found["stamps"].items()},
            everyone=str(found["everyone"]),
            gone=tuple(map(str, found["gone"])),
            names={str(key): str(name) for key, name in found["names"].items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def digest(settings: OktaSettings, attributes: frozenset[str]) -> str:
    """What a read with these settings asks for. The secrets are in it as references only."""
    asked = f"{settings.model_dump_json(exclude=HOW)} {sorted(attributes)}"
    return hashlib.sha256(asked.encode()).hexdigest()


def people_before(people: People, snapshot: Snapshot, cursor: Cursor) -> None:
    """Put what was known of the users into ``people``."""
    teams = cursor.stamps.keys()
    people.users.update(snapshot.users)
    people.unsyncable.update({key: why for key, why in snapshot.unsyncable.items() if key not in teams})
    people.deleted.update(snapshot.deleted)
    people.names.update(cursor.names)
    people.gone.update(cursor.gone)


def teams_before(snapshot: Snapshot, cursor: Cursor) -> dict[str, Team]:
    """The groups as they were known. A group that could not be synced is not among them, so that it is read again."""
    return {
        key: Team(
            key=key,
            name=group.name,
            stamps=cursor.stamps.get(key, ("", "")),
            everyone=key == cursor.everyone,
            members=group.members,
        )
        for key, group in snapshot.groups.items()
    }
