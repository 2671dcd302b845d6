"""The file of a local organization: seed, what reading leaves alone, and everything that can be wrong with a file."""

from __future__ import annotations

import json
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from dirconnector.errors import OrganizationError, OrganizationRefused, OrganizationUnreachable
from dirconnector.model import Current, MemberType, Status, no_progress
from dirconnector.organizations import local_store, organization_class
from dirconnector.organizations.local import LocalOrganization, LocalSettings
from dirconnector.plan.model import Action, Change, Outcome
from tests.contract.organization_contract import MemoryJournal, MemoryLedger

INVITE = Change(Action.INVITE, "k-zoe", "zoe@example.org", "", "because")


def local(folder: Path, **settings: Any) -> LocalOrganization:
    return LocalOrganization(LocalSettings.model_validate({"path": "o.db", **settings}, context={"folder": folder}))


def read(organization: LocalOrganization) -> Current:
    return organization.read(MemoryLedger(), verify=False, progress=no_progress)


def apply(organization: LocalOrganization, *changes: Change) -> Outcome:
    return organization.apply(
        changes, read(organization), journal=MemoryJournal(), ledger=MemoryLedger(), progress=no_progress
    )


def seeded(folder: Path, seed: object, **settings: Any) -> LocalOrganization:
    (folder / "seed.json").write_text(seed if isinstance(seed, str) else json.dumps(seed))
    return local(folder, seed="seed.json", **settings)


def test_the_kind_is_in_the_table() -> None:
    assert organization_class("local") is LocalOrganization


def test_the_name_is_the_resolved_path(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    organization = LocalOrganization(LocalSettings.model_validate({"path": "x/../o.db"}, context={"folder": tmp_path}))
    assert organization.name == f"local:{(tmp_path / 'o.db').resolve()}"


def test_a_new_organization_has_its_owner_and_nobody_else(tmp_path: Path) -> None:
    (owner,) = read(local(tmp_path)).members.values()
    assert (owner.email, owner.type, owner.status) == ("owner@local.invalid", MemberType.OWNER, Status.CONFIRMED)


def test_reading_planning_and_checking_create_nothing(tmp_path: Path) -> None:
    organization = local(tmp_path)
    current = read(organization)
    organization.forecast([INVITE], current)
    assert all(finding.ok for finding in organization.check())
    assert apply(organization) == Outcome()
    assert list(tmp_path.iterdir()) == []


def test_what_was_read_from_the_seed_is_what_the_file_gets(tmp_path: Path) -> None:
    members = [{"email": "ana@example.org"}, {"email": "o@example.org", "type": "owner", "id": "my-own-id"}]
    groups = [{"name": "G", "members": ["ana@example.org"], "collections": 1}, {"name": "G"}]
    organization = seeded(tmp_path, {"seats": 9, "members": members, "groups": groups})
    before = read(organization)
    assert "my-own-id" in before.members
    with organization.endpoints():
        pass
    assert (tmp_path / "o.db").exists()
    assert read(organization) == before
    (tmp_path / "seed.json").unlink()
    assert read(organization) == before, "the seed is not looked at any more"


def test_only_one_file_stays(tmp_path: Path) -> None:
    assert apply(local(tmp_path), INVITE).applied == 1
    assert [path.name for path in tmp_path.iterdir()] == ["o.db"]


def test_an_empty_file_is_not_there_yet(tmp_path: Path) -> None:
    """A run that was killed while it created the file leaves an empty one."""
    (tmp_path / "o.db").touch()
    organization = local(tmp_path)
    assert len(read(organization).members) == 1
    assert (tmp_path / "o.db").stat().st_size == 0
    assert apply(organization, INVITE).applied == 1


def test_seats_come_from_the_config_then_from_the_seed(tmp_path: Path) -> None:
    seed = {"seats": 9, "members": [{"email": "o@example.org", "type": "owner"}]}
    assert read(seeded(tmp_path, seed)).seats == 9
    assert read(seeded(tmp_path, seed, seats=3)).seats == 3
    assert read(local(tmp_path)).seats is None


def test_statuses_and_types_of_a_seed_are_words_or_numbers(tmp_path: Path) -> None:
    members: list[dict[str, Any]] = [
        {"email": "a@example.org", "status": "staged", "type": "custom"},
        {"email": "b@example.org", "status": -1, "type": 0},
        {"email": "c@example.org", "status": 7, "type": 3},
    ]
    found = {m.email[0]: (m.status, m.type) for m in read(seeded(tmp_path, {"members": members})).members.values()}
    assert found == {
        "a": (Status.STAGED, MemberType.CUSTOM),
        "b": (Status.REVOKED, MemberType.OWNER),
        "c": (Status.OTHER, MemberType.OTHER),
    }


@pytest.mark.parametrize(
    ("seed", "words"),
    [
        ("{", "not JSON"),
        ("[]", "not valid"),
        ({"members": [{"mail": "x"}]}, "members.0.email"),
        ({"seats": -1}, "seats"),
        ({"members": [{"email": "a@x.org", "status": "gone"}]}, "a@x.org: there is no status or type 'GONE'"),
        ({"members": [{"email": "a@x.org"}, {"email": "A@x.org"}]}, "same address"),
        ({"groups": [{"name": "G", "members": ["who@x.org"]}]}, "group G: who@x.org"),
    ],
)
def test_a_wrong_seed_is_named(tmp_path: Path, seed: object, words: str) -> None:
    with pytest.raises(OrganizationRefused) as caught:
        read(seeded(tmp_path, seed))
    assert words in str(caught.value)
    assert "seed.json" in str(caught.value)


def test_a_seed_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(OrganizationRefused, match=r"other\.json: the seed cannot be read \(No such file"):
        read(local(tmp_path, seed="other.json"))


# ------------------------------------------------------------------------------------------------- what can be wrong


def assert_refused(organization: LocalOrganization, words: str, *, kind: type[OrganizationError]) -> None:
    """Reading says so, and so does check, which raises nothing."""
    with pytest.raises(kind) as caught:
        read(organization)
    assert words in str(caught.value)
    assert str(organization.path) in str(caught.value)
    (finding,) = [finding for finding in organization.check() if not finding.ok]
    assert words in finding.detail
    assert finding.cure


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "o.db").write_text("these are notes, not a database " * 100)
    assert_refused(local(tmp_path), "not a SQLite file", kind=OrganizationRefused)


def test_a_damaged_file(tmp_path: Path) -> None:
    organization = local(tmp_path)
    apply(organization, *(INVITE._replace(key=f"k{i}", email=f"p{i}@example.org") for i in range(500)))
    data = bytearray(organization.path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    organization.path.write_bytes(data)
    assert_refused(organization, "damaged", kind=OrganizationRefused)


def test_the_database_of_another_program_is_not_touched(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "o.db") as other:
        other.execute("CREATE TABLE runs (id)")
    other.close()
    before = (tmp_path / "o.db").read_bytes()
    organization = local(tmp_path)
    assert_refused(organization, "another program", kind=OrganizationRefused)
    with pytest.raises(OrganizationRefused), organization.endpoints():
        pass
    assert (tmp_path / "o.db").read_bytes() == before


def test_a_newer_schema(tmp_path: Path) -> None:
    organization = local(tmp_path)
    with organization.endpoints() as endpoints:
        endpoints.connection.execute("PRAGMA user_version = 2")
    assert_refused(organization, "upgrade", kind=OrganizationRefused)


def test_a_folder_in_place_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "o.db").mkdir()
    assert_refused(local(tmp_path), "is a folder", kind=OrganizationRefused)


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    organization = local(tmp_path, path="nowhere/o.db")
    (finding,) = [finding for finding in organization.check() if not finding.ok]
    assert "nowhere" in finding.cure
    with pytest.raises(OrganizationRefused, match="the folder has to exist"):
        apply(organization, INVITE)


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    """SQLite's own read-only mode stands for missing rights: tests may run as root, whom no permission stops."""
    organization = local(tmp_path)
    apply(organization, INVITE)
    with organization.endpoints() as endpoints:
        endpoints.connection.execute("PRAGMA query_only = on")
        with pytest.raises(OrganizationRefused, match="write access to the file and its folder"):
            endpoints.delete_group("x")


def test_missing_rights_are_found_by_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer of the operating system is put in: root has every right."""
    organization = local(tmp_path)
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)
    for _ in ("no file yet", "with a file"):
        (finding,) = [finding for finding in organization.check() if not finding.ok]
        assert finding.cure == f"give this account write access to {tmp_path}"
        apply(organization, INVITE)


def test_a_full_disk_fails_the_call_and_changes_nothing(tmp_path: Path) -> None:
    organization = local(tmp_path)
    apply(organization, INVITE)
    before = read(organization)
    people = [{"email": f"p{i}@example.org", "externalId": f"k{i}" * 20} for i in range(1500)]
    with organization.endpoints() as endpoints:
        # the largest size this connection may give the file: what a full disk says, without filling one
        pages = endpoints.connection.execute("PRAGMA page_count").fetchone()[0]
        endpoints.connection.execute(f"PRAGMA max_page_count = {pages + 2}")
        with pytest.raises(OrganizationUnreachable, match="the disk is full"):
            endpoints.import_(members=people, groups=[])
        endpoints.revoke(next(m.id for m in before.members.values() if m.key))
    after = read(organization)
    assert after.members.keys() == before.members.keys()
    assert [m.status for m in after.members.values() if m.key] == [Status.REVOKED]


def test_a_locked_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_store, "BUSY_SECONDS", 0.05)
    organization = local(tmp_path)
    with organization.endpoints() as writer, organization.endpoints() as other:
        writer.connection.execute("BEGIN EXCLUSIVE")
        with pytest.raises(OrganizationUnreachable, match="locked by another program"):
            other.import_(members=[], groups=[])
        assert_refused(organization, "locked", kind=OrganizationUnreachable)
        writer.connection.execute("ROLLBACK")
        other.import_(members=[], groups=[])


def test_too_few_seats_are_found_by_check(tmp_path: Path) -> None:
    organization = seeded(tmp_path, {"members": [{"email": f"{i}@x.org"} for i in range(3)]}, seats=2)
    (finding,) = [finding for finding in organization.check() if not finding.ok]
    assert "-1 of 2 seats" in finding.detail
    assert "organization.seats" in finding.cure
