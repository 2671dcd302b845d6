"""Users, entry by entry, and what groups will need to know about them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from dirconnector.dn import normalise
from dirconnector.model import Problem, User
from dirconnector.readers.ldap.ber import Entry
from dirconnector.readers.ldap.entries import (
    Values,
    disabled,
    email_of,
    expired,
    first_text,
    key_of,
    primary_sid,
    selected,
)
from dirconnector.readers.ldap.keys import KeyChoice
from dirconnector.readers.ldap.scope import UserScope

SHOWN = 100
"""So many problems of one sort are listed one by one; a number stands for the rest."""


@dataclass(slots=True)
class UserCollector:
    """Takes the entries of users and keeps what they mean. ``now`` is when the read began.

    ``keys`` are by DN as the server wrote it, also for users that are unsyncable. ``primaries`` has the keys of users
    by their primary group's SID or gidNumber. ``without_key`` are the DNs of entries whose identity is unknown.
    """

    directory: str
    scope: UserScope
    now: datetime
    users: dict[str, User] = field(default_factory=dict)
    unsyncable: dict[str, str] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    logins: dict[str, str] = field(default_factory=dict)
    primaries: dict[bytes, list[str]] = field(default_factory=dict)
    without_key: list[str] = field(default_factory=list)
    _choice: KeyChoice = field(init=False)
    _problems: list[Problem] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._choice = KeyChoice(self.scope.keys)

    @property
    def attribute(self) -> str:
        """The attribute that is the key (lower case, or ``dn``), the first candidate while it is not chosen yet."""
        return self._choice.attribute or self.scope.keys[0]

    def receive(self, entries: Iterable[Entry]) -> None:
        """Some more entries."""
        self._take(self._choice.admit(entries))

    def finish(self) -> None:
        """No more entries will come."""
        self._take(self._choice.rest())

    def _take(self, entries: Iterable[Entry]) -> None:
        attribute = self.attribute
        for dn, values in entries:
            self._add(dn, values, attribute)

    def _add(self, dn: str, values: Values, attribute: str) -> None:
        scope = self.scope
        key = key_of(dn, values, attribute)
        if not key:
            self.without_key.append(dn)
            return
        if key in self.users or key in self.unsyncable:
            self._again(dn, key)
            return
        self.keys[dn] = key
        username = first_text(values, scope.username)
        if username:
            self.logins[username] = key
        if scope.primary:
            self._remember_primary(values, key)
        off = disabled(values, scope.rules)
        if off is None:
            names = ", ".join(scope.spelling(rule.attribute) for rule in scope.rules if rule.required)
            self._unsyncable(dn, key, f"cannot tell whether the account is disabled: {names} cannot be read")
            return
        self.users[key] = User(
            key=key,
            email=email_of(values, scope.emails),
            name=first_text(values, scope.names),
            enabled=not (off or (scope.expiry and expired(values, self.now))),
            directory=self.directory,
            username=username,
            entry=dn,
            attributes=selected(dn, values, scope.selected),
        )

    def _remember_primary(self, values: Values, key: str) -> None:
        if self.scope.primary == "objectsid":
            group = primary_sid(values)
        else:
            group = next(iter(values.get(self.scope.primary, ())), None)
        if group is not None:
            self.primaries.setdefault(group, []).append(key)

    def _again(self, dn: str, key: str) -> None:
        """A key for the second time: the same entry, found under two bases, or two people whom the key cannot tell
        apart.
        """
        if dn in self.keys:
            return
        first = self.users.pop(key, None)
        if first is not None:
            self._unsyncable(first.entry, key, f"the key {key} is also that of {dn}: users.key must be unique")
        self.keys[dn] = key
        self._problem(dn, f"the key {key} is also that of another entry: users.key must be unique")

    def _unsyncable(self, dn: str, key: str, why: str) -> None:
        self.unsyncable[key] = why
        self._problem(dn, why)

    def _problem(self, dn: str, why: str) -> None:
        self._problems.append(Problem(directory=self.directory, entry=dn, why=why))

    @property
    def problems(self) -> list[Problem]:
        """Everything that cannot be synced, by entry."""
        key = self.scope.spelling(self.attribute)
        why = f"has no {key}: nobody can tell who it is (is it readable?)"
        return few(self._problems, self.directory) + few(
            [Problem(directory=self.directory, entry=dn, why=why) for dn in self.without_key], self.directory
        )

    def by_normalised_dn(self) -> dict[str, str]:
        """Keys by normalised DN."""
        return {normalise(dn): key for dn, key in self.keys.items()}


def few(problems: list[Problem], directory: str) -> list[Problem]:
    """The problems, or the first hundred and how many there are besides."""
    if len(problems) <= SHOWN:
        return problems
    rest = f"and {len(problems) - SHOWN} more entries like the one before"
    return [*problems[:SHOWN], Problem(directory=directory, entry="", why=rest)]
