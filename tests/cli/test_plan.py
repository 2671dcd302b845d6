"""``dirsync plan`` and ``dirsync apply``."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from dirconnector.errors import DirsyncError
from dirconnector.output.stdout import write_file
from tests.cli.company import Company
from tests.cli.conftest import TWELVE


def test_a_plan_changes_nothing_and_exits_with_0_or_10(company: Company) -> None:
    assert company.dirsync("plan").exit_code == 0
    assert company.document("plan", "--format", "json", "--exit-code", code=10)["exit_code"] == 10
    assert not (company.folder / "organization.db").exists()
    company.dirsync("run")
    assert company.dirsync("plan", "--exit-code").exit_code == 0


def test_json_is_the_same_as_format_json(company: Company) -> None:
    one, other = company.document("plan", "--json"), company.document("plan", "--format", "json")
    assert one | {"run": 0} == other | {"run": 0}


def test_a_saved_plan_is_applied(company: Company) -> None:
    file = company.folder / "plan.json"
    result = company.dirsync("plan", "-o", str(file))
    assert result.stdout.startswith("Would invite 12 people")
    assert f"dirsync apply {file}" in result.stdout
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert company.document("apply", str(file), "--json")["outcome"]["applied"] == 25


def test_a_plan_is_not_applied_when_a_side_has_moved(company: Company) -> None:
    file = company.folder / "plan.json"
    company.dirsync("plan", "-o", str(file))
    company.people(*TWELVE, "newcomer")
    result = company.dirsync("apply", str(file))
    assert result.exit_code == 1
    assert "the directory changed since the plan was made" in result.stderr
    assert not (company.folder / "organization.db").exists()


def test_a_plan_file_that_was_tampered_with_is_refused(company: Company) -> None:
    file = company.folder / "plan.json"
    company.dirsync("plan", "-o", str(file))
    document = json.loads(file.read_text(encoding="utf-8"))
    document["changes"][0]["email"] = "mallory@example.org"
    file.write_text(json.dumps(document), encoding="utf-8")
    assert company.dirsync("apply", str(file)).exit_code == 1


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 99}', "not json"])
def test_what_is_not_a_plan_is_refused_with_the_file_named(company: Company, text: str) -> None:
    file = company.folder / "plan.json"
    file.write_text(text, encoding="utf-8")
    result = company.dirsync("apply", str(file))
    assert result.exit_code == 2
    assert str(file) in result.stderr


def test_markdown_for_a_ticket(company: Company) -> None:
    company.people(*TWELVE, pipe={}, person00={"name": "a|b"})
    result = company.dirsync("plan", "--format", "markdown")
    assert result.stdout.startswith("# dirsync plan for local:")
    assert "| invite people | 12 |" in result.stdout


def test_other_forms_can_be_written_too(company: Company) -> None:
    file = company.folder / "plan.md"
    result = company.dirsync("plan", "-o", str(file), "--format", "markdown")
    assert "dirsync apply" not in result.stdout
    assert file.read_text(encoding="utf-8").startswith("# dirsync plan")


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "plan.json"
    file.write_text("old", encoding="utf-8")

    def full(number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DirsyncError, match="No space left"):
        write_file(file, "new")
    assert file.read_text(encoding="utf-8") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]


def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    # a reader that does not wait, so that nothing hangs when nobody writes
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_file(pipe, "text")
    assert os.read(reading, 100) == b"text"
    os.close(reading)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.parametrize("name", ["missing/plan.json", "."])
def test_a_file_that_cannot_be_written_is_named(company: Company, name: str) -> None:
    result = company.dirsync("plan", "-o", str(company.folder / name))
    assert result.exit_code == 1
    assert str(company.folder) in result.stderr
