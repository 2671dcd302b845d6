"""From rows of users to people: key, e-mail, name, whether they are enabled, attributes, roles. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from dirconnector.model import Problem, User
from dirconnector.readers.onelogin.settings import placeholders

Row = dict[str, Any]
Verdict = Literal["enabled", "disabled", "pending", "unknown"]

STATUS = {
    0: "not activated",
    1: "active",
    2: "suspended",
    3: "locked for a while",
    4: "password expired",
    5: "awaiting a password reset",
    7: "password pending",
    8: "security questions required",
}
STATE = {0: "not approved", 1: "approved", 2: "rejected", 3: "unlicensed"}
"""https://developers.onelogin.com/api-docs/2/users/user-resource"""

FIELDS = frozenset(
    {
        "id",
        "email",
        "username",
        "firstname",
        "lastname",
        "title",
        "department",
        "company",
        "phone",
        "comment",
        "status",
        "state",
        "group_id",
        "directory_id",
        "trusted_idp_id",
        "external_id",
        "manager_user_id",
        "manager_ad_id",
        "samaccountname",
        "userprincipalname",
        "distinguished_name",
        "member_of",
        "activated_at",
        "created_at",
        "updated_at",
        "last_login",
        "invitation_sent_at",
        "locked_until",
        "invalid_login_attempts",
        "password_changed_at",
        "preferred_locale_code",
    }
)
"""What a user has by name; everything else is a custom attribute."""

CUSTOM = "custom_attributes"
_ADDRESS = re.compile(r"[^\s@]+@[^\s@]+")


def judge(status: object, state: object) -> tuple[Verdict, str]:
    """What the two numbers of a user mean, and in words.

    Suspended, rejected and unlicensed people are disabled. Locked is not: wrong passwords lock, and whoever can type
    them could otherwise have everybody revoked. A number that is not known is not guessed at.
    """
    status_word, state_word = _word(STATUS, status), _word(STATE, state)
    if status_word == "suspended":
        return "disabled", status_word
    if state_word in ("rejected", "unlicensed"):
        return "disabled", state_word
    if not status_word:
        return "unknown", f"its status {status!r} is not known: it is left as it is"
    if not state_word:
        return "unknown", f"its state {state!r} is not known: it is left as it is"
    if status in (0, 7, 8):
        return "pending", status_word
    if state == 0:
        return "pending", state_word
    return "enabled", status_word


def _word(words: dict[int, str], number: object) -> str:
    return words.get(number, "") if type(number) is int else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the config asks of a user. ``attributes`` are lower case."""

    directory: str
    email: tuple[str, ...]
    pending: Literal["skip", "enabled", "disabled"]
    attributes: frozenset[str] = frozenset()
    roles: bool = True
    groups: bool = False

    @property
    def fields(self) -> str:
        """The ``fields`` of the request."""
        names = {"email", "username", "firstname", "lastname", "status", "state", "created_at"}
        sources = {name.lower() for source in self.email for name in placeholders(source) or [source]}
        for name in sources | self.attributes:
            names.add(name if name in FIELDS else CUSTOM)
        if self.roles:
            names.add("role_ids")
        if self.groups:
            names.add("group_id")
        return ",".join(sorted(names))


@dataclass(slots=True)
class People:
    """Users as they come. ``unsyncable`` is by key, with the reason; ``labels`` name the same people for messages.

    ``roles`` has the role ids of each user, None where the service does not say; ``groups`` the id of the one
    OneLogin group. ``shown`` are fields that at least one row had.
    """

    wanted: Wanted
    users: dict[str, User] = field(default_factory=dict)
    unsyncable: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    roles: dict[str, frozenset[int] | None] = field(default_factory=dict)
    groups: dict[str, int] = field(default_factory=dict)
    shown: set[str] = field(default_factory=set)

    def receive(self, rows: Iterable[Row]) -> None:
        """Take rows; who is described twice is what the later row says."""
        for row in rows:
            self._one(row)

    @property
    def keys(self) -> set[str]:
        """Everybody who exists, syncable or not."""
        return self.users.keys() | self.unsyncable.keys()

    @property
    def gaps(self) -> list[str]:
        """Fields that were asked for and that no row had: nobody knows whether they are empty."""
        if not self.keys:
            return []
        asked = set(self.wanted.fields.split(",")) - {"role_ids"}
        return sorted(asked - self.shown)

    def problems(self) -> list[Problem]:
        """One for everybody who cannot be synced."""
        return problems(self.wanted.directory, self.unsyncable, self.labels)

    def _one(self, row: Row) -> None:
        key = str(row["id"])
        self.shown.update(row)
        values = _Values(row)
        label = values.text("username") or values.text("email") or f"user {key}"
        verdict, word = judge(row.get("status"), row.get("state"))
        if verdict == "pending" and self.wanted.pending != "skip":
            verdict = self.wanted.pending
        self.users.pop(key, None)
        self.unsyncable.pop(key, None)
        if verdict in ("enabled", "disabled"):
            self.users[key] = self._user(key, label, values, enabled=verdict == "enabled")
        else:
            self.labels[key] = label
            self.unsyncable[key] = word if verdict == "unknown" else f"{word}: neither invited nor revoked until then"
        role_ids = row.get("role_ids")
        known = isinstance(role_ids, list) and all(type(role) is int for role in role_ids)
        self.roles[key] = frozenset(role_ids) if known and role_ids is not None else None
        group = row.get("group_id")
        self.groups.pop(key, None)
        if type(group) is int:
            self.groups[key] = group

    def _user(self, key: str, label: str, values: _Values, *, enabled: bool) -> User:
        attributes = {name: found for name in sorted(self.wanted.attributes) if (found := values.all(name))}
        return User(
            key=key,
            email=_email(self.wanted.email, values),
            name=" ".join(part for part in (values.text("firstname"), values.text("lastname")) if part),
            enabled=enabled,
            directory=self.wanted.directory,
            username=values.text("username"),
            entry=label,
            attributes=attributes,
        )


def problems(directory: str, unsyncable: dict[str, str], labels: dict[str, str]) -> list[Problem]:
    """One for everybody who cannot be synced, in the order of their keys."""
    return [
        Problem(directory=directory, entry=labels.get(key) or f"user {key}", why=unsyncable[key])
        for key in sorted(unsyncable)
    ]


class _Values:
    """The values of one row by name: fields, and custom attributes with or without ``custom_attributes.`` before."""

    def __init__(self, row: Row) -> None:
        self._row = row
        custom = row.get(CUSTOM)
        self._custom = {str(name).lower(): value for name, value in custom.items()} if isinstance(custom, dict) else {}

    def all(self, name: str) -> tuple[str, ...]:
        """The values of an attribute (any case); none when it is not there, null or empty."""
        name = name.lower()
        value = self._row.get(name) if name in FIELDS else self._custom.get(name.removeprefix(f"{CUSTOM}."))
        values = value if isinstance(value, list) else [value]
        return tuple(text for item in values if (text := _text(item)))

    def text(self, name: str) -> str:
        """The first value, empty when there is none."""
        return next(iter(self.all(name)), "")


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None or isinstance(value, (dict, list)) else str(value)


def _email(sources: tuple[str, ...], values: _Values) -> str:
    """The first source that gives an address. The field ``email`` is taken as it is written, any other only when it
    looks like an address; a template is for names that are none themselves.
    """
    for source in sources:
        names = placeholders(source)
        if not names:
            found = values.text(source)
            if found and (source.lower() == "email" or _ADDRESS.fullmatch(found)):
                return found
            continue
        parts = {name: values.text(name) for name in names}
        if all(part and "@" not in part for part in parts.values()):
            for name, part in parts.items():
                source = source.replace(f"{{{name}}}", part)
            return source
    return ""
