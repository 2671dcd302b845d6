"""``dirsync history``: the same words as when it happened."""

from __future__ import annotations

from datetime import UTC, datetime

from dirconnector.state import State
from tests.cli.company import Company
from tests.cli.conftest import TWELVE


def test_a_run_is_shown_with_its_changes_reasons_and_calls(company: Company) -> None:
    company.dirsync("run")
    result = company.dirsync("history", "1")
    assert result.exit_code == 0
    assert result.stdout.startswith("Invited 12 people, created 1 group and added 12 memberships.")
    assert "in hq (12):  person00@example.org, person01@example.org" in result.stdout
    assert "POST /public/organization/import" in result.stdout
    document = company.document("history", "1", "--json")
    assert document["run"]["command"] == "run"
    assert document["calls"][0]["result"] == "ok"
    assert document["report"]["changes"][0]["reason"] == "in hq"


def test_what_was_held_and_failed_is_shown_but_offers_no_approval(company: Company) -> None:
    company.dirsync("run")
    company.people(*TWELVE[:2])
    company.dirsync("run")
    result = company.dirsync("history", "2")
    assert "Held by limits." in result.stdout
    assert "--approve" not in result.stdout


def test_one_run_is_not_several(company: Company) -> None:
    assert company.dirsync("history").stdout == "No run yet.\n"
    company.dirsync("run")
    assert company.dirsync("history").stdout.startswith("The only run of")
    company.dirsync("run")
    assert company.dirsync("history").stdout.startswith("The last 2 runs of")


def test_newest_first_and_limited(company: Company) -> None:
    for _ in range(3):
        company.dirsync("run", "--dry-run")
    assert [run["number"] for run in company.document("history", "--json")["runs"]] == [3, 2, 1]
    assert [run["number"] for run in company.document("history", "--json", "--limit", "1")["runs"]] == [3]


def test_runs_of_another_organization_in_the_same_state_are_not_shown(company: Company) -> None:
    with State.open(f"sqlite:///{company.folder / 'state.db'}") as state:
        number = state.begin_run("somebody else's", "run", datetime.now(UTC), False)
    assert company.document("history", "--json")["runs"] == []
    assert company.dirsync("history", str(number)).exit_code == 2


def test_the_numbers_of_a_dry_run_are_kept(company: Company) -> None:
    company.dirsync("run", "--dry-run")
    said = " ".join(company.dirsync("history", "1").stdout.split())
    assert said.startswith(
        "Would invite 12 people, create 1 group and add 12 memberships. Of a dry run only the numbers"
    )


def test_no_runs_and_unknown_runs(company: Company) -> None:
    assert company.dirsync("history").stdout == "No run yet.\n"
    result = company.dirsync("history", "7")
    assert result.exit_code == 2
    assert "no run 7" in result.stderr
