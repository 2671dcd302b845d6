"""The small tree that the tests of the LDAP reader share, and what a reader must make of it."""

from __future__ import annotations

from dirconnector.model import Group, User
from tests.servers import ldif
from tests.servers.slapd import BASE

PEOPLE, GROUPS = f"ou=People,{BASE}", f"ou=Groups,{BASE}"


def rdn(name: str, value: str) -> str:
    """An RDN with the special characters of RFC 4514 section 2.4 escaped by a backslash, as most people write it."""
    return name + "=" + "".join(f"\\{c}" if c in ',+"\\<>;=' else c for c in value)


def key(number: int) -> str:
    """The entryUUID of an entry of the tree."""
    return f"0e3c6a5a-84a1-4a9e-9a5f-{number:012d}"


LONG_CN = 'Dvořák, Žofie "Žo" + Co. ' + " ".join(["Ångström"] * 8)
UPPER_OU = "Abteilung für Öffentlichkeitsarbeit; Presse & Kommunikation, " + "x" * 40
LOWER_OU = "Referat <7> = #1, " + "ž" * 60
UPPER = f"{rdn('ou', UPPER_OU)},{PEOPLE}"
LOWER = f"{rdn('ou', LOWER_OU)},{UPPER}"

ANA, BO, CEE = f"uid=ana,{PEOPLE}", f"uid=bo,{PEOPLE}", f"uid=cee,{PEOPLE}"
ZOE = f"{rdn('cn', LONG_CN)},{LOWER}"
EVE = f"cn=Eve+uid=eve,{PEOPLE}"

STAFF, OPS, LOOP, POSIX, UNIQUE = (f"cn={name},{GROUPS}" for name in ("Staff", "Ops", "Loop", "Posix", "Unique"))
ODD_CN = 'Vault, "EU" + Ž'
ODD = f"{rdn('cn', ODD_CN)},{GROUPS}"


def tree() -> str:
    """The LDIF of the tree; bo is locked in a way that needs the overlay ``ppolicy``."""
    return "".join(
        [
            ldif.ou(PEOPLE),
            ldif.ou(GROUPS),
            ldif.entry(UPPER, objectClass="organizationalUnit", ou=UPPER_OU),
            ldif.entry(LOWER, objectClass="organizationalUnit", ou=LOWER_OU),
            ldif.person(ANA, "ana", cn="Ana Silva", mail="Ana.Silva@Example.org", title="Boss", entryUUID=key(1)),
            ldif.person(
                *(BO, "bo"), cn="Bo Berg", mail="bo@example.org", pwdAccountLockedTime="000001010000Z", entryUUID=key(2)
            ),
            ldif.person(CEE, "cee", cn="Cee Novák", displayName="Cee N.", entryUUID=key(3)),
            ldif.person(ZOE, "zoe", cn=LONG_CN, mail=["zoe@example.org"], entryUUID=key(4)),
            ldif.person(EVE, "eve", cn="Eve", mail="eve@example.org", entryUUID=key(5)),
            # a subgroup, and two members that are nobody: a placeholder and somebody outside of the base
            ldif.group(
                *(STAFF, "Staff", [ANA, OPS, "cn=placeholder", "uid=gone,ou=Elsewhere,dc=example,dc=org"]),
                entryUUID=key(11),
            ),
            # people as others would write their names: case, spaces, hex escapes, the parts of an RDN turned round
            ldif.group(
                OPS,
                "Ops",
                [
                    "UID=Bo, OU=people, DC=Example, DC=org",
                    ZOE.replace("\\,", "\\2C").replace("ř", "\\C5\\99"),
                    f"uid=eve+cn=Eve,{PEOPLE}",
                ],
                entryUUID=key(12),
            ),
            ldif.group(LOOP, "Loop", [LOOP, STAFF], entryUUID=key(13)),
            ldif.group(ODD, ODD_CN, [ODD, CEE], entryUUID=key(14)),
            ldif.entry(
                POSIX,
                objectClass="posixGroup",
                cn="Posix",
                gidNumber="700",
                memberUid=["ana", "eve", "nobody"],
                entryUUID=key(15),
            ),
            ldif.entry(
                UNIQUE,
                objectClass="groupOfUniqueNames",
                cn="Unique",
                uniqueMember=[f"{ANA}#'0101'B", CEE],
                entryUUID=key(16),
            ),
        ]
    )


def _user(number: int, username: str, name: str, email: str, entry: str, enabled: bool = True) -> tuple[str, User]:
    title = {"title": ("Boss",)} if username == "ana" else {}
    user = User(
        key=key(number),
        email=email,
        name=name,
        enabled=enabled,
        directory="hq",
        username=username,
        entry=entry,
        attributes=title,
    )
    return user.key, user


def _group(number: int, name: str, entry: str, members: set[int], subgroups: set[int]) -> tuple[str, Group]:
    group = Group(
        key=key(number),
        name=name,
        directory="hq",
        entry=entry,
        members=frozenset(map(key, members)),
        subgroups=frozenset(map(key, subgroups)),
    )
    return group.key, group


def as_openldap_writes(dn: str) -> str:
    """OpenLDAP answers with special characters as hex pairs."""
    for character in ',+"\\<>;=':
        dn = dn.replace(f"\\{character}", f"\\{ord(character):02X}")
    return dn


USERS = dict(
    [
        _user(1, "ana", "Ana Silva", "Ana.Silva@Example.org", ANA),
        _user(2, "bo", "Bo Berg", "bo@example.org", BO, enabled=False),
        _user(3, "cee", "Cee N.", "", CEE),
        _user(4, "zoe", LONG_CN, "zoe@example.org", as_openldap_writes(ZOE)),
        _user(5, "eve", "Eve", "eve@example.org", EVE),
    ]
)
GROUPS_FOUND = dict(
    [
        _group(11, "Staff", STAFF, {1}, {12}),
        _group(12, "Ops", OPS, {2, 4, 5}, set()),
        _group(13, "Loop", LOOP, set(), {11, 13}),
        _group(14, ODD_CN, as_openldap_writes(ODD), {3}, {14}),
        _group(15, "Posix", POSIX, {1, 5}, set()),
        _group(16, "Unique", UNIQUE, {1, 3}, set()),
    ]
)
