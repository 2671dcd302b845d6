"""Over random histories, reading what changed and merging it is the same as reading everything anew."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dirconnector.model import Snapshot, no_progress
from tests.emulators.okta import OktaEmulator
from tests.emulators.okta.state import GONE, STATUSES, State
from tests.okta import HOUR, reader_of

CHANGE = st.tuples(
    st.sampled_from(
        ["hire", "change", "status", "delete", "join", "leave", "new group", "rename", "delete group", "unknown"]
    ),
    st.integers(0, 10_000),
    st.integers(0, 10_000),
)
HISTORY = st.lists(st.lists(CHANGE, max_size=8), min_size=1, max_size=4)


def apply(state: State, change: tuple[str, int, int]) -> None:
    """One change, to whatever the numbers pick; nothing where there is nothing to pick."""
    what, one, two = change
    users, groups = state.order, [key for key in sorted(state.groups) if key != state.everyone]
    user = users[one % len(users)] if users else ""
    group = groups[two % len(groups)] if groups else ""
    match what:
        case "hire":
            state.add_user(f"u{one}.{two}.{len(users)}@example.org", status=STATUSES[two % len(STATUSES)])
        case "new group":
            state.add_group(f"G{one}", {user} if user and state.users[user]["status"] != GONE else ())
        case "change" if user:
            state.change_user(user, department=f"D{two % 3}", email=None if two % 5 == 0 else f"e{two}@example.org")
        case "status" if user:
            state.change_user(user, title="moved")  # lazy statuses move no time stamp, and only a whole read sees them
            state.set_status(user, STATUSES[two % len(STATUSES)])
        case "unknown" if user:
            state.change_user(user, title="odd")
            state.set_status(user, "FROZEN")
        case "delete" if user:
            state.delete_user(user)
        case "join" if user and group and state.users[user]["status"] != GONE:
            state.add_member(group, user)
        case "leave" if group and state.members[group]:
            state.remove_member(group, sorted(state.members[group])[one % len(state.members[group])])
        case "rename" if group:
            state.rename_group(group, f"R{one}")
        case "delete group" if group:
            state.delete_group(group)


def content(snapshot: Snapshot) -> Any:
    return (
        dict(snapshot.users),
        dict(snapshot.groups),
        dict(snapshot.unsyncable),
        dict(snapshot.deleted),
        sorted(map(repr, snapshot.problems)),
    )


@pytest.fixture(scope="module")
def okta() -> Iterator[OktaEmulator]:
    with OktaEmulator() as emulator:
        yield emulator


def begin(okta: OktaEmulator) -> None:
    """Another organization, a few users and groups old."""
    okta.state = State(seed=7, base=okta.url)
    users = [okta.state.add_user(f"first{n}@example.org", status=STATUSES[n % len(STATUSES)]) for n in range(9)]
    living = [key for key in users if okta.state.users[key]["status"] != GONE]
    okta.state.add_group("One", living[:4])
    okta.state.add_group("Two", living[2:])
    okta.state.add_group("None")
    okta.state.advance(HOUR * 2)


@pytest.mark.parametrize("deprovisioned", ["disabled", "deleted"])
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=HISTORY)
def test_with_the_log_both_are_equal(
    okta: OktaEmulator, monkeypatch: pytest.MonkeyPatch, deprovisioned: str, history: list[list[tuple[str, int, int]]]
) -> None:
    monkeypatch.setenv("OKTA_TOKEN", okta.token.value)
    begin(okta)
    given: dict[str, Any] = {
        "attributes": frozenset({"department"}),
        "users": {"deprovisioned": deprovisioned},
        "system_log": True,
    }
    reading = reader_of(okta, **given).read_with_cursor(no_progress)
    for changes in history:
        for change in changes:
            apply(okta.state, change)
            okta.state.advance(40)
        again = reader_of(okta, **given).read_since(reading, no_progress)
        assert again is not None
        reading = again
        assert content(reading.snapshot) == content(reader_of(okta, **given).read(no_progress))
        okta.state.advance(HOUR)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=HISTORY)
def test_without_the_log_nobody_who_is_gone_keeps_access(
    okta: OktaEmulator, monkeypatch: pytest.MonkeyPatch, history: list[list[tuple[str, int, int]]]
) -> None:
    """Who was deactivated before being deleted stays deactivated until the next whole read; all else is equal."""
    monkeypatch.setenv("OKTA_TOKEN", okta.token.value)
    begin(okta)
    reading = reader_of(okta).read_with_cursor(no_progress)
    for changes in history:
        for change in changes:
            apply(okta.state, change)
            okta.state.advance(40)
        full = reader_of(okta).read_with_cursor(no_progress)
        again = reader_of(okta).read_since(reading, no_progress)
        if again is not None:
            left = again.snapshot.users.keys() - full.snapshot.users.keys()
            assert not any(again.snapshot.users[key].enabled for key in left)
            kept = {key: user for key, user in again.snapshot.users.items() if key not in left}
            assert kept == full.snapshot.users
            assert again.snapshot.groups == full.snapshot.groups
            assert again.snapshot.unsyncable == full.snapshot.unsyncable
        reading = again or full
        okta.state.advance(HOUR)
