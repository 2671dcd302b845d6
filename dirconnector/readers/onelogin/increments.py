"""What changed since the last read, merged into it, as far as that is sound.

OneLogin tells who was changed or created (``updated_since``), and neither who was deleted nor whose roles changed. So
that the result is what a full read would have given:

- The number of users (``Total-Count``) has to be that of the merged ones. When it is less, v1's events name who was
  deleted (and so does the list of roles, which does not show them any more). Each of them is asked for: only who is not
  found is gone. When it does not come out even, nothing is merged and a full read follows.
- Members of roles come from the list of roles, which shows them. Whether it shows all is not documented: it is believed
  only when it did so in the last full read, and each user whose roles it shows otherwise than before is asked for.
  Whoever contradicts it brings about a full read.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from dirconnector.model import Evidence, Progress, Snapshot, User
from dirconnector.readers.onelogin.listing import count, nobody_watches, read_list, read_v1
from dirconnector.readers.onelogin.people import People, Wanted, problems
from dirconnector.readers.onelogin.refusal import ApiRefused
from dirconnector.readers.onelogin.roles import Roles, groups_of_groups, groups_of_roles, listed, name_of
from dirconnector.readers.onelogin.settings import OneLoginSettings
from dirconnector.readers.onelogin.stages import (
    USERS,
    Whole,
    evidence_of,
    list_groups,
    list_roles,
    users_paging,
)

if TYPE_CHECKING:
    from dirconnector.readers.onelogin.connection import Api

EVENTS = "/api/1/events"
USER_DELETED = 17
"""https://developers.onelogin.com/api-docs/1/events/event-resource"""

OVERLAP = timedelta(minutes=2)
"""So far before the last read began the next one looks: clocks differ, and what is being written then is seen late."""

BATCH = 100
"""So many users are asked for by id in one call."""


class Unsound(Exception):
    """What changed cannot be told for certain: a full read has to follow. The message says why."""


@dataclass(slots=True, kw_only=True)
class Base:
    """The last read: everybody who was there, what is known of them, and the roles (by number) and OneLogin groups
    that each had.
    """

    users: dict[str, User]
    unsyncable: dict[str, str]
    labels: dict[str, str]
    members: dict[int, frozenset[str]]
    group_of: dict[str, int]

    @property
    def keys(self) -> set[str]:
        """Everybody who was there."""
        return self.users.keys() | self.labels.keys()


def base_of(snapshot: Snapshot, labels: dict[str, str]) -> Base:
    """Takes a snapshot of this reader apart again. ``labels`` are those of the users that cannot be synced."""
    members: dict[int, frozenset[str]] = {}
    group_of: dict[str, int] = {}
    for key, group in snapshot.groups.items():
        kind, _, number = key.rpartition(":")
        if kind == "group":
            group_of.update(dict.fromkeys(group.members, int(number)))
        else:
            members[int(number)] = group.members
    return Base(
        users=dict(snapshot.users),
        unsyncable={key: snapshot.unsyncable[key] for key in labels},
        labels=labels,
        members=members,
        group_of=group_of,
    )


def read_changes(
    api: Api, settings: OneLoginSettings, wanted: Wanted, base: Base, since: datetime, progress: Progress
) -> Whole:
    """The whole directory again, by few calls. ``since`` is the server's time before the last read.

    Raises :class:`Unsound`, :class:`ApiRefused` when something that it takes is not allowed, and what a full read
    raises.
    """
    increment = _Increment(api, settings, wanted, base, (since - OVERLAP).strftime("%Y-%m-%dT%H:%M:%SZ"))
    increment.find_changed()
    progress(f"{wanted.directory}: changed users", len(increment.changed), len(increment.changed))
    increment.find_roles()
    increment.verify()
    if wanted.groups:
        increment.find_groups()
    return increment.merged()


class _Increment:
    """One read of what changed, step by step. ``fresh`` are users as they are now, ``everybody`` the keys of all who
    were there before or are new.
    """

    def __init__(self, api: Api, settings: OneLoginSettings, wanted: Wanted, base: Base, after: str) -> None:
        self._api = api
        self._settings = settings
        self._wanted = wanted
        self._base = base
        self._after = after
        self._fresh = People(wanted)
        self._began: datetime | None = None
        self._total = 0
        self._roles = Roles()
        self._names: dict[int, str] = {}
        self._pages = self._entries = 0
        self._evidence: list[Evidence] = []
        self.changed: set[str] = set()
        self._everybody: set[str] = set()
        self._remaining: set[str] = set()

    def find_changed(self) -> None:
        """Who was changed or created, and how many there are now."""
        query = {"fields": self._wanted.fields, "updated_since": self._after}
        self._began = self._ask(query)
        self.changed = self._fresh.keys
        self._everybody = self._base.keys | self.changed
        total = count(self._api, USERS)
        if total is None:
            raise Unsound("the service does not say how many users there are")
        self._total = total

    def find_roles(self) -> None:
        """The roles, when their list may be believed."""
        if not self._wanted.roles:
            return
        listing = list_roles(self._api, backed=True, on_page=nobody_watches)
        self._roles = listed(listing.rows, self._everybody)
        if not listing.complete or self._roles.shown.keys() != self._roles.names.keys():
            raise Unsound("the list of roles does not show all members")
        self._evidence.append(evidence_of(self._wanted.directory, "groups", listing, [], f"roles: {listing.why}"))

    def verify(self) -> None:
        """Look at everybody who seems to be deleted, or to have other roles than before."""
        deleted = self._deleted() if self._total < len(self._everybody) else set()
        asked = sorted(deleted | (self._differing() - self.changed))
        if len(asked) > max(BATCH, self._total // 2):
            raise Unsound("too much has changed")
        for start in range(0, len(asked), BATCH):
            batch = asked[start : start + BATCH]
            self._ask({"fields": self._wanted.fields, "user_ids": ",".join(batch)})
        self._remaining = self._everybody - (set(asked) - self._fresh.keys)
        if len(self._remaining) != self._total:
            raise Unsound(f"{len(self._remaining)} users are known, and there are {self._total}")
        self._agree()

    def find_groups(self) -> None:
        """The OneLogin groups."""
        listing = list_groups(self._api, nobody_watches)
        self._names = {number: name_of(row) for number, row in listing.rows.items()}
        if not listing.complete or not set(self._fresh.groups.values()) <= self._names.keys():
            raise Unsound("the list of groups is not whole")
        why = f"OneLogin groups: {listing.why}"
        self._evidence.append(evidence_of(self._wanted.directory, "groups", listing, [], why))

    def merged(self) -> Whole:
        """What was there before, with what is known now in its place."""
        base, fresh, name = self._base, self._fresh, self._wanted.directory
        kept = self._remaining - fresh.keys
        labels = {key: base.labels[key] for key in base.labels if key in kept}
        labels |= {key: fresh.labels[key] for key in fresh.unsyncable}
        unsyncable = {key: base.unsyncable[key] for key in base.labels if key in kept} | fresh.unsyncable
        group_of = {key: number for key, number in base.group_of.items() if key in kept} | fresh.groups
        for number, shown in self._roles.shown.items():
            self._roles.members[number] = shown & self._remaining
        groups = groups_of_roles(name, self._roles, self._remaining)
        snapshot = Snapshot(
            users={key: user for key, user in base.users.items() if key in kept} | fresh.users,
            groups=groups | groups_of_groups(name, self._names, group_of),
            evidence=(self._evidence_of_users(), *self._evidence),
            problems=tuple(problems(name, unsyncable, labels)),
            unsyncable=unsyncable,
        )
        return Whole(snapshot=snapshot, since=self._began, believed=True, labels=labels)

    # ------------------------------------------------------------------------------------------------------- inside

    def _ask(self, query: dict[str, str]) -> datetime | None:
        """Take the users of a query. Returns the server's time before it."""
        listing = read_list(self._api, USERS, query, users_paging(self._settings))
        self._fresh.receive(listing.rows.values())
        self._pages += listing.pages
        self._entries += listing.entries
        if not listing.complete or self._fresh.gaps:
            raise Unsound(listing.why)
        return listing.began

    def _deleted(self) -> set[str]:
        """Who was deleted, as the events say; perhaps not all, perhaps too many, nobody where they may not be read."""
        try:
            listing = read_v1(self._api, EVENTS, {"event_type_id": str(USER_DELETED), "since": self._after})
        except ApiRefused:
            return set()
        return {str(row.get("user_id")) for row in listing.rows.values()} & self._everybody

    def _differing(self) -> set[str]:
        """Whose roles the list of roles shows otherwise than they were."""
        keys: set[str] = set()
        for number, shown in self._roles.shown.items():
            keys |= self._base.members.get(number, frozenset()) ^ shown
        return keys & self._everybody

    def _agree(self) -> None:
        """Raises :class:`Unsound` when somebody's own roles are not those that the list of roles shows."""
        if not self._wanted.roles:
            return
        shown = {key: set[int]() for key in self._fresh.keys}
        for number, keys in self._roles.shown.items():
            for key in keys & shown.keys():
                shown[key].add(number)
        for key, numbers in shown.items():
            if self._fresh.roles[key] != frozenset(numbers):
                raise Unsound("the list of roles and a user's role_ids do not agree")

    def _evidence_of_users(self) -> Evidence:
        why = f"{len(self.changed)} changed since {self._after}, and Total-Count is {self._total}, as it has to be"
        return Evidence(
            directory=self._wanted.directory,
            query="users",
            complete=True,
            pages=self._pages,
            entries=self._entries,
            why=why,
        )
