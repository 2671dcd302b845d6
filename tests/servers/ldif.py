"""Writing LDIF (RFC 2849), and the small trees that several tests share."""

from __future__ import annotations

from collections.abc import Iterable

from tests.servers.server import encoded

Value = str | Iterable[str]


def safe(value: str) -> bool:
    """Whether LDIF may write a value as it is (RFC 2849 SAFE-STRING), instead of in base64."""
    return value.isascii() and value.isprintable() and value == value.strip() and not value.startswith((":", "<"))


def line(name: str, value: str) -> str:
    """One attribute line."""
    return f"{name}: {value}\n" if safe(value) else f"{name}:: {encoded(value)}\n"


def entry(dn: str, **attributes: Value) -> str:
    """One entry of an LDIF file. ``objectClass`` and others are given as keywords, several values as a
    list.
    """
    text = line("dn", dn)
    for name, values in attributes.items():
        for value in [values] if isinstance(values, str) else values:
            text += line(name, value)
    return text + "\n"


def root(base: str) -> str:
    """The entry of a suffix, of the class that its first RDN asks for."""
    name, _, rest = base.partition("=")
    value = rest.split(",")[0]
    if name.lower() == "dc":
        return entry(base, objectClass=["dcObject", "organization"], dc=value, o=value)
    if name.lower() == "o":
        return entry(base, objectClass="organization", o=value)
    return entry(base, objectClass="organizationalUnit", ou=value)


def ou(dn: str) -> str:
    """An organizational unit; the DN starts with ``ou=``."""
    return entry(dn, objectClass="organizationalUnit", ou=dn.partition("=")[2].split(",")[0])


def person(dn: str, uid: str, *, cn: str = "", mail: Value = (), **more: Value) -> str:
    """An inetOrgPerson. ``cn`` must be the value of the RDN when the RDN is a cn."""
    name = cn or uid
    return entry(dn, objectClass="inetOrgPerson", uid=uid, cn=name, sn=name.split()[-1], mail=mail, **more)


def group(dn: str, cn: str, members: Iterable[str], **more: Value) -> str:
    """A groupOfNames with the DNs of its members."""
    return entry(dn, objectClass="groupOfNames", cn=cn, member=members, **more)
