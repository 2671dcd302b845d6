"""``dirsync explain``: rule by rule, path by path."""

from __future__ import annotations

from typing import Any
from uuid import NAMESPACE_DNS, uuid5

from tests.cli.company import Company
from tests.cli.conftest import TWELVE

RULES = """\
select:
  users:
    include: [{group: Vault}]
    exclude: [{email: "*11@*"}]
  groups: {include: [{name: "V*"}]}
"""


def _nested(company: Company, rules: str = RULES) -> None:
    """Vault > Berlin > Platform > everybody but person10, in an LDIF file."""
    entries = [_entry("person", name, f"uid: {name}", f"mail: {name}@example.org") for name in TWELVE]
    inside = [f"member: cn={name},dc=example,dc=org" for name in TWELVE if name != "person10"]
    entries.append(_entry("groupOfNames", "Platform", *inside))
    entries.append(_entry("groupOfNames", "Berlin", "member: cn=Platform,dc=example,dc=org"))
    entries.append(_entry("groupOfNames", "Vault", "member: cn=Berlin,dc=example,dc=org"))
    (company.folder / "people.ldif").write_text("version: 1\n\n" + "\n".join(entries), encoding="utf-8")
    company.configure(rules, source="people.ldif")


def _entry(kind: str, name: str, *lines: str) -> str:
    dn = f"dn: cn={name},dc=example,dc=org"
    return "\n".join(
        [dn, f"objectClass: {kind}", f"cn: {name}", f"entryUUID: {uuid5(NAMESPACE_DNS, name)}", *lines, ""]
    )


def _rows(document: dict[str, Any], title: str) -> list[tuple[str, str]]:
    section = next(section for section in document["sections"] if section["title"] == title)
    return [(row["what"], row["why"]) for row in section["rows"]]


def test_somebody_selected_through_nested_groups(company: Company) -> None:
    _nested(company)
    document = company.document("explain", "Person00@Example.org", "--json")
    assert document["known"] is True
    assert document["verdict"].startswith("Person00@Example.org is selected: in hq, selected by {group: Vault}.")
    assert document["verdict"].endswith("The next run would do this: invite and add membership.")
    rules = _rows(document, "Rules")
    assert rules[0] == ("matches", "select.users.include {group: Vault}, through Vault > Berlin > Platform")
    assert rules[1] == ("does not", "select.users.exclude {email: *11@*}")
    changes = [why for _, why in _rows(document, "The next run")]
    assert changes[0] == "invite person00@example.org: in hq, selected by {group: Vault}"


def test_somebody_who_is_excluded_and_a_member(company: Company) -> None:
    _nested(company, rules="")
    assert company.dirsync("run").exit_code == 0
    _nested(company)
    document = company.document("explain", "person11", "--json")
    assert "is out: excluded by select.users.exclude" in document["verdict"]
    assert "The next run would do this: revoke" in document["verdict"]
    assert "groups: Berlin, Platform, Vault" in [why for _, why in _rows(document, "In the organization")]


def test_somebody_who_is_in_no_group(company: Company) -> None:
    _nested(company)
    assert "is out: not in any group" in company.dirsync("explain", "person10@example.org").stdout


def test_somebody_without_an_address(company: Company) -> None:
    company.people(*TWELVE, person05={"email": ""})
    result = company.dirsync("explain", "person05")
    assert result.exit_code == 0
    assert "cannot be synced: " in result.stdout
    assert "Problems that concern them" in result.stdout


def test_problems_of_longer_addresses_are_not_theirs(company: Company) -> None:
    company.people("ana", "hana", "hana2", hana2={"email": "hana@example.org"})
    assert "Problems" not in company.dirsync("explain", "ana@example.org").stdout
    assert "Problems" in company.dirsync("explain", "hana@example.org").stdout


def test_somebody_who_left(company: Company) -> None:
    company.dirsync("run")
    company.people(*TWELVE[:11])
    result = company.dirsync("explain", "person11@example.org")
    assert "no longer in any directory" in " ".join(result.stdout.split())
    assert "The next run would do this: revoke" in " ".join(result.stdout.split())


def test_what_is_held_says_so(company: Company) -> None:
    company.dirsync("run")
    company.people(*TWELVE[:2])
    assert "Held back: revoke (limits." in company.document("explain", "person11@example.org", "--json")["verdict"]


def test_nobody_knows_them(company: Company) -> None:
    document = company.document("explain", "persn07@example.org", "--json", code=1)
    assert document["known"] is False
    assert ("hq", "12 users read") in _rows(document, "Looked for in")
    assert _rows(document, "Did you mean")[0][0].startswith("person0")
    assert company.dirsync("explain", "nobody").exit_code == 1


def test_a_question_leaves_no_trace(company: Company) -> None:
    company.dirsync("explain", "person00@example.org")
    assert not (company.folder / "state.db").exists()
    assert not (company.folder / "organization.db").exists()
