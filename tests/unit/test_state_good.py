"""The last good snapshot of each directory."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dirconnector.errors import StateError
from dirconnector.model import Evidence, Group, Problem, Snapshot, User
from dirconnector.plan.baseline import Baseline, baseline_of
from dirconnector.state import State, snapshots

NOON = datetime(2026, 8, 1, 12, 0, tzinfo=UTC)

ANA = User(
    key="a1",
    email="ana@example.org",
    name="Ana Ångström",
    directory="hq",
    username="ana",
    entry="CN=Ana,DC=example",
    attributes={"employeetype": ("staff",)},
)
BOB = User(key="b2", email="", enabled=False, directory="hq")
SNAPSHOT = Snapshot(
    users={"b2": BOB, "a1": ANA},
    groups={
        "g1": Group(key="g1", name="Vault-Users", directory="hq", members=frozenset({"a1", "b2", "not a user"})),
        "g2": Group(key="g2", name="All", entry="CN=All", subgroups=frozenset({"g1"})),
    },
    evidence=(Evidence(directory="hq", query="users", complete=True, pages=3, entries=2, why="empty cookie"),),
    problems=(Problem(directory="hq", entry="CN=Bob", why="no e-mail"),),
    unsyncable={"c3": "no e-mail"},
    deleted={"d4": "tombstone"},
)


def without_attributes(snapshot: Snapshot) -> Snapshot:
    bare = {key: replace(user, attributes=User(key="", email="").attributes) for key, user in snapshot.users.items()}
    return replace(snapshot, users=bare)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def state(file: Path) -> Iterator[State]:
    with State.open(f"sqlite:///{file}") as opened:
        yield opened


def content_rowid_and_size(file: Path) -> tuple[str, int, bytes]:
    with closing(sqlite3.connect(file)) as connection:
        row: tuple[str, int, bytes] = connection.execute("SELECT taken, run, content FROM good").fetchone()
        return row


def test_everything_but_attributes_comes_back(state: State) -> None:
    assert state.good_snapshot("acme", "hq") is None
    state.save_good("acme", "hq", SNAPSHOT, NOON, 1)
    back = state.good_snapshot("acme", "hq")
    assert back == without_attributes(SNAPSHOT)
    assert back is not None
    assert back.complete
    assert back.users["a1"].attributes == {}


def test_the_baseline_counts_the_snapshot(state: State) -> None:
    assert state.baseline("acme", "hq") is None
    state.save_good("acme", "hq", SNAPSHOT, NOON, 1)
    found = state.baseline("acme", "hq")
    assert found is not None
    assert found.digest
    assert found == Baseline(
        directory="hq",
        users=2,
        with_email=1,
        groups=2,
        memberships=4,
        taken="2026-08-01T12:00:00.000+00:00",
        digest=found.digest,
    )
    assert baseline_of("hq", SNAPSHOT) == Baseline(directory="hq", users=2, with_email=1, groups=2, memberships=4)


def test_directories_and_organizations_are_kept_apart(state: State) -> None:
    other = Snapshot(users={"a1": ANA}, groups={})
    state.save_good("acme", "hq", SNAPSHOT, NOON, 1)
    state.save_good("acme", "lab", other, NOON, 1)
    state.save_good("beta", "hq", other, NOON, 1)
    sizes = [
        found.users
        for place in (("acme", "hq"), ("acme", "lab"), ("beta", "hq"))
        if (found := state.baseline(*place)) is not None
    ]
    assert sizes == [2, 1, 1]


def test_saving_again_replaces_it(state: State) -> None:
    state.save_good("acme", "hq", SNAPSHOT, NOON, 1)
    smaller = Snapshot(users={"b2": BOB}, groups={})
    state.save_good("acme", "hq", smaller, NOON, 2)
    assert state.good_snapshot("acme", "hq") == smaller
    found = state.baseline("acme", "hq")
    assert found is not None
    assert (found.users, found.with_email, found.groups, found.memberships) == (1, 0, 0, 0)


def test_the_same_content_is_not_written_again_but_its_time_and_run_are(
    state: State, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state.save_good("acme", "hq", SNAPSHOT, NOON, 1)
    monkeypatch.setattr(snapshots, "compress", lambda content: pytest.fail("compressed for nothing"))
    turned = Snapshot(
        users=dict(sorted(SNAPSHOT.users.items())),
        groups=dict(sorted(SNAPSHOT.groups.items(), reverse=True)),
        evidence=SNAPSHOT.evidence,
        problems=SNAPSHOT.problems,
        unsyncable=SNAPSHOT.unsyncable,
        deleted=SNAPSHOT.deleted,
    )
    state.save_good("acme", "hq", turned, NOON + timedelta(hours=1), 2)
    assert content_rowid_and_size(file)[:2] == ("2026-08-01T13:00:00.000+00:00", 2)
    assert state.good_snapshot("acme", "hq") == without_attributes(SNAPSHOT)


def test_a_baseline_does_not_need_the_content(state: State, file: Path) -> None:
    state.save_good("acme", "hq", SNAPSHOT, NOON, 1)
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE good SET content = x'00'")
    assert state.baseline("acme", "hq") is not None


@pytest.mark.parametrize("harm", ["x'00'", "substr(content, 1, length(content) / 2)", "(SELECT value FROM meta)"])
def test_damaged_content_is_said_and_never_used(state: State, file: Path, harm: str) -> None:
    state.save_good("acme", "hq", SNAPSHOT, NOON, 1)
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(f"UPDATE good SET content = {harm}")
    with pytest.raises(StateError, match=r"last good snapshot of hq is damaged.*safe to delete"):
        state.good_snapshot("acme", "hq")


def test_content_that_belongs_to_another_digest_is_damaged(state: State, file: Path) -> None:
    state.save_good("acme", "hq", SNAPSHOT, NOON, 1)
    state.save_good("acme", "lab", Snapshot(users={}, groups={}), NOON, 1)
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE good SET content = (SELECT content FROM good WHERE directory = 'lab')")
    with pytest.raises(StateError, match="digest does not fit"):
        state.good_snapshot("acme", "hq")


names = st.text(max_size=8)
users = st.builds(
    User, key=names, email=names, name=names, enabled=st.booleans(), directory=names, username=names, entry=names
)
groups = st.builds(
    Group,
    key=names,
    name=names,
    directory=names,
    entry=names,
    members=st.frozensets(names, max_size=5),
    subgroups=st.frozensets(names, max_size=3),
)


@given(people=st.lists(users, max_size=6), teams=st.lists(groups, max_size=4), why=st.dictionaries(names, names))
def test_any_snapshot_survives_encoding(people: list[User], teams: list[Group], why: dict[str, str]) -> None:
    snapshot = Snapshot(
        users={user.key: user for user in people},
        groups={group.key: group for group in teams},
        unsyncable=why,
        deleted=why,
    )
    content = snapshots.encode(snapshot)
    assert snapshots.decode(snapshots.compress(content), snapshots.digest_of(content)) == snapshot
