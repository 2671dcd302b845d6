"""The LDAP reader against a real 389 Directory Server."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

import pytest

from dirconnector.model import Snapshot, no_progress
from dirconnector.readers import Reader
from tests.servers import ldif
from tests.servers.config import ldap_reader
from tests.servers.ds389 import BASE, DirectoryServer389

pytestmark = pytest.mark.ds389

_numbers = count(1)


@pytest.fixture
def unit(ds389: DirectoryServer389) -> str:
    """A corner of the directory for one test."""
    return ds389.unit(f"test{next(_numbers)}")


def reader(ds389: DirectoryServer389, folder: Path, unit: str, **more: Any) -> Reader:
    return ldap_reader(ds389, folder, **{"users": {"base": unit}, "groups": {"base": unit}, **more})


def read(ds389: DirectoryServer389, folder: Path, unit: str, **more: Any) -> Snapshot:
    return reader(ds389, folder, unit, **more).read(no_progress)


def test_users_and_groups(ds389: DirectoryServer389, tmp_path: Path, unit: str) -> None:
    ana, bo, odd = f"uid=ana,{unit}", f"uid=bo,{unit}", f'cn=Doe\\, Zoë \\"Z\\" \\+ Co.,{unit}'
    ops = f"cn=Ops,{unit}"
    ds389.add(
        ldif.person(ana, "ana", cn="Ana Silva", mail="Ana@Example.org")
        + ldif.person(bo, "bo", nsAccountLock="TRUE")
        + ldif.person(odd, "zoe", cn='Doe, Zoë "Z" + Co.', mail="zoe@example.org")
        + ldif.group(ops, "Ops", [bo, odd.replace("\\,", "\\2C")])
        + ldif.entry(f"cn=All,{unit}", objectClass="groupOfUniqueNames", cn="All", uniqueMember=[ana, ops])
        + ldif.entry(f"cn=Posix,{unit}", objectClass="posixGroup", cn="Posix", gidNumber="7", memberUid=["ana", "no"])
        + ldif.group(f"cn=Empty,{unit}", "Empty", [])
    )
    found = read(ds389, tmp_path, unit)
    assert {(u.username, u.name, u.email, u.enabled) for u in found.users.values()} == {
        ("ana", "Ana Silva", "Ana@Example.org", True),
        ("bo", "bo", "", False),
        ("zoe", 'Doe, Zoë "Z" + Co.', "zoe@example.org", True),
    }
    for key, user in found.users.items():
        assert key == ds389.search(f"(uid={user.username})", ["nsUniqueId"], base=unit)[0][1]["nsUniqueId"][0]
    groups = {
        group.name: (
            sorted(found.users[key].username for key in group.members),
            sorted(found.groups[key].name for key in group.subgroups),
        )
        for group in found.groups.values()
    }
    assert groups == {"Ops": (["bo", "zoe"], []), "All": (["ana"], ["Ops"]), "Posix": (["ana"], []), "Empty": ([], [])}
    assert found.complete
    assert not found.problems


def test_locked_through_a_role(ds389: DirectoryServer389, tmp_path: Path, unit: str) -> None:
    """nsAccountLock can be computed: it is nowhere in the entry (class of service, by a role)."""
    off = f"cn=disabled,{unit}"
    ds389.add(
        ldif.person(f"uid=ana,{unit}", "ana")
        + ldif.entry(
            off,
            objectClass=["LDAPsubentry", "nsRoleDefinition", "nsSimpleRoleDefinition", "nsManagedRoleDefinition"],
            cn="disabled",
        )
        + ldif.person(f"uid=bo,{unit}", "bo", nsRoleDN=off)
        + ldif.entry(f"cn=locks,{unit}", objectClass=["nsContainer"], cn="locks")
        + ldif.entry(
            f'cn="{off}",cn=locks,{unit}',
            objectClass=["extensibleObject", "costemplate", "ldapsubentry"],
            cn=off,
            nsAccountLock="true",
            cosPriority="1",
        )
        + ldif.entry(
            f"cn=lock,{unit}",
            objectClass=["LDAPsubentry", "cosSuperDefinition", "cosClassicDefinition"],
            cn="lock",
            cosTemplateDn=f"cn=locks,{unit}",
            cosAttribute="nsAccountLock operational",
            cosSpecifier="nsRole",
        )
    )
    users = read(ds389, tmp_path, unit).users.values()
    assert {user.username: user.enabled for user in users} == {"ana": True, "bo": False}


@pytest.mark.parametrize(
    ("limit", "code"), [("nsSizeLimit", "sizeLimitExceeded (4)"), ("nsLookThroughLimit", "adminLimitExceeded (11)")]
)
@pytest.mark.parametrize("page_size", [10, 1000])
def test_limits_are_told_with_their_cure(
    ds389: DirectoryServer389, tmp_path: Path, unit: str, limit: str, code: str, page_size: int
) -> None:
    ds389.add("".join(ldif.person(f"uid=u{n:02d},{unit}", f"u{n:02d}") for n in range(60)))
    change = f"dn: {ds389.bind_dn}\nchangetype: modify\n"
    ds389.modify(f"{change}add: {limit}\n{limit}: 25\n")
    try:
        found = read(ds389, tmp_path, unit, page_size=page_size)
    finally:
        ds389.modify(f"{change}delete: {limit}\n")
    users = found.evidence[0]
    if users.complete:
        assert len(found.users) == 60, "a limit that pages do not count is none"
    else:
        assert code in users.why
        assert f"in the entry {ds389.bind_dn} set" in users.why
        assert limit in users.why
        assert len(found.users) < 60
    assert page_size == 10 or not users.complete
    assert read(ds389, tmp_path, unit, page_size=page_size).complete


def test_edits_of_the_live_tree_keep_the_keys(ds389: DirectoryServer389, tmp_path: Path, unit: str) -> None:
    ds389.add(ldif.person(f"uid=ana,{unit}", "ana") + ldif.person(f"uid=bo,{unit}", "bo"))
    before = {user.username: key for key, user in read(ds389, tmp_path, unit).users.items()}
    ds389.modify(f"dn: uid=ana,{unit}\nchangetype: modrdn\nnewrdn: uid=ana2\ndeleteoldrdn: 1\n")
    ds389.delete(f"uid=bo,{unit}")
    after = read(ds389, tmp_path, unit)
    assert {user.username: key for key, user in after.users.items()} == {"ana2": before["ana"]}


def test_members_that_may_not_be_read(ds389: DirectoryServer389, tmp_path: Path, unit: str) -> None:
    """Here a groupOfNames may be empty, so nobody can tell hidden members from none: check says so."""
    ana = f"uid=ana,{unit}"
    ds389.add(ldif.person(ana, "ana", mail="a@example.org") + ldif.group(f"cn=G,{unit}", "G", [ana]))
    ds389.modify(
        f"dn: {unit}\nchangetype: modify\nadd: aci\naci: "
        f'(targetattr="member")(version 3.0; acl "no"; deny (all) userdn="ldap:///{ds389.bind_dn}";)\n'
    )
    found = read(ds389, tmp_path, unit)
    assert [group.members for group in found.groups.values()] == [frozenset()]
    (failed,) = (finding for finding in reader(ds389, tmp_path, unit).check() if not finding.ok)
    assert failed.subject == "groups.member"
    assert f"give {ds389.bind_dn} the right to read" in failed.cure


def test_it_is_recognised_and_check_has_nothing_to_say(ds389: DirectoryServer389, tmp_path: Path, unit: str) -> None:
    ana = f"uid=ana,{unit}"
    ds389.add(ldif.person(ana, "ana", mail="ana@example.org") + ldif.group(f"cn=G,{unit}", "G", [ana]))
    findings = {finding.subject: finding for finding in reader(ds389, tmp_path, unit).check()}
    assert findings["server"].detail == "recognised as 389 Directory Server"
    assert all(finding.ok for finding in findings.values()), findings


@pytest.mark.parametrize("connection", ["plain", "start_tls", "ldaps"])
def test_every_way_to_connect(ds389: DirectoryServer389, tmp_path: Path, unit: str, connection: str) -> None:
    ds389.add(ldif.person(f"uid=ana,{unit}", "ana"))
    tls = {} if connection == "plain" else {"ca_file": str(ds389.ca_file), "start_tls": connection == "start_tls"}
    url = ds389.ldaps_url if connection == "ldaps" else ds389.url
    found = read(ds389, tmp_path, unit, url=url, tls=tls)
    assert [user.username for user in found.users.values()] == ["ana"]
    assert found.complete


def test_bases_come_from_the_server(ds389: DirectoryServer389, tmp_path: Path, unit: str) -> None:
    ds389.add(ldif.person(f"uid=somebody,{unit}", "somebody"))
    found = read(ds389, tmp_path, unit, users={}, groups={})
    assert "somebody" in {user.username for user in found.users.values()}
    assert all(user.entry.endswith(BASE) for user in found.users.values())
