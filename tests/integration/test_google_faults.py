"""``kind: google``: what goes wrong on the way, and what must not be taken for an answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dirconnector.errors import DirectoryError, DirectoryRefused, DirectoryUnreachable
from dirconnector.model import no_progress
from dirconnector.readers.google.pace import WAITING
from tests.emulators.google import GROUP_READ, USER_READ, GoogleEmulator, Role
from tests.integration.google_reading import Clock, evidence, read, reader_of


@pytest.fixture(scope="module")
def _running() -> Iterator[GoogleEmulator]:
    with GoogleEmulator() as emulator:
        yield emulator


@pytest.fixture
def google(_running: GoogleEmulator) -> GoogleEmulator:
    _running.reset()
    return _running


USERS = "GET /admin/directory/v1/users"
GROUPS = "GET /admin/directory/v1/groups"
GROUP = "GET /admin/directory/v1/groups/{groupKey}"
MEMBERS = "GET /admin/directory/v1/groups/{groupKey}/members"
ONLY_USERS = {"groups": False, "users": {"deleted": False}}


def fill(google: GoogleEmulator, users: int) -> None:
    """So many users besides the administrator."""
    for number in range(users):
        google.state.add_user(f"user{number:05d}@example.com")


# ---------------------------------------------------------------------------------- truncations that look like success


def test_a_user_page_without_the_token_of_the_next_is_noticed(google: GoogleEmulator, tmp_path: Path) -> None:
    fill(google, 600)
    google.faults.add(USERS, "no-token", nth=1)
    snapshot = read(google, tmp_path, **ONLY_USERS)
    assert len(snapshot.users) == 500
    assert not snapshot.complete
    assert "ended after 500, before its last entry" in evidence(snapshot, "users").why


def test_a_full_last_page_is_no_gap(google: GoogleEmulator, tmp_path: Path) -> None:
    fill(google, 499)
    snapshot = read(google, tmp_path, **ONLY_USERS)
    assert (len(snapshot.users), snapshot.complete) == (500, True)
    assert google.calls[USERS] == 2


def test_a_group_page_without_the_token_of_the_next_is_noticed(google: GoogleEmulator, tmp_path: Path) -> None:
    for number in range(201):
        google.state.add_group(f"g{number:03d}@example.com")
    google.faults.add(GROUPS, "no-token", nth=1)
    snapshot = read(google, tmp_path)
    assert len(snapshot.groups) == 200
    assert "ended after 200" in evidence(snapshot, "groups").why
    assert not snapshot.complete


def test_a_member_page_without_the_token_of_the_next_is_noticed(google: GoogleEmulator, tmp_path: Path) -> None:
    fill(google, 201)
    group = google.state.add_group("all@example.com", *google.state.users.values())
    google.faults.add(MEMBERS, "no-token")
    snapshot = read(google, tmp_path)
    assert len(snapshot.groups[group["id"]].members) == 200
    assert "all@example.com has 202 members by its own count, and 200 were listed" in evidence(snapshot, "members").why
    assert not snapshot.complete


def test_an_empty_list_of_members_of_a_group_that_has_some_is_a_gap(google: GoogleEmulator, tmp_path: Path) -> None:
    google.state.add_group("all@example.com", directMembersCount="7")
    snapshot = read(google, tmp_path)
    assert not evidence(snapshot, "members").complete


def test_an_empty_page_with_a_token_is_not_the_end(google: GoogleEmulator, tmp_path: Path) -> None:
    fill(google, 600)
    google.faults.add(USERS, "empty-page", nth=2)
    snapshot = read(google, tmp_path, **ONLY_USERS)
    assert (len(snapshot.users), snapshot.complete) == (601, True)


@pytest.mark.parametrize("word", ["other-kind", "cut"])
def test_something_else_than_an_answer_is_an_error(google: GoogleEmulator, tmp_path: Path, word: str) -> None:
    google.faults.add(USERS, word)
    with pytest.raises(DirectoryUnreachable):
        read(google, tmp_path)


def test_a_role_for_one_unit_shows_that_unit_and_is_noticed(google: GoogleEmulator, tmp_path: Path) -> None:
    google.admin["isAdmin"] = False
    google.state.roles[google.admin["id"]] = Role(org_unit="/Sales")
    google.state.add_user("ana@example.com", orgUnitPath="/Sales")
    snapshot = read(google, tmp_path)
    assert [user.email for user in snapshot.users.values()] == ["ana@example.com"]
    assert not evidence(snapshot, "users").complete
    assert "for all organizational units" in evidence(snapshot, "users").why


def test_a_role_for_the_unit_of_the_subject_is_noticed_by_members(google: GoogleEmulator, tmp_path: Path) -> None:
    google.admin |= {"isAdmin": False, "orgUnitPath": "/Sales"}
    google.state.roles[google.admin["id"]] = Role(org_unit="/Sales")
    hidden = google.state.add_user("zoe@example.com", orgUnitPath="/Engineering")
    google.state.add_group("vault@example.com", hidden)
    why = evidence(read(google, tmp_path), "users").why
    assert "zoe@example.com is a member of vault and not among the users" in why


def test_a_role_for_everything_sees_everything(google: GoogleEmulator, tmp_path: Path) -> None:
    """A member with an address of ours who is no user (a personal account) is a problem and no gap."""
    google.admin["isAdmin"] = False
    google.state.roles[google.admin["id"]] = Role()
    google.state.add_group("vault@example.com", google.admin, "personal@example.com")
    snapshot = read(google, tmp_path)
    assert snapshot.complete
    assert [p.entry for p in snapshot.problems] == ["personal@example.com"]


def test_a_subject_written_with_an_alias_is_found(google: GoogleEmulator, tmp_path: Path) -> None:
    google.admin["aliases"] = ["root@example.com"]
    assert read(google, tmp_path, subject="root@example.com").complete


# --------------------------------------------------------------------------------------------------- faults that pass


@pytest.mark.parametrize("fault", ["status:500", "status:503", "drop", "cut", "reason:quotaExceeded", "status:429"])
@pytest.mark.parametrize("call", [USERS, GROUPS, MEMBERS])
def test_a_fault_that_passes_changes_nothing(google: GoogleEmulator, tmp_path: Path, call: str, fault: str) -> None:
    fill(google, 700)
    google.state.add_group("all@example.com", *google.state.users.values())
    calm = read(google, tmp_path)
    google.faults.add(call, fault, nth=2 if call != GROUPS else 1)
    stormy = read(google, tmp_path)
    assert stormy.complete
    assert (stormy.users, stormy.groups) == (calm.users, calm.groups)


def test_a_token_that_ended_is_renewed(google: GoogleEmulator, tmp_path: Path) -> None:
    fill(google, 600)
    google.faults.add(USERS, "status:401", nth=2)
    assert read(google, tmp_path, **ONLY_USERS).complete
    assert google.calls["POST /token"] == 2


def test_a_service_that_stays_down_ends_the_read(google: GoogleEmulator, tmp_path: Path) -> None:
    google.faults.add(USERS, "status:503")
    with pytest.raises(DirectoryUnreachable, match="users: Google answered 503 backendError"):
        read(google, tmp_path)


def test_when_the_users_cannot_be_read_the_groups_are_not_waited_for(google: GoogleEmulator, tmp_path: Path) -> None:
    for number in range(150):
        google.state.add_group(f"g{number:03d}@example.com")
    google.faults.add(USERS, "status:403")
    google.faults.add(MEMBERS, "slow:0.1")
    with pytest.raises(DirectoryRefused, match="users: Google answered 403"):
        read(google, tmp_path, parallel=2)
    assert google.calls[MEMBERS] < 150


# ------------------------------------------------------------------------------------------------- groups that go wrong


def test_a_group_that_is_forbidden_is_left_as_it_is(google: GoogleEmulator, tmp_path: Path) -> None:
    google.state.add_group("a@example.com", google.admin)
    google.state.add_group("b@example.com", google.admin)
    google.faults.add(MEMBERS, "status:403", nth=1)
    snapshot = read(google, tmp_path, parallel=1)
    assert len(snapshot.groups) == len(snapshot.unsyncable) == 1
    assert not evidence(snapshot, "members").complete
    assert "Groups, Read" in evidence(snapshot, "members").why


def test_a_group_that_was_deleted_meanwhile_is_gone(google: GoogleEmulator, tmp_path: Path) -> None:
    google.state.add_group("a@example.com", google.admin)
    google.faults.add(MEMBERS, "status:404")
    google.faults.add(GROUP, "status:404")
    snapshot = read(google, tmp_path)
    assert snapshot.complete
    assert not snapshot.groups
    assert not snapshot.unsyncable
    assert "a@example.com was deleted meanwhile" in evidence(snapshot, "members").why


def test_a_group_that_is_there_but_whose_members_are_not_found_is_a_gap(google: GoogleEmulator, tmp_path: Path) -> None:
    group = google.state.add_group("a@example.com", google.admin)
    google.faults.add(MEMBERS, "status:404")
    snapshot = read(google, tmp_path)
    assert snapshot.unsyncable.keys() == {group["id"]}
    assert not snapshot.complete


def test_few_groups_may_fail_many_may_not(google: GoogleEmulator, tmp_path: Path) -> None:
    for number in range(5):
        google.state.add_group(f"g{number}@example.com")
    google.faults.add(MEMBERS, "status:500")
    snapshot = read(google, tmp_path)
    assert len(snapshot.unsyncable) == 5
    assert "and 2 more gaps" in evidence(snapshot, "members").why
    google.state.add_group("g6@example.com")
    with pytest.raises(DirectoryUnreachable, match="members: Google answered 500"):
        read(google, tmp_path)


# -------------------------------------------------------------------------------------------------------------- limits


def test_within_the_quota_nothing_is_refused(google: GoogleEmulator, tmp_path: Path) -> None:
    for number in range(100):
        google.state.add_group(f"g{number:03d}@example.com")
    clock, waits = Clock(), list[tuple[int, int | None]]()
    google.quota.per_minute = 30
    google.quota.clock = clock
    reader = reader_of(google, tmp_path, clock=clock, queries_per_minute=30)
    snapshot = reader.read(lambda phase, done, total: waits.append((done, total)) if phase == WAITING else None)
    assert snapshot.complete
    assert google.quota.refused == 0
    assert waits
    assert all(total is not None and 0 <= done <= total <= 62 for done, total in waits)
    # 103 calls, 30 a minute: the first 30 at once, the last after three minutes
    assert clock.now - 1000 < 4 * 61


@pytest.mark.parametrize("reason", ["userRateLimitExceeded", "rateLimitExceeded"])
def test_a_quota_that_others_use_up_is_waited_for(google: GoogleEmulator, tmp_path: Path, reason: str) -> None:
    for number in range(100):
        google.state.add_group(f"g{number:03d}@example.com")
    clock = Clock()
    google.quota.per_minute = 30
    google.quota.clock = clock
    google.quota.reason = reason
    snapshot = reader_of(google, tmp_path, clock=clock, queries_per_minute=2400).read(no_progress)
    assert snapshot.complete
    assert len(snapshot.groups) == 100
    assert 0 < google.quota.refused < 150
    # the quota allows it in 3 minutes
    assert clock.now - 1000 < 2 * 3 * 61


def test_a_quota_that_is_never_free_ends_the_read_with_the_cure(google: GoogleEmulator, tmp_path: Path) -> None:
    google.faults.add(USERS, "status:429")
    clock = Clock()
    with pytest.raises(DirectoryRefused, match="give dirsync a project of its own, or raise the quota"):
        reader_of(google, tmp_path, clock=clock, **ONLY_USERS).read(no_progress)
    assert 600 <= clock.now - 1000 < 700
    assert google.calls[USERS] < 20


def test_a_daily_limit_is_not_waited_for(google: GoogleEmulator, tmp_path: Path) -> None:
    google.faults.add(USERS, "reason:dailyLimitExceeded")
    with pytest.raises(DirectoryRefused, match="daily quota is used up"):
        read(google, tmp_path, **ONLY_USERS)
    assert google.calls[USERS] == 1


# ------------------------------------------------------------------------------------------------------------- secrets


@pytest.mark.parametrize(
    "fault",
    [
        ("POST /token", "status:500"),
        ("POST /token", "status:400"),
        ("POST /token", "drop"),
        ("POST /token", "cut"),
        (USERS, "status:403"),
        (USERS, "status:401"),
        (USERS, "other-kind"),
        (USERS, "cut"),
        (MEMBERS, "drop"),
    ],
    ids=" ".join,
)
def test_no_secret_is_in_an_error(
    google: GoogleEmulator, tmp_path: Path, fault: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("google.auth._exponential_backoff.time.sleep", lambda seconds: None)
    google.state.add_group("a@example.com")
    google.faults.add(*fault)
    with pytest.raises(DirectoryError) as caught:
        read(google, tmp_path)
    chain: list[BaseException] = []
    left: list[BaseException | None] = [caught.value]
    while left:
        error = left.pop()
        if error is not None and error not in chain:
            chain.append(error)
            left += [error.__cause__, error.__context__]
    for error in chain:
        assert type(error).__module__.partition(".")[0] == "dirconnector", error
        for text in (repr(error), str(error), repr(error.args), repr(vars(error))):
            assert "ya29." not in text
            assert "PRIVATE KEY" not in text
            assert "assertion" not in text


def test_scopes_are_asked_for_only_as_needed(google: GoogleEmulator, tmp_path: Path) -> None:
    read(google, tmp_path)
    assert [set(token.scopes) for token in google.tokens.given.values()] == [{USER_READ, GROUP_READ}]
    google.tokens.revoke_all()
    read(google, tmp_path, groups=False)
    assert [set(token.scopes) for token in google.tokens.given.values()] == [{USER_READ}]
