"""Reading a OneLogin account: whole, by few calls, and every way in which an answer is cut short without saying so."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dirconnector.errors import DirectoryRefused, DirectoryUnreachable
from dirconnector.model import Evidence, Snapshot, no_progress
from dirconnector.readers.onelogin.throttle import REAL, WAITING, Timing
from tests.emulators.onelogin import OneLoginEmulator, State
from tests.onelogin import Clock, account, reader_of

USERS = "GET /api/2/users"
ROLES = "GET /api/2/roles"
ROLE_USERS = "GET /api/2/roles/{id}/users"


@pytest.fixture
def emulator() -> Iterator[OneLoginEmulator]:
    with account(users=250, groups=20) as running:
        yield running


def read(emulator: OneLoginEmulator, **settings: Any) -> Snapshot:
    return reader_of(emulator, **settings).read(no_progress)


def evidence(snapshot: Snapshot, query: str) -> Evidence:
    (found,) = (e for e in snapshot.evidence if e.query == query)
    return found


def members_of(state: State) -> dict[str, frozenset[str]]:
    return {str(role.id): frozenset(map(str, role.users)) for role in state.roles.values()}


def members_in(snapshot: Snapshot) -> dict[str, frozenset[str]]:
    return {key: group.members for key, group in snapshot.groups.items()}


def everybody(snapshot: Snapshot) -> set[str]:
    return snapshot.users.keys() | snapshot.unsyncable.keys()


def at_page(number: int, change: Callable[[], object]) -> Callable[[str, int, int | None], None]:
    """A progress that changes the account once, when so many pages of users have come."""
    pages = 0

    def progress(phase: str, done: int, total: int | None) -> None:
        nonlocal pages
        if phase.endswith(": users"):
            pages += 1
            if pages == number:
                change()

    return progress


# ------------------------------------------------------------------------------------------------------ the whole of it


def test_everything_is_read(emulator: OneLoginEmulator) -> None:
    state = emulator.state
    found = read(emulator)
    assert everybody(found) == set(map(str, state.users))
    assert members_in(found) == members_of(state)
    assert {group.name for group in found.groups.values()} == {role.name for role in state.roles.values()}
    assert found.complete
    assert found.deleted == {}
    assert evidence(found, "users").why == "no After-Cursor, and Total-Count is 250 on every page"
    assert len(found.unsyncable) == 3, "not activated, not approved, and a status of tomorrow"
    assert {user.username for user in found.users.values() if not user.enabled} == {"sus", "unl"}
    assert {user.username for user in found.users.values() if not user.email} == {"no.mail"}


@pytest.mark.parametrize(("users", "groups"), [(1, 0), (99, 3), (100, 1), (101, 3), (1_000, 1_300)])
def test_calls_are_one_for_a_page(users: int, groups: int) -> None:
    with account(users=users, groups=groups) as emulator:
        found = read(emulator)
        expected = {"POST /auth/oauth2/v2/token": 1, USERS: -(-users // 100), ROLES: max(1, -(-groups // 650))}
        assert emulator.calls == expected
        assert found.complete
        assert members_in(found) == members_of(emulator.state)


def test_groups_may_be_onelogin_groups_or_both(emulator: OneLoginEmulator) -> None:
    for number in range(60):
        emulator.state.add_group(f"More {number}")
    expected = {
        f"group:{number}": frozenset(str(u["id"]) for u in emulator.state.users.values() if u["group_id"] == number)
        for number in emulator.state.groups
    }
    assert members_in(read(emulator, groups="groups")) == expected
    assert emulator.calls["GET /api/1/groups"] == 2
    assert ROLES not in emulator.calls
    both = read(emulator, groups="both")
    assert members_in(both) == expected | members_of(emulator.state)
    assert [e.query for e in both.evidence] == ["users", "groups", "groups"]
    assert both.complete


def test_a_role_with_the_id_of_a_user_has_a_key_of_its_own(emulator: OneLoginEmulator) -> None:
    user = min(emulator.state.users)
    emulator.state.change_user(user, status=99)
    role = emulator.state.add_role("Twin", (user,), id=user)
    found = read(emulator)
    assert str(user) in found.unsyncable
    assert found.groups[f"role:{role}"].members == {str(user)}


def test_a_page_size_that_is_refused_is_not_asked_for_again() -> None:
    with account(users=170, groups=60) as emulator:
        emulator.users_page_max = emulator.roles_page_max = 50
        found = read(emulator, page_size=1000)
        assert found.complete
        assert evidence(found, "users").pages == 4
        assert emulator.calls[USERS] == 2 + 4
        assert emulator.calls[ROLES] == 2 + 2


# ------------------------------------------------------------------------------------- cut short, and nobody says so


@pytest.mark.parametrize("page", [1, 2])
def test_who_is_moved_over_a_page_by_a_deletion_is_read_again(emulator: OneLoginEmulator, page: int) -> None:
    """Rows are in descending order: the newest is on the first page, its deletion moves all others up."""
    newest = max(emulator.state.users)
    progress = at_page(page, lambda: emulator.state.delete_user(newest))
    found = reader_of(emulator).read(progress)
    assert found.complete
    assert everybody(found) == set(map(str, emulator.state.users))
    assert emulator.calls[USERS] == 3 + 3


@pytest.mark.parametrize("page", [1, 2])
def test_a_deletion_made_up_for_by_a_new_user_hides_nobody(emulator: OneLoginEmulator, page: int) -> None:
    """The count is the same on every page and everybody who came is different: in ascending order somebody would be
    missing now.
    """
    state, newest = emulator.state, max(emulator.state.users)
    before = set(state.users)

    def change() -> None:
        state.delete_user(newest)
        state.add_user(username="new", email="new@example.org")

    found = reader_of(emulator).read(at_page(page, change))
    assert before - {newest} <= set(map(int, everybody(found)))
    assert found.complete
    assert emulator.calls[USERS] == 3, "nobody is hidden, so that nothing is read again"


def test_somebody_who_came_twice_stands_for_nobody_else(emulator: OneLoginEmulator) -> None:
    """A new user moves all others down, and the oldest is deleted: the number stays, and one of them came twice."""
    state = emulator.state

    def change() -> None:
        state.add_user(username="new", email="new@example.org")
        state.delete_user(min(state.users))

    found = reader_of(emulator).read(at_page(1, change))
    assert emulator.calls[USERS] == 3 + 3
    assert found.complete
    assert everybody(found) == set(map(str, state.users))


def test_in_another_order_a_deletion_made_up_for_is_noticed(emulator: OneLoginEmulator) -> None:
    """The same with a service that ignores the order."""
    state = emulator.state
    oldest = min(state.users)
    emulator.faults.add(USERS, "unsorted")

    def change() -> None:
        state.delete_user(oldest)
        state.add_user(username="new", email="new@example.org")

    found = reader_of(emulator).read(at_page(1, change))
    assert emulator.calls[USERS] >= 6, "read again"
    assert not found.complete, "the new user is still new"
    assert "in another order" in evidence(found, "users").why
    assert set(map(str, state.users)) == everybody(found)


def test_any_order_will_do_while_nothing_is_new(emulator: OneLoginEmulator) -> None:
    emulator.faults.add(USERS, "unsorted")
    emulator.faults.add(ROLES, "unsorted")
    assert read(emulator).complete


def test_a_list_that_never_stands_still_is_not_complete(emulator: OneLoginEmulator) -> None:
    def progress(phase: str, done: int, total: int | None) -> None:
        if phase.endswith(": users"):
            emulator.state.delete_user(max(emulator.state.users))

    found = reader_of(emulator).read(progress)
    assert emulator.calls[USERS] == 9
    assert not evidence(found, "users").complete
    assert "run again at a quieter time" in evidence(found, "users").why


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_without_paging_headers_nothing_is_proven(emulator: OneLoginEmulator, nth: int) -> None:
    """A proxy that lets few headers through makes every page look like the last one."""
    emulator.faults.add(USERS, "no-paging-headers", nth=nth)
    found = read(emulator)
    assert not found.complete
    assert "does something between here and OneLogin remove headers?" in evidence(found, "users").why


def test_an_empty_page_is_not_the_end(emulator: OneLoginEmulator) -> None:
    emulator.faults.add(USERS, "empty-page", nth=2)
    found = read(emulator)
    assert found.complete
    assert everybody(found) == set(map(str, emulator.state.users))


def test_a_circle_ends_and_is_not_complete(emulator: OneLoginEmulator) -> None:
    emulator.faults.add(USERS, "same-cursor")
    found = read(emulator)
    assert "leads in a circle" in evidence(found, "users").why
    assert not found.complete
    assert emulator.calls[USERS] == 2


def test_a_cursor_that_is_not_taken_any_more_begins_the_list_anew(emulator: OneLoginEmulator) -> None:
    emulator.faults.add(USERS, "status:400", nth=3)
    found = read(emulator)
    assert found.complete
    assert emulator.calls[USERS] == 3 + 3


@pytest.mark.parametrize("encoded", [True, False])
def test_cursors_are_decoded_exactly_once(emulator: OneLoginEmulator, encoded: bool) -> None:
    emulator.cursor_encoded = encoded
    emulator.cursor_carries_query = False
    assert read(emulator, page_size=7).complete


def test_a_cursor_that_forgets_costs_one_call(emulator: OneLoginEmulator) -> None:
    emulator.cursor_carries_query = False
    found = read(emulator)
    assert found.complete
    assert members_in(found) == members_of(emulator.state)
    assert emulator.calls[USERS] == 3 + 1
    assert ROLE_USERS not in emulator.calls


def test_no_user_at_all_is_no_company_of_leavers() -> None:
    with account() as emulator:
        found = read(emulator)
        assert not found.complete
        assert "every account has its owner" in evidence(found, "users").why


@pytest.mark.parametrize("fault", ["drop", "cut", "status:500", "status:503"])
def test_a_broken_answer_is_asked_for_again(emulator: OneLoginEmulator, fault: str) -> None:
    for nth in (2, 3, 4):
        emulator.faults.add(USERS, fault, nth=nth)
    clock = Clock()
    found = read(emulator, clock=clock)
    assert found.complete
    assert everybody(found) == set(map(str, emulator.state.users))
    assert emulator.calls[USERS] == 3 + 3
    assert clock.naps == [0.5, 1.0, 2.0]


def test_a_page_that_cannot_be_had_ends_the_read(emulator: OneLoginEmulator) -> None:
    for nth in range(2, 12):
        emulator.faults.add(USERS, "status:502", nth=nth)
    with pytest.raises(DirectoryUnreachable, match=r"GET /api/2/users: 502, 4 times"):
        read(emulator)


def test_a_page_of_somebody_else_ends_the_read(emulator: OneLoginEmulator) -> None:
    emulator.faults.add(USERS, "html", nth=2)
    with pytest.raises(DirectoryRefused, match="nothing between that answers in its place"):
        read(emulator)


# ----------------------------------------------------------------------------------------------- members of roles


def test_where_users_do_not_tell_each_role_is_asked(emulator: OneLoginEmulator) -> None:
    emulator.role_ids_in_lists = False
    emulator.role_users_page_max = 100
    calls: list[tuple[str, int, int | None]] = []
    found = reader_of(emulator).read(lambda *call: calls.append(call))
    assert members_in(found) == members_of(emulator.state)
    assert found.complete
    assert [e.query for e in found.evidence] == ["users", "groups", "members of roles"]
    # one refused page size and three pages of the role of everybody; some threads may meet the same refusal
    assert 20 + 2 < emulator.calls[ROLE_USERS] <= 20 + 2 + 6
    assert ("hq: members of roles", 20, 20) in calls


def test_a_role_of_which_a_page_is_missing_is_not_complete(emulator: OneLoginEmulator) -> None:
    emulator.role_ids_in_lists = False
    emulator.faults.add(ROLE_USERS, "no-paging-headers", nth=9)
    found = read(emulator)
    assert evidence(found, "users").complete
    assert not evidence(found, "members of roles").complete
    assert not found.complete


def test_a_role_that_cannot_be_had_ends_the_read_at_once(emulator: OneLoginEmulator) -> None:
    emulator.role_ids_in_lists = False
    emulator.faults.add(ROLE_USERS, "status:403")
    before = threading.active_count()
    with pytest.raises(DirectoryRefused, match="this needs the scope Read Users"):
        read(emulator)
    assert threading.active_count() <= before, "no thread is left"


def test_nobody_waits_for_the_limit_after_a_call_has_failed(emulator: OneLoginEmulator) -> None:
    """One call waits for the limit, on a clock that stands still; another one is refused."""
    naps = 0

    def sleep(seconds: float) -> None:
        nonlocal naps
        naps += 1
        if naps > 10_000:
            raise TimeoutError("it waits for ever")
        time.sleep(0.001)

    emulator.role_ids_in_lists = False
    # both are under way before either is answered
    for nth, faults in ((1, ("slow:1", "status:429")), (2, ("slow:1.5", "status:403"))):
        for fault in faults:
            emulator.faults.add(ROLE_USERS, fault, nth=nth)
    reader = reader_of(emulator, timing=Timing(clock=lambda: 0.0, sleep=sleep), concurrency=2)
    with pytest.raises(DirectoryRefused, match="403"):
        reader.read(no_progress)
    assert naps <= 10_000


def test_a_role_that_was_deleted_meanwhile_is_gone(emulator: OneLoginEmulator) -> None:
    emulator.role_ids_in_lists = False
    role = max(emulator.state.roles)

    def progress(phase: str, done: int, total: int | None) -> None:
        if phase.endswith("members of roles") and role in emulator.state.roles:
            emulator.state.delete_role(role)

    found = reader_of(emulator, concurrency=1).read(progress)
    assert members_in(found) == members_of(emulator.state)
    assert found.complete


def test_a_list_of_roles_that_knows_more_is_looked_into(emulator: OneLoginEmulator) -> None:
    """role_ids may be cut short as well: then the role itself is asked."""
    state = emulator.state
    role, user = max(state.roles), min(state.users)
    state.roles[role].users[user] = "2024-01-01T00:00:00.000Z"
    found = read(emulator)
    assert str(user) in found.groups[str(role)].members
    assert emulator.calls[ROLE_USERS] == 1
    assert found.complete


@pytest.mark.parametrize("shown", [None, 0, 2])
def test_a_list_of_roles_that_shows_few_members_costs_nothing(emulator: OneLoginEmulator, shown: int | None) -> None:
    emulator.role_users = shown
    assert members_in(read(emulator)) == members_of(emulator.state)
    assert ROLE_USERS not in emulator.calls


def test_roles_that_nobody_shows_to_have_members_are_asked() -> None:
    with account(users=20) as emulator:
        emulator.state.add_role("Empty")
        emulator.role_users = None
        found = read(emulator)
        assert emulator.calls[ROLE_USERS] == 1
        assert found.complete


def test_a_role_that_users_have_and_no_list_shows_is_asked_for(emulator: OneLoginEmulator) -> None:
    """Nothing proves the order of roles; but whoever has a role names it."""
    state = emulator.state
    role = max(state.roles)
    hidden = state.roles[role]
    shown = iter([True])

    def progress(phase: str, done: int, total: int | None) -> None:
        if phase.endswith(": users") and next(shown, False):
            del state.roles[role]
        elif phase.endswith(": roles"):
            state.roles[role] = hidden

    found = reader_of(emulator).read(progress)
    assert found.groups[str(role)].members == frozenset(map(str, hidden.users))
    assert emulator.calls["GET /api/2/roles/{id}"] == 1
    assert found.complete


def test_a_role_that_is_gone_for_good_is_no_gap(emulator: OneLoginEmulator) -> None:
    user = emulator.state.users[min(emulator.state.users)]
    user["role_ids"] = [*user["role_ids"], 1]
    found = read(emulator)
    assert "1" not in found.groups
    assert found.complete


def test_a_group_that_users_have_and_no_list_shows(emulator: OneLoginEmulator) -> None:
    emulator.state.users[min(emulator.state.users)]["group_id"] = 4
    found = read(emulator, groups="groups")
    assert emulator.calls["GET /api/1/groups/{id}"] == 1
    assert found.complete


# ------------------------------------------------------------------------------------------------------ token and pace


def test_a_token_that_expires_in_the_middle_is_renewed_once(emulator: OneLoginEmulator) -> None:
    found = reader_of(emulator).read(at_page(2, emulator.tokens.void))
    assert found.complete
    assert emulator.calls["POST /auth/oauth2/v2/token"] == 2


def test_a_token_that_is_never_accepted_is_a_refusal(emulator: OneLoginEmulator) -> None:
    emulator.faults.add(USERS, "expired")
    with pytest.raises(DirectoryRefused, match="GET /api/2/users: 401 Unauthorized: this needs the scope Read Users"):
        read(emulator)
    assert emulator.calls[USERS] == 2


def test_a_429_is_waited_out_and_shown(emulator: OneLoginEmulator) -> None:
    emulator.faults.add(USERS, "status:429", nth=2)
    emulator.faults.add(USERS, "status:429", nth=3)
    clock = Clock()
    calls: list[tuple[str, int, int | None]] = []
    found = reader_of(emulator, clock=clock).read(lambda *call: calls.append(call))
    assert found.complete
    assert sum(clock.naps) == pytest.approx(2)
    assert [call for call in calls if call[0] == WAITING] == [(WAITING, 0, 1), (WAITING, 1, 1)] * 2


def test_a_limit_that_does_not_end_is_an_error_with_its_reason(emulator: OneLoginEmulator) -> None:
    emulator.faults.add(USERS, "status:429")
    with pytest.raises(DirectoryRefused, match="limit of calls is used up"):
        read(emulator)


def test_the_quota_is_kept_by_waiting_and_without_a_refusal() -> None:
    """130 pages with 60 calls in each half second: what the last answer of a window says is enough."""
    with account(users=130, groups=3, calls_per_hour=60, hour_seconds=0.5) as emulator:
        emulator.users_page_max = 1
        calls: list[tuple[str, int, int | None]] = []
        found = reader_of(emulator, timing=REAL, page_size=1).read(lambda *call: calls.append(call))
        assert found.complete
        assert emulator.quota.refused == 0
        assert (WAITING, 1, 1) in calls
