"""``dirsync check``."""

from __future__ import annotations

from tests.cli.company import Company


def test_all_well(company: Company) -> None:
    result = company.dirsync("check")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[-1].startswith("All ")
    assert not any(line.startswith("FAIL") for line in lines)


def test_what_fails_is_named_with_its_cure_and_the_rest_is_checked(company: Company) -> None:
    (company.folder / "people.json").unlink()
    document = company.document("check", "--json", code=1)
    failed = [finding for finding in document["findings"] if not finding["ok"]]
    assert failed
    assert all(finding["cure"] for finding in failed)
    assert [finding["subject"] for finding in document["findings"]][-2:] == ["state", "lock"]
    assert document["exit_code"] == 1
    result = company.dirsync("check")
    assert result.exit_code == 1
    assert "FAIL  " in result.stdout
    assert "-> " in result.stdout


def test_a_state_that_cannot_be_used_is_a_finding(company: Company) -> None:
    (company.folder / "state.db").write_text("no database at all, " * 100, encoding="utf-8")
    document = company.document("check", "--json", code=1)
    assert [finding["subject"] for finding in document["findings"] if not finding["ok"]] == ["state"]


def test_a_configuration_that_is_not_valid_lists_every_problem(company: Company) -> None:
    company.config.write_text("directories: {}\nfoo: 1\n", encoding="utf-8")
    result = company.dirsync("check")
    assert result.exit_code == 2
    assert result.stderr.count("dirsync: error: ") >= 3


def test_of_many_problems_the_first_are_said_and_json_has_all(company: Company) -> None:
    company.config.write_text("".join(f"key{number}:\n" for number in range(60)), encoding="utf-8")
    result = company.dirsync("check")
    assert result.exit_code == 2
    lines = result.stderr.splitlines()
    assert len(lines) == 41
    assert lines[-1] == "dirsync: error: and 22 more like these"
    assert len(company.document("check", "--json", code=2)["config_problems"]) == 62


def test_findings_name_their_directory_and_say_nothing_twice(company: Company) -> None:
    company.configure(extra="  branch: {kind: ldap, url: ldaps://x, bind_dn: cn=x, password: {env: NOT_SET_AT_ALL}}")
    failed = [finding for finding in company.document("check", "--json", code=1)["findings"] if not finding["ok"]]
    assert [finding["subject"] for finding in failed] == ["branch: connection"]
    assert failed[0]["detail"].endswith("it is empty or not set")
    assert failed[0]["cure"] == "do what the message says and check again"
