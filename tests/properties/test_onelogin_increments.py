"""Over any history of changes, what increments give is what a full read gives."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dirconnector.model import no_progress
from tests.emulators.onelogin import OneLoginEmulator, State
from tests.emulators.onelogin.state import seeded
from tests.onelogin import account, reader_of
from tests.unit.test_onelogin_increments import saved, what

STEPS = [
    "change",
    "status",
    "state",
    "group",
    "create",
    "delete",
    "assign",
    "unassign",
    "role",
    "rename",
    "drop",
    "read",
]
Step = tuple[str, int, int]


@pytest.fixture(scope="module")
def emulator() -> Iterator[OneLoginEmulator]:
    with account(users=30, groups=6, calls_per_hour=0) as running:
        yield running


def carry_out(state: State, step: Step) -> None:
    """One change; the numbers choose among what is there."""
    kind, a, b = step
    users, roles, groups = sorted(state.users), sorted(state.roles), sorted(state.groups)
    user = users[a % len(users)] if users else 0
    role = roles[b % len(roles)] if roles else 0
    match kind:
        case "create":
            state.add_user(username=f"new{a}", email=f"new{a}@example.org", status=b % 4, roles=(role,) if role else ())
        case "role":
            state.add_role(f"Role {a}", tuple(users[: b % 5]))
        case "rename" if role:
            state.roles[role].name = f"Name {a}"
        case "drop" if role:
            state.delete_role(role)
        case "change" if user:
            state.change_user(user, email=f"mail{b}@example.org", lastname=f"L{b}")
        case "status" if user:
            state.change_user(user, status=b % 10)
        case "state" if user:
            state.change_user(user, state=b % 5)
        case "group" if user:
            state.change_user(user, group_id=groups[b % len(groups)])
        case "delete" if len(users) > 1:
            state.delete_user(user)
        case "assign" if user and role:
            state.assign(role, user)
        case "unassign" if user and role:
            state.unassign(role, user)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    history=st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 99), st.integers(0, 99)), max_size=25),
    touches=st.booleans(),
    groups=st.sampled_from(["roles", "groups", "both"]),
    named=st.booleans(),
)
def test_increments_give_what_a_full_read_gives(
    emulator: OneLoginEmulator, history: list[Step], touches: bool, groups: str, named: bool
) -> None:
    """``named``: whether events name the deleted. Only when they do not may an increment give up."""
    credentials = emulator.state.credentials
    state = emulator.state = seeded(30, 6, 1)
    state.credentials = credentials
    state.membership_touches_users = touches
    reader = reader_of(emulator, frozenset({"department"}), groups=groups)
    reading = reader.read_with_cursor(no_progress)
    deleted = 0
    for step in [*history, ("read", 0, 0)]:
        if step[0] != "read":
            deleted += step[0] == "delete"
            carry_out(state, step)
            continue
        if not named:
            state.events.clear()
        following = reader.read_since(saved(reading), no_progress)
        assert following is not None or (deleted and not named)
        reading = following or reader.read_with_cursor(no_progress)
        assert what(reading.snapshot) == what(reader.read(no_progress))
        deleted = 0
