"""Queries to their end: users, groups, members, deletions; what is known, and bringing that up to date."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from dirconnector.model import Evidence, Progress
from dirconnector.readers.okta.client import Broken, Client, Refused
from dirconnector.readers.okta.entries import People, Team, team_of
from dirconnector.readers.okta.paging import url_of
from dirconnector.readers.okta.settings import OktaSettings

USERS_PAGE = 200
GROUPS_PAGE = 1000
MEMBERS_PAGE = 200
ASSIGNED_PAGE = 500
ASSIGNED_GROUPS_PAGE = 200
LOG_PAGE = 1000
FRESH = 3600.0
"""Seconds. A group that says it has no members is believed when its membership has not changed for so long."""

T = TypeVar("T")
Receive = Callable[[list[Any]], None]


@dataclass(slots=True)
class Ending:
    """How a query ended. ``why`` is empty as long as nothing is wrong."""

    pages: int = 0
    entries: int = 0
    why: str = ""

    def evidence(self, directory: str, query: str, end: str = "no next link on the last page") -> Evidence:
        """As evidence; complete unless something is wrong."""
        return Evidence(
            directory=directory,
            query=query,
            complete=not self.why,
            pages=self.pages,
            entries=self.entries,
            why=self.why or end,
        )


@dataclass(slots=True)
class Known:
    """Everything that is known of the organization. ``everyone`` is how many members Okta counts in the group
    Everyone, None when the credentials do not see that group. ``teams`` are by key; ``assigned`` limits groups to
    those of the app.
    """

    people: People
    teams: dict[str, Team] = field(default_factory=dict)
    everyone: int | None = None
    assigned: frozenset[str] | None = None


class Queries:
    """Asks. Raises :class:`Refused` and :class:`Broken`."""

    def __init__(self, directory: str, settings: OktaSettings, client: Client, progress: Progress) -> None:
        self._directory, self._settings = directory, settings
        self._client, self._progress = client, progress
        self._unread: list[str] = []

    async def pages(self, path: str, bucket: str, receive: Receive) -> Ending:
        """All pages of a list. An empty page with a next link is not the end; a next link that leads back is no way
        to the end.
        """
        ending, seen = Ending(), {path}
        while True:
            page = await self._client.get(path, bucket)
            if not isinstance(page.body, list):
                raise Broken(f"{self._settings.url}{path.partition('?')[0]}: the answer is not a list")
            ending.pages += 1
            ending.entries += len(page.body)
            receive(page.body)
            if not page.next:
                return ending
            if page.next in seen:
                ending.why = f"after {ending.entries} entries the link to the next page leads back: run again"
                return ending
            seen.add(page.next)
            path = page.next

    # ----------------------------------------------------------------------------------------------------- users

    async def users(self, people: People) -> list[Evidence]:
        """All users in scope, deactivated ones included: the list of users hides those unless asked for them."""

        def receive(documents: list[Any]) -> None:
            people.receive(documents)
            self._progress(f"{self._directory}: users", len(people.users), None)

        def embedded(documents: list[Any]) -> None:
            receive([_embedded(document) for document in documents])

        users, settings = "/api/v1/users", self._settings
        if settings.app:
            path = url_of(f"/api/v1/apps/{settings.app}/users", expand="user", limit=ASSIGNED_PAGE)
            asked = {"users": self.pages(path, "app users", embedded)}
        elif settings.users.scoped:
            path = url_of(users, filter=settings.users.filter, search=settings.users.search, limit=USERS_PAGE)
            asked = {"users": self.pages(path, "users", receive)}
        else:
            hidden = url_of(users, filter='status eq "DEPROVISIONED"', limit=USERS_PAGE)
            asked = {
                "users": self.pages(url_of(users, limit=USERS_PAGE), "users", receive),
                "deactivated users": self.pages(hidden, "users", receive),
            }
        endings = await together(asked.values())
        return [ending.evidence(self._directory, query) for query, ending in zip(asked, endings, strict=True)]

    async def changed_users(self, people: People, since: float) -> Evidence:
        """Users that were changed, created or deactivated since (in seconds since the epoch, by Okta's clock)."""
        path = url_of("/api/v1/users", filter=f'lastUpdated gt "{iso(since)}"', limit=USERS_PAGE)
        ending = await self.pages(path, "users", people.receive)
        return ending.evidence(self._directory, "changed users")

    async def deleted_users(self, people: People, since: float, until: float) -> Evidence:
        """Forget whom the System Log calls deleted for good: the lists never mention them again.

        Polling, the log always has a next page; so the end is an empty one.
        """
        path = url_of(
            "/api/v1/logs",
            since=iso(since),
            until=iso(until),
            filter='eventType eq "user.lifecycle.delete.completed"',
            limit=LOG_PAGE,
        )
        ending = Ending()
        while path:
            page = await self._client.get(path, "logs")
            ending.pages += 1
            if not isinstance(page.body, list):
                raise Broken(f"{self._settings.url}/api/v1/logs: the answer is not a list")
            ending.entries += len(page.body)
            for event in page.body:
                for target in event.get("target") or ():
                    if target.get("type") == "User":
                        people.forget(str(target.get("id")))
            path = page.next if page.body else ""
        return ending.evidence(self._directory, "deleted users", "the log has no more events")

    # ---------------------------------------------------------------------------------------------------- groups

    async def groups(self, known: Known) -> tuple[dict[str, Team], Evidence]:
        """The groups in scope, without members, and what Okta counts in Everyone."""
        found: dict[str, Team] = {}
        nameless = 0

        def receive(documents: list[Any]) -> None:
            nonlocal nameless
            for document in documents:
                team = team_of(document)
                if team is None:
                    nameless += 1
                else:
                    found[team.key] = team
            self._progress(f"{self._directory}: groups", len(found), None)

        chosen = self._settings.groups
        ending = Ending()
        if chosen:
            path = url_of(
                "/api/v1/groups", filter=chosen.filter, search=chosen.search, expand="stats", limit=GROUPS_PAGE
            )
            ending = await self.pages(path, "groups", receive)
        known.everyone = next((team.count for team in found.values() if team.everyone), None)
        if known.everyone is None and (not chosen or chosen.filter or chosen.search):
            known.everyone = await self.everyone()
        if self._settings.app and chosen:
            known.assigned = await self._assigned_groups()
            found = {key: team for key, team in found.items() if key in known.assigned}
        if nameless and not ending.why:
            ending.why = f"{nameless} groups have no id: the answer is not what Okta documents"
        return found, ending.evidence(self._directory, "groups")

    async def everyone(self) -> int | None:
        """How many members Okta counts in Everyone; None when the credentials do not see that group, as those of group
        administrators do not.
        """
        found: list[Any] = []
        path = url_of("/api/v1/groups", filter='type eq "BUILT_IN"', expand="stats", limit=USERS_PAGE)
        await self.pages(path, "groups", found.extend)
        teams = [team for team in map(team_of, found) if team is not None and team.everyone]
        return teams[0].count if teams else None

    async def _assigned_groups(self) -> frozenset[str]:
        found: list[Any] = []
        path = url_of(f"/api/v1/apps/{self._settings.app}/groups", limit=ASSIGNED_GROUPS_PAGE)
        await self.pages(path, "app groups", found.extend)
        return frozenset(str(document.get("id")) for document in found)

    async def members(self, teams: list[Team]) -> tuple[list[str], Evidence]:
        """Read the members of these groups into them; the keys of groups that were deleted meanwhile. A group whose
        members cannot be read makes the evidence incomplete, and the others are read.
        """
        whole = Ending()
        vanished: list[str] = []
        failed: list[str] = []
        done = 0

        async def read(team: Team) -> None:
            nonlocal done
            found: set[str] = set()
            path = url_of(f"/api/v1/groups/{team.key}/users", limit=MEMBERS_PAGE)
            try:
                ending = await self.pages(path, "members", lambda page: found.update(map(_id, page)))
                trouble = ending.why
                whole.pages += ending.pages
                whole.entries += ending.entries
            except Refused as refused:
                if refused.status == 404:
                    vanished.append(team.key)
                    return
                if refused.status == 401:
                    raise
                trouble = f"refused: {refused}"
            except Broken as broken:
                trouble = str(broken)
            if trouble:
                failed.append(f"{team.name}: {trouble}")
            team.members = frozenset(found)
            done += 1
            self._progress(f"{self._directory}: members of groups", done, len(teams))

        await spread(teams, read, self._settings.concurrency)
        if failed:
            whole.why = f"the members of {len(failed)} groups cannot be read to the end, the first is {min(failed)}"
        return vanished, whole.evidence(self._directory, "members of groups", "no next link on the last page of each")


def worth_reading(team: Team, date: float | None) -> bool:
    """Whether the members of a group have to be asked for: Everyone needs no list, and an empty group none if its
    membership has not moved lately, so that the count can be believed.
    """
    if team.everyone:
        return False
    if team.count != 0 or date is None:
        return True
    moved = epoch(team.stamps[1])
    return moved is None or moved > date - FRESH


def iso(seconds: float) -> str:
    """An instant as filters want it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def epoch(text: str) -> float | None:
    """The reverse of how Okta writes an instant; None for what is none."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None


def _embedded(document: Any) -> Any:
    embedded = document.get("_embedded") if isinstance(document, dict) else None
    return embedded.get("user") if isinstance(embedded, dict) else None


def _id(document: Any) -> str:
    key = document.get("id") if isinstance(document, dict) else None
    if not isinstance(key, str) or not key:
        raise Broken("a member without an id: the answer is not what Okta documents")
    return key


async def together(coroutines: Iterable[Awaitable[T]]) -> list[T]:
    """The results of all; when one fails the others are stopped, and its exception is raised as it is."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def spread(items: Iterable[T], work: Callable[[T], Awaitable[None]], workers: int) -> None:
    """Do the work for each item, so many at the same time."""
    waiting = iter(items)

    async def one() -> None:
        for item in waiting:
            await work(item)

    await together([one() for _ in range(workers)])
