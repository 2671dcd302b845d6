"""Making calls: what fails, what is skipped, what the journal says; on a real local organization with faults."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dirconnector.errors import OrganizationUnreachable
from dirconnector.model import Current, no_progress
from dirconnector.organizations import Call
from dirconnector.organizations.endpoints import ApiRefused
from dirconnector.organizations.execute import apply_calls
from dirconnector.organizations.local import LocalOrganization, LocalSettings
from dirconnector.organizations.local_endpoints import LocalEndpoints
from dirconnector.organizations.routes import IMPORT, forecast, plan_calls
from dirconnector.plan.model import Action, Change, Outcome
from tests.contract.organization_contract import MemoryJournal, MemoryLedger

NAMES = {
    "members": "GET /public/members",
    "member": "GET /public/members/{id}",
    "groups": "GET /public/groups",
    "group": "GET /public/groups/{id}",
    "group_member_ids": "GET /public/groups/{id}/member-ids",
}


class Faulty:
    """The endpoints of a local organization that count reads, and raise ``faults[method]`` instead of answering."""

    def __init__(self, real: LocalEndpoints, faults: dict[str, BaseException | list[BaseException | None]]) -> None:
        self.real = real
        self.faults = faults
        self.reads: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        fault = self.faults.get(name)
        if isinstance(fault, list):
            fault = fault.pop(0) if fault else None
        self.reads.update([NAMES[name]] if name in NAMES else [])

        def raising(*_: Any, **__: Any) -> None:
            assert fault is not None
            raise fault

        return raising if fault is not None else getattr(self.real, name)


@pytest.fixture
def organization(tmp_path: Path) -> LocalOrganization:
    return LocalOrganization(LocalSettings.model_validate({"path": "o.db"}, context={"folder": tmp_path}))


@pytest.fixture
def real(organization: LocalOrganization) -> Iterator[LocalEndpoints]:
    with organization.endpoints() as endpoints:
        members = [{"email": f"{n}@example.org", "externalId": f"k-{n}"} for n in ("ana", "ben", "eve")]
        groups = [{"name": "Eng", "externalId": "g-eng", "memberExternalIds": ["k-ana"]}]
        endpoints.import_(members=members, groups=groups)
        yield endpoints


def read(organization: LocalOrganization) -> Current:
    return organization.read(MemoryLedger(), verify=True, progress=no_progress)


def revoke(current: Current, key: str) -> Change:
    (member,) = [m for m in current.members.values() if m.key == key]
    return Change(Action.REVOKE, key, member.email, "", "because", member_id=member.id)


def join(current: Current, key: str) -> Change:
    (group,) = current.groups.values()
    ids = [m.id for m in current.members.values() if m.key == key]
    return Change(
        Action.ADD_MEMBERSHIP, key, f"{key}@example.org", "Eng", "because", "g-eng", ids[0] if ids else "", group.id
    )


def invite(name: str) -> Change:
    return Change(Action.INVITE, f"k-{name}", f"{name}@example.org", "", "because")


def run(endpoints: Faulty, current: Current, *changes: Change, **options: Any) -> tuple[Outcome, MemoryJournal]:
    journal = MemoryJournal()
    calls = plan_calls(changes, current)
    return apply_calls(calls, current, endpoints, journal, no_progress, **options), journal


def test_the_servers_words_reach_the_failure_and_the_journal(
    organization: LocalOrganization, real: LocalEndpoints
) -> None:
    current = read(organization)
    changes = [revoke(current, "k-ana"), revoke(current, "k-ben")]
    outcome, journal = run(Faulty(real, {"revoke": [ApiRefused(400, "Not today."), None]}), current, *changes)
    assert (outcome.applied, [(f.change, f.why) for f in outcome.failures]) == (1, [(changes[0], "Not today.")])
    assert [result for _, _, result in journal.records] == ["Not today.", "ok"]


def test_a_404_on_removal_is_already_so_but_not_on_revocation(
    organization: LocalOrganization, real: LocalEndpoints
) -> None:
    current = read(organization)
    gone = ApiRefused(404)
    remove = revoke(current, "k-ana")._replace(action=Action.REMOVE)
    outcome, _ = run(Faulty(real, {"delete_member": gone, "revoke": gone}), current, remove, revoke(current, "k-ben"))
    assert (outcome.applied, outcome.skipped, outcome.failed) == (0, 1, 1)
    assert "404" in outcome.failures[0].why


def test_a_killed_call_leaves_its_record_open(organization: LocalOrganization, real: LocalEndpoints) -> None:
    current = read(organization)
    journal = MemoryJournal()
    calls = plan_calls([revoke(current, "k-ana"), invite("zoe")], current)
    with pytest.raises(KeyboardInterrupt):
        apply_calls(calls, current, Faulty(real, {"import_": KeyboardInterrupt()}), journal, no_progress)
    assert [result for _, _, result in journal.records] == ["ok", None]


def test_one_call_without_an_answer_does_not_stop_the_others(
    organization: LocalOrganization, real: LocalEndpoints
) -> None:
    current = read(organization)
    silence = OrganizationUnreachable("no answer")
    changes = [*(revoke(current, key) for key in ("k-ana", "k-ben", "k-eve")), invite("zoe")]
    outcome, journal = run(Faulty(real, {"revoke": [silence, None, silence]}), current, *changes)
    assert (outcome.applied, outcome.failed) == (2, 2)
    assert [result for _, _, result in journal.records] == ["no answer", "ok", "no answer", "ok"]


def test_two_calls_without_an_answer_end_the_run(organization: LocalOrganization, real: LocalEndpoints) -> None:
    current = read(organization)
    changes = [revoke(current, key) for key in ("k-ana", "k-ben", "k-eve")]
    with pytest.raises(
        OrganizationUnreachable, match=r"no answer .*0 changes were applied, 2 failed, 1 were not tried"
    ):
        run(Faulty(real, {"revoke": OrganizationUnreachable("no answer")}), current, *changes)


def test_an_import_that_failed_half_way_is_looked_at_before_groups(
    organization: LocalOrganization, real: LocalEndpoints
) -> None:
    """The server invited one of two before it failed: the read decides, not the answer."""
    current = read(organization)
    real.import_(members=[{"email": "zoe@example.org", "externalId": "k-zoe"}], groups=[])
    endpoints = Faulty(real, {"import_": [ApiRefused(500, "Oops."), None]})
    outcome, _ = run(endpoints, current, invite("zoe"), invite("yan"), join(current, "k-zoe"), join(current, "k-yan"))
    assert (outcome.applied, outcome.skipped) == (2, 1)
    assert [(f.change.key, f.why) for f in outcome.failures] == [("k-yan", "Oops.")]
    assert len(read(organization).groups[join(current, "k-zoe").group_id].members) == 2


def test_memberships_from_memory_are_read_again_before_they_are_replaced(
    organization: LocalOrganization, real: LocalEndpoints
) -> None:
    current = read(organization)
    change = join(current, "k-ben")
    eve = revoke(current, "k-eve").member_id
    real.put_group_member_ids(change.group_id, [eve])
    endpoints = Faulty(real, {})
    outcome, _ = run(endpoints, current, change, unverified={change.group_id})
    assert outcome.applied == 1
    assert real.group_member_ids(change.group_id) == sorted([eve, change.member_id])


def test_somebody_found_in_a_group_whom_no_import_can_name_is_kept(
    organization: LocalOrganization, real: LocalEndpoints
) -> None:
    """What was planned as an import is put by id when reading again finds the owner, who has no key, in the group."""
    current = read(organization)
    change = join(current, "k-ben")
    (owner,) = [m.id for m in current.members.values() if not m.key]
    real.put_group_member_ids(change.group_id, [owner])
    outcome, journal = run(Faulty(real, {}), current, change, unverified={change.group_id})
    assert outcome.applied == 1
    assert list(journal.endpoints) == ["PUT /public/groups/{id}/member-ids"]
    assert set(real.group_member_ids(change.group_id)) == {owner, change.member_id}


def test_an_adoption_that_was_skipped_costs_nobody_the_group(
    organization: LocalOrganization, real: LocalEndpoints
) -> None:
    """The server takes the import, adopts nobody, and the group that has the person is sent all the same."""
    (owner,) = [m for m in read(organization).members.values() if not m.key]
    real.put_group_member_ids(join(read(organization), "k-ben").group_id, [owner.id])
    current = read(organization)
    adopt = Change(Action.ADOPT, "k-owner", owner.email, "", "because", member_id=owner.id)
    change = join(current, "k-ben")
    pretending = Faulty(real, {})
    pretending.import_ = lambda **_: None  # type: ignore[attr-defined]  # shadows the real method
    outcome, _ = run(pretending, current, adopt, change)
    assert [f.change for f in outcome.failures] == [adopt]
    assert outcome.applied == 1
    assert set(real.group_member_ids(change.group_id)) == {owner.id, change.member_id}


def test_reads_are_those_of_the_forecast(organization: LocalOrganization, real: LocalEndpoints) -> None:
    current = read(organization)
    (owner,) = [m.id for m in current.members.values() if not m.key]
    real.put_group_member_ids(join(current, "k-ben").group_id, [owner])
    current = read(organization)
    changes = [
        revoke(current, "k-ana")._replace(action=Action.REKEY, key="k-2", before="k-ana"),
        invite("zoe"),
        join(current, "k-zoe"),
        join(current, "k-ben")._replace(action=Action.RENAME_GROUP, group="Other"),
    ]
    unverified = frozenset(current.groups)
    endpoints = Faulty(real, {})
    outcome, journal = run(endpoints, current, *changes, unverified=unverified)
    assert (outcome.applied, outcome.failures) == (4, ())
    expected = forecast(plan_calls(changes, current), current, changes, unverified=unverified).requests
    read_back = Counter({"GET /public/members": 1, "GET /public/groups": 1, "GET /public/groups/{id}/member-ids": 1})
    assert endpoints.reads + read_back + journal.endpoints == Counter(expected)


def test_progress_counts_calls(organization: LocalOrganization, real: LocalEndpoints) -> None:
    current = read(organization)
    calls = plan_calls([revoke(current, "k-ana"), invite("zoe")], current)
    seen: list[tuple[str, int, int | None]] = []
    apply_calls(calls, current, real, MemoryJournal(), lambda *progress: seen.append(progress))
    assert seen == [("apply", 0, 2), ("apply", 1, 2), ("apply", 2, 2)]


def test_the_digest_tells_bodies_apart(organization: LocalOrganization, real: LocalEndpoints) -> None:
    current = read(organization)
    _, one = run(Faulty(real, {}), current, invite("zoe"))
    _, two = run(Faulty(real, {}), current, invite("zoe"))
    _, three = run(Faulty(real, {}), current, invite("yan"))
    assert [r[0].endpoint for r in (*one.records, *two.records, *three.records)] == [IMPORT] * 3
    assert one.records[0][1] == two.records[0][1] != three.records[0][1]


def test_a_call_of_an_import_carries_only_what_is_sent(organization: LocalOrganization, real: LocalEndpoints) -> None:
    current = read(organization)
    good, bad = invite("zoe"), invite("no address")._replace(email="no address")
    _, journal = run(Faulty(real, {}), current, good, bad)
    assert [call for call, _, _ in journal.records] == [Call(IMPORT, "", (good,))]


def test_somebody_put_into_a_group_after_members_were_read_stays_in_it(
    organization: LocalOrganization, real: LocalEndpoints
) -> None:
    current = read(organization)
    (group_id,) = current.groups
    real.import_(members=[{"email": "new@example.org", "externalId": "k-new"}], groups=[])
    (new,) = [m["id"] for m in real.members() if m["externalId"] == "k-new"]
    real.put_group_member_ids(group_id, [*real.group_member_ids(group_id), new])
    outcome, _ = run(Faulty(real, {}), current, join(current, "k-ben"), unverified={group_id})
    assert outcome == Outcome(applied=1)
    inside = set(real.group_member_ids(group_id))
    assert new in inside
    assert len(inside) == 3
