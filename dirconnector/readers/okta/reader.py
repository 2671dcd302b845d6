"""Reading an Okta organization, as a whole or from where the last read ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from dirconnector.errors import ConfigError, DirectoryRefused, DirectoryUnreachable
from dirconnector.model import Evidence, Finding, Problem, Progress, Snapshot, no_progress
from dirconnector.readers import Reading
from dirconnector.readers.okta import increments
from dirconnector.readers.okta.entries import People, Team, group_of
from dirconnector.readers.okta.increments import LOG_DAYS, LOG_OVERLAP, OVERLAP, Cursor
from dirconnector.readers.okta.pace import Clock, Pace, Sleep
from dirconnector.readers.okta.settings import OktaSettings

if TYPE_CHECKING:
    from dirconnector.readers.okta.client import Client
    from dirconnector.readers.okta.reading import Known, Queries

T = TypeVar("T")

FEW, SHARE = 5, 0.01
"""So many users, or this share of them, may be missing against Okta's own count before the read counts as cut short:
the count lags behind.
"""
NAMELESS = "has no name that can be read"


class OktaReader:
    """A directory of kind ``okta``; see :class:`OktaSettings`. ``clock`` counts seconds for ``sleep``."""

    settings_class = OktaSettings

    def __init__(
        self,
        name: str,
        settings: OktaSettings,
        attributes: frozenset[str],
        *,
        clock: Clock = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._name, self._settings, self._attributes = name, settings, attributes
        self._clock, self._sleep = clock, sleep

    def read(self, progress: Progress) -> Snapshot:
        """See :class:`~dirconnector.readers.Reader`."""
        return self.read_with_cursor(progress).snapshot

    def read_with_cursor(self, progress: Progress) -> Reading:
        """See :class:`~dirconnector.readers.IncrementalReader`."""
        return self._run(self._whole(progress))

    def read_since(self, before: Reading, progress: Progress) -> Reading | None:
        """See :class:`~dirconnector.readers.IncrementalReader`. None also where changes cannot be told from the lists:
        with ``app``, ``users.filter``, ``users.search`` and ``restricted_role`` (nothing says who fell out of the
        scope), when the count of Everyone says that somebody was deleted for good or that group cannot be seen, and
        when something could not be read to its end.
        """
        cursor = increments.loaded(before.cursor)
        if cursor is None or not before.snapshot.complete or cursor.asks != self._asks:
            return None
        if self._settings.app or self._settings.users.scoped or self._settings.restricted_role:
            return None
        return self._run(self._since(before.snapshot, cursor, progress))

    def check(self) -> Iterator[Finding]:
        """See :class:`~dirconnector.readers.Reader`."""
        yield from self._run(self._checked())

    # ------------------------------------------------------------------------------------------------- connection

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        """Does the work in a loop of its own. What goes wrong is raised anew, so that nothing of Okta's package and
        nothing of a request stays in the error.
        """
        try:
            from dirconnector.readers.okta.client import Broken, Refused
        except ModuleNotFoundError as error:
            work.close()
            missing = error.name
        else:
            missing = ""
        if missing:
            raise ConfigError(f"{self._name}: the package {missing} is missing: pip install 'dirconnector[okta]'")
        failure: Exception
        try:
            return asyncio.run(work)
        except Refused as refused:
            from dirconnector.readers.okta.refusals import cure_of

            failure = DirectoryRefused(self._name, f"{refused}; {cure_of(refused, self._settings)}")
        except Broken as broken:
            failure = DirectoryUnreachable(self._name, str(broken))
        raise failure

    @asynccontextmanager
    async def _connected(self, progress: Progress) -> AsyncIterator[tuple[Client, Queries]]:
        from dirconnector.readers.okta.client import Client
        from dirconnector.readers.okta.reading import Queries

        pace = Pace(progress, self._settings.concurrency, clock=self._clock, sleep=self._sleep)
        async with Client(self._name, self._settings, pace) as client:
            yield client, Queries(self._name, self._settings, client, progress)

    async def _checked(self) -> list[Finding]:
        from dirconnector.readers.okta.checking import findings

        async with self._connected(no_progress) as (client, queries):
            return await findings(self._name, self._settings, client, queries)

    # ---------------------------------------------------------------------------------------------------- reading

    @property
    def _asks(self) -> str:
        return increments.digest(self._settings, self._attributes)

    def _nobody(self) -> People:
        return People(self._name, self._settings, self._attributes)

    async def _whole(self, progress: Progress) -> Reading:
        from dirconnector.readers.okta.reading import Known, together

        async with self._connected(progress) as (client, queries):
            known = Known(self._nobody())
            evidence, of_groups = await together([queries.users(known.people), self._groups(queries, client, known)])
            evidence += of_groups
            start = client.earliest if client.earliest is not None else time.time()
            if not (self._settings.app or self._settings.users.scoped):
                evidence.append(await queries.changed_users(known.people, start - OVERLAP))
            # who moves from one group to another while the groups are read would be found in neither
            evidence += await self._moved_groups(queries, known)
            evidence = self._judged(evidence, known)
            return Reading(self._snapshot(known, evidence), self._cursor(known, start).dumped())

    async def _groups(self, queries: Queries, client: Client, known: Known) -> list[Evidence]:
        from dirconnector.readers.okta.reading import worth_reading

        found, listed = await queries.groups(known)
        wanted = [team for team in found.values() if worth_reading(team, client.earliest)]
        vanished, members = await queries.members(wanted)
        known.teams = {key: team for key, team in found.items() if key not in vanished}
        return [listed, members]

    async def _since(self, before: Snapshot, cursor: Cursor, progress: Progress) -> Reading | None:
        from dirconnector.readers.okta.reading import Known

        async with self._connected(progress) as (client, queries):
            known = Known(self._nobody())
            increments.people_before(known.people, before, cursor)
            evidence = [await queries.changed_users(known.people, cursor.since - OVERLAP)]
            start = client.earliest if client.earliest is not None else cursor.since
            if self._settings.system_log:
                if start - cursor.since > LOG_DAYS * 86400:
                    return None
                evidence.append(
                    await queries.deleted_users(known.people, cursor.since - LOG_OVERLAP, start + LOG_OVERLAP)
                )
            known.teams = increments.teams_before(before, cursor)
            evidence += await self._moved_groups(queries, known)
            if known.everyone is None:
                return None
            # deletions for good are in no list: they show as a user that Okta no longer counts
            if not self._settings.system_log and _surplus(known) != cursor.surplus:
                return None
            evidence = self._judged(evidence, known)
            snapshot = self._snapshot(known, evidence)
            return Reading(snapshot, self._cursor(known, start).dumped()) if snapshot.complete else None

    async def _moved_groups(self, queries: Queries, known: Known) -> list[Evidence]:
        """The list of all groups costs one call per thousand, shows deleted groups by their absence, and needs no
        clock: whatever has another time stamp than before has moved.
        """
        before = known.teams
        found, listed = await queries.groups(known)
        moved = []
        for key, team in found.items():
            old = before.get(key)
            if old is not None and old.stamps[1] == team.stamps[1] and team.stamps[1]:
                team.members = old.members - known.people.gone
            elif not team.everyone:
                moved.append(team)
        vanished, members = await queries.members(moved)
        known.teams = {key: team for key, team in found.items() if key not in vanished}
        return [listed, members] if moved else [listed]

    # ------------------------------------------------------------------------------------------------ what it means

    def _snapshot(self, known: Known, evidence: list[Evidence]) -> Snapshot:
        people = known.people
        synced = frozenset(people.users.keys() | people.unsyncable.keys())
        living = frozenset(people.living)
        unsyncable = dict(people.unsyncable)
        problems = people.problems
        groups = {}
        for key, team in known.teams.items():
            if team.everyone:
                team.members = living
            if team.name:
                groups[key] = group_of(self._name, team, synced)
            else:
                unsyncable[key] = NAMELESS
                problems.append(Problem(directory=self._name, entry=key, why=NAMELESS))
        return Snapshot(
            users=people.users,
            groups=groups,
            evidence=tuple(evidence),
            problems=tuple(problems),
            unsyncable=unsyncable,
            deleted=people.deleted,
        )

    def _cursor(self, known: Known, start: float) -> Cursor:
        return Cursor(
            asks=self._asks,
            since=start,
            surplus=_surplus(known),
            stamps={key: team.stamps for key, team in known.teams.items()},
            everyone=next((key for key, team in known.teams.items() if team.everyone), ""),
            gone=tuple(sorted(known.people.gone)),
            names=dict(known.people.names),
        )

    def _judged(self, evidence: list[Evidence], known: Known) -> list[Evidence]:
        """The evidence, with what speaks against it: signs that the credentials see only a part."""
        doubts = self._doubts(known)
        if not doubts:
            return evidence
        why = "; ".join(doubts)
        return [
            *evidence,
            Evidence(
                directory=self._name, query="what the credentials see", complete=False, pages=0, entries=0, why=why
            ),
        ]

    def _doubts(self, known: Known) -> list[str]:
        settings, people = self._settings, known.people
        doubts = []
        if people.nameless:
            doubts.append(f"{people.nameless} users have no id: the answer is not what Okta documents")
        if settings.restricted_role:
            return doubts
        if known.everyone is None:
            doubts.append(
                "the group Everyone cannot be seen, so the administrator role is limited to some groups: give it "
                "Read-only Administrator, or set restricted_role: true if that is meant"
            )
        if settings.app or settings.users.scoped:
            return doubts
        seen = len(people.living)
        if known.everyone is not None and known.everyone - seen > max(FEW, SHARE * known.everyone):
            doubts.append(
                f"{seen} users were read, and Okta counts {known.everyone}: the administrator role does not see all "
                "users; give it Read-only Administrator, or set restricted_role: true if that is meant"
            )
        outside = _outside(known.teams, people)
        if outside:
            doubts.append(f"{outside} members of groups are not in the list of users: run again")
        return doubts


def _outside(teams: dict[str, Team], people: People) -> int:
    known = people.users.keys() | people.unsyncable.keys() | people.deleted.keys()
    return len({key for team in teams.values() if not team.everyone for key in team.members} - known)


def _surplus(known: Known) -> int:
    """How many more members Everyone has, by Okta's count, than users are known."""
    return (known.everyone or 0) - len(known.people.living)
