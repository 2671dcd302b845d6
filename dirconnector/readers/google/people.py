"""Users as Google writes them become ours. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from dirconnector.model import Problem, User
from dirconnector.readers.google import attributes
from dirconnector.readers.google.attributes import JsonObject
from dirconnector.readers.google.settings import Users

ALWAYS = frozenset({"id", "primaryEmail", "name", "suspended", "archived", "isAdmin", "customerId"})
"""Fields of a user that every read asks for."""

UNKNOWN = "Google does not say whether the account is {}: it is left as it is"
SHOWN = 100
"""So many problems of one sort are listed one by one; a number stands for the rest."""


def fields_wanted(settings: Users, selected: frozenset[str]) -> str:
    """The ``fields`` of a listing of users. The token of the next page is among them: without it, the first page looks
    like the last.
    """
    wanted = ALWAYS | attributes.fields_of((*settings.emails, settings.username, *selected))
    names = [
        f"{name}(fullName)" if name == "name" and not _more_of_name(settings, selected) else name for name in wanted
    ]
    return f"kind,nextPageToken,users({','.join(sorted(names))})"


def _more_of_name(settings: Users, selected: frozenset[str]) -> bool:
    return "name" in attributes.fields_of((*settings.emails, settings.username, *selected))


@dataclass(slots=True)
class People:
    """Takes pages of users. ``keys`` are the ids of all of them, also of those that cannot be synced."""

    directory: str
    settings: Users
    selected: frozenset[str]
    users: dict[str, User] = field(default_factory=dict)
    unsyncable: dict[str, str] = field(default_factory=dict)
    super_admins: set[str] = field(default_factory=set)
    addresses: dict[str, str] = field(default_factory=dict)
    customers: set[str] = field(default_factory=set)
    without_id: int = 0
    _archives: bool = False
    _without_archived: dict[str, User] = field(default_factory=dict)
    _problems: list[Problem] = field(default_factory=list)

    def receive(self, page: Iterable[JsonObject]) -> None:
        """One more page."""
        for user in page:
            key = user.get("id")
            if not isinstance(key, str) or not key:
                self.without_id += 1
            elif key not in self:
                self._add(key, user)

    def finish(self) -> None:
        """No more pages will come. An account where nobody has ``archived`` does not know archived users; where others
        have it, a user without it is in an unknown state.
        """
        for key, user in self._without_archived.items():
            if self._archives:
                self._unknown(key, user.entry, UNKNOWN.format("archived"))
            else:
                self.users[key] = user
        self._without_archived.clear()

    def __contains__(self, key: object) -> bool:
        return key in self.users or key in self.unsyncable or key in self._without_archived

    @property
    def keys(self) -> frozenset[str]:
        """Ids of everybody."""
        return frozenset((*self.users, *self.unsyncable))

    @property
    def problems(self) -> list[Problem]:
        """Everybody who cannot be synced."""
        nameless = f"{self.without_id} users have no id: nobody can tell who they are"
        extra = [Problem(directory=self.directory, entry="", why=nameless)] if self.without_id else []
        return few(self._problems, self.directory) + extra

    def _add(self, key: str, raw: JsonObject) -> None:
        user = _user(key, raw, self.directory, self.settings, self.selected)
        if user.entry:
            self.addresses[user.entry.lower()] = key
        if raw.get("isAdmin") is True:
            self.super_admins.add(key)
        if isinstance(raw.get("customerId"), str):
            self.customers.add(raw["customerId"])
        suspended, archived = raw.get("suspended"), raw.get("archived")
        self._archives = self._archives or isinstance(archived, bool)
        if suspended is True or archived is True:
            self.users[key] = replace(user, enabled=False)
        elif suspended is not False:
            self._unknown(key, user.entry, UNKNOWN.format("suspended"))
        elif archived is not False:
            self._without_archived[key] = user
        else:
            self.users[key] = user

    def _unknown(self, key: str, entry: str, why: str) -> None:
        self.unsyncable[key] = why
        self._problems.append(Problem(directory=self.directory, entry=entry, why=why))


def _user(key: str, raw: JsonObject, directory: str, settings: Users, selected: frozenset[str]) -> User:
    return User(
        key=key,
        email=attributes.first(raw, settings.emails),
        name=attributes.first(raw, ("name.fullName",)),
        directory=directory,
        username=attributes.first(raw, (settings.username,)),
        entry=attributes.first(raw, ("primaryEmail",)) or key,
        attributes=attributes.selected(raw, selected),
    )


def deleted_of(page: Iterable[JsonObject]) -> Mapping[str, str]:
    """Ids of deleted users, with what Google says about it."""
    found = {}
    for user in page:
        if isinstance(user.get("id"), str):
            when = str(user.get("deletionTime") or "")[:10]
            found[user["id"]] = f"deleted in Google on {when}" if when else "deleted in Google"
    return found


def few(problems: list[Problem], directory: str) -> list[Problem]:
    """The problems, or the first hundred and how many there are besides."""
    if len(problems) <= SHOWN:
        return problems
    rest = f"and {len(problems) - SHOWN} more like the one before"
    return [*problems[:SHOWN], Problem(directory=directory, entry="", why=rest)]
