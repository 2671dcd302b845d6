"""An organization of ``kind: bitwarden`` on an emulator, with time that costs nothing, and a seed for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dirconnector import sync
from dirconnector.model import Finding, Progress, Snapshot, User
from dirconnector.model import Group as DirectoryGroup
from dirconnector.organizations import Organization
from dirconnector.organizations.bitwarden import BitwardenOrganization, BitwardenSettings
from dirconnector.organizations.connection import Timing
from dirconnector.organizations.vaultwarden import VaultwardenOrganization, VaultwardenSettings
from dirconnector.plan.model import Plan
from dirconnector.plan.policy import Offboarding, Policy
from dirconnector.plan.report import Report
from dirconnector.reading import Directory
from dirconnector.rules.rule import Select
from dirconnector.settings import Settings
from dirconnector.state import State
from tests.build import NO_LIMITS, snapshot
from tests.emulators.bitwarden import Association, BitwardenEmulator, Collection, Group, Member, Status, Type

STATUSES = {word.name.lower(): word for word in Status}
TYPES = {word.name.lower(): word for word in Type}


class FastTime:
    """A clock on which every wait is over at once (a thousandth of it really passes, so that servers get on)."""

    def __init__(self, scale: float = 1000.0) -> None:
        self.scale = scale
        self.slept: list[float] = []
        self._start = time.monotonic()
        self._ahead = 0.0
        self._lock = threading.Lock()

    def clock(self) -> float:
        return self._start + (time.monotonic() - self._start) + self._ahead

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.slept.append(seconds)
            time.sleep(seconds / self.scale)
            self._ahead += seconds * (1 - 1 / self.scale)

    @property
    def timing(self) -> Timing:
        return Timing(clock=self.clock, sleep=self.sleep)


def entry_for(emulator: BitwardenEmulator, folder: Path, **more: Any) -> dict[str, Any]:
    """An ``organization`` section that reaches the emulator; the secret is in a file of ``folder``."""
    secret = folder / "secret"
    secret.write_text(emulator.client_secret)
    entry = {k: v for k, v in emulator.organization.items() if k != "kind"}
    return {**entry, "client_secret": {"file": str(secret)}, **more}


def vaultwarden_on(
    emulator: BitwardenEmulator, folder: Path, *, time_: FastTime | None = None, **more: Any
) -> VaultwardenOrganization:
    """The Vaultwarden organization on the emulator. ``more`` are settings."""
    settings = VaultwardenSettings.model_validate(entry_for(emulator, folder, **more))
    return VaultwardenOrganization(settings, timing=(time_ or FastTime()).timing)


def organization_on(
    emulator: BitwardenEmulator, folder: Path, *, time_: FastTime | None = None, **more: Any
) -> BitwardenOrganization:
    """The organization on the emulator. ``more`` are settings."""
    timing = (time_ or FastTime()).timing
    settings = BitwardenSettings.model_validate(entry_for(emulator, folder, **more))
    return BitwardenOrganization(settings, timing=timing, pace_folder=folder)


def plant(emulator: BitwardenEmulator, seed: Mapping[str, Any]) -> None:
    """Fill an emulator with the seed of a local organization (docs/organizations/local.md)."""
    emulator.reset()
    state = emulator.state
    for member in list(state.members):
        state.remove_member(member)
    state.organization.seats = seed.get("seats")
    by_email = {}
    for entry in seed["members"]:
        status = STATUSES[entry.get("status", "confirmed")]
        before = {"status_before": Status.CONFIRMED} if status is Status.REVOKED else {}
        collections = tuple(Association(id=state_collection(emulator)) for _ in range(entry.get("collections", 0)))
        linked = status is not Status.INVITED
        fields = {
            "external_id": entry.get("externalId"),
            "status": status,
            "type": TYPES[entry.get("type", "user")],
            "collections": collections,
            **before,
        }
        member = state.enrol(entry["email"], **fields, **({} if linked else {"user_id": None}))
        by_email[entry["email"]] = member
    for entry in seed["groups"]:
        collections = tuple(Association(id=state_collection(emulator)) for _ in range(entry.get("collections", 0)))
        group = state.put_group(Group(name=entry["name"], external_id=entry.get("externalId"), collections=collections))
        state.set_members(group.id, [by_email[email].id for email in entry.get("members", ())])


def state_collection(emulator: BitwardenEmulator) -> str:
    """A new collection's id."""
    collection = Collection()
    emulator.state.collections[collection.id] = collection
    return collection.id


class InMemory:
    """A reader whose snapshot a test replaces."""

    name = "hq"
    settings_class = Settings

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot

    def read(self, progress: Progress) -> Snapshot:
        return self.snapshot

    def check(self) -> Iterator[Finding]:
        return iter(())


class Site:
    """Everything that a run needs: a directory in memory, an organization on an emulator, a state on the disk.

    >>> site.wants([user("ana")], [group("sales", ["ana"])])
    >>> assert site.run().exit_code == 0
    """

    def __init__(self, emulator: BitwardenEmulator, organization: Organization, folder: Path) -> None:
        self.emulator = emulator
        self.organization = organization
        self.folder = folder
        self.policy = Policy(limits=NO_LIMITS)
        self.select = Select()
        self.directory = InMemory(snapshot())
        self.progress: list[tuple[str, int, int | None]] = []

    def wants(self, users: Iterable[User] = (), groups: Iterable[DirectoryGroup] = (), **more: Any) -> None:
        """What the directory says from now on."""
        self.directory.snapshot = snapshot(users, groups, **more)

    def offboarding(self, **settings: Any) -> None:
        """The ``offboarding`` section from now on."""
        self.policy = Policy(limits=NO_LIMITS, offboarding=Offboarding(**settings))

    def run(self, *, dry_run: bool = False, verify: bool = False) -> Report:
        """One run, in the history from before its first read."""
        with State.open(f"sqlite:///{self.folder / 'state.db'}") as state:
            number = state.begin_run(self.organization.name, "run", datetime.now(UTC), dry_run)
            report = sync.run(self._job(state), number, dry_run=dry_run, verify=verify)
            state.finish_run(
                number, finished=datetime.now(UTC), exit_code=report.exit_code, plan_id=report.plan.plan_id, report={}
            )
        return report

    def plan(self, *, verify: bool = False) -> Plan:
        """Only the plan."""
        return self.run(dry_run=True, verify=verify).plan

    def _job(self, state: State) -> sync.Job:
        return sync.Job(
            directories={"hq": Directory(reader=self.directory)},
            select=self.select,
            policy=self.policy,
            organization=self.organization,
            state=state,
            progress=lambda *step: self.progress.append(step),
        )

    # what is there

    def member(self, email: str) -> Member:
        """The emulator's member with this address."""
        found = self.emulator.state.member_by_known_email(email)
        assert found is not None, f"nobody has {email}"
        return found

    def status(self, email: str) -> str:
        """``invited``, ``revoked`` ...; ``gone`` for nobody."""
        found = self.emulator.state.member_by_known_email(email)
        return "gone" if found is None else found.status.name.lower()

    def group(self, name: str) -> Group:
        """The one group with this name."""
        (found,) = [g for g in self.emulator.state.groups.values() if g.name == name]
        return found

    def emails_in(self, name: str) -> set[str]:
        """Who is in the group of this name."""
        state = self.emulator.state
        return {state.email_of(state.members[id_]).lower() for id_ in state.members_of(self.group(name).id)}

    def writes(self) -> dict[str, int]:
        """Requests that write, by endpoint, tokens not counted."""
        calls = self.emulator.calls.items()
        return {c: n for c, n in calls if not c.startswith("GET ") and c != "POST /connect/token"}

    def mailed(self) -> list[str]:
        """To whom mails went, in order."""
        return [mail.to for mail in self.emulator.mails]

    def content(self) -> tuple[Any, ...]:
        """What the organization holds, without ids."""
        state = self.emulator.state
        members = {(state.email_of(m).lower(), m.external_id, m.status.name) for m in state.members.values()}
        groups = {(g.name, g.external_id, frozenset(self.emails_in(g.name))) for g in state.groups.values()}
        return members, groups


def why(report: Report) -> str:
    """Every failure's sentence."""
    assert report.outcome is not None
    return "\n".join(f"{failure.change.what}: {failure.why}" for failure in report.outcome.failures)


def problems(plan: Plan) -> str:
    """Every problem's sentence."""
    return "\n".join(f"{problem.entry}: {problem.why}" for problem in plan.problems)
