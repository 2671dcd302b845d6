"""Users and groups from entries, without a server."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from uuid import UUID

from dirconnector.model import Group
from dirconnector.readers.ldap.ber import Entry
from dirconnector.readers.ldap.deleted import deleted_keys
from dirconnector.readers.ldap.groups import GroupCollector
from dirconnector.readers.ldap.presets import ACTIVE_DIRECTORY, JUMPCLOUD, OPENLDAP, OTHER, Preset
from dirconnector.readers.ldap.scope import group_scope, user_scope
from dirconnector.readers.ldap.settings import LdapSettings
from dirconnector.readers.ldap.users import UserCollector

NOW = datetime(2026, 11, 24, tzinfo=UTC)
DOMAIN = bytes.fromhex("010500000000000515000000a065cf7e784b9b5fe77c8770")


def settings(**more: object) -> LdapSettings:
    return LdapSettings.model_validate({"url": "ldap://x", "bind_dn": "cn=r", "password": {"env": "PW"}} | more)


def people(preset: Preset, *entries: Entry, **more: object) -> UserCollector:
    collector = UserCollector("hq", user_scope(settings(**more), preset, ("dc=x",), frozenset()), NOW)
    for one in entries:
        collector.receive([one])
    collector.finish()
    return collector


def groups(preset: Preset, users: UserCollector, *entries: Entry, **more: object) -> GroupCollector:
    config = settings(**more)
    assert not isinstance(config.groups, bool)
    collector = GroupCollector("hq", group_scope(config.groups, preset, ("dc=x",)), users)
    for one in entries:
        collector.receive([one])
    collector.finish()
    return collector


def guid(number: int) -> bytes:
    return UUID(int=number).bytes_le


def account(number: int, *, control: bytes | None = b"512", primary: int = 513) -> Entry:
    values = {
        "objectguid": [guid(number)],
        "samaccountname": [b"u%d" % number],
        "mail": [b"u%d@x.org" % number],
        "objectsid": [DOMAIN + struct.pack("<I", 1000 + number)],
        "primarygroupid": [b"%d" % primary],
    }
    return f"CN=u{number},DC=x", values | ({} if control is None else {"useraccountcontrol": [control]})


def ad_group(number: int, name: str, *members: str, rid: int = 2000) -> Entry:
    return f"CN={name},DC=x", {
        "objectguid": [guid(number)],
        "cn": [name.encode()],
        "objectsid": [DOMAIN + struct.pack("<I", rid)],
        "member": [member.encode() for member in members],
    }


def key(number: int) -> str:
    return str(UUID(int=number))


def test_primary_group_of_active_directory() -> None:
    users = people(ACTIVE_DIRECTORY, account(1), account(2, primary=2000))
    found = groups(ACTIVE_DIRECTORY, users, ad_group(10, "Domain Users", rid=513), ad_group(11, "Sales", "CN=u1,DC=x"))
    assert {g.name: g.members for g in found.groups.values()} == {"Domain Users": {key(1)}, "Sales": {key(1), key(2)}}
    off = groups(ACTIVE_DIRECTORY, users, ad_group(11, "Sales"), groups={"primary": False})
    assert [g.members for g in off.groups.values()] == [frozenset()]


def test_state_that_cannot_be_read_is_neither_enabled_nor_gone() -> None:
    users = people(ACTIVE_DIRECTORY, account(1), account(2, control=None))
    assert list(users.users) == [key(1)] and list(users.unsyncable) == [key(2)]
    assert "useraccountcontrol cannot be read" in users.unsyncable[key(2)].lower()
    assert [problem.entry for problem in users.problems] == ["CN=u2,DC=x"]
    # still a member: nobody loses a group because of it
    found = groups(ACTIVE_DIRECTORY, users, ad_group(10, "g", "CN=u2,DC=x"))
    assert [g.members for g in found.groups.values()] == [{key(2)}]


def test_nested_groups_and_members_from_elsewhere() -> None:
    users = people(ACTIVE_DIRECTORY, account(1))
    outer = ad_group(
        10, "outer", "cn=INNER, dc=x", "CN=u1,DC=x", "CN=S-1-5-21-1,CN=ForeignSecurityPrincipals,DC=x", "CN=PC,DC=x"
    )
    found = groups(ACTIVE_DIRECTORY, users, outer, ad_group(11, "inner", "CN=outer,DC=x"))
    assert found.groups[key(10)] == Group(
        key=key(10),
        name="outer",
        directory="hq",
        entry="CN=outer,DC=x",
        members=frozenset({key(1)}),
        subgroups=frozenset({key(11)}),
    )
    assert found.groups[key(11)].subgroups == {key(10)}
    assert found.outside == 2 and not found.problems


def test_jumpcloud_with_and_without_ids() -> None:
    without = [(f"uid=u{n},dc=x", {"uid": [b"u%d" % n]}) for n in range(3)]
    users = people(JUMPCLOUD, *without)
    assert users.attribute == "uid" and sorted(users.users) == ["u0", "u1", "u2"]
    some = people(JUMPCLOUD, without[0], ("uid=v,dc=x", {"uid": [b"v"], "entryuuid": [b"AB-1"]}))
    assert some.attribute == "entryuuid" and list(some.users) == ["ab-1"] and some.without_key == ["uid=u0,dc=x"]


def test_server_nobody_knows_honours_every_lock() -> None:
    values = {"entryuuid": [b"1"], "nsaccountlock": [b"true"]}
    assert [user.enabled for user in people(OTHER, ("cn=a", values)).users.values()] == [False]
    assert [user.enabled for user in people(OTHER, ("cn=a", {"entryuuid": [b"1"]})).users.values()] == [True]


def test_expired_accounts_only_when_asked() -> None:
    values = {"entryuuid": [b"1"], "shadowexpire": [b"1"]}
    assert [u.enabled for u in people(OPENLDAP, ("cn=a", values)).users.values()] == [True]
    assert [u.enabled for u in people(OPENLDAP, ("cn=a", values), expired_accounts=True).users.values()] == [False]


def test_many_problems_are_counted() -> None:
    users = people(OPENLDAP, *((f"uid=u{n},dc=x", {"uid": [b"u"]}) for n in range(250)))
    assert len(users.without_key) == 250 and len(users.problems) == 101
    assert users.problems[-1].why == "and 150 more entries like the one before"


def test_groups_without_a_name_or_a_key() -> None:
    users = people(OPENLDAP)
    found = groups(OPENLDAP, users, ("cn=a", {"entryuuid": [b"1"]}), ("cn=b", {"cn": [b"b"]}))
    assert not found.groups and list(found.unsyncable) == ["1"] and found.without_key == ["cn=b"]
    assert [problem.entry for problem in found.problems] == ["cn=a", "cn=b"]


def test_two_groups_with_one_key_are_neither() -> None:
    found = groups(OPENLDAP, people(OPENLDAP), *((f"cn={n}", {"entryuuid": [b"1"], "cn": [n.encode()]}) for n in "abc"))
    assert not found.groups and list(found.unsyncable) == ["1"] and len(found.problems) == 3


def test_two_people_with_one_key_are_neither() -> None:
    users = people(OPENLDAP, *((f"uid={n}", {"entryuuid": [b"1"], "uid": [n.encode()]}) for n in "abc"))
    assert not users.users and list(users.unsyncable) == ["1"] and len(users.problems) == 3


def test_deleted_and_restored_meanwhile() -> None:
    entries: list[Entry] = [
        (f"CN=Gone\\0ADEL:{key(1)},CN=Deleted Objects,DC=x", {"objectguid": [guid(1)]}),
        (f"CN=Back\\0ADEL:{key(2)},CN=Deleted Objects,DC=x", {"objectguid": [guid(2)]}),
        ("CN=Deleted Objects,DC=x", {}),
    ]
    assert deleted_keys(entries, {key(2)}) == {key(1): "deleted in the directory: CN=Gone"}
