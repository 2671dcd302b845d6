"""``dirsync init``: asked or unattended, the file is valid and nothing is overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dirconnector.cli.group import cli
from dirconnector.cli.init import QUESTIONS
from dirconnector.config import load
from dirconnector.config.starter import ANSWERS
from tests.cli.company import Company


def _init(file: Path, *words: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(cli, ["init", "--output", str(file), *words], prog_name="dirsync", input=typed)


def test_every_answer_has_a_question_and_an_option() -> None:
    assert QUESTIONS.keys() == ANSWERS.keys()


def test_unattended(tmp_path: Path) -> None:
    file = tmp_path / "dirsync.yaml"
    result = _init(
        file,
        "--defaults",
        "--directory",
        "ldap",
        "--url",
        "ldaps://dc.example.org",
        "--base",
        "DC=x",
        "--group",
        "Vault-*",
    )
    assert result.exit_code == 0, result.output
    assert f"dirsync -c {file} check" in result.stdout
    config = load(file)
    assert config.directories[0].kind == "ldap"
    assert str(config.select.users_include[0]) == "{group: Vault-*}"


def test_asked(tmp_path: Path) -> None:
    file = tmp_path / "dirsync.yaml"
    result = _init(file, typed="file\nstaff\npeople.csv\n\nlocal\n\n")
    assert result.exit_code == 0, result.output
    assert "Kind of the directory" in result.stderr
    assert load(file).directories[0].name == "staff"


def test_an_existing_file_is_not_overwritten_unless_forced(tmp_path: Path) -> None:
    file = tmp_path / "dirsync.yaml"
    file.write_text("precious", encoding="utf-8")
    assert _init(file, "--defaults").exit_code == 2
    assert file.read_text(encoding="utf-8") == "precious"
    assert _init(file, "--defaults", "--force").exit_code == 0
    assert load(file)


def test_nothing_is_written_when_the_questions_are_left_unanswered(tmp_path: Path) -> None:
    file = tmp_path / "dirsync.yaml"
    assert _init(file, typed="file\n").exit_code == 1
    assert not file.exists()


@pytest.mark.parametrize("words", [("--url", "ldap://x"), ("--directory", "ldap", "--path", "x")])
def test_an_answer_that_does_not_fit_the_kind_is_an_error(tmp_path: Path, words: tuple[str, ...]) -> None:
    result = _init(tmp_path / "dirsync.yaml", "--defaults", *words)
    assert result.exit_code == 2
    assert "is for directory" in result.stderr


def test_nobody_to_ask(company: Company) -> None:
    company.config.unlink()
    result = company.dirsync("init", input="ldap\n")
    assert result.exit_code == 1
    assert "dirsync: error: stopped before anything was written; --defaults asks nothing" in result.stderr
    assert not company.config.exists()
