"""What we know about kinds of servers: how to recognise them, and what their attributes mean.

Sources: the root DSE of each server (RFC 4512 section 5.1), [MS-ADTS] 3.1.1.3.2 and 3.1.1.4, the 389 Directory Server
and FreeIPA documentation, and JumpCloud's "Use LDAP with JumpCloud".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Attributes = Mapping[str, tuple[str, ...]]
"""Attributes of one entry as text: lower-case name -> values."""

ACTIVE_DIRECTORY_OID = "1.2.840.113556.1.4.800"
FREEIPA_OIDS = "2.16.840.1.113730.3.8.10."
JUMPCLOUD_SUFFIX = "dc=jumpcloud,dc=com"
NOT_DATA = ("cn=config", "cn=schema", "cn=monitor", "cn=changelog", "cn=accesslog", "o=ipaca", "cn=subschema")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One way to be disabled: a bit of an integer, one of some values (lower case), or any value at all.

    ``required`` means that an entry without the attribute is in an unknown state.
    """

    attribute: str
    bit: int = 0
    equals: frozenset[str] = frozenset()
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """One kind of server. ``keys`` are tried in order on the first page; ``must_have_members`` is RFC 4519's rule
    that a groupOfNames has members.
    """

    name: str
    title: str
    users_filter: str
    groups_filter: str
    keys: tuple[str, ...]
    group_keys: tuple[str, ...]
    username: str
    disabled: tuple[Rule, ...]
    member: tuple[str, ...]
    email: tuple[str, ...] = ("mail",)
    names: tuple[str, ...] = ("displayName", "cn")
    group_names: tuple[str, ...] = ("cn",)
    primary_by_sid: bool = False
    must_have_members: bool = False


UAC_DISABLED = Rule(attribute="useraccountcontrol", bit=2, required=True)
"""ADS_UF_ACCOUNTDISABLE of userAccountControl ([MS-ADTS] 2.2.16). A locked account (lockoutTime) is not a disabled
one.
"""
NS_LOCK = Rule(attribute="nsaccountlock", equals=frozenset({"true"}))
PPOLICY_LOCK = Rule(attribute="pwdaccountlockedtime", equals=frozenset({"000001010000z"}))
"""An administrator's lock, until it is lifted (draft-behera-ldap-password-policy 5.3.3). Any other value is the time of
the last wrong password: whoever can type wrong passwords could otherwise have everybody revoked.
"""

_POSIX_GROUPS = "(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=posixGroup))"

OPENLDAP = Preset(
    name="openldap",
    title="OpenLDAP",
    users_filter="(objectClass=inetOrgPerson)",
    groups_filter=_POSIX_GROUPS,
    keys=("entryUUID",),
    group_keys=("entryUUID",),
    username="uid",
    disabled=(PPOLICY_LOCK,),
    member=("member", "uniqueMember", "memberUid"),
    must_have_members=True,
)
ACTIVE_DIRECTORY = Preset(
    name="active-directory",
    title="Active Directory",
    users_filter="(&(objectCategory=person)(objectClass=user))",
    groups_filter="(objectClass=group)",
    keys=("objectGUID",),
    group_keys=("objectGUID",),
    username="sAMAccountName",
    disabled=(UAC_DISABLED,),
    member=("member",),
    primary_by_sid=True,
)
DS389 = Preset(
    name="389ds",
    title="389 Directory Server",
    users_filter="(|(objectClass=inetOrgPerson)(objectClass=nsPerson)(objectClass=posixAccount))",
    groups_filter=_POSIX_GROUPS,
    keys=("nsUniqueId",),
    group_keys=("nsUniqueId",),
    username="uid",
    disabled=(NS_LOCK,),
    member=("member", "uniqueMember", "memberUid"),
)
FREEIPA = Preset(
    name="freeipa",
    title="FreeIPA",
    users_filter="(objectClass=person)",
    groups_filter="(objectClass=ipaUserGroup)",
    keys=("ipaUniqueID",),
    group_keys=("ipaUniqueID",),
    username="uid",
    disabled=(NS_LOCK,),
    member=("member",),
)
JUMPCLOUD = Preset(
    name="jumpcloud",
    title="JumpCloud",
    users_filter="(objectClass=inetOrgPerson)",
    groups_filter="(objectClass=groupOfNames)",
    keys=("entryUUID", "uid"),
    group_keys=("entryUUID", "cn"),
    username="uid",
    disabled=(PPOLICY_LOCK,),
    member=("member",),
)
OTHER = Preset(
    name="other",
    title="a server of a kind we do not know",
    users_filter="(objectClass=inetOrgPerson)",
    groups_filter=_POSIX_GROUPS,
    keys=("entryUUID", "nsUniqueId", "objectGUID"),
    group_keys=("entryUUID", "nsUniqueId", "objectGUID"),
    username="uid",
    disabled=(PPOLICY_LOCK, NS_LOCK, Rule(attribute="useraccountcontrol", bit=2)),
    member=("member", "uniqueMember", "memberUid"),
)

PRESETS = {p.name: p for p in (OPENLDAP, ACTIVE_DIRECTORY, DS389, FREEIPA, JUMPCLOUD)}


def recognise(root: Attributes, bind_dn: str) -> Preset:
    """The kind of server, from its root DSE (empty when it cannot be read) and, for JumpCloud, the bind DN."""
    contexts = [value.lower().replace(" ", "") for value in root.get("namingcontexts", ())]
    if bind_dn.lower().replace(" ", "").endswith(JUMPCLOUD_SUFFIX) or any(
        c.endswith(JUMPCLOUD_SUFFIX) for c in contexts
    ):
        return JUMPCLOUD
    if ACTIVE_DIRECTORY_OID in root.get("supportedcapabilities", ()) or "rootdomainnamingcontext" in root:
        return ACTIVE_DIRECTORY
    extensions = root.get("supportedextension", ())
    if any(oid.startswith(FREEIPA_OIDS) for oid in extensions) or "o=ipaca" in contexts:
        return FREEIPA
    vendor = " ".join(root.get("vendorname", ()) + root.get("vendorversion", ())).lower()
    if "389" in vendor or "red hat directory" in vendor:
        return DS389
    classes = {value.lower() for value in root.get("objectclass", ()) + root.get("structuralobjectclass", ())}
    if "openldaprootdse" in classes or "openldap" in vendor:
        return OPENLDAP
    return OTHER


def bases(preset: Preset, root: Attributes, bind_dn: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Where users and where groups are when the config does not say; empty when the server does not say either."""
    if preset is JUMPCLOUD:
        start = bind_dn.lower().find("ou=users")
        people = (bind_dn[start:],) if start >= 0 else _contexts(root)
        return people, people
    contexts = root.get("defaultnamingcontext", ()) or _contexts(root)
    if preset is FREEIPA:
        return (
            tuple(f"cn=users,cn=accounts,{context}" for context in contexts),
            tuple(f"cn=groups,cn=accounts,{context}" for context in contexts),
        )
    return contexts, contexts


def _contexts(root: Attributes) -> tuple[str, ...]:
    return tuple(c for c in root.get("namingcontexts", ()) if c and c.lower().replace(" ", "") not in NOT_DATA)
