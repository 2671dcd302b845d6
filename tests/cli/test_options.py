"""The options that all commands have."""

from __future__ import annotations

import json

import pytest

from dirconnector.output.redact import MASK
from tests.cli.company import Company


@pytest.mark.parametrize("before", [True, False])
def test_they_work_before_and_after_the_command(company: Company, before: bool) -> None:
    shared = ["-c", str(company.config), "--quiet", "--log-format", "json", "--no-color", "-v"]
    words = [*shared, "run"] if before else ["run", *shared]
    result = company.dirsync(*words, config=False)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""


def test_the_later_word_counts(company: Company) -> None:
    result = company.dirsync("-c", "nowhere.yaml", "run", "--dry-run", "-c", str(company.config), config=False)
    assert result.exit_code == 0, result.output


def test_log_lines_as_json(company: Company) -> None:
    result = company.dirsync("run", "--log-format", "json")
    lines = [json.loads(line) for line in result.stderr.splitlines()]
    assert {line["level"] for line in lines} == {"change"}
    assert all(line.keys() == {"time", "level", "logger", "message"} for line in lines)
    (company.folder / "people.json").unlink()
    (error,) = company.dirsync("run", "--log-format", "json").stderr.splitlines()
    assert json.loads(error)["level"] == "error"


def test_quiet_leaves_errors(company: Company) -> None:
    (company.folder / "people.json").unlink()
    result = company.dirsync("run", "--quiet")
    assert result.stderr.startswith("dirsync: error: hq: ")


def test_verbose_names_what_is_left_alone(company: Company) -> None:
    assert "1 member  made by hand" in company.dirsync("run", "--dry-run").stdout
    assert "member owner@local.invalid" in company.dirsync("run", "--dry-run", "-v").stdout


def test_a_secret_that_slips_into_an_error_is_masked(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIND_PASSWORD", "people.json")  # what the error is going to name
    company.configure("  other: {kind: ldap, url: 'ldap://127.0.0.1:1', bind_dn: x, password: {env: BIND_PASSWORD}, "
                      "users: {base: dc=x}, groups: {base: dc=x}}")  # fmt: skip
    (company.folder / "people.json").unlink()
    result = company.dirsync("run", "--json")
    assert result.exit_code == 1
    assert MASK in result.stderr
    assert "people.json" not in result.output


def test_configurations_are_given_in_one_way(company: Company) -> None:
    assert company.dirsync("run", str(company.config)).exit_code == 2
