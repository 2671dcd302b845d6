"""Whatever happens in a tenant, what an incremental read puts together is what a full read finds."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dirconnector.model import Snapshot, no_progress
from dirconnector.readers import Reading
from dirconnector.readers.entra import EntraReader
from tests.emulators.entra import EntraEmulator, Tenant
from tests.entra import reader, running

FAULTS = ("", "replay", "bare", "empty", "lag", "status:503", "gone")


@pytest.fixture(scope="module")
def entra() -> Iterator[EntraEmulator]:
    with pytest.MonkeyPatch.context() as patch, running(patch, users=25, groups=6) as emulator:
        emulator.delta.sizes.users = emulator.delta.sizes.groups = emulator.delta.sizes.chunk = 3
        emulator.limiter.limit = 10**9
        yield emulator


def some(rng: random.Random, ids: list[str]) -> str:
    return rng.choice(ids) if ids else ""


def living(tenant: Tenant, kind: str) -> list[str]:
    return [item["id"] for item in tenant.of_kind(kind)]


def add_user(tenant: Tenant, rng: random.Random) -> None:
    tenant.add("user", displayName=f"n{rng.random()}", mail=rng.choice([None, "x@example.org"]))


def change_user(tenant: Tenant, rng: random.Random) -> None:
    changes = [
        {"displayName": f"d{rng.random()}"},
        {"mail": rng.choice([None, f"m{rng.random()}@example.org"])},
        {"accountEnabled": rng.choice([True, False, None])},
        {"department": rng.choice([None, "Sales", "Finance"])},
        {"userType": rng.choice(["Guest", "Member", None])},
        {"jobTitle": "not selected"},
    ]
    if key := some(rng, living(tenant, "user")):
        tenant.update(key, **rng.choice(changes))


def delete_user(tenant: Tenant, rng: random.Random) -> None:
    if len(living(tenant, "user")) > 3:
        tenant.delete(some(rng, living(tenant, "user")))


def recycle(tenant: Tenant, rng: random.Random) -> None:
    if key := some(rng, sorted(tenant.deleted)):
        rng.choice([tenant.restore, tenant.purge])(key)


def add_group(tenant: Tenant, rng: random.Random) -> None:
    kinds = rng.choice([[], ["Unified"]])
    key = tenant.add("group", displayName=f"g{rng.random()}", groupTypes=kinds, mailEnabled=bool(kinds))
    if member := some(rng, living(tenant, "user")):
        tenant.add_member(key, member)


def change_group(tenant: Tenant, rng: random.Random) -> None:
    if key := some(rng, living(tenant, "group")):
        tenant.update(key, **rng.choice([{"displayName": f"r{rng.random()}"}, {"description": "not selected"}]))


def delete_group(tenant: Tenant, rng: random.Random) -> None:
    if len(living(tenant, "group")) > 2:
        tenant.delete(some(rng, living(tenant, "group")))


def change_members(tenant: Tenant, rng: random.Random) -> None:
    group = some(rng, living(tenant, "group"))
    for _ in range(rng.randrange(1, 6)):
        members = list(tenant.members[group])
        if members and rng.random() < 0.4:
            tenant.remove_member(group, rng.choice(members))
            continue
        member = some(rng, [k for kind in ("user", "group", "device") for k in living(tenant, kind)])
        if member and member != group:
            tenant.add_member(group, member)


def add_device(tenant: Tenant, rng: random.Random) -> None:
    tenant.add("device", displayName="D")


ACTIONS: tuple[Callable[[Tenant, random.Random], None], ...] = (
    add_user,
    change_user,
    change_user,
    delete_user,
    recycle,
    add_group,
    change_group,
    delete_group,
    change_members,
    change_members,
    add_device,
)


def same(one: Snapshot, two: Snapshot) -> None:
    assert one.users == two.users
    assert one.groups == two.groups
    assert one.deleted == two.deleted
    assert one.unsyncable == two.unsyncable
    assert set(one.problems) == set(two.problems)
    assert one.complete and two.complete


def subject(entra: EntraEmulator, **changes: object) -> EntraReader:
    return reader(entra, attributes=frozenset({"department"}), page_size=7, **changes)


histories = st.lists(
    st.lists(st.tuples(st.integers(0, len(ACTIONS) - 1), st.integers(0, 2**32)), max_size=10), min_size=1, max_size=4
)


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    rounds=histories,
    fault=st.sampled_from(FAULTS),
    changes=st.sampled_from([{}, {"users": {"guests": "exclude"}}, {"users": {"filter": "userType eq 'Member'"}}]),
)
def test_increments_are_what_a_full_read_finds(
    entra: EntraEmulator, rounds: list[list[tuple[int, int]]], fault: str, changes: dict[str, object]
) -> None:
    entra.faults.clear()
    read = subject(entra, **changes)
    reading = read.read_with_cursor(no_progress)
    for steps in rounds:
        for action, seed in steps:
            ACTIONS[action](entra.tenant, random.Random(seed))
        entra.faults.replace([{"match": "GET /v1.0/*/delta", "fault": fault, "nth": 2}] if fault else [])
        after = read.read_since(reading, no_progress)
        entra.faults.clear()
        if fault == "lag":
            # what came too late for one round comes with the next
            after = read.read_since(after, no_progress) if after is not None else None
        reading = after if after is not None else read.read_with_cursor(no_progress)
        same(reading.snapshot, read.read(no_progress))


def test_the_increments_are_really_taken(entra: EntraEmulator) -> None:
    """The premise of the test above: it would hold as well if every round was refused."""
    read = subject(entra)
    reading = read.read_with_cursor(no_progress)
    for seed in range(8):
        change_members(entra.tenant, random.Random(seed))
        entra.tenant.update(living(entra.tenant, "user")[0], displayName=f"again {seed}")
        entra.calls.clear()
        after = read.read_since(reading, no_progress)
        assert after is not None
        assert entra.calls["GET /v1.0/users"] == 0
        same(after.snapshot, read.read(no_progress))
        reading = after


# --------------------------------------------------------------------------------------------- when a cursor is refused


@pytest.mark.parametrize("fault", ["gone", "resync:syncStateNotFound", "resync:ResyncRequired", "nolink", "html"])
@pytest.mark.parametrize("what", ["users", "groups"])
def test_a_cursor_that_the_service_lost_means_a_full_read(entra: EntraEmulator, what: str, fault: str) -> None:
    read = subject(entra)
    reading = read.read_with_cursor(no_progress)
    entra.faults.replace([{"match": f"GET /v1.0/{what}/delta", "fault": fault, "nth": 1}])
    try:
        if fault == "html":
            with pytest.raises(Exception, match="none of Graph's"):
                read.read_since(reading, no_progress)
        else:
            assert read.read_since(reading, no_progress) is None
    finally:
        entra.faults.clear()


def test_a_cursor_fits_one_config_one_set_of_permissions_and_one_snapshot(entra: EntraEmulator) -> None:
    read = subject(entra)
    reading = read.read_with_cursor(no_progress)
    assert read.read_since(reading, no_progress) is not None
    for changes in (
        {"users": {"email": "mail"}},
        {"users": {"guests": "exclude"}},
        {"groups": {"kinds": ["security"]}},
    ):
        assert subject(entra, **changes).read_since(reading, no_progress) is None
    other = reader(entra, attributes=frozenset({"city"}), page_size=7)
    assert other.read_since(reading, no_progress) is None
    stored = replace(
        reading.snapshot,
        users={key: replace(user, attributes={}) for key, user in reading.snapshot.users.items()},
    )
    assert read.read_since(Reading(stored, reading.cursor), no_progress) is None
    for cursor in ("", "rubbish", "[]", '{"format": 0}'):
        assert read.read_since(Reading(reading.snapshot, cursor), no_progress) is None
    entra.tenant.app.roles.add("Member.Read.Hidden")
    try:
        assert read.read_since(reading, no_progress) is None
    finally:
        entra.tenant.app.roles.discard("Member.Read.Hidden")


def test_where_both_sides_are_restricted_there_is_no_cursor(entra: EntraEmulator) -> None:
    read = subject(entra, users={"filter": "accountEnabled eq true"}, groups={"kinds": ["security"]})
    assert read.read_with_cursor(no_progress).cursor == ""
