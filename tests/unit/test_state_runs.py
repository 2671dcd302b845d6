"""The history of runs and the journal of calls."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from dirconnector.errors import StateError
from dirconnector.organizations import Call
from dirconnector.plan.model import Action, Change
from dirconnector.state import State
from dirconnector.state.rows import iso

NOON = datetime(2026, 8, 1, 12, 0, tzinfo=UTC)
ANA = Change(Action.INVITE, "key-ana", "ana@example.org", "", "in Vault-Users")
IMPORT = Call("POST /public/organization/import", "", (ANA, ANA, ANA))
REVOKE = Call("POST /public/members/{id}/revoke", "member-7", (ANA,))


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    with State.open(f"sqlite:///{tmp_path}/state.db", keep_runs=3) as opened:
        yield opened


def finish(state: State, run: int, **report: object) -> None:
    state.finish_run(run, finished=NOON + timedelta(minutes=1), exit_code=0, plan_id="p1", report=report)


def test_a_run_is_remembered_with_its_report(state: State) -> None:
    run = state.begin_run("acme", "dirsync run", NOON, False)
    finish(state, run, plan_id="p1", changes=[{"email": "zoë@example.org"}])
    found = state.run(run)
    assert found is not None
    row, report = found
    assert (row.organization, row.command, row.dry_run, row.plan_id) == ("acme", "dirsync run", False, "p1")
    assert (row.started, row.finished) == ("2026-08-01T12:00:00.000+00:00", "2026-08-01T12:01:00.000+00:00")
    assert (row.exit_code, row.ending) == (0, "exit code 0")
    assert report == {"plan_id": "p1", "changes": [{"email": "zoë@example.org"}]}


def test_a_run_that_was_killed_is_shown_as_such(state: State) -> None:
    run = state.begin_run("acme", "dirsync run", NOON, True)
    assert state.run(run) == (state.runs("acme", 1)[0], {})
    row = state.runs("acme", 1)[0]
    assert row.dry_run
    assert (row.finished, row.exit_code) == ("", None)
    assert row.ending.startswith("did not finish")


def test_runs_are_newest_first_by_organization_and_limited(state: State) -> None:
    numbers = [state.begin_run(name, "run", NOON, False) for name in ("acme", "other", "acme")]
    assert [row.number for row in state.runs("acme", 10)] == [numbers[2], numbers[0]]
    assert [row.number for row in state.runs(None, 2)] == [numbers[2], numbers[1]]
    assert state.runs("nobody", 10) == ()


def test_the_last_runs_of_each_organization_are_kept_with_their_calls_and_numbers_are_not_reused(
    state: State, tmp_path: Path
) -> None:
    other = state.begin_run("other", "run", NOON, False)
    finish(state, other)
    numbers = []
    for _ in range(5):
        numbers.append(state.begin_run("acme", "run", NOON, False))
        journal = state.journal(numbers[-1])
        journal.end(journal.begin(IMPORT, "d"), "ok")
        finish(state, numbers[-1])
    assert [row.number for row in state.runs("acme", 10)] == numbers[:1:-1]
    with closing(sqlite3.connect(tmp_path / "state.db")) as connection:
        kept = connection.execute("SELECT run FROM calls ORDER BY number").fetchall()
    assert kept == [(number,) for number in numbers[2:]]
    assert state.run(numbers[0]) is None
    assert state.run(other) is not None
    assert len({other, *numbers}) == 6


def test_pruning_happens_only_when_a_run_ends(state: State) -> None:
    for _ in range(5):
        state.begin_run("acme", "run", NOON, False)
    assert len(state.runs("acme", 10)) == 5


def test_finishing_a_run_that_does_not_exist_is_an_error(state: State) -> None:
    with pytest.raises(StateError, match="run 99 is not in the state"):
        finish(state, 99)


def test_keeping_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="keep_runs"):
        State.open(f"sqlite:///{tmp_path}/s.db", keep_runs=0)


def test_times_are_utc_whatever_zone_they_come_in_and_need_one() -> None:
    assert iso(NOON.astimezone(timezone(timedelta(hours=2)))) == "2026-08-01T12:00:00.000+00:00"
    with pytest.raises(ValueError, match="time zone"):
        iso(datetime(2026, 8, 1))


def test_a_call_is_written_down_before_and_after(state: State) -> None:
    run = state.begin_run("acme", "run", NOON, False)
    times = iter([NOON, NOON + timedelta(seconds=2)])
    journal = state.journal(run, clock=lambda: next(times))
    number = journal.begin(IMPORT, "body digest")
    (before,) = state.calls(run)
    assert (before.endpoint, before.target, before.changes) == ("POST /public/organization/import", "", 3)
    assert (before.digest, before.started) == ("body digest", "2026-08-01T12:00:00.000+00:00")
    assert (before.finished, before.result) == ("", "")
    journal.end(number, "429 \ud800 slow down")
    (after,) = state.calls(run)
    assert (after.finished, after.result) == ("2026-08-01T12:00:02.000+00:00", "429 ? slow down")


def test_a_call_is_on_the_disk_before_it_is_made(tmp_path: Path, state: State) -> None:
    run = state.begin_run("acme", "run", NOON, False)
    state.journal(run).begin(REVOKE, "d")
    with State.open(f"sqlite:///{tmp_path}/state.db") as somebody_else:
        assert [call.target for call in somebody_else.calls(run)] == ["member-7"]


def test_open_calls_are_found_and_settled_by_organization(state: State) -> None:
    mine, other = (state.begin_run(name, "run", NOON, False) for name in ("acme", "other"))
    journal = state.journal(mine)
    journal.end(journal.begin(IMPORT, "d"), "ok")
    journal.begin(REVOKE, "d")
    state.journal(other).begin(REVOKE, "d")
    assert [(call.run, call.endpoint) for call in state.open_calls("acme")] == [(mine, REVOKE.endpoint)]

    assert state.settle_calls("acme", result="settled by run 3: read back", when=NOON) == 1
    assert state.open_calls("acme") == ()
    assert [call.result for call in state.calls(mine)] == ["ok", "settled by run 3: read back"]
    assert len(state.open_calls("other")) == 1


def test_a_journal_ends_only_calls_of_its_own_run(state: State) -> None:
    first, second = (state.begin_run("acme", "run", NOON, False) for _ in range(2))
    number = state.journal(first).begin(REVOKE, "d")
    state.journal(second).end(number, "ok")
    assert len(state.open_calls("acme")) == 1
