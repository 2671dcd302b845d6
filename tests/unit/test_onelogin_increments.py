"""Reading what changed in a OneLogin account: at most six calls, the same as a full read, or nothing at all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dirconnector.model import Snapshot, no_progress
from dirconnector.readers import Reading
from dirconnector.readers.onelogin import OneLoginReader
from dirconnector.state.snapshots import compress, decode, digest_of, encode
from tests.emulators.onelogin import OneLoginEmulator, State
from tests.onelogin import account, reader_of

USERS = "GET /api/2/users"
Change = Callable[[OneLoginEmulator], object]


@pytest.fixture
def emulator() -> Iterator[OneLoginEmulator]:
    with account(users=250, groups=20) as running:
        yield running


def what(snapshot: Snapshot) -> tuple[object, ...]:
    """Everything that a plan is made of."""
    return (
        dict(snapshot.users),
        dict(snapshot.groups),
        dict(snapshot.unsyncable),
        dict(snapshot.deleted),
        sorted(snapshot.problems, key=lambda problem: (problem.entry, problem.why)),
        snapshot.complete,
    )


def saved(reading: Reading) -> Reading:
    """As it comes back from the state."""
    content = encode(reading.snapshot, attributes=True)
    return Reading(decode(compress(content), digest_of(content)), reading.cursor)


def since(reader: OneLoginReader, before: Reading) -> Reading | None:
    return reader.read_since(saved(before), no_progress)


def sound(emulator: OneLoginEmulator, *changes: Change, **settings: Any) -> int:
    """Make changes between a full read and an increment, which has to come out as a full read does. Returns the calls
    that the increment took.
    """
    make_lonely(emulator)
    reader = reader_of(emulator, frozenset({"department"}), **settings)
    before = reader.read_with_cursor(no_progress)
    for change in changes:
        change(emulator)
    emulator.calls.clear()
    reading = since(reader, before)
    calls = sum(emulator.calls.values())
    assert reading is not None
    assert what(reading.snapshot) == what(reader.read(no_progress))
    # and once more from there
    user = min(emulator.state.users)
    emulator.state.change_user(user, email="again@example.org")
    again = since(reader, reading)
    assert again is not None
    assert again.snapshot.users[str(user)].email == "again@example.org"
    assert what(again.snapshot) == what(reader.read(no_progress))
    return calls


def ids(emulator: OneLoginEmulator) -> list[int]:
    return sorted(emulator.state.users)


def roles(emulator: OneLoginEmulator) -> list[int]:
    return sorted(emulator.state.roles)


def ten_changes(emulator: OneLoginEmulator) -> None:
    state = emulator.state
    users, given = ids(emulator), roles(emulator)
    state.change_user(users[20], email="moved@example.org")
    state.change_user(users[21], status=2)
    state.change_user(users[22], status=0)
    state.change_user(users[23], department="Board")
    state.delete_user(users[24])
    delete_lonely(emulator)
    state.add_user(username="new", email="new@example.org", roles=(given[0],))
    state.assign(given[1], users[30])
    state.unassign(given[0], users[31])
    state.roles[given[2]].name = "Renamed"


# ------------------------------------------------------------------------------------------------------------- sound


def test_ten_changes_of_every_kind_take_six_calls(emulator: OneLoginEmulator) -> None:
    assert sound(emulator, ten_changes) == 6


@pytest.mark.parametrize("users", [1_000, 3_000])
def test_calls_do_not_grow_with_the_account(users: int) -> None:
    with account(users=users, groups=600) as emulator:
        assert sound(emulator, ten_changes) <= 6


def test_nothing_changed(emulator: OneLoginEmulator) -> None:
    assert sound(emulator) == 4
    assert emulator.calls["POST /auth/oauth2/v2/token"] > 0


def delete_both(emulator: OneLoginEmulator) -> None:
    emulator.state.delete_role(roles(emulator)[5])
    emulator.state.delete_user(ids(emulator)[9])


def make_lonely(emulator: OneLoginEmulator) -> None:
    """Somebody without a role: no list of roles misses them."""
    emulator.state.add_user(id=10**9, username="lonely", email="lonely@example.org")


def delete_lonely(emulator: OneLoginEmulator) -> None:
    emulator.state.delete_user(10**9)


CHANGES: dict[str, Change] = {
    "renamed": lambda e: e.state.change_user(ids(e)[20], firstname="Other"),
    "suspended": lambda e: e.state.change_user(ids(e)[20], status=2),
    "unknown": lambda e: e.state.change_user(ids(e)[20], status=12),
    "known again": lambda e: e.state.change_user(
        next(u for u, r in e.state.users.items() if r["status"] == 11), status=1
    ),
    "unsyncable deleted": lambda e: e.state.delete_user(next(u for u, r in e.state.users.items() if r["status"] == 11)),
    "deleted": lambda e: e.state.delete_user(ids(e)[20]),
    "created": lambda e: e.state.add_user(username="new", email="new@example.org"),
    "created unsyncable": lambda e: e.state.add_user(username="new", status=0, roles=(roles(e)[1],)),
    "created and deleted": lambda e: e.state.delete_user(e.state.add_user(username="new")),
    "role given": lambda e: e.state.assign(roles(e)[1], ids(e)[20]),
    "role taken": lambda e: e.state.unassign(roles(e)[0], ids(e)[20]),
    "role of an unsyncable": lambda e: e.state.unassign(
        roles(e)[0], next(u for u, r in e.state.users.items() if r["status"] == 11)
    ),
    "role made": lambda e: e.state.add_role("New", tuple(ids(e)[5:50])),
    "role deleted": lambda e: e.state.delete_role(roles(e)[0]),
    "deleted with its role": lambda e: delete_both(e),
    "deleted without roles": lambda e: delete_lonely(e),
    "twin of a role": lambda e: e.state.add_role("Twin", id=ids(e)[20]),
}


@pytest.mark.parametrize("touches", [False, True])
@pytest.mark.parametrize("name", CHANGES)
def test_every_kind_of_change(emulator: OneLoginEmulator, name: str, touches: bool) -> None:
    emulator.state.membership_touches_users = touches
    assert sound(emulator, CHANGES[name]) <= 6


@pytest.mark.parametrize("groups", ["groups", "both"])
def test_onelogin_groups(emulator: OneLoginEmulator, groups: str) -> None:
    def change(e: OneLoginEmulator) -> None:
        state: State = e.state
        new = state.add_group("New")
        for user in ids(e)[20:25]:
            state.change_user(user, group_id=new)
        state.change_user(ids(e)[30], group_id=None)
        state.delete_user(ids(e)[31])

    assert sound(emulator, change, groups=groups) <= 7


def test_a_token_that_has_expired_since(emulator: OneLoginEmulator) -> None:
    assert sound(emulator, lambda e: e.tokens.void()) == 4


def test_a_cursor_that_forgets_filters(emulator: OneLoginEmulator) -> None:
    emulator.cursor_carries_query = False

    def change(e: OneLoginEmulator) -> None:
        for user in ids(e)[:130]:
            e.state.change_user(user, department="Moved")

    sound(emulator, change)


# ----------------------------------------------------------------------------- what cannot be told is not guessed at


def unsound(emulator: OneLoginEmulator, *changes: Change, **settings: Any) -> None:
    make_lonely(emulator)
    reader = reader_of(emulator, **settings)
    before = reader.read_with_cursor(no_progress)
    for change in changes:
        change(emulator)
    assert since(reader, before) is None
    assert what(reader.read(no_progress))[-1]


def test_a_deletion_that_nothing_names(emulator: OneLoginEmulator) -> None:
    unsound(emulator, delete_lonely, lambda e: e.state.events.clear())


def test_events_that_may_not_be_read(emulator: OneLoginEmulator) -> None:
    emulator.restrict("read_users")
    unsound(emulator, delete_lonely)


def test_the_list_of_roles_names_the_deleted_as_well(emulator: OneLoginEmulator) -> None:
    emulator.restrict("read_users")
    assert sound(emulator, CHANGES["deleted"], CHANGES["unsyncable deleted"]) <= 6


def test_without_deletions_no_events_are_needed(emulator: OneLoginEmulator) -> None:
    emulator.restrict("read_users")
    sound(emulator, CHANGES["suspended"], CHANGES["role taken"])


def test_an_event_about_somebody_who_is_still_there(emulator: OneLoginEmulator) -> None:
    """Restored from a backup, or an event of another kind under this number: who is found is not gone."""

    def change(e: OneLoginEmulator) -> None:
        e.state.delete_user(ids(e)[20])
        e.state.events.append({**e.state.events[-1], "id": 1, "user_id": ids(e)[21]})

    sound(emulator, change)


@pytest.mark.parametrize("shown", [None, 3])
def test_a_list_of_roles_that_does_not_show_all(emulator: OneLoginEmulator, shown: int | None) -> None:
    emulator.role_users = shown
    reader = reader_of(emulator)
    before = reader.read_with_cursor(no_progress)
    emulator.calls.clear()
    assert since(reader, before) is None
    assert not emulator.calls, "known without a call"


def test_a_list_of_roles_that_is_cut_short_from_now_on(emulator: OneLoginEmulator) -> None:
    """Else everybody over the limit would be taken out of the group."""
    unsound(emulator, lambda e: setattr(e, "role_users", 200))


def test_a_list_of_roles_that_shows_no_members_from_now_on(emulator: OneLoginEmulator) -> None:
    unsound(emulator, lambda e: setattr(e, "role_users", None))


def test_a_list_of_users_that_shows_no_roles(emulator: OneLoginEmulator) -> None:
    emulator.role_ids_in_lists = False
    unsound(emulator)


def delete_most(emulator: OneLoginEmulator) -> None:
    for user in ids(emulator)[:150]:
        emulator.state.delete_user(user)


def test_too_much_has_changed(emulator: OneLoginEmulator) -> None:
    unsound(emulator, delete_most)


@pytest.mark.parametrize("fault", ["no-paging-headers", "same-cursor"])
def test_an_answer_that_proves_nothing(emulator: OneLoginEmulator, fault: str) -> None:
    reader = reader_of(emulator)
    before = reader.read_with_cursor(no_progress)
    emulator.faults.add(USERS, fault)
    assert since(reader, before) is None


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_every_answer_has_to_prove_its_end(emulator: OneLoginEmulator, nth: int) -> None:
    reader = reader_of(emulator)
    before = reader.read_with_cursor(no_progress)
    emulator.state.delete_user(ids(emulator)[20])
    emulator.faults.add(USERS, "no-paging-headers", nth=nth)
    assert since(reader, before) is None
    assert emulator.faults.shown()[0]["struck"] == 1


def test_an_incomplete_read_is_no_beginning(emulator: OneLoginEmulator) -> None:
    emulator.faults.add(USERS, "no-paging-headers", nth=3)
    reader = reader_of(emulator)
    before = reader.read_with_cursor(no_progress)
    assert not before.snapshot.complete
    assert since(reader, before) is None


@pytest.mark.parametrize("cursor", ["", "{}", "[]", "null", '{"version": 1}', '{"version": 0, "since": ""}'])
def test_a_cursor_of_somebody_else(emulator: OneLoginEmulator, cursor: str) -> None:
    reader = reader_of(emulator)
    assert reader.read_since(Reading(reader.read(no_progress), cursor), no_progress) is None


@pytest.mark.parametrize(
    "settings", [{"groups": "both"}, {"email": ["username"]}, {"pending": "enabled"}, {"client_id": "0a0b"}]
)
def test_another_config_reads_everything(emulator: OneLoginEmulator, settings: dict[str, Any]) -> None:
    before = reader_of(emulator).read_with_cursor(no_progress)
    assert since(reader_of(emulator, **settings), before) is None
    assert since(reader_of(emulator, frozenset({"title"})), before) is None
    assert since(reader_of(emulator), before) is not None


def test_a_cursor_holds_no_secret(emulator: OneLoginEmulator) -> None:
    cursor = reader_of(emulator).read_with_cursor(no_progress).cursor
    assert emulator.client_secret not in cursor
    assert not any(token.value in cursor for token in emulator.tokens.issued.values())
    assert json.loads(cursor)["since"]
