"""JumpCloud as a preset of the LDAP reader, against a real OpenLDAP that is laid out like theirs.

People and groups are side by side in ``ou=Users,o=ORGID,dc=jumpcloud,dc=com``; nobody reads without a bind; a group is
there as groupOfNames and, for Linux, as posixGroup; the account that reads is itself one of the people; and people whom
JumpCloud's lockout or expiry removes are simply not there any more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dirconnector.errors import DirectoryRefused
from dirconnector.model import Finding, Snapshot, no_progress
from tests.integration.world import INVITED, REVOKED, Member, World, changes
from tests.servers import ldif
from tests.servers.config import ldap_reader
from tests.servers.slapd import READER_PASSWORD, Slapd

pytestmark = pytest.mark.slapd

Start = Callable[..., Slapd]

BASE = "o=5f0c1e2d3a4b5c6d7e8f9a0b,dc=jumpcloud,dc=com"
PEOPLE = f"ou=Users,{BASE}"
BIND = f"uid=sync,{PEOPLE}"
NAMES = ("ana", "bo", "cee")


def dn(name: str) -> str:
    return f"uid={name},{PEOPLE}"


def person(name: str, **more: Any) -> str:
    """As JumpCloud writes a person."""
    posix = {"uidNumber": "5001", "gidNumber": "5001", "homeDirectory": f"/home/{name}", "loginShell": "/bin/bash"}
    return ldif.entry(
        dn(name),
        objectClass=["top", "person", "organizationalPerson", "inetOrgPerson", "shadowAccount", "posixAccount"],
        **(
            {"uid": name, "cn": f"{name.title()} Example", "sn": "Example", "mail": f"{name}@example.org"}
            | posix
            | more
        ),
    )


def group(name: str, *members: str) -> str:
    return ldif.group(f"cn={name},{PEOPLE}", name, [dn(member) for member in members], ou=name)


def tree() -> str:
    linux = ldif.entry(
        f"cn=Vault-Linux,{PEOPLE}",
        objectClass="posixGroup",
        cn="Vault-Linux",
        gidNumber="6001",
        memberUid=["ana", "bo"],
    )
    return "".join(
        [
            ldif.ou(PEOPLE),
            person("sync", userPassword=READER_PASSWORD, mail=[]),
            *map(person, NAMES),
            group("Vault-Users", *NAMES),
            group("Vault-Ops", "ana"),
            linux,
        ]
    )


@pytest.fixture
def server(slapd: Start) -> Slapd:
    return slapd(tree(), base=BASE, reader=BIND, lines=["require authc"], log_operations=True)


def settings(server: Slapd, /, **more: Any) -> dict[str, Any]:
    """What docs/directories/jumpcloud.md says: neither base nor filter."""
    return {"server": "jumpcloud", "url": server.ldaps_url, "users": {}, "groups": {}, **more}


def read(server: Slapd, folder: Path, /, **more: Any) -> Snapshot:
    return ldap_reader(server, folder, **settings(server, **more)).read(no_progress)


def check(server: Slapd, folder: Path, /, **more: Any) -> dict[str, Finding]:
    return {finding.subject: finding for finding in ldap_reader(server, folder, **settings(server, **more)).check()}


def usernames(snapshot: Snapshot) -> set[str]:
    return {user.username for user in snapshot.users.values()}


def members(snapshot: Snapshot) -> dict[str, set[str]]:
    return {group.name: {snapshot.users[key].username for key in group.members} for group in snapshot.groups.values()}


# ------------------------------------------------------------------------------------------------------------ reading


@pytest.mark.parametrize("way", ["ldaps", "start_tls"])
def test_people_and_groups_are_told_apart_in_one_place(server: Slapd, tmp_path: Path, way: str) -> None:
    start_tls = {"url": server.url, "tls": {"ca_file": str(server.ca_file), "start_tls": True}}
    found = read(server, tmp_path, **(start_tls if way == "start_tls" else {}))
    assert usernames(found) == {*NAMES, "sync"}
    assert members(found) == {"Vault-Users": set(NAMES), "Vault-Ops": {"ana"}}, "the posixGroup is no second group"
    assert found.complete
    assert (found.problems, found.unsyncable) == ((), {})
    keys = {user.username: user.key for user in found.users.values()}
    assert keys == {name: server.value(f"(uid={name})", "entryUUID") for name in keys}
    assert "TLS established" in server.log


@pytest.mark.parametrize("kind", ["jumpcloud", "auto"])
def test_check_knows_it_by_the_account_that_binds(server: Slapd, tmp_path: Path, kind: str) -> None:
    found = check(server, tmp_path, server=kind)
    assert all(finding.ok for finding in found.values()), found
    assert "JumpCloud" in found["server"].detail
    assert found["bind"].detail == f"bound as {BIND}"


def test_check_wants_encryption(server: Slapd, tmp_path: Path) -> None:
    """On loopback a test can only see that it is said; 389 without StartTLS sends the password in the clear."""
    found = check(server, tmp_path, url=server.url, tls={})
    assert "not encrypted" in found["connection"].detail


def test_nobody_reads_without_a_bind(server: Slapd, tmp_path: Path) -> None:
    anonymous = {"bind": "anonymous", "bind_dn": None, "password": None}
    found = read(server, tmp_path, **anonymous)
    assert (found.users, found.groups) == ({}, {})
    assert not any(evidence.complete for evidence in found.evidence), "nobody is taken for gone"
    assert "authentication required" in found.evidence[0].why
    assert "authentication required" in check(server, tmp_path, **anonymous)["users"].detail


def test_a_wrong_password_names_the_account(server: Slapd, tmp_path: Path) -> None:
    wrong = {"password": {"command": ["echo", "wrong"]}}
    with pytest.raises(DirectoryRefused) as refused:
        read(server, tmp_path, **wrong)
    assert BIND in str(refused.value)
    failed = check(server, tmp_path, **wrong)["connection"]
    assert not failed.ok
    assert BIND in failed.detail


def test_a_wrong_organization_id_is_a_refusal_and_not_an_empty_directory(server: Slapd, tmp_path: Path) -> None:
    other = "ou=Users,o=000000000000000000000000,dc=jumpcloud,dc=com"
    with pytest.raises(DirectoryRefused, match="noSuchObject"):
        read(server, tmp_path, users={"base": other}, groups={"base": other})


# ------------------------------------------------------------------------------------------------------------- paging


def crowd(slapd: Start, **more: Any) -> Slapd:
    many = "".join(person(f"u{number:03d}") for number in range(120))
    everyone = group("Everyone", *(f"u{number:03d}" for number in range(120)))
    return slapd(tree() + many + everyone, base=BASE, reader=BIND, lines=["require authc"], **more)


@pytest.mark.parametrize("limits", ["", "size.prtotal=disabled"])
def test_with_paging_and_without(slapd: Start, tmp_path: Path, limits: str) -> None:
    """Other connectors leave paging off; a server that has none is read in one answer."""
    found = read(crowd(slapd, limits=limits), tmp_path, page_size=50)
    assert len(found.users) == 124
    assert members(found)["Everyone"] == {f"u{number:03d}" for number in range(120)}
    assert found.complete
    users = found.evidence[0]
    assert users.pages == (1 if limits else 3)
    assert ("without paging" in users.why) is bool(limits)


@pytest.mark.parametrize("limits", ["size.prtotal=60", "size.prtotal=disabled size.soft=60 size.hard=60"])
def test_an_answer_that_is_cut_short_is_no_smaller_company(slapd: Start, tmp_path: Path, limits: str) -> None:
    found = read(crowd(slapd, limits=limits), tmp_path, page_size=50)
    assert not found.complete
    assert "sizeLimitExceeded (4)" in found.evidence[0].why
    assert len(found.users) <= 60


# ------------------------------------------------------------------------------------------------------ whole runs


@pytest.fixture
def world(server: Slapd, tmp_path: Path) -> World:
    world = World(tmp_path)
    select = {
        "users": {"include": [{"group": "Vault-Users"}], "exclude": [{"username": "sync"}]},
        "groups": {"include": [{"name": "Vault-*"}]},
    }
    world.configure({"hq": server}, settings(server), select=select)
    world.dirsync("run")
    return world


def ours(world: World) -> dict[str, Member]:
    """Members who come from the directory."""
    return {email: member for email, member in world.members().items() if member.key}


def leave(server: Slapd, name: str) -> None:
    """What JumpCloud does to somebody whose lockout action is ``remove``: entry and memberships go."""
    for of in ("Vault-Users", *(["Vault-Ops"] if name == "ana" else [])):
        server.modify(f"dn: cn={of},{PEOPLE}\nchangetype: modify\ndelete: member\nmember: {dn(name)}\n")
    server.delete(dn(name))


def come_back(server: Slapd, name: str) -> None:
    """Unlocked: written anew, so that a real server gives another entryUUID."""
    server.add(person(name))
    server.modify(f"dn: cn=Vault-Users,{PEOPLE}\nchangetype: modify\nadd: member\nmember: {dn(name)}\n")


def test_a_locked_person_disappears_is_revoked_and_comes_back(server: Slapd, world: World) -> None:
    before = ours(world)
    assert before.keys() == {f"{name}@example.org" for name in NAMES}
    assert {member.status for member in before.values()} == {INVITED}
    leave(server, "bo")
    assert changes(world.document("run")) == Counter({("revoke", "bo@example.org"): 1})
    member = world.members()["bo@example.org"]
    assert (member.status, member.key) == (REVOKED, before["bo@example.org"].key), "revoked, which can be undone"
    world.in_step()
    come_back(server, "bo")
    back = changes(world.document("run"))
    assert back[("restore", "bo@example.org")] == 1
    assert not [change for change in back if change[0] in ("invite", "remove")]
    after = world.members()["bo@example.org"]
    assert (after.status, after.groups) == (INVITED, ("Vault-Users",))
    assert after.key == server.value("(uid=bo)", "entryUUID") != before["bo@example.org"].key
    world.in_step()


def test_many_locked_at_once_are_held(slapd: Start, tmp_path: Path) -> None:
    """A lockout policy that strikes a whole company does not empty the organization."""
    server = crowd(slapd)
    world = World(tmp_path)
    world.configure({"hq": server}, settings(server))
    world.dirsync("run")
    gone = [f"u{number:03d}" for number in range(60)]
    values = "".join(f"member: {dn(name)}\n" for name in gone)
    server.modify(f"dn: cn=Everyone,{PEOPLE}\nchangetype: modify\ndelete: member\n{values}")
    server.delete(*map(dn, gone))
    document = world.document("run", code=3)
    assert document["complete"], "nothing says that this is not true"
    assert not changes(document)
    assert len(changes(document, "held")) >= 60
    assert REVOKED not in {member.status for member in world.members().values()}
