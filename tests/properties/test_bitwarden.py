"""For any organization and any desired state, and also with faults at random: run until it is quiet, then the plan is
empty, nobody was invited twice, and nobody by hand, no owner and no protected person was touched.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dirconnector.errors import OrganizationError
from dirconnector.model import Group, User
from dirconnector.plan.policy import GroupsGone, Offboard
from tests.bitwarden import Site, organization_on
from tests.build import group, user
from tests.emulators.bitwarden import BitwardenEmulator, Status, Type

NAMES = ("ana", "ben", "cleo", "dora", "eve")
GROUPS = ("sales", "staff", "vault")
FAULTS = ("401", "429", "500", "500_after", "502_before", "502_after", "504_after", "drop_before", "drop_after")

MEMBER = st.fixed_dictionaries(
    {
        "key": st.sampled_from(["own", "old", "none"]),
        "status": st.sampled_from([Status.CONFIRMED, Status.INVITED, Status.REVOKED, Status.STAGED]),
        "type": st.sampled_from([Type.USER, Type.USER, Type.ADMIN, Type.OWNER]),
        "capitals": st.booleans(),
    }
)
ORGANIZATION = st.fixed_dictionaries(
    {
        "members": st.dictionaries(st.sampled_from(NAMES), MEMBER),
        "groups": st.dictionaries(
            st.sampled_from(GROUPS), st.tuples(st.booleans(), st.sets(st.sampled_from([*NAMES, "hand"])))
        ),
    }
)
DESIRED = st.fixed_dictionaries(
    {
        "people": st.dictionaries(st.sampled_from(NAMES), st.booleans()),
        "groups": st.dictionaries(st.sampled_from(GROUPS), st.sets(st.sampled_from(NAMES))),
    }
)


@pytest.fixture(scope="module")
def emulator() -> Iterator[BitwardenEmulator]:
    with BitwardenEmulator() as running:
        yield running


def fill(emulator: BitwardenEmulator, organization: dict) -> None:
    """Make the emulator hold this organization, its owner, and one member by hand."""
    emulator.reset()
    state = emulator.state
    by_name = {"hand": state.enrol("hand@example.org")}
    for name, fields in organization["members"].items():
        status = fields["status"]
        email = f"{name.title() if fields['capitals'] else name}@example.org"
        external_id = {"own": name, "old": f"old-{name}", "none": None}[fields["key"]]
        by_name[name] = state.enrol(
            email,
            external_id=external_id,
            type=fields["type"],
            status=status,
            **({"user_id": None} if status in (Status.INVITED, Status.STAGED) else {}),
            **({"status_before": Status.CONFIRMED} if status is Status.REVOKED else {}),
        )
    for name, (managed, members) in organization["groups"].items():
        present = [by_name[m] for m in members if m in by_name]
        state.add_group(name.title(), present, external_id=name if managed else None)


def directory(desired: dict) -> tuple[list[User], list[Group]]:
    """The people with their groups, and somebody who is always there, so that the directory is never empty."""
    people = [user("zoe"), *(user(name, enabled=enabled) for name, enabled in desired["people"].items())]
    groups = [group("all", ["zoe"])]
    groups += [
        group(name, [m for m in members if m in desired["people"]]) for name, members in desired["groups"].items()
    ]
    return people, groups


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    organization=ORGANIZATION,
    wanted=DESIRED,
    remove=st.booleans(),
    faults=st.lists(st.tuples(st.sampled_from(FAULTS), st.integers(0, 99)), max_size=3),
)
def test_run_until_quiet_then_the_plan_is_empty(
    emulator: BitwardenEmulator, organization: dict, wanted: dict, remove: bool, faults: list[tuple[str, int]]
) -> None:
    fill(emulator, organization)
    state = emulator.state
    untouchable = {
        m.id: m for m in state.members.values() if m.type in (Type.OWNER, Type.ADMIN) or m.email == "hand@example.org"
    }
    hand = {g: ids for g, ids in ((g, state.members_of(g)) for g in state.groups) if ids}
    with TemporaryDirectory() as folder:
        site = Site(emulator, organization_on(emulator, Path(folder)), Path(folder))
        site.offboarding(absent=Offboard.REMOVE if remove else Offboard.REVOKE, groups=GroupsGone.DELETE)
        site.wants(*directory(wanted))
        for fault, seed in faults:
            emulator.faults.add("*/public/*", fault, probability=0.1, seed=seed)
        for _ in range(3):
            try:
                site.run(verify=True)
            except OrganizationError as error:
                assert str(error)
        emulator.faults.clear()
        for _ in range(2):
            site.run(verify=True)
        assert site.plan(verify=True).changes == ()
    invited = Counter(mail.to for mail in emulator.mails if mail.kind == "invite")
    assert all(number == 1 for number in invited.values()), invited
    for id_, before in untouchable.items():
        after = state.members[id_]
        assert after.type is before.type
        assert after.status is not Status.REVOKED or before.status is Status.REVOKED
    her = next(m.id for m in state.members.values() if m.email == "hand@example.org")
    for group_id, members in hand.items():
        if group_id in state.groups and her in members:
            assert her in state.members_of(group_id)
    assert not state.member_by_external_id.repeated
    assert not state.group_by_external_id.repeated
