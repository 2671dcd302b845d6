"""What documents of the management API mean. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dirconnector.model import NOTHING, Group, Problem, User
from dirconnector.readers.okta.settings import OktaSettings

USABLE = frozenset({"STAGED", "PROVISIONED", "ACTIVE", "RECOVERY", "LOCKED_OUT", "PASSWORD_EXPIRED", "SUSPENDED"})
DEPROVISIONED = "DEPROVISIONED"
DEACTIVATED = "deactivated in Okta (DEPROVISIONED)"
OUTSIDE_THE_PROFILE = frozenset({"id", "status", "created", "activated", "lastlogin"})
"""Attributes of the user object itself that selection rules may look at (lower case)."""


@dataclass(slots=True)
class People:
    """Users by what they are. ``gone`` are ids of deactivated users, ``names`` how to name the unsyncable in messages,
    ``nameless`` counts entries without an id.
    """

    directory: str
    settings: OktaSettings
    attributes: frozenset[str]
    users: dict[str, User] = field(default_factory=dict)
    unsyncable: dict[str, str] = field(default_factory=dict)
    deleted: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    nameless: int = 0

    def receive(self, documents: Iterable[Any]) -> None:
        """User documents; the last one about a user counts."""
        for document in documents:
            key = document.get("id") if isinstance(document, dict) else None
            if isinstance(key, str) and key:
                self.forget(key)
                self._take(key, document)
            else:
                self.nameless += 1

    def forget(self, key: str) -> None:
        """Nothing is known of this user any more."""
        for known in (self.users, self.unsyncable, self.deleted, self.names):
            known.pop(key, None)
        self.gone.discard(key)

    @property
    def living(self) -> set[str]:
        """Ids of all users that are not deactivated, as far as known: the members of Everyone."""
        return (self.users.keys() | self.unsyncable.keys()) - self.gone

    @property
    def problems(self) -> list[Problem]:
        """Each unsyncable user."""
        return [
            Problem(directory=self.directory, entry=self.names.get(key, key), why=why)
            for key, why in sorted(self.unsyncable.items())
        ]

    def _take(self, key: str, document: Mapping[str, Any]) -> None:
        profile = document.get("profile")
        status = document.get("status")
        if status == DEPROVISIONED:
            self.gone.add(key)
            if self.settings.users.deprovisioned == "deleted":
                self.deleted[key] = DEACTIVATED
                return
        login = _text(profile.get("login")) if isinstance(profile, dict) else ""
        if not isinstance(profile, dict) or not login:
            self._cannot(key, key, "its profile cannot be read: the administrator role does not show it")
        elif status not in USABLE and status != DEPROVISIONED:
            self._cannot(key, login, f"cannot tell whether the account is in use: {_told(status)}")
        else:
            self.users[key] = User(
                key=key,
                email=next(filter(None, (_of(profile, name) for name in self.settings.users.emails)), ""),
                name=_name(profile) or login,
                enabled=status != DEPROVISIONED and status not in self.settings.users.disabled,
                directory=self.directory,
                username=login,
                entry=login,
                attributes=_selected(document, profile, self.attributes),
            )

    def _cannot(self, key: str, name: str, why: str) -> None:
        self.unsyncable[key] = why
        self.names[key] = name


def _told(status: object) -> str:
    if not isinstance(status, str) or not status:
        return "it shows no status"
    return f"this version of dirsync does not know the status {status[:40]!r}"


def _name(profile: Mapping[str, Any]) -> str:
    given = _text(profile.get("displayName"))
    return given or " ".join(filter(None, (_text(profile.get("firstName")), _text(profile.get("lastName")))))


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _of(profile: Mapping[str, Any], name: str) -> str:
    if name in profile:
        return _text(profile[name])
    return next((_text(value) for key, value in profile.items() if key.lower() == name.lower()), "")


def _selected(
    document: Mapping[str, Any], profile: Mapping[str, Any], wanted: frozenset[str]
) -> Mapping[str, tuple[str, ...]]:
    """The attributes that the config looks at, by lower-case name; those without a value are left out."""
    if not wanted:
        return NOTHING
    found = {key.lower(): value for key, value in document.items() if key.lower() in OUTSIDE_THE_PROFILE}
    found |= {key.lower(): value for key, value in profile.items()}
    values = {name: _values(found.get(name)) for name in wanted}
    return {name: value for name, value in values.items() if value}


def _values(value: object) -> tuple[str, ...]:
    if isinstance(value, list):
        return tuple(text for item in value for text in _values(item))
    if isinstance(value, bool):
        return ("true" if value else "false",)
    if isinstance(value, (str, int, float)) and value != "":
        return (str(value),)
    return ()


@dataclass(slots=True, kw_only=True)
class Team:
    """A group as the list shows it. ``stamps`` are when it and its membership last changed, as Okta writes them;
    ``count`` is how many members Okta counts, None when it does not say. ``members`` are ids of users.
    """

    key: str
    name: str
    stamps: tuple[str, str]
    everyone: bool = False
    count: int | None = None
    members: frozenset[str] = frozenset()


def team_of(document: Any) -> Team | None:
    """The group of a document of the list; None when it has no id."""
    key = document.get("id") if isinstance(document, dict) else None
    if not isinstance(key, str) or not key:
        return None
    profile = document.get("profile")
    name = _text(profile.get("name")) if isinstance(profile, dict) else ""
    embedded = document.get("_embedded")
    stats = embedded.get("stats") if isinstance(embedded, dict) else None
    count = stats.get("usersCount") if isinstance(stats, dict) else None
    return Team(
        key=key,
        name=name,
        stamps=(_text(document.get("lastUpdated")), _text(document.get("lastMembershipUpdated"))),
        everyone=document.get("type") == "BUILT_IN" and name == "Everyone",
        count=count if isinstance(count, int) else None,
    )


def group_of(directory: str, team: Team, known: frozenset[str]) -> Group:
    """A group for the snapshot, with the members that are ``known``."""
    return Group(
        key=team.key,
        name=team.name,
        directory=directory,
        entry=team.name,
        members=team.members if team.members <= known else team.members & known,
    )
