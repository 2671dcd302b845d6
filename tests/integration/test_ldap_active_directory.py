"""The LDAP reader against a real Active Directory (Samba as a domain controller)."""

from __future__ import annotations

from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from dirconnector.errors import DirectoryRefused
from dirconnector.model import Finding, Snapshot, no_progress
from dirconnector.readers import Reader
from dirconnector.readers.ldap import LdapSettings
from dirconnector.readers.ldap.ber import Entry
from dirconnector.readers.ldap.connect import Session
from dirconnector.readers.ldap.search import BASE as BASE_SCOPE
from dirconnector.readers.ldap.search import Query, search, whole
from tests.servers.config import ldap_reader, ldap_settings
from tests.servers.samba_ad import BASE, REALM, SambaAD, group, user

pytestmark = pytest.mark.samba

DOMAIN_USERS = f"CN=Domain Users,CN=Users,{BASE}"
IN_CHAIN = "1.2.840.113556.1.4.1941"
_numbers = count(1)


@pytest.fixture
def unit(samba: SambaAD) -> str:
    """A corner of the domain for one test."""
    return samba.unit(f"test{next(_numbers)}")


def reader(samba: SambaAD, folder: Path, unit: str, **more: Any) -> Reader:
    return ldap_reader(samba, folder, **{"users": {"base": unit}, "groups": {"base": unit}, **more})


def read(samba: SambaAD, folder: Path, unit: str, **more: Any) -> Snapshot:
    return reader(samba, folder, unit, **more).read(no_progress)


def by_name(found: Snapshot) -> dict[str, str]:
    """Keys by the login name of a user or the name of a group."""
    users = {user.username: key for key, user in found.users.items()}
    return users | {group.name: key for key, group in found.groups.items()}


def check(reader: Reader) -> dict[str, Finding]:
    return {finding.subject: finding for finding in reader.check()}


def test_users_and_groups(samba: SambaAD, tmp_path: Path, unit: str) -> None:
    tag = unit.split(",")[0][3:]
    people = {name: f"CN={name},{unit}" for name in (f"{tag}-ana", f"{tag}-bo")}
    ana, bo = people.values()
    odd = f'CN=Doe\\, Zoë \\"Z\\" \\+ Co.,{unit}'
    samba.add(
        user(ana, f"{tag}-ana", mail="Ana@Example.org", displayName="Ana Silva", department="Sales")
        + user(bo, f"{tag}-bo", disabled=True)
        + user(odd, f"{tag}-zoe", mail="zoe@example.org")
        + group(f"CN={tag}-inner,{unit}", f"{tag}-inner", [bo, odd])
        + group(f"CN={tag}-outer,{unit}", f"{tag}-outer", [ana, f"CN={tag}-inner,{unit}"])
    )
    found = reader(samba, tmp_path, unit).read(no_progress)
    assert {(u.username, u.name, u.email, u.enabled) for u in found.users.values()} == {
        (f"{tag}-ana", "Ana Silva", "Ana@Example.org", True),
        (f"{tag}-bo", f"{tag}-bo", "", False),
        (f"{tag}-zoe", 'Doe, Zoë "Z" + Co.', "zoe@example.org", True),
    }
    keys = by_name(found)
    assert keys[f"{tag}-ana"] == samba.guid(ana)
    assert keys[f"{tag}-inner"] == samba.guid(f"CN={tag}-inner,{unit}")
    inner, outer = found.groups[keys[f"{tag}-inner"]], found.groups[keys[f"{tag}-outer"]]
    assert inner.members == {keys[f"{tag}-bo"], keys[f"{tag}-zoe"]}
    assert outer.members == {keys[f"{tag}-ana"]}
    assert outer.subgroups == {inner.key}
    assert found.complete, found.evidence
    assert not found.problems


def test_nested_members_are_those_of_the_server_itself(samba: SambaAD, tmp_path: Path, unit: str) -> None:
    tag = unit.split(",")[0][3:]
    names = [f"{tag}-u{n}" for n in range(4)]
    groups = [f"CN={tag}-g{n},{unit}" for n in range(4)]
    samba.add(
        "".join(user(f"CN={name},{unit}", name) for name in names)
        + "".join(
            group(dn, dn.split(",")[0][3:], [f"CN={name},{unit}"]) for dn, name in zip(groups, names, strict=True)
        )
    )
    for inner, outer in ((1, 0), (2, 1), (3, 2), (1, 3)):  # the last one closes a circle
        samba.modify(f"dn: {groups[outer]}\nchangetype: modify\nadd: member\nmember: {groups[inner]}\n")
    found = read(samba, tmp_path, unit)
    for dn in groups:
        says = {attributes["sAMAccountName"][0] for _, attributes in _chain(samba, dn, unit)}
        ours = {found.users[key].username for key in _closure(found, by_name(found)[dn.split(",")[0][3:]])}
        assert ours == says


def _chain(samba: SambaAD, dn: str, unit: str) -> list[tuple[str, dict[str, list[str]]]]:
    return samba.search(f"(&(objectClass=user)(memberOf:{IN_CHAIN}:={dn}))", ["sAMAccountName"], base=unit)


def _closure(found: Snapshot, key: str, seen: frozenset[str] = frozenset()) -> set[str]:
    if key in seen:
        return set()
    inner = (_closure(found, subgroup, seen | {key}) for subgroup in found.groups[key].subgroups)
    return set(found.groups[key].members).union(*inner)


def test_the_primary_group_has_its_members(samba: SambaAD, tmp_path: Path, unit: str) -> None:
    tag = unit.split(",")[0][3:]
    own, ana, bo = f"CN={tag}-own,{unit}", f"CN={tag}-ana,{unit}", f"CN={tag}-bo,{unit}"
    samba.add(user(ana, f"{tag}-ana") + user(bo, f"{tag}-bo") + group(own, f"{tag}-own", [bo]))
    rid = samba.value(f"(distinguishedName={own})", "objectSid").encode("latin-1")[-4:]
    samba.modify(
        f"dn: {bo}\nchangetype: modify\nreplace: primaryGroupID\nprimaryGroupID: {int.from_bytes(rid, 'little')}\n"
    )
    assert "member" not in samba.search(f"(distinguishedName={own})", ["member"])[0][1], "AD moves it out of member"
    found = read(samba, tmp_path, unit, groups={"base": [unit, f"CN=Users,{BASE}"]})
    keys = by_name(found)
    assert found.groups[keys[f"{tag}-own"]].members == {keys[f"{tag}-bo"]}
    domain_users = found.groups[samba.guid(DOMAIN_USERS)]
    assert keys[f"{tag}-ana"] in domain_users.members
    without = read(samba, tmp_path, unit, groups={"base": unit, "primary": False})
    assert without.groups[keys[f"{tag}-own"]].members == frozenset()


def test_a_group_of_two_thousand_members(samba: SambaAD, tmp_path: Path, unit: str) -> None:
    """Samba sends all values at once; it makes ranges only for a client that asks for one."""
    tag = unit.split(",")[0][3:]
    names = [f"{tag}-{n}" for n in range(2_000)]
    all_of_them = group(f"CN={tag}-all,{unit}", f"{tag}-all", [f"CN={name},{unit}" for name in names])
    samba.bulk_add("".join(user(f"CN={name},{unit}", name) for name in names) + all_of_them)
    found = read(samba, tmp_path, unit)
    (all_members,) = found.groups.values()
    assert len(all_members.members) == 2_000
    assert all_members.members == found.users.keys()
    users, groups = found.evidence[:2]
    assert users.pages >= 2, "Samba may end with an empty page"
    assert (users.entries, groups.pages) == (2_000, 1)
    assert _ranged(samba, tmp_path, f"CN={tag}-all,{unit}") == {user.entry for user in found.users.values()}


def _ranged(samba: SambaAD, folder: Path, dn: str) -> set[str]:
    """The members of a group, asked for in such a way that a range is the first answer."""
    session = Session("hq", LdapSettings.model_validate(ldap_settings(samba, folder)))
    with closing(session):
        wire, others, partial = session.open(), list[Entry](), list[Entry]()
        query = Query(name="range", base=dn, scope=BASE_SCOPE, attributes=("member;range=0-99",))
        assert search(wire, query, others.extend, page_size=None, partial=partial).complete
        ((_, attributes),) = partial
        assert [len(values) for values in attributes.values()] == [100]
        (_, whole_entry), trouble = whole(wire, partial[0])
    assert trouble == ""
    return {value.decode() for value in whole_entry["member"]}


def test_who_was_deleted_is_told_to_those_who_may_know(samba: SambaAD, tmp_path: Path, unit: str) -> None:
    tag = unit.split(",")[0][3:]
    leaver = f"CN={tag}-leaver,{unit}"
    samba.add(user(leaver, f"{tag}-leaver") + user(f"CN={tag}-stays,{unit}", f"{tag}-stays"))
    key = samba.guid(leaver)
    samba.delete(leaver)
    (tmp_path / "admin").write_text(samba.root_password)
    admin = {"bind_dn": f"administrator@{REALM.lower()}", "password": {"file": str(tmp_path / "admin")}}
    told = read(samba, tmp_path, unit, **admin)
    assert told.deleted[key].endswith(f"CN={tag}-leaver"), "without what AD adds to the name"
    assert key not in told.users
    assert told.complete
    ordinary = read(samba, tmp_path, unit)
    assert ordinary.deleted == {}
    assert ordinary.complete, "nothing depends on it"
    assert "this account may not read it" in ordinary.evidence[-1].why
    assert read(samba, tmp_path, unit, deleted_objects=False, **admin).deleted == {}


def test_it_is_recognised_and_check_has_nothing_to_say(samba: SambaAD, tmp_path: Path, unit: str) -> None:
    tag = unit.split(",")[0][3:]
    ana = f"CN={tag}-ana,{unit}"
    samba.add(user(ana, f"{tag}-ana", mail="a@example.org") + group(f"CN={tag}-g,{unit}", f"{tag}-g", [ana]))
    findings = check(reader(samba, tmp_path, unit))
    assert findings["server"].detail == "recognised as Active Directory"
    assert all(finding.ok for finding in findings.values()), findings


def test_bases_come_from_the_domain(samba: SambaAD, tmp_path: Path, unit: str) -> None:
    found = read(samba, tmp_path, unit, users={}, groups={})
    assert "dirsync" in by_name(found)
    assert "Domain Users" in by_name(found)
    assert found.complete
    assert "references to other servers" in found.evidence[0].why


@pytest.mark.parametrize("bind_dn", [f"dirsync@{REALM.lower()}", "CORP\\dirsync", f"CN=dirsync,CN=Users,{BASE}"])
def test_the_three_ways_to_name_an_account(samba: SambaAD, tmp_path: Path, unit: str, bind_dn: str) -> None:
    assert read(samba, tmp_path, unit, bind_dn=bind_dn).complete


def test_start_tls(samba: SambaAD, tmp_path: Path, unit: str) -> None:
    tls = {"ca_file": str(samba.ca_file), "start_tls": True}
    assert read(samba, tmp_path, unit, url=samba.url, tls=tls).complete


def test_without_tls_the_password_is_refused(samba: SambaAD, tmp_path: Path, unit: str) -> None:
    with pytest.raises(DirectoryRefused, match="ldaps://") as refused:
        read(samba, tmp_path, unit, url=samba.url, tls={})
    assert "strongerAuthRequired (8)" in str(refused.value)


@pytest.mark.parametrize(
    ("bind_dn", "words"),
    [("CORP\\nobody", "there is no such user|the password is wrong"), ("CORP\\dirsync", "the password is wrong")],
)
def test_a_wrong_password(samba: SambaAD, tmp_path: Path, unit: str, bind_dn: str, words: str) -> None:
    (tmp_path / "wrong").write_text("not-the-Passw0rd")
    with pytest.raises(DirectoryRefused, match=words) as refused:
        read(samba, tmp_path, unit, bind_dn=bind_dn, password={"file": str(tmp_path / "wrong")})
    assert "not-the-Passw0rd" not in str(refused.value)


def test_a_disabled_account_cannot_sign_in(samba: SambaAD, tmp_path: Path, unit: str) -> None:
    tag = unit.split(",")[0][3:]
    samba.add(user(f"CN={tag}-off,{unit}", f"{tag}-off", disabled=True, password="Sup3r-Secret"))
    (tmp_path / "off").write_text("Sup3r-Secret")
    with pytest.raises(DirectoryRefused, match="the account is disabled"):
        read(samba, tmp_path, unit, bind_dn=f"{tag}-off@{REALM.lower()}", password={"file": str(tmp_path / "off")})


def test_a_base_that_does_not_exist(samba: SambaAD, tmp_path: Path) -> None:
    with pytest.raises(DirectoryRefused, match="does not exist") as refused:
        read(samba, tmp_path, f"OU=Nowhere,{BASE}")
    assert f"OU=Nowhere,{BASE}" in str(refused.value)


def test_people_without_the_state_that_decides(samba: SambaAD, tmp_path: Path, unit: str) -> None:
    """The global catalog has no attributes that are not marked for it: an account read there may lack some."""
    tag = unit.split(",")[0][3:]
    samba.add(user(f"CN={tag}-ana,{unit}", f"{tag}-ana"))
    rule = {"attribute": "employeeType", "bit": 2}
    found = read(samba, tmp_path, unit, users={"base": unit, "disabled": rule})
    assert found.users == {}
    (why,) = found.unsyncable.values()
    assert "cannot tell whether the account is disabled: employeetype cannot be read" in why.lower()
