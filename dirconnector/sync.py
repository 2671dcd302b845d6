"""The use case: read the directories, make the plan, hold what is dangerous, apply the rest, look whether it is so.

Everything that the product promises can be read here. A dry run and a real run differ in one ``if``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from dirconnector.errors import OrganizationError, OrganizationUnreachable, PlanStale
from dirconnector.memory import remembered
from dirconnector.model import Current, Progress, Snapshot, no_progress
from dirconnector.organizations import Ledger, Organization
from dirconnector.plan.baseline import baseline_of
from dirconnector.plan.build import Baselines, differences, make_plan
from dirconnector.plan.model import Change, Failure, Outcome, Plan
from dirconnector.plan.policy import Policy
from dirconnector.plan.report import Report
from dirconnector.reading import Directory, Read, read_all
from dirconnector.rules.desired import Desired, desire
from dirconnector.rules.rule import Select
from dirconnector.state import State

SHRINK = "limits.shrink"


@dataclass(frozen=True, kw_only=True)
class Job:
    """One config, ready to run: where to read (by name, in the order of the config), by what rules, where to."""

    directories: Mapping[str, Directory]
    select: Select
    policy: Policy
    organization: Organization
    state: State
    progress: Progress = field(default=no_progress)


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """Both sides as they were read, and the plan between them."""

    read: Mapping[str, Read]
    desired: Desired
    current: Current
    plan: Plan

    @property
    def snapshots(self) -> dict[str, Snapshot]:
        """What each directory said, by its name."""
        return {name: each.snapshot for name, each in self.read.items()}


def prepare(job: Job, *, verify: bool = False, full: bool = False, approve: str = "") -> Prepared:
    """Read both sides and plan. Writes nothing anywhere."""
    read = read_all(
        job.directories, job.state, job.organization.name, full=full, now=datetime.now(UTC), progress=job.progress
    )
    snapshots = {name: each.snapshot for name, each in read.items()}
    current = job.organization.read(job.state.ledger(job.organization.name), verify=verify, progress=job.progress)
    job.progress("planning", 0, None)
    desired = desire(list(snapshots.values()), job.select, current.accepts)
    baselines = Baselines(
        last=tuple(job.state.baselines(job.organization.name).values()),
        now=tuple(baseline_of(name, snapshot) for name, snapshot in snapshots.items()),
    )
    plan = make_plan(
        desired,
        current,
        job.policy,
        forecast=job.organization.forecast,
        baselines=baselines,
        recall=partial(remembered, job.state, job.organization.name, tuple(job.directories)),
        approved=approve,
    )
    return Prepared(read=read, desired=desired, current=current, plan=plan)


def run(job: Job, number: int, *, dry_run: bool, verify: bool = False, full: bool = False, approve: str = "") -> Report:
    """The job: read, plan, hold, apply, look whether it is so, remember. ``number`` is the run's number in the
    history.
    """
    prepared = prepare(job, verify=verify, full=full, approve=approve)
    if dry_run:
        return Report(plan=prepared.plan, dry_run=True, run=number)
    return _carry_out(job, number, prepared)


def apply_saved(job: Job, number: int, saved: Plan) -> Report:
    """Apply a plan that somebody reviewed. Raises :class:`PlanStale` when planning again does not give the same
    plan.
    """
    prepared = prepare(job)
    _must_be_same(saved, prepared.plan)
    return _carry_out(job, number, prepared)


def _must_be_same(saved: Plan, plan: Plan) -> None:
    if saved.organization != plan.organization:
        raise PlanStale(
            f"the plan is for {saved.organization}, this config for {plan.organization}: use the other config"
        )
    moved = [
        side
        for side, was, now in (
            ("the directory", saved.desired_digest, plan.desired_digest),
            ("the organization", saved.current_digest, plan.current_digest),
        )
        if was != now
    ]
    if moved:
        raise PlanStale(f"{' and '.join(moved)} changed since the plan was made. Nothing was applied: plan again")
    if saved.plan_id != plan.plan_id or saved.changes != plan.changes:
        raise PlanStale(
            "the same two sides give another plan now: the config, the limits or the plan file changed since. "
            "Nothing was applied: plan again"
        )


def _carry_out(job: Job, number: int, prepared: Prepared) -> Report:
    plan = prepared.plan
    started = datetime.now(UTC)
    # both sides have just been read, so what a killed run may or may not have done is in the plan already
    job.state.settle_calls(job.organization.name, result=f"settled by run {number}: read again", when=started)
    outcome = Outcome()
    after = prepared.current
    if plan.changes:
        ledger = job.state.ledger(job.organization.name)
        outcome = job.organization.apply(
            plan.changes,
            prepared.current,
            journal=job.state.journal(number),
            ledger=ledger,
            progress=job.progress,
        )
        job.progress("verifying", 0, None)
        after = _read_back(job, ledger, outcome)
        outcome = verified(plan.changes, outcome, prepared.desired, after, job.policy)
    _remember(job, number, prepared, after, went_well=not outcome.failures)
    return Report(
        plan=plan,
        dry_run=False,
        outcome=outcome,
        run=number,
        seconds=(datetime.now(UTC) - started).total_seconds(),
    )


def _read_back(job: Job, ledger: Ledger, outcome: Outcome) -> Current:
    """The organization after applying. When it cannot be read, what was done must be told all the same."""
    try:
        return job.organization.read(ledger, verify=False, progress=job.progress)
    except OrganizationError as error:
        raise OrganizationUnreachable(
            f"{outcome.applied} changes were sent and accepted, {outcome.failed} failed, and whether it is so could "
            f"not be read back: {error}. Run again: it continues from what is there"
        ) from error


def verified(changes: Sequence[Change], outcome: Outcome, desired: Desired, after: Current, policy: Policy) -> Outcome:
    """Add to the failures what was accepted without an error and is not so afterwards: an answer of 200 is not
    done.
    """
    left, _, _ = differences(desired, after, policy)
    still = {_identity(change) for change in left}
    known = {_identity(failure.change) for failure in outcome.failures}
    people = {failure.change.key for failure in outcome.failures if not failure.change.group_key}
    groups = {failure.change.group_key for failure in outcome.failures if not failure.change.email} - {""}
    silent = [
        Failure(
            change,
            "the organization accepted it and did not do it (seen when reading back): run again, then look there",
        )
        for change in changes
        if _identity(change) in still
        and _identity(change) not in known
        # a membership that was skipped, because the person or the group failed, was never sent
        and not (change.group_key and change.email and (change.key in people or change.group_key in groups))
    ]
    if not silent:
        return outcome
    applied = max(outcome.applied - len(silent), 0)
    return Outcome(applied=applied, skipped=outcome.skipped, failures=(*outcome.failures, *silent))


def _identity(change: Change) -> tuple[str, str, str]:
    return (change.action, change.key, change.group_key)


def _remember(job: Job, number: int, prepared: Prepared, after: Current, *, went_well: bool) -> None:
    """Keep the good snapshots, what we manage and, when all ``went_well``, the cursors.

    A snapshot that shrank too much never becomes the new measure. Directories that left the config are forgotten as
    soon as nothing is held because of them.
    """
    now = datetime.now(UTC)
    name = job.organization.name
    job.state.remember_managed(name, after, prepared.desired.merged.users, now)
    if any(exceeded.limit == SHRINK for exceeded in prepared.plan.exceeded):
        return
    job.state.forget_directories(name, keep=prepared.read.keys())
    for directory, read in prepared.read.items():
        if not read.snapshot.complete:
            continue
        job.state.save_good(name, directory, read.snapshot, now, number)
        if read.cursor is not None and went_well:
            job.state.save_cursor(name, directory, read.cursor)
