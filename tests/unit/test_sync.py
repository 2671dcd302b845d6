"""The use case with both plug-ins in memory: what is read, applied, verified and remembered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dirconnector.errors import DirectoryUnreachable, OrganizationUnreachable, PlanStale
from dirconnector.model import Current, Finding, Progress, Snapshot, Status
from dirconnector.organizations import Call, Journal, Ledger
from dirconnector.plan.document import from_history, history_document, report_document, saved_plan
from dirconnector.plan.model import Change, Failure, Forecast, Outcome
from dirconnector.plan.policy import Policy
from dirconnector.plan.report import Report
from dirconnector.readers import Reading
from dirconnector.reading import Directory
from dirconnector.rules.rule import Select
from dirconnector.settings import Settings
from dirconnector.state import State
from dirconnector.sync import Job, apply_saved, prepare, run, verified
from tests.build import applied, current, group, member, org_group, snapshot, user


class Hq:
    """A reader whose directory is a value; an exception in its place is raised."""

    settings_class = Settings

    def __init__(self, says: Snapshot | Exception) -> None:
        self.says = says

    def check(self) -> Iterator[Finding]:
        yield from ()

    def read(self, progress: Progress) -> Snapshot:
        if isinstance(self.says, Exception):
            raise self.says
        return self.says


class Delta(Hq):
    """A directory that can say what changed. Its cursor is the number of the reads; ``forgotten`` are refused."""

    says: Snapshot

    def __init__(self, says: Snapshot) -> None:
        super().__init__(says)
        self.reads: list[str] = []
        self.forgotten = False

    def read_with_cursor(self, progress: Progress) -> Reading:
        self.reads.append("full")
        return Reading(self.says, f"cursor {len(self.reads)}")

    def read_since(self, before: Reading, progress: Progress) -> Reading | None:
        self.reads.append(f"since {before.cursor} of {len(before.snapshot.users)}")
        return None if self.forgotten else Reading(self.says, f"cursor {len(self.reads)}")


class Memory:
    """An organization that is a value. ``deaf`` addresses are accepted and ignored, ``rude`` ones refused."""

    settings_class = Settings
    name = "test"

    def __init__(self, now: Current) -> None:
        self.now = now
        self.deaf: set[str] = set()
        self.rude: set[str] = set()
        self.written: list[Change] = []

    def check(self) -> Iterator[Finding]:
        yield from ()

    def read(self, ledger: Ledger, *, verify: bool, progress: Progress) -> Current:
        return self.now

    def forecast(self, changes: Sequence[Change], current: Current) -> Forecast:
        return Forecast(requests={"POST": len(changes)} if changes else {})

    def apply(
        self, changes: Sequence[Change], current: Current, *, journal: Journal, ledger: Ledger, progress: Progress
    ) -> Outcome:
        number = journal.begin(Call("POST /all", "", tuple(changes)), "digest")
        good = [c for c in changes if c.email not in self.deaf | self.rude]
        self.written += good
        self.now = applied(good, self.now)
        journal.end(number, "ok")
        failures = tuple(Failure(c, "400: no") for c in changes if c.email in self.rude)
        return Outcome(applied=len(changes) - len(failures), failures=failures)


class World:
    """Both sides and a state file."""

    def __init__(self, folder: Path) -> None:
        self.state = State.open(f"sqlite:///{folder / 'state.db'}")
        self.directory: Hq | Delta = Hq(snapshot([user("ana")]))
        self.organization = Memory(current())
        self.policy = Policy()
        self.source = "settings"
        self.full_read_every = timedelta(days=1)

    @property
    def job(self) -> Job:
        return Job(
            directories={
                "hq": Directory(reader=self.directory, source=self.source, full_read_every=self.full_read_every)
            },
            select=Select(),
            policy=self.policy,
            organization=self.organization,
            state=self.state,
        )

    def run(self, **options: object) -> Report:
        number = self.state.begin_run("test", "run", datetime.now(UTC), False)
        return run(self.job, number, **({"dry_run": False} | options))  # type: ignore[arg-type]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.state.close()


def test_run_then_run_is_empty(world: World) -> None:
    assert world.run().outcome == Outcome(applied=1)
    second = world.run()
    assert (second.plan.changes, second.outcome, second.exit_code) == ((), Outcome(), 0)


def test_dry_run_writes_nothing_and_has_the_same_plan(world: World) -> None:
    dry = world.run(dry_run=True)
    assert world.organization.written == []
    assert world.state.baseline("test", "hq") is None
    assert dry.outcome is None
    assert world.run().plan.plan_id == dry.plan.plan_id


def test_directory_that_cannot_be_read_stops_before_any_write(world: World) -> None:
    world.directory.says = DirectoryUnreachable("hq", "no answer")
    with pytest.raises(DirectoryUnreachable):
        world.run()
    assert world.organization.written == []


def test_what_was_accepted_and_not_done_is_failed(world: World) -> None:
    world.directory.says = snapshot([user("ana"), user("ben")])
    world.organization.deaf = {"ana@example.org"}
    report = world.run()
    assert report.exit_code == 4
    assert report.outcome is not None
    assert (report.outcome.applied, report.outcome.failed) == (1, 1)
    assert "accepted it and did not do it" in report.outcome.failures[0].why


def test_what_was_refused_is_failed_once(world: World) -> None:
    world.organization.rude = {"ana@example.org"}
    report = world.run()
    assert report.outcome is not None
    assert [f.why for f in report.outcome.failures] == ["400: no"]


def test_shrunken_snapshot_never_becomes_the_measure(world: World) -> None:
    everybody = [user(f"u{n:02}") for n in range(60)]
    world.directory.says = snapshot(everybody)
    world.run()
    world.directory.says = snapshot(everybody[:20])
    for _ in range(2):
        report = world.run()
        assert report.exit_code == 3
        assert report.outcome == Outcome()
    released = world.run(approve=report.plan.plan_id)
    assert released.exit_code == 0
    assert released.outcome == Outcome(applied=40)
    assert world.run().exit_code == 0, "what was approved is the measure from now on"


def test_incomplete_snapshot_never_becomes_the_measure(world: World) -> None:
    world.directory.says = snapshot([user("ana")], complete=False)
    assert world.run().exit_code == 6
    assert world.state.baseline("test", "hq") is None


def test_people_are_remembered_after_they_left(world: World) -> None:
    """Their address may be given to somebody else much later, when no snapshot knows them any more."""
    world.directory.says = snapshot([user("ana", "info@example.org", name="Ana"), user("ben")])
    world.run()
    world.directory.says = snapshot([user("ben")])
    world.run()
    world.run()
    world.directory.says = snapshot([user("zoe", "info@example.org", name="Zoe"), user("ben")])
    report = world.run()
    assert report.plan.changes == ()
    assert "was the address of another person" in report.plan.problems[0].why
    world.directory.says = snapshot([user("ana2", "info@example.org", name="Ana", username="ana"), user("ben")])
    assert [c.action for c in world.run().plan.changes] == ["rekey", "restore"]


def test_reason_remembers_the_group(world: World) -> None:
    world.directory.says = snapshot([user("ana"), user("ben")], [group("v", ["ana"], ["n"]), group("n", ["ben"])])
    world.run()
    world.directory.says = snapshot([user("ben")], [group("v", [], ["n"]), group("n", ["ben"])])
    assert world.run().plan.changes[0].sentence == "revoke ana@example.org: no longer in hq"


def saved(world: World) -> tuple[Report, object]:
    dry = world.run(dry_run=True)
    return dry, saved_plan(report_document(dry), "plan.json")


def test_saved_plan_survives_its_document_and_is_applied(world: World) -> None:
    world.organization.now = current([member("gone"), member("hand", "h@example.org")], [org_group("g")])
    dry, plan = saved(world)
    assert plan.changes == dry.plan.changes  # type: ignore[attr-defined]
    number = world.state.begin_run("test", "apply", datetime.now(UTC), False)
    report = apply_saved(world.job, number, plan)  # type: ignore[arg-type]
    assert report.outcome is not None
    assert report.outcome.applied == len(dry.plan.changes)


@pytest.mark.parametrize("side", ["directory", "organization"])
def test_saved_plan_is_refused_when_a_side_moved(world: World, side: str) -> None:
    _, plan = saved(world)
    if side == "directory":
        world.directory.says = snapshot([user("ana"), user("ben")])
    else:
        world.organization.now = current([member("x", status=Status.REVOKED)])
    with pytest.raises(PlanStale, match=f"the {side} changed since"):
        apply_saved(world.job, 1, plan)  # type: ignore[arg-type]
    assert world.organization.written == []


def test_saved_plan_that_was_edited_is_refused(world: World) -> None:
    _, plan = saved(world)
    edited = replace(plan, changes=())  # type: ignore[type-var]
    with pytest.raises(PlanStale, match="another plan now"):
        apply_saved(world.job, 1, edited)  # type: ignore[arg-type]


def test_saved_plan_of_another_organization_is_refused(world: World) -> None:
    _, plan = saved(world)
    with pytest.raises(PlanStale, match="use the other config"):
        apply_saved(world.job, 1, replace(plan, organization="other"))  # type: ignore[type-var,arg-type]


def test_calls_of_a_killed_run_are_settled_by_the_next(world: World) -> None:
    killed = world.state.begin_run("test", "run", datetime.now(UTC), False)
    world.state.journal(killed).begin(Call("POST /all", "", ()), "digest")
    assert len(world.state.open_calls("test")) == 1
    world.run()
    assert world.state.open_calls("test") == ()
    assert "read again" in world.state.calls(killed)[0].result


def test_prepare_writes_nothing(world: World) -> None:
    prepared = prepare(world.job)
    assert len(prepared.plan.changes) == 1
    assert world.organization.written == []


def test_history_gives_back_what_was_done_and_only_counts_what_was_not(world: World) -> None:
    world.organization.now = current([member("gone")], [org_group("g")])
    dry = world.run(dry_run=True)
    done = world.run()
    for report, changes in ((dry, 0), (done, 2)):
        number = report.run
        world.state.finish_run(
            number, finished=datetime.now(UTC), exit_code=0, plan_id="", report=history_document(report)
        )
        found = world.state.run(number)
        assert found is not None
        restored = from_history(found[1])
        assert len(restored["changes"]) == changes
        assert restored["summary"] == report_document(report)["summary"]
    assert restored == report_document(done)


def test_second_run_reads_what_changed_and_attributes_survive(world: World) -> None:
    people = [user("ana", attributes={"department": ("Sales", "Ops")}), user("ben")]
    world.directory = directory = Delta(snapshot(people))
    world.run()
    world.run()
    assert directory.reads == ["full", "since cursor 1 of 2"]
    cursor = world.state.cursor("test", "hq")
    assert cursor is not None
    assert cursor.snapshot.users == snapshot(people).users
    assert cursor.cursor == "cursor 2"


def test_full_read_when_asked_for_when_due_when_settings_changed_and_when_the_cursor_is_refused(world: World) -> None:
    world.directory = directory = Delta(snapshot([user("ana")]))
    world.run()
    world.run(full=True)
    assert directory.reads == ["full", "full"]
    world.source = "other settings"
    world.run()
    assert directory.reads[2:] == ["full"]
    world.full_read_every = timedelta(0)
    world.run()
    assert directory.reads[3:] == ["full"]
    world.full_read_every = timedelta(days=1)
    directory.forgotten = True
    world.run()
    assert directory.reads[4:] == ["since cursor 4 of 1", "full"]


def test_cursor_moves_only_with_a_run_that_ended_well(world: World) -> None:
    world.directory = directory = Delta(snapshot([user("ana")]))
    world.run(dry_run=True)
    assert world.state.cursor("test", "hq") is None, "a dry run saves nothing"
    world.organization.rude = {"ana@example.org"}
    world.run()
    assert world.state.cursor("test", "hq") is None, "failed changes: the same is read again"
    world.organization.rude = set()
    directory.says = snapshot([user("ana")], complete=False)
    world.run()
    assert world.state.cursor("test", "hq") is None, "incomplete"
    directory.says = snapshot([user("ana")])
    world.run()
    assert world.state.cursor("test", "hq") is not None
    assert directory.reads == ["full"] * 4


def test_membership_that_was_never_sent_is_not_said_to_have_been_accepted(world: World) -> None:
    changes = prepare_with_group(world)
    failed = Outcome(applied=1, skipped=1, failures=(Failure(changes[0], "no seat"),))
    after = current([], [replace(org_group("g"), id="g1")])
    assert verified(changes, failed, prepare(world.job).desired, after, world.policy) == failed


def test_membership_that_was_sent_and_ignored_is_failed(world: World) -> None:
    changes = prepare_with_group(world)
    after = current([member("ana")], [replace(org_group("g"), id="g1")])
    outcome = verified(changes, Outcome(applied=3), prepare(world.job).desired, after, world.policy)
    assert (outcome.applied, [f.change.action for f in outcome.failures]) == (2, ["add_membership"])


def prepare_with_group(world: World) -> tuple[Change, ...]:
    world.directory.says = snapshot([user("ana")], [group("g", ["ana"])])
    changes = prepare(world.job).plan.changes
    assert [c.action for c in changes] == ["invite", "create_group", "add_membership"]
    return changes


def test_read_back_that_fails_tells_what_was_done(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first = world.organization.read
    answers = iter([first])

    def read(ledger: Ledger, *, verify: bool, progress: Progress) -> Current:
        for answer in answers:
            return answer(ledger, verify=verify, progress=progress)
        raise OrganizationUnreachable("no answer")

    monkeypatch.setattr(world.organization, "read", read)
    with pytest.raises(OrganizationUnreachable, match=r"^1 changes were sent and accepted, 0 failed, .* no answer"):
        world.run()


def test_directory_that_left_the_config_holds_until_it_is_approved_and_is_forgotten_then(world: World) -> None:
    world.directory.says = snapshot([user("ana"), user("ben")])
    world.run()
    job = replace(
        world.job, directories={"new": Directory(reader=Hq(snapshot([user("ana")])), full_read_every=timedelta(0))}
    )
    number = world.state.begin_run("test", "run", datetime.now(UTC), False)
    for _ in range(2):
        report = run(job, number, dry_run=False)
        assert report.exit_code == 3
        assert "hq is not in the config any more" in report.plan.held[0].why
    released = run(job, number, dry_run=False, approve=report.plan.plan_id)
    assert [c.action for c in released.plan.changes] == ["revoke"]
    assert world.state.baselines("test").keys() == {"new"}


def test_directory_that_was_renamed_is_forgotten_without_a_word(world: World) -> None:
    world.run()
    renamed = replace(world.job, directories={"new": Directory(reader=world.directory, full_read_every=timedelta(0))})
    assert run(renamed, 1, dry_run=False).exit_code == 0
    assert world.state.baselines("test").keys() == {"new"}


def test_names_that_no_database_takes_are_remembered_as_far_as_possible(world: World) -> None:
    world.directory.says = snapshot([user("ana", name="A\ud800na", username="\ud800")])
    assert world.run().exit_code == 0
    assert world.state.people("test", {"ana"})["ana"].name == "A?na"
    assert world.run().exit_code == 0


def test_person_of_two_directories_who_leaves_one_is_still_the_same_person(world: World) -> None:
    """Directories write names differently: without a memory that both were one, she would look like a successor."""
    branch = Hq(snapshot([user("b1", "ana@example.org", name="LOPEZ Ana", username="l-ana")], directory="branch"))
    world.directory.says = snapshot([user("ana", name="Ana Lopez", username="alopez"), user("ben")])

    def both(*, without_hq: bool = False) -> Report:
        directories = {"hq": Directory(reader=world.directory), "branch": Directory(reader=branch)}
        job = replace(world.job, directories={"branch": directories["branch"]} if without_hq else directories)
        return run(job, world.state.begin_run("test", "run", datetime.now(UTC), False), dry_run=False)

    both()
    gone = both(without_hq=True)
    assert [(h.change.action, h.change.key) for h in gone.plan.held] == [("revoke", "ben")]
    world.directory.says = snapshot([user("ben")])
    report = both()
    assert [(c.action, c.key, c.before) for c in gone.plan.changes + report.plan.changes] == [("rekey", "b1", "ana")]
    assert report.exit_code == 0
