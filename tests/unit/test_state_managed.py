"""What we manage, and the memberships last seen."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dirconnector.model import Current, Member, OrgGroup, Status, User
from dirconnector.state import State
from dirconnector.state.rows import ManagedRow, Person

NOON = datetime(2026, 8, 1, 12, 0, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)
AT_NOON, AT_ONE = "2026-08-01T12:00:00.000+00:00", "2026-08-01T13:00:00.000+00:00"

ANA = Member(id="m1", email="ana@example.org", key="a1", status=Status.CONFIRMED)
BOB = Member(id="m2", email="bob@example.org", key="b2")
HAND = Member(id="m3", email="hand@example.org")
TEAM = OrgGroup(id="g1", name="Team", key="t1")
HANDMADE = OrgGroup(id="g2", name="By hand")
PEOPLE = {
    "a1": User(key="a1", email="ana@example.org", name="Ana", directory="hq", username="ana"),
    "b2": User(key="b2", email="bob@example.org", name="Bob", directory="lab", username="bob"),
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def state(file: Path) -> Iterator[State]:
    with State.open(f"sqlite:///{file}") as opened:
        yield opened


def current(*members: Member, groups: tuple[OrgGroup, ...] = (TEAM,)) -> Current:
    return Current(
        organization="acme",
        members={member.id: member for member in members},
        groups={group.id: group for group in groups},
    )


def test_what_has_an_external_id_is_managed(state: State) -> None:
    state.remember_managed("acme", current(ANA, HAND, groups=(TEAM, HANDMADE)), PEOPLE, NOON)
    assert state.managed("acme") == (
        ManagedRow("group", "g1", "t1", "Team", None, AT_NOON, AT_NOON),
        ManagedRow("user", "m1", "a1", "ana@example.org", 2, AT_NOON, AT_NOON),
    )
    assert state.managed("other") == ()


def test_what_changed_is_updated_what_is_gone_is_forgotten_first_seen_stays(state: State) -> None:
    state.remember_managed("acme", current(ANA, BOB), PEOPLE, NOON)
    state.remember_managed("other", current(ANA), PEOPLE, NOON)
    carl = Member(id="m4", email="carl@example.org", key="c3")
    married = replace(ANA, email="ana.new@example.org", status=Status.REVOKED)
    state.remember_managed("acme", current(married, carl, groups=()), PEOPLE, LATER)
    assert state.managed("acme") == (
        ManagedRow("user", "m1", "a1", "ana.new@example.org", -1, AT_NOON, AT_ONE),
        ManagedRow("user", "m4", "c3", "carl@example.org", 0, AT_ONE, AT_ONE),
    )
    assert len(state.managed("other")) == 2


def test_two_members_with_one_external_id_are_both_kept(state: State) -> None:
    state.remember_managed("acme", current(ANA, replace(BOB, key="a1"), groups=()), PEOPLE, NOON)
    assert [(row.id, row.key) for row in state.managed("acme")] == [("m1", "a1"), ("m2", "a1")]


def test_nothing_but_the_time_is_written_when_nothing_changed(state: State, file: Path) -> None:
    state.remember_managed("acme", current(ANA, BOB), PEOPLE, NOON)
    with closing(sqlite3.connect(file)) as connection, connection:
        for what in ("INSERT", "UPDATE", "DELETE"):
            connection.execute(
                f"CREATE TRIGGER no_{what} BEFORE {what} ON managed BEGIN SELECT RAISE(ABORT, 'written'); END"
            )
    state.remember_managed("acme", current(ANA, BOB), PEOPLE, LATER)
    assert {row.last_verified for row in state.managed("acme")} == {AT_ONE}


def test_people_who_left_keep_the_description_they_had(state: State) -> None:
    state.remember_managed("acme", current(ANA, BOB), PEOPLE, NOON)
    renamed = replace(PEOPLE["a1"], name="Ana Maria")
    state.remember_managed("acme", current(replace(ANA, status=Status.REVOKED), BOB), {"a1": renamed}, LATER)
    assert state.people("acme", {"a1", "b2", "nobody"}) == {
        "a1": Person("hq", "Ana Maria", "ana"),
        "b2": Person("lab", "Bob", "bob"),
    }
    assert state.people("acme", {"b2"}) == {"b2": Person("lab", "Bob", "bob")}
    assert state.people("acme", set()) == {}
    assert state.people("other", {"a1"}) == {}


def test_a_description_does_not_move_to_another_key(state: State) -> None:
    state.remember_managed("acme", current(ANA), PEOPLE, NOON)
    state.remember_managed("acme", current(replace(ANA, key="z9")), PEOPLE, LATER)
    assert state.people("acme", {"a1", "z9"}) == {}


def test_the_ledger_remembers_memberships_by_group(state: State) -> None:
    ledger = state.ledger("acme")
    assert ledger.memberships() == {}
    ledger.verified({"g1": frozenset({"m2", "m1"}), "g2": frozenset()})
    ledger.verified({"g2": frozenset({"m3"})})
    ledger.verified({})
    assert state.ledger("acme").memberships() == {"g1": {"m1", "m2"}, "g2": {"m3"}}
    assert state.ledger("other").memberships() == {}


def test_the_group_verified_longest_ago_comes_first(state: State) -> None:
    minutes = iter(range(4))
    ledger = state.ledger("acme", clock=lambda: NOON + timedelta(minutes=next(minutes)))
    for group in ("g1", "g2", "g3"):
        ledger.verified({group: frozenset({"m1"})})
    ledger.verified({"g1": frozenset({"m1"})})
    assert list(ledger.memberships()) == ["g2", "g3", "g1"]


def test_members_are_written_only_when_they_changed(state: State, file: Path) -> None:
    ledger = state.ledger("acme")
    ledger.verified({"g1": frozenset({"m1"}), "g2": frozenset({"m1"})})
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(
            "CREATE TRIGGER only_g2 BEFORE UPDATE OF members ON memberships WHEN old.group_id <> 'g2' "
            "BEGIN SELECT RAISE(ABORT, 'written'); END"
        )
    ledger.verified({"g1": frozenset({"m1"}), "g2": frozenset({"m2"})})
    assert ledger.memberships() == {"g1": {"m1"}, "g2": {"m2"}}


def test_memberships_of_groups_that_are_gone_are_forgotten(state: State) -> None:
    state.ledger("acme").verified({"g1": frozenset({"m1"}), "gone": frozenset({"m1"})})
    state.ledger("other").verified({"gone": frozenset({"m1"})})
    state.remember_managed("acme", current(ANA), PEOPLE, NOON)
    assert list(state.ledger("acme").memberships()) == ["g1"]
    assert list(state.ledger("other").memberships()) == ["gone"]
