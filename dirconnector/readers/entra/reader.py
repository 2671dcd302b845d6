"""Reading Entra ID: everything, or what changed since the last time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, TypeVar

from dirconnector.errors import DirectoryUnreachable
from dirconnector.model import Finding, Progress, Snapshot
from dirconnector.readers import Reading
from dirconnector.readers.entra.cursor import Cursor, asked_of, decode, encode, measures
from dirconnector.readers.entra.people import People, problems_of, shape_of
from dirconnector.readers.entra.settings import EntraSettings

if TYPE_CHECKING:
    from dirconnector.readers.entra.graph import Graph
    from dirconnector.readers.entra.stages import DeletedRead, GroupsRead, Stages, UsersRead

T = TypeVar("T")


class EntraReader:
    """A directory of kind ``entra``; see :class:`EntraSettings`. ``clock`` and ``sleep`` are for tests."""

    settings_class = EntraSettings

    def __init__(
        self,
        name: str,
        settings: EntraSettings,
        attributes: frozenset[str],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._name = name
        self._settings = settings
        self._shape = shape_of(name, settings, attributes)
        self._clock = clock
        self._sleep = sleep

    def read(self, progress: Progress) -> Snapshot:
        """See :class:`~dirconnector.readers.Reader`."""
        return self.read_with_cursor(progress).snapshot

    def check(self) -> Iterator[Finding]:
        """See :class:`~dirconnector.readers.Reader`."""
        from dirconnector.readers.entra.checking import findings

        with closing(self._graph(lambda phase, done, total: None)) as graph:
            yield from findings(graph, self._settings, self._shape)

    def read_with_cursor(self, progress: Progress) -> Reading:
        """See :class:`~dirconnector.readers.IncrementalReader`. The cursor is empty when the read was not complete."""
        with closing(self._graph(progress)) as graph:
            stages = self._stages(graph)
            users, groups, deleted = graph.together(
                lambda: self._twice(stages.users),
                lambda: self._twice(stages.groups),
                stages.deleted,
            )
            return self._reading(graph, users, groups, deleted)

    def read_since(self, before: Reading, progress: Progress) -> Reading | None:
        """See :class:`~dirconnector.readers.IncrementalReader`. Where Graph cannot say what changed (because of
        a filter, or an administrative unit), everything is read anew.
        """
        from dirconnector.readers.entra.refusals import Resync

        with closing(self._graph(progress)) as graph:
            graph.sign_in()
            cursor = decode(before.cursor, asked_of(self._settings, self._shape, graph.roles), before.snapshot)
            if cursor is None:
                return None
            stages = self._stages(graph)
            try:
                users, groups, deleted = graph.together(
                    lambda: self._users_since(stages, before.snapshot, cursor),
                    lambda: self._groups_since(stages, before.snapshot, cursor),
                    stages.deleted,
                )
            except Resync:
                return None
            if users is None or groups is None:
                return None
            return self._reading(graph, users, groups, deleted)

    # -------------------------------------------------------------------------------------------------------- pieces

    def _graph(self, progress: Progress) -> Graph:
        from dirconnector.readers.entra.calls import Timing
        from dirconnector.readers.entra.graph import Graph

        return Graph(self._name, self._settings, Timing(clock=self._clock, sleep=self._sleep), progress)

    def _stages(self, graph: Graph) -> Stages:
        from dirconnector.readers.entra.stages import Stages

        stages = Stages(graph=graph, settings=self._settings, shape=self._shape)
        if graph.roles is None:
            graph.sign_in()
        stages.find_units()
        return stages

    def _twice(self, stage: Callable[[], T]) -> T:
        """A list whose place the service lost is begun again, once."""
        from dirconnector.readers.entra.refusals import Resync

        try:
            return stage()
        except Resync:
            pass
        try:
            return stage()
        except Resync as error:
            why = f"the service lost the place in a list twice ({error}): run again later"
        raise DirectoryUnreachable(self._name, why)

    def _users_since(self, stages: Stages, before: Snapshot, cursor: Cursor) -> UsersRead | None:
        if not cursor.users:
            return self._twice(stages.users)
        people = People(
            self._shape,
            users=dict(before.users),
            faulty=dict(cursor.faulty_users),
            deleted_before=frozenset(before.deleted),
        )
        return stages.changed_users(people, cursor.users)

    def _groups_since(self, stages: Stages, before: Snapshot, cursor: Cursor) -> GroupsRead | None:
        if not cursor.groups:
            return self._twice(stages.groups)
        return stages.changed_groups(before.groups, cursor.faulty_groups, cursor.groups)

    def _reading(self, graph: Graph, users: UsersRead, groups: GroupsRead, deleted: DeletedRead) -> Reading:
        people = users.people
        faulty = {**people.faulty, **groups.faulty}
        snapshot = Snapshot(
            users=people.users,
            groups=groups.groups,
            evidence=(*users.evidence, *groups.evidence, deleted.evidence),
            problems=(*problems_of(people.faulty, self._name), *problems_of(groups.faulty, self._name)),
            unsyncable={key: why for key, (_, why) in faulty.items()},
            deleted={key: why for key, why in deleted.deleted.items() if key not in people.users and key not in faulty},
        )
        if not snapshot.complete or not (users.link or groups.link):
            return Reading(snapshot, "")
        cursor = Cursor(
            asked=asked_of(self._settings, self._shape, graph.roles),
            measures=measures(snapshot),
            users=users.link,
            groups=groups.link,
            faulty_users=people.faulty,
            faulty_groups=groups.faulty,
        )
        return Reading(snapshot, encode(cursor))
