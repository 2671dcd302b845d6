"""One read of the whole directory: the listings at the same time, the members of each group as soon as it is known.

Google has no call that gives the members of several groups, so this takes one call for each group at least. Nothing is
skipped: ``directMembersCount`` leaves out nested groups, and a group without users may well contain others.
"""

from __future__ import annotations

import threading
from collections.abc import Container
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field

from dirconnector.http import NoAnswer
from dirconnector.model import Evidence, Problem, Progress, Snapshot
from dirconnector.readers.google.attributes import JsonObject
from dirconnector.readers.google.client import Client, Page
from dirconnector.readers.google.members import Known, Members, Put, Roster, outsiders, put_together, unread
from dirconnector.readers.google.pace import Pace, Stopped
from dirconnector.readers.google.people import People, deleted_of, fields_wanted
from dirconnector.readers.google.refusals import ApiError, api_cure, told
from dirconnector.readers.google.settings import GoogleSettings, Groups

FAILING = 5
"""So many groups may fail for a reason of the service's own; with one more the read is given up."""

PROBES = 5
"""So many members who are no users that were read are looked up, to see whether the listing leaves people out."""

SHOWN = 3
"""So many gaps of one query are told."""

FULL_USERS, FULL_GROUPS, FULL_MEMBERS = 500, 200, 200
END = "the service marked the last page"
GROUP_FIELDS = "kind,nextPageToken,groups(id,email,name,directMembersCount)"


@dataclass(slots=True)
class Query:
    """How one query went. ``gaps`` are reasons why it proves nothing, ``notes`` are not."""

    name: str
    pages: int = 0
    entries: int = 0
    full: bool = False
    gaps: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def count(self, page: Page, full: int) -> None:
        """One more answer."""
        self.pages += 1
        self.entries += len(page.entries)
        self.full = page.last and len(page.entries) >= full

    def evidence(self, directory: str) -> Evidence:
        """What this query proves."""
        more = [f"and {len(self.gaps) - SHOWN} more gaps like these"] if len(self.gaps) > SHOWN else []
        why = "; ".join((self.gaps[:SHOWN] or [END]) + more + self.notes[:SHOWN])
        return Evidence(
            directory=directory,
            query=self.name,
            complete=not self.gaps,
            pages=self.pages,
            entries=self.entries,
            why=why,
        )


class Reading:
    """Reads once. ``progress`` may be called from several threads, one at a time."""

    def __init__(
        self,
        directory: str,
        settings: GoogleSettings,
        selected: frozenset[str],
        client: Client,
        pace: Pace,
        progress: Progress,
    ) -> None:
        self._directory = directory
        self._settings = settings
        self._client = client
        self._pace = pace
        self._progress = progress
        self._selected = selected
        self._lock = threading.Lock()
        self._people = People(directory=directory, settings=settings.users, selected=selected)
        self._users = Query("users")
        self._groups = Query("groups")
        self._members = Query("members")
        self._deleted = Query("deleted users")
        self._gone: dict[str, str] = {}
        self._listed: dict[str, JsonObject] = {}
        self._lists: dict[str, Members] = {}
        self._nested: dict[str, Members] = {}
        self._roster = Roster()
        self._unsyncable: dict[str, str] = {}
        self._problems: list[Problem] = []
        self._failed = 0

    def whole(self) -> Snapshot:
        """Everything in scope. Raises what :class:`Client` raises, with nothing left running."""
        pool = ThreadPoolExecutor(self._settings.parallel + 2, thread_name_prefix=f"{self._directory}-google")
        users = pool.submit(self._read_users)
        users.add_done_callback(self._stop_when_failed)
        try:
            deleted = pool.submit(self._read_deleted) if self._settings.users.deleted else None
            if self._settings.groups:
                self._read_groups(pool, self._settings.groups)
            users.result()
            if deleted is not None:
                deleted.result()
            put = self._put_together(self._settings.groups) if self._settings.groups else Put()
            self._prove(put)
        except BaseException as error:
            self._pace.stop()
            pool.shutdown(cancel_futures=True)
            if isinstance(error, Stopped):
                # others were stopped because the users cannot be read
                users.result()
            raise
        pool.shutdown()
        return self._snapshot(put)

    def _stop_when_failed(self, users: Future[None]) -> None:
        """Without users nothing else is of use."""
        if users.cancelled() or users.exception() is not None:
            self._pace.stop()

    # ---------------------------------------------------------------------------------------------------- users

    def _read_users(self) -> None:
        fields = fields_wanted(self._settings.users, self._selected)
        projection = "full" if "customSchemas" in fields else "basic"
        asked = self._settings.scope | {"projection": projection, "orderBy": "email", "fields": fields}
        if self._settings.users.query is not None:
            asked["query"] = self._settings.users.query
        for page in self._client.users(**asked):
            self._people.receive(page.entries)
            self._users.count(page, FULL_USERS)
            self._report("users", self._users.entries, None)
        self._people.finish()

    def _read_deleted(self) -> None:
        """Extra knowledge: whatever goes wrong here leaves the snapshot complete."""
        fields = "kind,nextPageToken,users(id,deletionTime)"
        try:
            for page in self._client.users(**self._settings.scope, showDeleted="true", fields=fields):
                self._gone |= deleted_of(page.entries)
                self._deleted.count(page, FULL_USERS)
        except (ApiError, NoAnswer) as error:
            why = told(error) if isinstance(error, ApiError) else str(error)
            self._deleted.notes.append(f"cannot be read to its end ({why}); nothing depends on it")

    # --------------------------------------------------------------------------------------------------- groups

    def _read_groups(self, pool: ThreadPoolExecutor, settings: Groups) -> None:
        asked = self._settings.scope | {"orderBy": "email", "fields": GROUP_FIELDS}
        if settings.query is not None:
            asked["query"] = settings.query
        reading: dict[Future[Members | None], str] = {}
        for page in self._client.groups(**asked):
            self._groups.count(page, FULL_GROUPS)
            for group in page.entries:
                key = str(group.get("id") or "")
                if not key:
                    self._groups.gaps.append(f"the group {group.get('email')} has no id")
                elif key not in self._listed:
                    self._listed[key] = group
                    reading[pool.submit(self._members_of, key)] = key
            self._report("groups", len(self._listed), None)
        for done, future in enumerate(as_completed(reading), 1):
            members = future.result()
            if members is not None:
                self._lists[reading[future]] = members
            self._report("members", done, len(reading))
        self._read_nested(pool)

    def _read_nested(self, pool: ThreadPoolExecutor) -> None:
        """Groups that are members and in no listing: of another domain or account, or left out by ``groups.query``."""
        tried = {*self._listed}
        while wanted := unread(self._lists, tried) | unread(self._nested, tried):
            tried |= wanted
            reading = {pool.submit(self._members_of, key): key for key in sorted(wanted)}
            for future in as_completed(reading):
                members = future.result()
                if members is not None:
                    self._nested[reading[future]] = members

    def _members_of(self, key: str) -> Members | None:
        """The direct members of a group; None when they cannot be had, which is then among the gaps."""
        members = Members()
        try:
            for page in self._client.members(key):
                with self._lock:
                    self._roster.receive(members, page.entries)
                    self._members.count(page, FULL_MEMBERS)
                    full = page.last and len(page.entries) >= FULL_MEMBERS
        except ApiError as error:
            self._without_members(key, error)
            return None
        short = self._counted(key) - len(members.people) - len(members.customers) - len(members.odd)
        if short > 0 and (full or not members.people):
            why = (
                f"{self._called(key)} has {self._counted(key)} members by its own count, and {len(members)} were listed"
            )
            with self._lock:
                self._members.gaps.append(f"{why}: run again")
        return members

    def _counted(self, key: str) -> int:
        """``directMembersCount``: the users who are direct members, as text; nested groups do not count."""
        count = str(self._listed.get(key, {}).get("directMembersCount") or "")
        return int(count) if count.isdecimal() else 0

    def _without_members(self, key: str, error: ApiError) -> None:
        """Raises the error when it concerns more than this group."""
        ours = key in self._listed or self._is_ours(key)
        if error.status == 404 and ours and self._is_gone(key):
            with self._lock:
                self._members.notes.append(f"{self._called(key)} was deleted meanwhile")
                self._listed.pop(key, None)
            return
        with self._lock:
            self._failed += error.status not in (403, 404)
            if error.status not in (403, 404) and (not error.passing or self._failed > FAILING):
                raise error
            why = f"its members cannot be read ({told(error)})"
            self._problems.append(Problem(directory=self._directory, entry=self._called(key), why=why))
            if ours:
                self._unsyncable[key] = why
                cure = api_cure(error, self._client.who)
                self._members.gaps.append(f"the members of {self._called(key)} cannot be read ({told(error)}): {cure}")

    def _is_gone(self, key: str) -> bool:
        try:
            self._client.group(key)
        except ApiError as error:
            return error.status == 404
        return False

    def _is_ours(self, key: str) -> bool:
        """Whether a group that is not listed has an address in a domain of the groups that are."""
        domain = _domain(self._roster.addresses.get(key, ""))
        return domain in {_domain(str(group.get("email"))) for group in self._listed.values()}

    def _called(self, key: str) -> str:
        return str(self._listed.get(key, {}).get("email") or self._roster.addresses.get(key) or key)

    def _put_together(self, settings: Groups) -> Put:
        people = self._people
        customers = people.customers | ({self._settings.customer} if self._settings.domain is None else set())
        known = Known(
            people=people.keys,
            by_address=people.addresses,
            groups=self._listed,
            customers=frozenset(customers),
        )
        return put_together(self._directory, settings.name, self._lists, self._nested, known)

    # ---------------------------------------------------------------------------------------------------- proof

    def _prove(self, put: Put) -> None:
        """Looks for what a listing left out without a word."""
        self._prove_last("users", self._users, self._people)
        self._prove_last("groups", self._groups, self._listed)
        if self._people.without_id:
            self._users.gaps.append(f"{self._people.without_id} users have no id")
        if not self._users.entries:
            self._users.notes.append("no user was found: check customer, domain and users.query")
        if self._settings.groups and not self._groups.entries:
            self._groups.notes.append("no group was found: check groups.query and the rights of the subject")
        if self._settings.whole:
            self._prove_sight(put)
        if put.outside and not self._settings.whole:
            self._members.notes.append(f"{len(put.outside)} members are none of the users that were read")

    def _prove_last(self, name: str, query: Query, read: Container[str]) -> None:
        """A full last page could be one whose token got lost: the last entry must be among those that were read."""
        if not query.full:
            return
        settings = self._settings.users if name == "users" else self._settings.groups
        asked = self._settings.scope | {"orderBy": "email", "sortOrder": "DESCENDING"}
        if settings and settings.query is not None:
            asked["query"] = settings.query
        last = self._client.one_user(**asked) if name == "users" else self._client.one_group(**asked)
        query.pages += 1
        if not last or str(last[0].get("id")) not in read:
            query.gaps.append(f"the listing of {name} ended after {query.entries}, before its last entry: run again")

    def _prove_sight(self, put: Put) -> None:
        """Somebody whose administrator role is limited to an organizational unit gets that unit alone, and no word that
        there are others. A super administrator's listing has everybody.
        """
        subject = self._settings.subject
        key = self._people.addresses.get(subject.lower(), "")
        if not key:
            key = self._looked_up(subject)
        if key not in self._people:
            self._users.gaps.append(
                f"{subject} is not among the users that were listed, so others are missing too: the role of {subject} "
                "must be for all organizational units"
            )
        elif key not in self._people.super_admins:
            domains = {_domain(address) for address in self._people.addresses}
            near = [one for one in sorted(put.outside) if _domain(self._roster.addresses.get(one, "")) in domains]
            hidden = [one for one in near[:PROBES] if self._exists(one)]
            if hidden:
                shown = self._roster.addresses.get(hidden[0], hidden[0])
                self._users.gaps.append(
                    f"{shown} is a member of {put.outside[hidden[0]][0]} and not among the users that were listed: the "
                    f"role of {subject} must be for all organizational units"
                )

    def _looked_up(self, address: str) -> str:
        try:
            return str(self._client.user(address).get("id") or "")
        except ApiError:
            return ""

    def _exists(self, key: str) -> bool:
        """Whether a user exists, or may: only "not found" says no."""
        try:
            self._client.user(key)
        except ApiError as error:
            return error.status != 404
        return True

    # --------------------------------------------------------------------------------------------------- result

    def _snapshot(self, put: Put) -> Snapshot:
        queries = [self._users]
        queries += [self._groups, self._members] if self._settings.groups else []
        queries += [self._deleted] if self._settings.users.deleted else []
        problems = [*self._people.problems, *self._problems, *put.problems]
        if self._settings.whole:
            problems += outsiders(self._directory, put, self._roster.addresses, "no user of this Google account")
        unsyncable = self._people.unsyncable | self._unsyncable
        known = {*self._people.users, *unsyncable, *put.groups}
        return Snapshot(
            users=self._people.users,
            groups=put.groups,
            evidence=tuple(query.evidence(self._directory) for query in queries),
            problems=tuple(problems),
            unsyncable=unsyncable,
            deleted={key: how for key, how in self._gone.items() if key not in known},
        )

    def _report(self, what: str, done: int, total: int | None) -> None:
        self._progress(f"{self._directory}: {what}", done, total)


def _domain(address: str) -> str:
    return address.rpartition("@")[2].lower()
