"""``kind: vaultwarden``: what is remembered is the current state, and the import is the only call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from dirconnector.errors import OrganizationError, OrganizationUnreachable
from dirconnector.http import Http
from dirconnector.model import Accepts, Current, Finding, Member, Problem, Progress, no_progress
from dirconnector.organizations import Journal, Ledger
from dirconnector.organizations.connection import REAL, Connection, Timing, Token, wait
from dirconnector.organizations.pace import Pacer
from dirconnector.organizations.routes import IMPORT
from dirconnector.organizations.server import host_of
from dirconnector.organizations.vaultwarden import checking, entries
from dirconnector.organizations.vaultwarden.entries import GroupEntry, PersonEntry
from dirconnector.organizations.vaultwarden.sending import PHASE, Sender, parts
from dirconnector.organizations.vaultwarden.settings import VaultwardenSettings
from dirconnector.plan.model import Action, Change, Failure, Forecast, Outcome, Seats
from dirconnector.settings import Settings

GIVE_UP_AFTER = 2
SECONDS_EACH = 0.05

NOT_READ = (
    "Vaultwarden cannot be read: what is shown is what dirsync has sent and remembers in its state (back that up). "
    "What others changed there is not seen, and owners and admins cannot be told apart: protect them with "
    "offboarding.protect.emails"
)
NOTHING_REMEMBERED = (
    "nothing is remembered of this Vaultwarden organization yet: everybody who is selected is sent. Whoever is a "
    "member there already is taken over, and restored if revoked; people who have left meanwhile are not known"
)


class VaultwardenOrganization:
    """The :class:`~dirconnector.organizations.Organization` on a Vaultwarden server. ``timing`` is for tests."""

    settings_class: type[Settings] = VaultwardenSettings

    def __init__(self, settings: VaultwardenSettings, *, timing: Timing = REAL) -> None:
        self.settings = settings
        self.name = f"vaultwarden:{settings.organization_id}@{host_of(settings.urls.api)}"
        self._timing = timing
        self._token = Token(settings, settings.device)

    def check(self) -> Iterator[Finding]:
        """Get a token, and see that it is a Vaultwarden server. Never writes."""
        with self._connected(no_progress) as connection:
            yield from checking.findings(connection, self.settings)

    def read(self, ledger: Ledger, *, verify: bool, progress: Progress) -> Current:
        """What the ledger remembers. Nothing else can be known, whatever ``verify`` asks for."""
        progress("organization", 0, None)
        open_import = ledger.open_since(IMPORT)
        if open_import is not None and open_import < self.settings.settle_seconds:
            # a run was killed in the middle of it, and the server goes on alone
            wait(self.settings.settle_seconds - open_import, self._timing, progress, PHASE)
        members = {member.id: member for member in ledger.members()}
        groups = {group.id: group for group in ledger.groups()} if self.settings.groups else {}
        why = NOT_READ if members or groups else NOTHING_REMEMBERED
        return Current(
            organization=self.name,
            members=members,
            groups=groups,
            accepts=Accepts(groups=self.settings.groups),
            problems=(Problem(directory="", entry=self.name, why=why),),
        )

    def forecast(self, changes: Sequence[Change], current: Current) -> Forecast:
        """What :meth:`apply` would send. Pure."""
        work = _Work.of(changes, current)
        invited = sum(1 for change in changes if change.action is Action.INVITE)
        restored = sum(1 for change in changes if change.action is Action.RESTORE)
        calls = work.calls()
        return Forecast(
            requests={IMPORT: calls} if calls else {},
            seconds=calls * SECONDS_EACH,
            seats=Seats(needed=invited + restored),
            mails=invited,
        )

    def apply(
        self, changes: Sequence[Change], current: Current, *, journal: Journal, ledger: Ledger, progress: Progress
    ) -> Outcome:
        """Send the changes; what was accepted is remembered after each import."""
        work = _Work.of(changes, current)
        if not changes:
            return Outcome()
        with self._connected(progress) as connection:
            # nothing was read, so this is where credentials turn out to be wrong: that fails the run, not each change
            connection.authenticate()
            sender = Sender(connection, journal, self.settings.settle_seconds)
            return _Applying(work, current, sender, ledger, progress).outcome()

    @contextmanager
    def _connected(self, progress: Progress) -> Iterator[Connection]:
        settings, timing = self.settings, self._timing
        http = Http(settings.tls, proxy=settings.proxy_url, timeout=settings.timeout)
        try:
            # no limits but the one on logins, of which a run needs one
            pacer = Pacer(host_of(settings.urls.api), {}, clock=timing.clock, sleep=timing.sleep)
            yield Connection(
                settings.urls,
                http,
                self._token,
                pacer=pacer,
                identity_pacer=pacer,
                timing=timing,
                explain=checking.explain_token,
                progress=progress,
            )
        finally:
            http.close()


@dataclass(slots=True, kw_only=True)
class _Work:
    """The changes as entries. ``closing`` takes access away and is sent before everything else."""

    closing: list[PersonEntry]
    opening: list[PersonEntry]
    group_changes: list[Change]
    failures: list[Failure]
    current: Current

    @classmethod
    def of(cls, changes: Sequence[Change], current: Current) -> _Work:
        made = entries.people((c for c in changes if c.action in entries.PEOPLE), current.members, current.accepts)
        return cls(
            closing=[e for e in made.entries if e.change.action in (Action.REMOVE, Action.REVOKE)],
            opening=[e for e in made.entries if e.change.action not in (Action.REMOVE, Action.REVOKE)],
            group_changes=[c for c in changes if c.action not in entries.PEOPLE],
            failures=made.failures,
            current=current,
        )

    def people_parts(self) -> list[Sequence[PersonEntry]]:
        return [*parts(self.closing, _size_of_person), *parts(self.opening, _size_of_person)]

    def groups(self, members: Mapping[str, Member]) -> entries.Groups:
        return entries.groups(self.group_changes, self.current.groups, members, self.current.accepts)

    def calls(self) -> int:
        """How many imports these are when all goes well."""
        members = dict(self.current.members)
        members |= {e.member.id: e.member for e in (*self.closing, *self.opening)}
        return len(self.people_parts()) + len(list(parts(self.groups(members).entries, _size_of_group)))


@dataclass(slots=True)
class _Applying:
    """One application: what is known of the members, and the tally."""

    work: _Work
    current: Current
    sender: Sender
    ledger: Ledger
    progress: Progress
    members: dict[str, Member] = field(init=False)
    applied: int = 0
    skipped: int = 0
    failures: list[Failure] = field(init=False)

    def __post_init__(self) -> None:
        self.members = dict(self.current.members)
        self.failures = list(self.work.failures)

    def outcome(self) -> Outcome:
        people = self.work.people_parts()
        for number, part in enumerate(people):
            self.progress("apply", number, len(people) + 1)
            self._give_up_if_nobody_answers()
            for sent, error in self.sender.send(part, _people_document, lambda e: (e.change,)):
                self._people_sent(sent, error)
        self.progress("apply", len(people), len(people) + 1)
        self._groups()
        self.progress("apply", len(people) + 1, len(people) + 1)
        return Outcome(applied=self.applied, skipped=self.skipped, failures=tuple(self.failures))

    def _people_sent(self, sent: Sequence[PersonEntry], error: OrganizationError | None) -> None:
        if error is not None:
            self.failures += [Failure(entry.change, str(error)) for entry in sent]
            return
        self.ledger.remember(members=[entry.member for entry in sent])
        self.members |= {entry.member.id: entry.member for entry in sent}
        self.failures += [Failure(entry.change, entry.why) for entry in sent if entry.why]
        self.applied += sum(1 for entry in sent if not entry.why)

    def _groups(self) -> None:
        groups = self.work.groups(self.members)
        self.failures += groups.failures
        self.skipped += groups.skipped
        self.ledger.remember(groups=groups.renamed)
        key_of = {member.id: member.key for member in self.members.values()}

        def document(items: Sequence[GroupEntry]) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]:
            return [], [item.entry(key_of) for item in items]

        for part in parts(groups.entries, _size_of_group):
            self._give_up_if_nobody_answers()
            for sent, error in self.sender.send(part, document, lambda g: g.changes):
                if error is not None:
                    self.failures += [Failure(change, str(error)) for group in sent for change in _all_changes(group)]
                    continue
                self.ledger.remember(groups=[group.group for group in sent])
                self.ledger.drop([group.replaces for group in sent if group.replaces])
                self.applied += sum(len(group.changes) for group in sent)
                self.failures += [failure for group in sent for failure in group.failures]
        self.ledger.drop(groups.dropped)

    def _give_up_if_nobody_answers(self) -> None:
        if len(self.sender.unanswered) >= GIVE_UP_AFTER:
            raise OrganizationUnreachable(
                f"{self.sender.unanswered[-1]} (gave up after {GIVE_UP_AFTER} imports without an answer: "
                f"{self.applied} changes were applied, {len(self.failures)} failed; run again, it continues from there)"
            )


def _all_changes(entry: GroupEntry) -> Iterator[Change]:
    """What an entry carries, and what it would have carried in part."""
    yield from entry.changes
    yield from (failure.change for failure in entry.failures)


def _people_document(items: Sequence[PersonEntry]) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]:
    return [item.entry for item in items], []


def _size_of_person(entry: PersonEntry) -> int:
    return 60 + len(entry.entry["email"].encode()) + len(entry.entry["externalId"].encode())


def _size_of_group(entry: GroupEntry) -> int:
    # a key has mostly 36 characters; the group itself is nothing beside its members
    return 500 + 60 * len(entry.group.members)
