"""For any two sides: applying a plan to an organization that behaves like the real one does what the plan says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from dirconnector.model import Current, Snapshot, no_progress
from dirconnector.organizations.local import LocalOrganization, LocalSettings
from dirconnector.plan.model import Change, Outcome
from dirconnector.plan.policy import Policy
from tests.build import applied, plan
from tests.contract.organization_contract import MemoryJournal, MemoryLedger, content, interrupt_at, writes
from tests.properties.strategies import organizations, policies, snapshots


@contextmanager
def laid_out(now: Current) -> Iterator[LocalOrganization]:
    """A local organization that holds just this, with the same ids."""
    members = [
        {"id": m.id, "email": m.email, "externalId": m.key, "status": int(m.status), "type": int(m.type)}
        for m in now.members.values()
    ]
    groups = [
        {
            "id": g.id,
            "name": g.name,
            "externalId": g.key,
            "members": [now.members[i].email for i in g.members],
            "collections": g.collections,
        }
        for g in now.groups.values()
    ]
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "seed.json").write_text(json.dumps({"members": members, "groups": groups}))
        yield LocalOrganization(
            LocalSettings.model_validate({"path": "o.db", "seed": "seed.json"}, context={"folder": folder})
        )


def read(organization: LocalOrganization) -> Current:
    return organization.read(MemoryLedger(), verify=True, progress=no_progress)


def changes_for(directory: Snapshot, now: Current, policy: Policy) -> tuple[Change, ...]:
    """Everything that an administrator could approve."""
    first = plan(directory, now, policy=policy)
    return plan(directory, now, policy=policy, approved=first.plan_id).changes


def twins(now: Current) -> bool:
    """True when two members or two groups share an external id: then the server refuses imports, and so do we."""
    keys = [[m.key for m in now.members.values() if m.key], [g.key for g in now.groups.values() if g.key]]
    return any(len(set(k)) < len(k) for k in keys)


def apply(organization: LocalOrganization, changes: tuple[Change, ...], journal: MemoryJournal) -> Outcome:
    return organization.apply(changes, read(organization), journal=journal, ledger=MemoryLedger(), progress=no_progress)


@settings(deadline=None)
@given(snapshots(), organizations(), policies)
def test_what_the_plan_says_is_what_happens(directory: Snapshot, now: Current, policy: Policy) -> None:
    changes = changes_for(directory, now, policy)
    with laid_out(now) as organization:
        assert content(read(organization)) == content(now)
        journal = MemoryJournal()
        forecast = organization.forecast(changes, now)
        outcome = apply(organization, changes, journal)
        assert outcome.applied + outcome.skipped + outcome.failed == len(changes)
        if twins(now):
            return
        assert outcome == Outcome(applied=len(changes))
        assert content(read(organization)) == content(applied(changes, now))
        assert dict(journal.endpoints) == writes(forecast.requests)


@settings(deadline=None)
@given(snapshots(), organizations(), policies, st.integers(0, 6))
def test_a_killed_run_and_a_new_plan_end_where_one_run_ends(
    directory: Snapshot, now: Current, policy: Policy, kill: int
) -> None:
    if twins(now):
        return
    changes = changes_for(directory, now, policy)
    with laid_out(now) as organization:
        if not organization.forecast(changes, now).requests:
            return
        with suppress(KeyboardInterrupt):
            organization.apply(
                changes, now, journal=MemoryJournal(), ledger=MemoryLedger(), progress=interrupt_at(kill)
            )
        for _ in range(3):
            apply(organization, changes_for(directory, read(organization), policy), MemoryJournal())
        assert changes_for(directory, read(organization), policy) == ()


@settings(deadline=None)
@given(snapshots(), organizations(), policies)
def test_nobody_made_by_hand_leaves_a_group(directory: Snapshot, now: Current, policy: Policy) -> None:
    changes = changes_for(directory, now, policy)
    touched = {change.member_id for change in changes}
    with laid_out(now) as organization:
        apply(organization, changes, MemoryJournal())
        after = read(organization)
    for group in now.groups.values():
        kept = {i for i in group.members if i not in touched}
        assert group.id not in after.groups or kept <= after.groups[group.id].members
