"""The cursor of an incremental read: where each delta query goes on, and what a snapshot does not say. Pure.

It fits one config and one snapshot. Whatever does not fit means a full read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from dirconnector.model import Snapshot
from dirconnector.readers.entra.people import Shape
from dirconnector.readers.entra.settings import EntraSettings

FORMAT = 1

Faulty = Mapping[str, tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """``users`` and ``groups`` are delta links, empty where they are read as a whole each time. ``asked`` identifies
    the config and the permissions, ``measures`` the snapshot. The faulty ones are by key, with the name of the entry
    and the reason.
    """

    asked: str
    measures: tuple[int, int, int]
    users: str = field(default="", repr=False)
    groups: str = field(default="", repr=False)
    faulty_users: Faulty = field(default_factory=dict)
    faulty_groups: Faulty = field(default_factory=dict)


def encode(cursor: Cursor) -> str:
    """The cursor as text."""
    return json.dumps({"format": FORMAT, **asdict(cursor)}, separators=(",", ":"))


def decode(text: str, asked: str, snapshot: Snapshot) -> Cursor | None:
    """The cursor, if it fits; None for every other text."""
    try:
        found: dict[str, Any] = json.loads(text)
        if found.pop("format") != FORMAT:
            return None
        for name in ("faulty_users", "faulty_groups"):
            found[name] = {key: (str(entry), str(why)) for key, (entry, why) in found[name].items()}
        cursor = Cursor(**found | {"measures": tuple(found["measures"])})
    except (ValueError, LookupError, TypeError, AttributeError):
        return None
    fits = cursor.asked == asked and cursor.measures == measures(snapshot)
    return cursor if fits and snapshot.complete and (cursor.users or cursor.groups) else None


def asked_of(settings: EntraSettings, shape: Shape, roles: frozenset[str] | None) -> str:
    """Identifies what was asked, and with which permissions: a permission that comes later is no change to a group."""
    groups = None if settings.groups is False else (settings.groups.filter, settings.groups.kinds)
    asked = [
        settings.tenant,
        settings.client_id,
        settings.graph,
        repr(shape),
        settings.users.filter,
        groups,
        settings.administrative_units,
        None if roles is None else sorted(roles),
    ]
    return hashlib.blake2b(json.dumps(asked).encode(), digest_size=16).hexdigest()


def measures(snapshot: Snapshot) -> tuple[int, int, int]:
    """Users, groups, and users with attributes: a snapshot that was stored without them is none to go on from."""
    attributed = sum(1 for user in snapshot.users.values() if user.attributes)
    return len(snapshot.users), len(snapshot.groups), attributed
