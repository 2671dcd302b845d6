"""The vocabulary of both sides: what a directory says, and what an organization holds.

Everything here is immutable and does no I/O. Readers produce a :class:`Snapshot`; organizations produce a
:class:`Current`; the rules and the plan work on these two and on nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from types import MappingProxyType

NOTHING: Mapping[str, tuple[str, ...]] = MappingProxyType({})

Progress = Callable[[str, int, "int | None"], None]
"""Called as ``progress(phase, done, total)``; ``total`` is None while it is not known."""


def no_progress(phase: str, done: int, total: int | None) -> None:
    """The :data:`Progress` of somebody who is not watching."""


# --------------------------------------------------------------------------------------------- the directory's side


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person as one directory describes them.

    ``key`` is the directory's immutable id (objectGUID, entryUUID, Graph id ...), the externalId of the
    organization. ``email`` is empty when the entry has none. ``entry`` is how the directory itself names the entry
    (a DN, a UPN, ``people.ldif:120``) and is used in messages only. ``attributes`` holds what selection rules and
    e-mail templates of this config ask for and nothing else; its names are lower case.
    """

    key: str
    email: str
    name: str = ""
    enabled: bool = True
    directory: str = ""
    username: str = ""
    entry: str = ""
    attributes: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: NOTHING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A group as one directory describes it.

    ``members`` are keys of users that are direct members. ``subgroups`` are keys of groups that are direct members;
    after flattening it is empty and ``members`` is the transitive closure.
    """

    key: str
    name: str
    directory: str = ""
    entry: str = ""
    members: frozenset[str] = frozenset()
    subgroups: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """How one query of a reader ended.

    ``complete`` is True only when the server itself marked the end of the data. ``why`` names the end that was
    recognised, or what cut the answer short. ``pages`` are answers received, ``entries`` are entries in them.
    """

    directory: str
    query: str
    complete: bool
    pages: int
    entries: int
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something that cannot be synced, named so that an administrator can find and mend it."""

    directory: str
    entry: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything that one directory says (before the rules), or what several say together (after them).

    ``users`` and ``groups`` are by key. ``unsyncable`` has the keys of users and groups that exist in the directory
    but cannot be synced, each with the reason: they are absent from ``users`` or ``groups``, yet they are **not**
    gone. ``deleted`` has keys that the directory itself lists as deleted, with what it says about it.
    """

    users: Mapping[str, User]
    groups: Mapping[str, Group]
    evidence: tuple[Evidence, ...] = ()
    problems: tuple[Problem, ...] = ()
    unsyncable: Mapping[str, str] = field(default_factory=dict)
    deleted: Mapping[str, str] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """True when the absence of an entry from this snapshot proves its absence from the directory."""
        return bool(self.evidence) and all(e.complete for e in self.evidence)


# ------------------------------------------------------------------------------------------ the organization's side


class Status(IntEnum):
    """Member status, as Bitwarden numbers it. A number that is not listed is read as ``OTHER``: provisioned, not
    revoked.
    """

    REVOKED = -1
    INVITED = 0
    ACCEPTED = 1
    CONFIRMED = 2
    STAGED = 3
    OTHER = 99

    @property
    def takes_seat(self) -> bool:
        """Revoked and staged members take no seat."""
        return self not in (Status.REVOKED, Status.STAGED)


class MemberType(IntEnum):
    """Member type, as Bitwarden numbers it (3 was retired). A number that is not listed is read as ``OTHER``."""

    OWNER = 0
    ADMIN = 1
    USER = 2
    CUSTOM = 4
    OTHER = 99

    @property
    def word(self) -> str:
        """The word the config uses for this type, as in ``offboarding.protect.types``."""
        return self.name.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A member of the organization. ``key`` is its externalId, empty for members made by hand. ``linked`` is False as
    long as no account has accepted the invitation.
    """

    id: str
    email: str
    key: str = ""
    name: str = ""
    status: Status = Status.INVITED
    type: MemberType = MemberType.USER
    linked: bool = True

    @property
    def managed(self) -> bool:
        """We manage whoever has an externalId."""
        return bool(self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrgGroup:
    """A group of the organization. ``key`` is its externalId; ``members`` are member ids; ``collections`` is how
    many it grants.
    """

    id: str
    name: str
    key: str = ""
    members: frozenset[str] = frozenset()
    collections: int = 0

    @property
    def managed(self) -> bool:
        """We manage whatever has an externalId."""
        return bool(self.key)


def utf16_length(text: str) -> int:
    """The length of a text as .NET and SQL Server count it: UTF-16 code units, two for an emoji.

    https://learn.microsoft.com/dotnet/api/system.string.length
    """
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepts:
    """What an organization kind accepts. Lengths are those of :func:`utf16_length`; one entry beyond them would reject
    a whole import.

    ``groups`` is False where the organization has no groups; ``seats_grow`` is True where it buys seats by itself.
    """

    email_max: int = 256
    key_max: int = 300
    group_name_max: int = 100
    groups: bool = True
    seats_grow: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Current:
    """What the organization holds now. ``members`` and ``groups`` are by the organization's own ids.

    ``seats`` is the number of seats bought, None when unlimited or not known.
    """

    organization: str
    members: Mapping[str, Member]
    groups: Mapping[str, OrgGroup]
    seats: int | None = None
    accepts: Accepts = Accepts()
    problems: tuple[Problem, ...] = ()

    @property
    def seats_free(self) -> int | None:
        """Seats that are free now, None when seats are unlimited or not known."""
        if self.seats is None:
            return None
        return self.seats - sum(1 for m in self.members.values() if m.status.takes_seat)


# --------------------------------------------------------------------------------------------------------- checking


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of ``dirsync check``. ``cure`` says what to do and is empty when ``ok``."""

    ok: bool
    subject: str
    detail: str
    cure: str = ""
