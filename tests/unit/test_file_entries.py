"""What the entries of an LDIF file mean."""

from __future__ import annotations

import base64
import struct
import uuid
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from dirconnector.errors import DirectoryRefused
from dirconnector.model import Snapshot, no_progress
from dirconnector.readers.file import FileReader
from dirconnector.readers.file.settings import FileSettings


def read(folder: Path, text: str, attributes: frozenset[str] = frozenset(), **settings: Any) -> Snapshot:
    (folder / "hq.ldif").write_text(text, encoding="utf-8")
    given = FileSettings.model_validate({"path": "hq.ldif"} | settings, context={"folder": folder})
    return FileReader("hq", given, attributes).read(no_progress)


def entry(dn: str, *lines: str, object_class: str = "inetOrgPerson") -> str:
    return "\n".join([f"dn: {dn}", f"objectClass: {object_class}", *lines]) + "\n\n"


def person(uid: str, *lines: str, **more: str) -> str:
    return entry(f"uid={uid},dc=x", f"uid: {uid}", f"entryUUID: {id_of(uid)}", *lines, **more)


def group(cn: str, *lines: str, object_class: str = "groupOfNames") -> str:
    return entry(f"cn={cn},dc=x", f"cn: {cn}", f"entryUUID: {id_of(cn)}", *lines, object_class=object_class)


def id_of(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, name))


def b64(value: bytes) -> str:
    return base64.b64encode(value).decode()


# ------------------------------------------------------------------------------------------------------------- keys


def test_active_directory(tmp_path: Path) -> None:
    guid, team = uuid.uuid4(), uuid.uuid4()
    domain = b"\x01\x05" + b"\0\0\0\0\0\x05" + struct.pack("<4I", 21, 1, 2, 3)
    ana = [
        "objectClass: person",
        "sAMAccountName: ana",
        "cn: Ana",
        "mail: ana@example.org",
        f"objectGUID:: {b64(guid.bytes_le)}",
        f"objectSid:: {b64(domain + struct.pack('<I', 1104))}",
        "primaryGroupID: 513",
        "userAccountControl: 66050",
    ]
    text = entry("CN=Ana\\, B,DC=x", *ana, object_class="user")
    text += entry("CN=PC,DC=x", "objectClass: user", "cn: PC", object_class="computer")
    text += entry("CN=Someone,DC=x", "objectClass: person", "mail: ext@example.com", object_class="contact")
    text += entry(
        "CN=Domain Users,DC=x",
        "cn: Domain Users",
        f"objectGUID:: {b64(team.bytes_le)}",
        f"objectSid:: {b64(domain + struct.pack('<I', 513))}",
        object_class="group",
    )
    found = read(tmp_path, text)
    [user] = found.users.values()
    assert (user.key, user.username, user.name, user.enabled) == (str(guid), "ana", "Ana", False)
    assert user.entry == "CN=Ana\\, B,DC=x"
    [domain_users] = found.groups.values()
    assert (domain_users.key, set(domain_users.members)) == (str(team), {str(guid)})
    assert found.complete


def test_without_any_id_the_dn_is_the_key(tmp_path: Path) -> None:
    text = entry("uid=Ana,dc=x", "uid: ana") + entry(
        "cn=g,dc=x", "cn: g", "member: UID=ana, DC=X", object_class="groupOfNames"
    )
    found = read(tmp_path, text)
    assert list(found.users) == ["uid=Ana,dc=x"]
    assert found.groups["cn=g,dc=x"].members == {"uid=Ana,dc=x"}


def test_an_entry_without_its_key_makes_absence_unproven(tmp_path: Path) -> None:
    found = read(tmp_path, person("ana") + entry("uid=bo,dc=x", "uid: bo") + group("g", "member: uid=bo,dc=x"))
    assert list(found.users) == [id_of("ana")]
    assert [(e.query, e.complete) for e in found.evidence] == [("users", False), ("groups", True)]
    assert "hq.ldif:6: the entry has no entryuuid" in found.evidence[0].why
    assert found.problems[0].entry == "uid=bo,dc=x"


def test_a_key_of_ones_own(tmp_path: Path) -> None:
    found = read(tmp_path, person("ana", "employeeNumber: 7"), users={"key": "employeeNumber"})
    assert list(found.users) == ["7"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (person("ana") + person("Ana"), "hq.ldif:6: .*already in line 1"),
        (person("ana") + person("bo").replace(id_of("bo"), id_of("ana")), "hq.ldif:6: .* entry in line 1"),
        (entry("uid=a", "entryUUID: x"), "hq.ldif:1: .*not an id"),
        (entry("uid=a", f"entryUUID: {id_of('a')}", f"entryUUID: {id_of('b')}"), "hq.ldif:1: .*2 values"),
        (group("g", "member: uid=a"), "none of 1 entries is a person.*groupofnames"),
        ("version: 1\n", "none of 0 entries is a person"),
    ],
)
def test_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(DirectoryRefused, match=words):
        read(tmp_path, text)


# ----------------------------------------------------------------------------------------------------------- people


def test_email_by_preference(tmp_path: Path) -> None:
    text = person("ana", "mail: Ana@Example.org", "mail: other@example.org") + person("bo") + person("c", "alias: c@y")
    found = read(tmp_path, text, users={"email": ["mail", "alias", "{username}@{dept}.example.org", "{uid}@x.org"]})
    assert [u.email for u in found.users.values()] == ["Ana@Example.org", "bo@x.org", "c@y"]


@pytest.mark.parametrize(
    ("lines", "enabled"),
    [
        ([], True),
        (["nsAccountLock: TRUE"], False),
        (["nsAccountLock: false"], True),
        (["pwdAccountLockedTime: 000001010000Z"], False),
        (["pwdAccountLockedTime: 20260101120000Z"], True),  # wrong passwords, for some minutes
        (["userAccountControl: 512"], True),
        (["userAccountControl: 514"], False),
    ],
)
def test_disabled_accounts(tmp_path: Path, lines: list[str], enabled: bool) -> None:
    assert [u.enabled for u in read(tmp_path, person("ana", *lines)).users.values()] == [enabled]


@pytest.mark.parametrize(
    ("rule", "enabled"),
    [
        ("never", True),
        ({"attribute": "status", "equals": "LEFT"}, False),
        ({"attribute": "status", "equals": ["new", "active"]}, True),
        ({"attribute": "flags", "bit": 4}, False),
        ({"attribute": "flags", "bit": 1}, True),
        ({"attribute": "left", "present": True}, True),
        ([{"attribute": "left", "present": True}, {"attribute": "Status", "present": True}], False),
    ],
)
def test_rules_for_disabled_accounts(tmp_path: Path, rule: object, enabled: bool) -> None:
    found = read(tmp_path, person("ana", "status: left", "flags: 6", "nsAccountLock: TRUE"), users={"disabled": rule})
    assert [u.enabled for u in found.users.values()] == [enabled]


def test_unknown_state_is_neither_synced_nor_gone(tmp_path: Path) -> None:
    found = read(tmp_path, person("ana", "mail: a@x.org", object_class="user"))
    assert not found.users
    assert "userAccountControl is not in the file" in found.unsyncable[id_of("ana")]
    assert found.problems[0].entry == "uid=ana,dc=x"


def test_attributes_are_text(tmp_path: Path) -> None:
    text = person("ana", "l: Lisboa", "l;lang-en: Lisbon", "photo:: /9g=", "title: x")
    found = read(tmp_path, text, frozenset({"l", "photo", "shoesize"}))
    assert dict(found.users[id_of("ana")].attributes) == {"l": ("Lisboa",), "photo": ("ffd8",)}


def test_an_entry_without_object_class_makes_absence_unproven(tmp_path: Path) -> None:
    found = read(tmp_path, person("ana") + "dn: uid=bo,dc=x\nuid: bo\n")
    assert not any(e.complete for e in found.evidence)
    assert "export objectClass" in found.problems[0].why


# ---------------------------------------------------------------------------------------------------------- members


def test_members_of_every_kind(tmp_path: Path) -> None:
    text = person("ana") + person("bo") + person("cee")
    text += group("names", "member: UID=Ana, DC=X", "member: cn=posix,dc=x", "member: cn=names,dc=x")
    text += group("unique", "uniqueMember: uid=bo,dc=x#'01'B", object_class="groupOfUniqueNames")
    text += group("posix", "memberUid: CEE", "memberUid: bo", object_class="posixGroup")
    found = read(tmp_path, text)
    groups = {g.name: (set(g.members), set(g.subgroups)) for g in found.groups.values()}
    assert groups == {
        "names": ({id_of("ana")}, {id_of("posix")}),
        "unique": ({id_of("bo")}, set()),
        "posix": ({id_of("bo"), id_of("cee")}, set()),
    }
    assert not found.problems


def test_members_that_are_not_there_are_named(tmp_path: Path) -> None:
    members = [f"member: uid=gone{n},dc=x" for n in range(5)]
    found = read(tmp_path, person("ana") + group("g", "member: uid=ana,dc=x", "memberUid: nobody", *members))
    [problem] = found.problems
    assert problem.entry == "cn=g,dc=x"
    assert "uid=gone0,dc=x, uid=gone1,dc=x, uid=gone2,dc=x and 3 more" in problem.why
    assert found.groups[id_of("g")].members == {id_of("ana")}


def test_a_user_name_of_two_people_is_nobodys(tmp_path: Path) -> None:
    text = person("ana") + person("b").replace("uid: b", "uid: ANA")
    found = read(tmp_path, text + group("g", "memberUid: ana", object_class="posixGroup"))
    assert not found.groups[id_of("g")].members
    assert "ana" in found.problems[0].why


@pytest.mark.parametrize(
    ("description", "complete"), [("member;range=0-1", False), ("member;range=0-*", True), ("member;range=2-*", False)]
)
def test_a_range_of_members_is_not_all_of_them(tmp_path: Path, description: str, complete: bool) -> None:
    found = read(tmp_path, person("ana") + group("g", f"{description}: uid=ana,dc=x"))
    assert found.groups[id_of("g")].members == {id_of("ana")}
    assert [e.complete for e in found.evidence] == [True, complete]


# ---------------------------------------------------------------------------------------------------------- doubts


def test_a_missing_line_end_withholds_removals(tmp_path: Path) -> None:
    found = read(tmp_path, person("ana").rstrip("\n"))
    assert list(found.users) == [id_of("ana")]
    assert not any(e.complete for e in found.evidence)
    assert found.evidence[0].why.startswith("hq.ldif:4: the last line has no line end")


def test_a_search_that_hit_a_limit_withholds_removals(tmp_path: Path) -> None:
    text = "# extended LDIF\n\n" + person("ana") + "search: 2\nresult: 4 Size limit exceeded\n"
    found = read(tmp_path, text)
    assert not found.complete
    assert "Size limit exceeded" in found.evidence[0].why


# --------------------------------------------------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"path": "hq"}, "give format"),
        ({"path": "hq.csv", "users": {"email": "mail"}}, "users is for format ldif"),
        ({"path": "hq.ldif", "delimiter": ";"}, "delimiter is for format csv"),
        ({"path": "hq.ldif", "users": {"email": "{username"}}, "a template looks like"),
        ({"path": "hq.ldif", "users": {"email": "{user name}@x"}}, "not the name of an attribute"),
        ({"path": "hq.ldif", "users": {"email": []}}, "at least 1"),
        ({"path": "hq.ldif", "users": {"disabled": {"attribute": "x"}}}, "exactly one"),
        ({"path": "hq.ldif", "users": {"disabled": "sometimes"}}, "auto"),
        ({"path": "hq.ldif", "max_age_hours": 0}, "greater than 0"),
        ({"path": "hq.ldif", "filter": "(x=y)"}, "filter"),
    ],
)
def test_settings_that_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        FileSettings.model_validate(settings)


def test_the_format_comes_from_the_suffix() -> None:
    for path, known in [("a.LDIF", "ldif"), ("a.ldf", "ldif"), ("a.csv", "csv"), ("a.json", "json")]:
        assert FileSettings.model_validate({"path": path}).format_of_file == known
    assert FileSettings.model_validate({"path": "a.txt", "format": "csv"}).format_of_file == "csv"
