"""``kind: bitwarden``: reading, forecasting and applying."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from dirconnector.http import Http
from dirconnector.model import Accepts, Current, Finding, Member, OrgGroup, Progress, no_progress
from dirconnector.organizations import Journal, Ledger, routes
from dirconnector.organizations.bitwarden import checking
from dirconnector.organizations.bitwarden.client import Client, Sent
from dirconnector.organizations.bitwarden.explaining import explain_api, explain_token
from dirconnector.organizations.bitwarden.memberships import (
    after_applying,
    before_planning,
    expected_memberships,
    still_there,
)
from dirconnector.organizations.bitwarden.settings import BitwardenSettings
from dirconnector.organizations.connection import REAL, Connection, Timing, Token
from dirconnector.organizations.endpoints import NOT_FOUND, ApiRefused, group_from, member_from
from dirconnector.organizations.execute import apply_calls
from dirconnector.organizations.pace import Limits, Pacer
from dirconnector.organizations.routes import Pace
from dirconnector.organizations.server import host_of
from dirconnector.plan.model import Change, Forecast, Outcome
from dirconnector.settings import Settings

READ_BACK = 150
"""Groups whose members are read back after a clean answer: less than a minute's reads of the cloud, and enough to see
whether the server did what it said. The next runs verify the rest.
"""

REMEMBERED_AT_ONCE = 100
"""Memberships that may be read in vain when a run is killed."""


class BitwardenOrganization:
    """The :class:`~dirconnector.organizations.Organization` on a Bitwarden server.

    ``timing`` and ``pace_folder`` are for tests.
    """

    settings_class: type[Settings] = BitwardenSettings

    def __init__(self, settings: BitwardenSettings, *, timing: Timing = REAL, pace_folder: Path | None = None) -> None:
        self.settings = settings
        self.name = f"bitwarden:{settings.organization_id}@{host_of(settings.urls.api)}"
        self._timing = timing
        self._pace_folder = pace_folder
        self._token = Token(settings, {})
        self._verified: frozenset[str] = frozenset()
        """Groups whose members were read from the server when the organization was last read."""
        self._sent: Sent | None = None
        """What was written since, and is to be read back."""
        self._limited = False
        """The server has shown that it counts requests, as only the cloud does, whatever its address."""
        self._seats: tuple[int | None, int | None] = (None, None)

    def check(self) -> Iterator[Finding]:
        """Connect, authenticate, and say what works there. Never writes."""
        with self.client(no_progress) as client:
            yield from checking.findings(client, self.settings, self._speed)

    def read(self, ledger: Ledger, *, verify: bool, progress: Progress) -> Current:
        """The organization as it is now: members, groups, seats, and memberships as far as they are not known.

        After :meth:`apply` it reads back what was written. Raises
        :class:`~dirconnector.errors.OrganizationError`: what cannot be read is never taken for empty.
        """
        sent, self._sent = self._sent, None
        with self.client(progress) as client, explain_api(self.settings):
            open_import = ledger.open_since(routes.IMPORT)
            if open_import is not None:
                client.wait_for_import(open_import)
            progress("organization", 0, None)
            members = {m.id: m for m in map(member_from, client.members())}
            groups = {g.id: g for g in (group_from(answer, frozenset()) for answer in client.groups())}
            if sent is None:
                self._seats = client.seats()
            reading = _Reading(client, ledger, members, groups, progress)
            if sent is None or verify:
                reading.before_planning(budget=self.settings.verify_groups_per_run, verify=verify)
            else:
                reading.after_applying(sent, at_most=READ_BACK)
        self._verified = frozenset(reading.read)
        bought, most = self._seats
        return Current(
            organization=self.name,
            members=members,
            groups=reading.groups(),
            # the cloud buys seats up to the most that was configured; without it, as many as it takes
            seats=bought if most is None or bought is None else max(bought, most),
            accepts=Accepts(seats_grow=(self.settings.cloud or self._limited) and most is None),
        )

    def forecast(self, changes: Sequence[Change], current: Current) -> Forecast:
        """What :meth:`apply` and the read-back would send."""
        made = routes.forecast(
            routes.plan_calls(changes, current),
            current,
            changes,
            pace=self._speed(),
            unverified=self._unverified(current),
            read_back=READ_BACK,
        )
        if not changes:
            return made
        return replace(made, requests=dict(sorted({**made.requests, routes.GET_GROUPS: 1}.items())))

    def apply(
        self, changes: Sequence[Change], current: Current, *, journal: Journal, ledger: Ledger, progress: Progress
    ) -> Outcome:
        """Apply the changes in their order; the next :meth:`read` reads back what was written."""
        calls = routes.plan_calls(changes, current)
        if not calls:
            return Outcome()
        # before the first write: whatever happens from here on, these memberships are not known any more
        ledger.forget(current.groups.keys() & routes.memberships_set(calls, current))
        with self.client(progress) as client:
            outcome = apply_calls(calls, current, client, journal, progress, unverified=self._unverified(current))
        self._sent = client.sent
        return outcome

    @contextmanager
    def client(self, progress: Progress) -> Iterator[Client]:
        """The public API of this organization, for the length of the block."""
        settings = self.settings
        http = Http(settings.tls, proxy=settings.proxy_url, timeout=settings.timeout)
        pacer = self._pacer(settings.urls.api, settings.api_limits(limited=self._limited))

        def limited() -> None:
            self._limited = True
            pacer.limit(settings.api_limits(limited=True))

        try:
            connection = Connection(
                settings.urls,
                http,
                self._token,
                pacer=pacer,
                identity_pacer=self._pacer(settings.urls.identity, settings.identity_limits),
                timing=self._timing,
                explain=explain_token,
                limited=limited,
                progress=progress,
            )
            yield Client(connection, settle_seconds=settings.settle_seconds)
        finally:
            http.close()

    def _pacer(self, url: str, limits: Limits) -> Pacer:
        timing = self._timing
        return Pacer(host_of(url), limits, folder=self._pace_folder, clock=timing.clock, sleep=timing.sleep)

    def _speed(self) -> Pace:
        return self.settings.speed(limited=self._limited)

    def _unverified(self, current: Current) -> frozenset[str]:
        return frozenset(current.groups) - self._verified


class _Reading:
    """Reads memberships and keeps the ledger up to date. ``read`` are the memberships that were read."""

    def __init__(
        self,
        client: Client,
        ledger: Ledger,
        members: Mapping[str, Member],
        groups: Mapping[str, OrgGroup],
        progress: Progress,
    ) -> None:
        self._client = client
        self._ledger = ledger
        self._members = members
        self._groups = groups
        self._progress = progress
        self._known = still_there(ledger.memberships(), members.keys())
        self._gone: set[str] = set()
        self.read: dict[str, frozenset[str]] = {}

    def groups(self) -> dict[str, OrgGroup]:
        """The groups with their members: as read, else as known."""
        memberships = {**self._known, **self.read}
        return {
            id_: replace(group, members=memberships[id_])
            for id_, group in self._groups.items()
            if id_ not in self._gone
        }

    def before_planning(self, *, budget: int, verify: bool) -> None:
        """Read what is not known, and verify a part of what is."""
        self._read(before_planning(self._groups.keys(), self._known, budget=budget, verify=verify))

    def after_applying(self, sent: Sent, *, at_most: int) -> None:
        """Read back what was written. Where the sample is as it was sent, the rest is taken to be so too until the
        next runs verify it; where it is not, everything is read.
        """
        expected = expected_memberships(sent, self._members.values(), self._groups.values())
        must, sample = after_applying(self._groups.keys(), self._known.keys(), expected.keys(), at_most=at_most)
        self._read([*must, *sample])
        rest = {id_: ids for id_, ids in expected.items() if id_ not in self.read and id_ not in self._known}
        if any(self.read.get(id_, expected[id_]) != expected[id_] for id_ in sample):
            self._read(rest.keys())
            return
        self._ledger.sent(rest)
        self._known |= rest

    def _read(self, group_ids: Collection[str]) -> None:
        for batch in _batches(list(group_ids), REMEMBERED_AT_ONCE):
            found: dict[str, frozenset[str]] = {}
            for id_ in batch:
                self._progress("memberships", len(self.read) + len(found), len(group_ids))
                try:
                    found[id_] = frozenset(filter(self._members.__contains__, self._client.group_member_ids(id_)))
                except ApiRefused as error:
                    if error.status != NOT_FOUND:
                        raise
                    # deleted since the groups were listed
                    self._gone.add(id_)
            self._ledger.verified(found)
            self.read |= found


def _batches(items: Sequence[str], size: int) -> Iterable[Sequence[str]]:
    return (items[i : i + size] for i in range(0, len(items), size))
