"""The contract of readers, kept by the LDAP reader on each real server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.reader_contract import WORLD, ReaderContract, Subject, world_ldif
from tests.servers import ldif
from tests.servers.config import ldap_reader
from tests.servers.ds389 import DirectoryServer389
from tests.servers.example_tree import rdn
from tests.servers.samba_ad import SambaAD, group, user
from tests.servers.server import DirectoryServer, free_port
from tests.servers.slapd import Slapd


def subject_of(server: DirectoryServer, folder: Path, base: str, department: str, **more: Any) -> Subject:
    settings = {"users": {"base": base}, "groups": {"base": base}} | more
    nowhere = settings | {"url": f"ldaps://127.0.0.1:{free_port()}"}
    return Subject(
        alive=lambda attributes: ldap_reader(server, folder, attributes=attributes, **settings),
        dead=lambda: ldap_reader(server, folder, **nowhere),
        department=department,
    )


@pytest.mark.slapd
class TestOpenLdap(ReaderContract):
    @pytest.fixture
    def subject(self, slapd: Callable[..., Slapd], tmp_path: Path) -> Subject:
        tree = world_ldif(disabled=("pwdAccountLockedTime", "000001010000Z"))
        server = slapd(tree, overlays=["ppolicy"])
        return subject_of(server, tmp_path, f"ou=people,{server.base}", "departmentnumber", groups={})


@pytest.fixture(scope="module")
def in_389ds(ds389: DirectoryServer389) -> str:
    base = f"dc=contract,{ds389.base}"
    ds389.add(world_ldif(base, uuids=False))
    return base


@pytest.mark.ds389
class TestDirectoryServer389(ReaderContract):
    @pytest.fixture
    def subject(self, ds389: DirectoryServer389, in_389ds: str, tmp_path: Path) -> Subject:
        return subject_of(ds389, tmp_path, in_389ds, "departmentnumber")


@pytest.fixture(scope="module")
def in_samba(samba: SambaAD) -> Iterator[str]:
    base = samba.unit("contract")
    people = {person.username: f"{rdn('CN', person.name)},{base}" for person in WORLD.people}
    teams = {team.name: f"CN={team.name},{base}" for team in WORLD.teams}
    users = (
        user(
            people[person.username],
            person.username,
            mail=person.email,
            disabled=not person.enabled,
            displayName=person.name,
            department=person.department,
        )
        for person in WORLD.people
    )
    samba.add("".join([*users, *(group(dn, name, []) for name, dn in teams.items())]))
    for team in WORLD.teams:
        members = [people[name] for name in team.members] + [teams[name] for name in team.subgroups]
        values = "".join(ldif.line("member", dn) for dn in members)
        samba.modify(f"dn: {teams[team.name]}\nchangetype: modify\nadd: member\n{values}")
    yield base
    # the names of accounts are taken in the whole domain, which other tests use after these
    samba.delete(*teams.values(), *people.values())


@pytest.mark.samba
class TestActiveDirectory(ReaderContract):
    @pytest.fixture
    def subject(self, samba: SambaAD, in_samba: str, tmp_path: Path) -> Subject:
        return subject_of(samba, tmp_path, in_samba, "department")
