"""``dirsync snapshot``."""

from __future__ import annotations

from tests.cli.company import Company
from tests.cli.conftest import TWELVE


def test_the_document_has_the_fields_of_the_contract_and_is_sorted(company: Company) -> None:
    company.people("zoe", "ana", ana={"email": "ANA@Example.org"})
    document = company.document("snapshot", "--json")
    assert document["users"] == [
        {
            "key": f"key-{name}",
            "email": f"{name}@example.org",
            "name": name.title(),
            "enabled": True,
            "directory": "hq",
            "username": name,
        }
        for name in ("ana", "zoe")
    ]
    assert document["groups"] == [
        {"key": "key-staff", "name": "Staff", "directory": "hq", "members": ["key-ana", "key-zoe"]}
    ]
    assert all(
        item.keys() == {"directory", "query", "complete", "pages", "entries", "why"} for item in document["evidence"]
    )
    assert document["problems"] == []


def test_the_rules_apply(company: Company) -> None:
    company.configure("select: {users: {exclude: [{email: 'person0*'}]}}")
    document = company.document("snapshot", "--json")
    assert [user["email"] for user in document["users"]] == ["person10@example.org", "person11@example.org"]


def test_one_directory(company: Company) -> None:
    company.configure("  branch: {kind: file, path: branch.json}")
    (company.folder / "branch.json").write_text(
        (company.folder / "people.json")
        .read_text(encoding="utf-8")
        .replace("person", "branch")
        .replace("hq", "branch"),
        encoding="utf-8",
    )
    assert len(company.document("snapshot", "--json")["users"]) == 24
    users = company.document("snapshot", "branch", "--json")["users"]
    assert {user["directory"] for user in users} == {"branch"}
    assert len(users) == 12


def test_an_unknown_directory_is_a_usage_error_that_names_those_there_are(company: Company) -> None:
    result = company.dirsync("snapshot", "hg")
    assert result.exit_code == 2
    assert "there are: hq" in result.stderr


def test_an_incomplete_read_has_its_exit_code(company: Company) -> None:
    company.people(*TWELVE, complete=False)
    result = company.dirsync("snapshot", "--limit", "3")
    assert result.exit_code == 6
    assert "... and 9 more; --all shows them" in result.stdout
    assert "Incomplete reads" in result.stdout
    assert "person11@example.org" in company.dirsync("snapshot", "--all").stdout


def test_a_rule_about_a_group_that_is_not_there_stops_everything(company: Company) -> None:
    company.configure("select: {users: {include: [{group: Stuff}]}}")
    assert company.dirsync("snapshot").exit_code == 2
