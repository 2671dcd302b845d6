"""Groups, entry by entry, and their members as keys of users and of other groups."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from dirconnector.dn import normalise, strip_uid
from dirconnector.model import Group, Problem
from dirconnector.readers.ldap.ber import Entry
from dirconnector.readers.ldap.entries import Values, first_text, key_of, text
from dirconnector.readers.ldap.keys import KeyChoice
from dirconnector.readers.ldap.scope import GroupScope
from dirconnector.readers.ldap.users import UserCollector, few

LOGIN_NAMES = "memberuid"
"""The attribute of a posixGroup whose values are login names, not DNs (RFC 2307 section 4)."""

MUST_HAVE = (("groupofnames", "member"), ("groupofuniquenames", "uniquemember"))
"""Object classes and the attribute that every entry of them has (RFC 4519 sections 3.5 and 3.6)."""


@dataclass(slots=True)
class _Raw:
    """A group whose members are only partly known yet: ``pending`` are values that are no user's DN as the server
    writes it.
    """

    key: str
    name: str
    entry: str
    members: set[str]
    pending: list[str]


@dataclass(slots=True)
class GroupCollector:
    """Takes the entries of groups after all users have been read.

    ``outside`` counts member values that name nothing that was read. ``unreadable`` are the DNs of groups whose
    members exist but cannot be read.
    """

    directory: str
    scope: GroupScope
    people: UserCollector
    unsyncable: dict[str, str] = field(default_factory=dict)
    without_key: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    outside: int = 0
    groups: dict[str, Group] = field(default_factory=dict)
    _raw: dict[str, _Raw] = field(default_factory=dict)
    _keys: dict[str, str] = field(default_factory=dict)
    _choice: KeyChoice = field(init=False)
    _problems: list[Problem] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._choice = KeyChoice(self.scope.keys)

    @property
    def attribute(self) -> str:
        """The attribute that is the key (lower case, or ``dn``), the first candidate while it is not chosen yet."""
        return self._choice.attribute or self.scope.keys[0]

    @property
    def count(self) -> int:
        """Groups taken so far."""
        return len(self._raw)

    def receive(self, entries: Iterable[Entry]) -> None:
        """Some more entries."""
        for dn, values in self._choice.admit(entries):
            self._add(dn, values)

    def finish(self) -> None:
        """All groups are known: find out what the members are that are not users by their exact DN."""
        for dn, values in self._choice.rest():
            self._add(dn, values)
        names = _Names(self.people, self._keys)
        for raw in self._raw.values():
            subgroups: set[str] = set()
            for value in raw.pending:
                user, group = names.look_up(value)
                if user:
                    raw.members.add(user)
                elif group:
                    subgroups.add(group)
                else:
                    self.outside += 1
            self.groups[raw.key] = Group(
                key=raw.key,
                name=raw.name,
                directory=self.directory,
                entry=raw.entry,
                members=frozenset(raw.members),
                subgroups=frozenset(subgroups),
            )
        self._raw.clear()

    def _add(self, dn: str, values: Values) -> None:
        key = key_of(dn, values, self.attribute)
        if not key:
            self.without_key.append(dn)
            return
        if key in self._raw or key in self.unsyncable:
            self._again(dn, key)
            return
        self._keys[dn] = key
        name = first_text(values, self.scope.names)
        if not name:
            self._unsyncable(
                dn,
                key,
                f"has no name: {', '.join(map(self.scope.spelling, self.scope.names))} has no value or cannot be read",
            )
            return
        if self.scope.must_have_members and _members_hidden(values, self.scope.member):
            self.unreadable.append(dn)
        members, pending = self._resolve(values)
        if self.scope.primary:
            for value in values.get(self.scope.primary, ()):
                members.update(self.people.primaries.get(value, ()))
        self._raw[key] = _Raw(key=key, name=name, entry=dn, members=members, pending=pending)

    def _resolve(self, values: Values) -> tuple[set[str], list[str]]:
        """Members that are users by the exact spelling of their DN or login name, and what is left of the values."""
        members: set[str] = set()
        pending: list[str] = []
        for attribute in self.scope.member:
            known = self.people.logins.get if attribute == LOGIN_NAMES else self.people.keys.get
            for value in values.get(attribute, ()):
                name = text(value)
                key = known(name)
                if key is None:
                    pending.append(name)
                else:
                    members.add(key)
        return members, pending

    def _again(self, dn: str, key: str) -> None:
        if dn in self._keys:
            return
        first = self._raw.pop(key, None)
        if first is not None:
            self._unsyncable(first.entry, key, f"the key {key} is also that of {dn}: groups.key must be unique")
        self._problem(dn, f"the key {key} is also that of another entry: groups.key must be unique")

    def _unsyncable(self, dn: str, key: str, why: str) -> None:
        self.unsyncable[key] = why
        self._problem(dn, why)

    def _problem(self, dn: str, why: str) -> None:
        self._problems.append(Problem(directory=self.directory, entry=dn, why=why))

    @property
    def problems(self) -> list[Problem]:
        """Everything that cannot be synced, by entry."""
        key = self.scope.spelling(self.attribute)
        why = f"has no {key}: nobody can tell which group it is (is it readable?)"
        hidden = "has members, by the rules of its object class, but they cannot be read: give the right to read them"
        return (
            few(self._problems, self.directory)
            + few([Problem(directory=self.directory, entry=dn, why=why) for dn in self.without_key], self.directory)
            + few([Problem(directory=self.directory, entry=dn, why=hidden) for dn in self.unreadable], self.directory)
        )


def _members_hidden(values: Values, wanted: tuple[str, ...]) -> bool:
    """An attribute that the schema demands and that was asked for is not there: the server withholds it."""
    classes = {text(value).lower() for value in values.get("objectclass", ())}
    return any(name in classes and member in wanted and not values.get(member) for name, member in MUST_HAVE)


class _Names:
    """Member values to keys by normalised DN; the normalised DNs of users are made when the first value asks for
    them.
    """

    def __init__(self, people: UserCollector, groups: dict[str, str]) -> None:
        self._people = people
        self._exact = groups
        self._groups = {normalise(dn): key for dn, key in groups.items()}
        self._known: dict[str, tuple[str, str]] = {}
        self._users: dict[str, str] | None = None
        self._logins: dict[str, str] | None = None

    def look_up(self, value: str) -> tuple[str, str]:
        """``(user key, "")``, ``("", group key)`` or two empty strings."""
        found = self._known.get(value)
        if found is None:
            found = self._known[value] = self._find(value)
        return found

    def _find(self, value: str) -> tuple[str, str]:
        group = self._exact.get(value, "")
        if group:
            return "", group
        if "=" not in value:
            return self._login(value), ""
        name = normalise(strip_uid(value))
        group = self._groups.get(name, "")
        if group:
            return "", group
        if self._users is None:
            self._users = self._people.by_normalised_dn()
        return self._users.get(name, ""), ""

    def _login(self, value: str) -> str:
        """uid ignores case (RFC 4519 section 2.39), memberUid does not (RFC 2307): exact names were tried first."""
        if self._logins is None:
            self._logins = {login.casefold(): key for login, key in self._people.logins.items()}
        return self._logins.get(value.casefold(), "")
