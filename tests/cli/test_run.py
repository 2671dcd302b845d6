"""``dirsync run``: what it does, what it says, how it exits."""

from __future__ import annotations

import importlib
import json
import logging
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dirconnector.cli.job import configuration, recorded
from dirconnector.cli.options import Shared
from dirconnector.cli.run import SERIOUS, configurations, most_serious
from dirconnector.config import Config
from dirconnector.errors import ConfigError, DirectoryUnreachable
from dirconnector.organizations import Call
from dirconnector.plan.report import Report
from dirconnector.state import State
from dirconnector.state.lock import organization_lock
from dirconnector.sync import Job
from tests.cli.company import Company
from tests.cli.conftest import TWELVE

run_module = importlib.import_module("dirconnector.cli.run")
SILENT = Shared(config=None, quiet=True, verbose=0, no_color=False, log_format="text")


def test_a_dry_run_says_what_would_happen_and_changes_nothing(company: Company) -> None:
    result = company.dirsync("run", "--dry-run")
    assert result.exit_code == 0
    assert result.stdout.startswith("Would invite 12 people, create 1 group and add 12 memberships. Nothing is held.\n")
    assert "person03@example.org" in result.stdout
    assert "Forecast: " in result.stdout
    assert not (company.folder / "organization.db").exists()


def test_a_run_does_it_and_a_second_run_has_nothing_to_do(company: Company) -> None:
    first = company.dirsync("run")
    assert first.exit_code == 0, first.output
    assert first.stdout.startswith("Invited 12 people, created 1 group and added 12 memberships.")
    second = company.dirsync("run")
    assert second.exit_code == 0
    assert second.stdout.startswith("Nothing to do.")


def test_each_applied_change_is_logged_with_its_reason(company: Company) -> None:
    result = company.dirsync("run", "-v")
    assert "dirsync: invite person00@example.org: in hq\n" in result.stderr
    assert "dirsync: sending " in result.stderr
    assert company.dirsync("run", "--quiet").stderr == ""


def test_the_document_of_a_run_has_the_fields_of_the_contract(company: Company) -> None:
    document = company.document("run", "--json")
    assert document.keys() >= {
        "plan_id", "organization", "dry_run", "complete", "summary", "changes", "held", "unmanaged", "problems",
        "evidence", "forecast", "outcome", "exit_code",
    }  # fmt: skip
    assert document["summary"].keys() == {
        "invite", "adopt", "rekey", "restore", "revoke", "remove", "create_group", "adopt_group", "rename_group",
        "delete_group", "add_membership", "remove_membership",
    }  # fmt: skip
    assert document["changes"][0].keys() >= {"action", "key", "email", "group", "reason"}
    assert document["forecast"].keys() >= {"requests", "seconds", "seats"}
    assert document["forecast"]["seats"].keys() >= {"needed", "free"}
    assert document["outcome"] == {"applied": 25, "failed": 0, "skipped": 0, "failures": []}
    assert document["dry_run"] is False
    assert document["exit_code"] == 0


def test_a_dry_run_has_no_outcome(company: Company) -> None:
    assert "outcome" not in company.document("run", "--dry-run", "--json")


def _removals_held(company: Company) -> str:
    """Everybody but two has left: the limit holds. Returns the command that the output names."""
    company.dirsync("run")
    company.people(*TWELVE[:2])
    result = company.dirsync("run")
    assert result.exit_code == 3, result.output
    return next(line.strip() for line in result.stdout.splitlines() if "--approve" in line)


def test_what_a_limit_holds_is_released_by_the_command_that_is_shown(company: Company) -> None:
    command = _removals_held(company).split()
    assert command[:4] == ["dirsync", "run", "-c", str(company.config)]
    result = company.dirsync(*command[1:], config=False)
    assert result.exit_code == 0, result.output
    assert "evoked 10 people" in result.stdout


def test_another_plan_id_releases_nothing_and_says_so(company: Company) -> None:
    _removals_held(company)
    result = company.dirsync("run", "--approve", "0123456789ab")
    assert result.exit_code == 3
    assert "--approve 0123456789ab does not fit" in result.stderr


def test_no_approval_is_offered_for_what_no_approval_releases(company: Company) -> None:
    company.dirsync("run")
    company.people(*TWELVE[:11], complete=False)
    result = company.dirsync("run")
    assert result.exit_code == 6
    assert "Held by incomplete read" in result.stdout
    assert "--approve" not in result.stdout


def test_a_second_run_while_one_is_running_exits_with_5(company: Company) -> None:
    with organization_lock(company.organization):
        result = company.dirsync("run", "--json")
        dry = company.dirsync("run", "--dry-run")
    assert result.exit_code == 5
    assert json.loads(result.stdout)["exit_code"] == 5
    assert "another run works on this organization" in result.stderr
    assert dry.exit_code == 0


def test_changes_that_fail_exit_with_4_and_are_named(company: Company) -> None:
    company.dirsync("run")
    company.people(*TWELVE[:11])
    # the organization refuses to revoke anybody
    with sqlite3.connect(company.folder / "organization.db") as organization:
        organization.execute(
            "CREATE TRIGGER refuse BEFORE UPDATE ON members WHEN new.status = -1 BEGIN SELECT RAISE(IGNORE); END"
        )
    organization.close()
    result = company.dirsync("run")
    assert result.exit_code == 4, result.output
    assert result.stdout.startswith("0 changes applied, 1 failed.")
    assert "person11@example.org" in result.stdout.partition("Failed (1)")[2].splitlines()[1]


# ------------------------------------------------------------------------------------------------------ several at once


def _second(company: Company, text: str) -> Path:
    other = company.folder / "another.yaml"
    other.write_text(text, encoding="utf-8")
    return other


def test_a_folder_runs_every_configuration_each_with_its_own_outcome(company: Company) -> None:
    _second(company, "directories: {}\n")
    result = company.dirsync("run", str(company.folder), config=False)
    assert result.exit_code == 2
    assert "another.yaml:1" in result.stderr
    assert f"== {company.config}\nInvited 12 people" in result.stdout


def test_an_unforeseen_error_does_not_stop_the_others(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    other = _second(company, company.config.read_text(encoding="utf-8"))
    real: Callable[[Shared, Path | None], Config] = run_module.configuration

    def broken(shared: Shared, path: Path | None = None) -> Config:
        if path == other:
            raise ZeroDivisionError("oh")
        return real(shared, path)

    monkeypatch.setattr(run_module, "configuration", broken)
    result = company.dirsync("run", str(company.folder), config=False)
    assert result.exit_code == 1
    assert f"{other}: unexpected ZeroDivisionError" in result.stderr
    assert "Invited 12 people" in result.stdout
    assert "exit code 1. oh" in result.stdout


def test_a_folder_gives_one_document(company: Company) -> None:
    _second(company, "directories: {}\n")
    result = company.dirsync("run", str(company.folder), "--json", config=False)
    document = json.loads(result.stdout)
    assert document["exit_code"] == result.exit_code == 2
    broken, well = document["runs"]
    assert broken["exit_code"] == 2
    assert broken["config_problems"]
    assert well["outcome"]["applied"] == 25
    assert well["config"] == str(company.config)


def test_one_file_as_an_argument_gives_the_same_document_as_with_config(company: Company) -> None:
    result = company.dirsync("run", str(company.config), "--json", config=False)
    assert json.loads(result.stdout)["outcome"]["applied"] == 25


def test_a_folder_without_configurations_is_an_error(tmp_path: Path) -> None:
    (tmp_path / ".hidden.yaml").touch()
    with pytest.raises(ConfigError, match=r"no \*\.yaml"):
        configurations([tmp_path])


def test_files_of_both_spellings_count_once(tmp_path: Path) -> None:
    for name in ("b.yml", "a.yaml", "readme.txt"):
        (tmp_path / name).touch()
    assert configurations([tmp_path, tmp_path / "a.yaml"]) == [tmp_path / "a.yaml", tmp_path / "b.yml"]


@pytest.mark.parametrize(
    ("codes", "worst"),
    [([], 0), ([0, 0], 0), ([3, 6], 6), ([6, 4, 3], 4), ([4, 5], 5), ([5, 2], 2), ([2, 1, 5], 1), ([0, 3], 3)],
)
def test_the_most_serious_exit_code_counts(codes: list[int], worst: int) -> None:
    assert most_serious(codes) == worst
    assert len(set(SERIOUS)) == len(SERIOUS)


# ----------------------------------------------------------------------------------------------------------- the record


def _runs(company: Company) -> list[dict[str, Any]]:
    runs: list[dict[str, Any]] = company.document("history", "--json")["runs"]
    return runs


def test_a_failed_run_is_in_the_history_with_its_error(company: Company) -> None:
    (company.folder / "people.json").unlink()
    assert company.dirsync("run").exit_code == 1
    (run,) = _runs(company)
    assert run["exit_code"] == 1
    report = company.document("history", str(run["number"]), "--json")["report"]
    assert "people.json" in report["error"]


def test_dry_runs_are_recorded_as_such(company: Company) -> None:
    company.dirsync("run", "--dry-run")
    company.dirsync("run")
    assert [(run["command"], run["dry_run"]) for run in _runs(company)] == [("run", False), ("run --dry-run", True)]


def test_an_interrupted_run_says_what_was_applied_and_is_recorded(company: Company) -> None:
    def work(job: Job, number: int) -> Report:
        journal = job.state.journal(number)
        journal.end(journal.begin(Call("POST /public/organization/import", "", ()), "x"), "ok")
        journal.begin(Call("POST /public/members/{id}/revoke", "m1", ()), "y")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match="1 request with 0 changes had been applied, one more may have been"):
        recorded(configuration(SILENT, company.config), SILENT, "run", work, dry_run=False)
    assert _runs(company)[0]["exit_code"] == 130


def test_an_unforeseen_error_is_recorded_too(company: Company) -> None:
    def work(job: Job, number: int) -> Report:
        raise ZeroDivisionError("oh")

    with pytest.raises(ZeroDivisionError):
        recorded(configuration(SILENT, company.config), SILENT, "run", work, dry_run=False)
    assert _runs(company)[0]["exit_code"] == 1


def test_a_run_that_was_killed_is_visible(company: Company) -> None:
    with State.open(f"sqlite:///{company.folder / 'state.db'}") as state:
        number = state.begin_run(company.organization, "run", datetime.now(UTC), False)
    assert "did not finish" in company.dirsync("history").stdout
    assert "did not finish" in company.dirsync("history", str(number)).stdout


def test_a_run_that_was_killed_in_a_request_is_named_once(company: Company) -> None:
    with State.open(f"sqlite:///{company.folder / 'state.db'}") as state:
        number = state.begin_run(company.organization, "run", datetime.now(UTC), False)
        state.journal(number).begin(Call("POST /public/organization/import", "", ()), "x")
    assert f"run {number} was stopped in the middle of a request" in company.dirsync("run").stderr
    assert "was stopped" not in company.dirsync("run").stderr


def test_a_state_that_can_only_be_read_is_enough_for_a_dry_run(company: Company) -> None:
    company.dirsync("run")
    with sqlite3.connect(company.folder / "state.db") as state:
        state.execute("CREATE TRIGGER refuse BEFORE INSERT ON runs BEGIN SELECT RAISE(ABORT, 'read only'); END")
    state.close()
    # what was remembered still counts: the directory has shrunk
    company.people()
    dry = company.dirsync("run", "--dry-run")
    assert dry.exit_code == 3, dry.output
    assert "will not be in the history" in dry.stderr
    assert "shrank from 12 to 0 users" in " ".join(dry.stdout.split())
    assert company.dirsync("run").exit_code == 1


def test_a_dry_run_works_without_a_state_and_says_so(company: Company) -> None:
    text = company.config.read_text(encoding="utf-8")
    company.config.write_text(text.replace("///state.db", "///people.json/state.db"), encoding="utf-8")
    dry = company.dirsync("run", "--dry-run")
    assert dry.exit_code == 0, dry.output
    assert "will not be in the history" in dry.stderr
    assert "Would invite 12 people" in dry.stdout
    assert company.dirsync("plan").exit_code == 0
    assert company.dirsync("run").exit_code == 1


def test_a_real_run_that_cannot_record_its_end_reports_all_the_same(
    company: Company, caplog: pytest.LogCaptureFixture
) -> None:
    def work(job: Job, number: int) -> Report:
        with sqlite3.connect(company.folder / "state.db") as state:
            state.execute("DELETE FROM runs")
        state.close()
        raise DirectoryUnreachable("hq", "gone")

    with caplog.at_level(logging.ERROR), pytest.raises(DirectoryUnreachable):
        recorded(configuration(SILENT, company.config), SILENT, "run", work, dry_run=False)
    assert "is not in the history" in caplog.text
