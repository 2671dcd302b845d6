"""The ledger: what is known of memberships, what is only believed, and all that Vaultwarden has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dirconnector.model import Current, Status
from dirconnector.organizations import Call
from dirconnector.state import State
from tests.build import member, org_group, user

NOW = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
IMPORT = "POST /public/organization/import"


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    with State.open(f"sqlite:///{tmp_path / 'state.db'}") as opened:
        yield opened


def ids(*names: str) -> frozenset[str]:
    return frozenset(names)


def test_what_was_only_sent_is_verified_first(state: State) -> None:
    times = iter(NOW + timedelta(seconds=n) for n in range(9))
    ledger = state.ledger("acme", clock=lambda: next(times))
    ledger.verified({"old": ids("a")})
    ledger.verified({"new": ids("b")})
    ledger.sent({"sent": ids("c")})
    assert list(ledger.memberships()) == ["sent", "old", "new"]
    ledger.verified({"sent": ids("c")})
    assert list(ledger.memberships()) == ["old", "new", "sent"]


def test_what_is_about_to_change_is_not_known(state: State) -> None:
    ledger = state.ledger("acme")
    ledger.verified({"a": ids("1"), "b": ids("2")})
    state.ledger("other").verified({"a": ids("9")})
    ledger.forget({"a", "never-seen"})
    assert ledger.memberships() == {"b": ids("2")}
    assert state.ledger("other").memberships() == {"a": ids("9")}
    ledger.forget(())


def test_an_import_of_a_killed_run_is_open_until_it_is_settled(state: State) -> None:
    ledger = state.ledger("acme", clock=lambda: NOW + timedelta(seconds=30))
    assert ledger.open_since(IMPORT) is None
    run = state.begin_run("acme", "run", NOW, False)
    journal = state.journal(run, clock=lambda: NOW)
    journal.end(journal.begin(Call(IMPORT, "", ()), "x"), "ok")
    journal.begin(Call("PUT /public/groups/{id}", "g", ()), "x")
    assert ledger.open_since(IMPORT) is None
    journal.begin(Call(IMPORT, "", ()), "x")
    assert ledger.open_since(IMPORT) == 30.0
    assert state.ledger("other").open_since(IMPORT) is None
    state.settle_calls("acme", result="settled", when=NOW)
    assert ledger.open_since(IMPORT) is None


def test_a_clock_that_went_back_is_no_time_ago(state: State) -> None:
    run = state.begin_run("acme", "run", NOW, False)
    state.journal(run, clock=lambda: NOW).begin(Call(IMPORT, "", ()), "x")
    assert state.ledger("acme", clock=lambda: NOW - timedelta(hours=1)).open_since(IMPORT) == 0.0


def test_all_that_is_managed_can_be_remembered(state: State) -> None:
    ledger = state.ledger("acme")
    ana = member("ana", status=Status.INVITED)
    staff = org_group("staff", [ana.id])
    ledger.remember([ana], [staff])
    assert ledger.members() == (ana,)
    assert ledger.groups() == (staff,)
    revoked = replace(ana, status=Status.REVOKED, key="ana-2")
    ledger.remember([revoked])
    assert ledger.members() == (revoked,)
    assert ledger.groups() == (staff,)
    ledger.drop({staff.id})
    assert (ledger.groups(), ledger.memberships()) == ((), {})
    assert state.ledger("other").members() == ()


def test_remembering_keeps_how_a_directory_described_somebody(state: State) -> None:
    ana = member("ana")
    current = Current(organization="acme", members={ana.id: ana}, groups={})
    state.remember_managed("acme", current, {"ana": user("ana")}, NOW)
    state.ledger("acme").remember([replace(ana, status=Status.REVOKED)])
    (known,) = state.ledger("acme").members()
    assert (known.name, known.status) == ("Ana", Status.REVOKED)
    assert state.people("acme", {"ana"})["ana"].username == "ana"


def test_a_status_that_nobody_knows_is_remembered(state: State) -> None:
    odd = member("odd", status=Status.OTHER)
    state.ledger("acme").remember([odd])
    assert state.ledger("acme").members() == (odd,)
