"""The config of an LDAP directory, and what is filled in for each kind of server."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from dirconnector.readers.ldap.presets import OTHER, PRESETS, bases, recognise
from dirconnector.readers.ldap.scope import group_scope, user_scope
from dirconnector.readers.ldap.settings import Groups, LdapSettings

BOUND: dict[str, Any] = {"url": "ldaps://dc1.example.org", "bind_dn": "cn=r", "password": {"env": "PW"}}


def settings(**more: Any) -> LdapSettings:
    return LdapSettings.model_validate(BOUND | more)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"bind_dn": None}, "needs bind_dn and password"),
        ({"password": None}, "needs bind_dn and password"),
        ({"bind": "anonymous", "bind_dn": None}, "uses no password"),
        ({"bind": "ntlm"}, "DOMAIN\\\\user"),
        ({"bind": "sasl-external", "password": None}, "needs tls.client_cert"),
        ({"url": "https://x"}, "is not an LDAP URL"),
        ({"url": "ldap://x/dc=example"}, "keys of their own"),
        ({"url": "ldap://x:99999"}, "port"),
        ({"url": []}, "nothing is listed"),
        ({"tls": {"start_tls": True}}, "start_tls is for ldap://"),
        ({"users": {"filter": "objectClass=*"}}, "is not an LDAP filter"),
        ({"users": {"filter": "(&(a=b)"}}, "is not an LDAP filter"),
        ({"users": {"filter": ""}}, "is not an LDAP filter"),
        ({"users": {"email": "mail address"}}, "is not the name of an attribute"),
        ({"users": {"email": "{}@x"}}, "not the name of an attribute"),
        ({"users": {"email": "{a@x"}}, "a template looks like"),
        ({"users": {"base": []}}, "nothing is listed"),
        ({"users": {"disabled": {"attribute": "x"}}}, "exactly one of equals, bit, present"),
        ({"groups": True}, "groups"),
        ({"page_size": 0}, "greater than or equal to 1"),
        ({"typo": 1}, "Extra inputs"),
        ({"password": "inline"}, "never inline"),
    ],
)
def test_mistakes_are_named(more: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        settings(**more)


def test_the_smallest_config() -> None:
    found = settings()
    assert (found.server, found.page_size, found.timeout, found.tls.verify) == ("auto", 1000, 60, True)


ROOTS: list[tuple[str, dict[str, tuple[str, ...]], str]] = [
    ("openldap", {"objectclass": ("top", "OpenLDAProotDSE"), "namingcontexts": ("dc=x",)}, ""),
    ("active-directory", {"supportedcapabilities": ("1.2.840.113556.1.4.800",)}, ""),
    ("active-directory", {"rootdomainnamingcontext": ("DC=x",)}, ""),
    ("389ds", {"vendorname": ("389 Project",), "vendorversion": ("389-Directory/2.3.1",)}, ""),
    ("freeipa", {"vendorname": ("389 Project",), "supportedextension": ("2.16.840.1.113730.3.8.10.1",)}, ""),
    ("freeipa", {"vendorname": ("389 Project",), "namingcontexts": ("dc=x", "o=ipaca")}, ""),
    ("jumpcloud", {}, "uid=b,ou=Users,o=5f,dc=jumpcloud,dc=com"),
    ("jumpcloud", {"namingcontexts": ("o=5f, dc=jumpcloud, dc=com",), "objectclass": ("OpenLDAProotDSE",)}, ""),
    ("other", {}, "cn=r"),
    ("other", {"vendorname": ("Somebody",)}, "cn=r"),
]


@pytest.mark.parametrize(("name", "root", "bind_dn"), ROOTS)
def test_servers_are_recognised(name: str, root: dict[str, tuple[str, ...]], bind_dn: str) -> None:
    assert recognise(root, bind_dn).name == name


@pytest.mark.parametrize(
    ("name", "root", "bind_dn", "expected"),
    [
        ("openldap", {"namingcontexts": ("dc=x", "cn=config", "cn=accesslog")}, "", (("dc=x",), ("dc=x",))),
        (
            "active-directory",
            {"namingcontexts": ("DC=x", "CN=Schema,DC=x"), "defaultnamingcontext": ("DC=x",)},
            "",
            (("DC=x",), ("DC=x",)),
        ),
        (
            "freeipa",
            {"defaultnamingcontext": ("dc=x",)},
            "",
            (("cn=users,cn=accounts,dc=x",), ("cn=groups,cn=accounts,dc=x",)),
        ),
        ("jumpcloud", {}, "uid=b,ou=Users,o=5,dc=jumpcloud,dc=com", (("ou=Users,o=5,dc=jumpcloud,dc=com",),) * 2),
        ("openldap", {}, "", ((), ())),
    ],
)
def test_bases(
    name: str, root: dict[str, tuple[str, ...]], bind_dn: str, expected: tuple[tuple[str, ...], ...]
) -> None:
    assert bases(PRESETS[name], root, bind_dn) == expected


def test_only_what_is_needed_is_asked_for() -> None:
    scope = user_scope(settings(), PRESETS["active-directory"], ("DC=x",), frozenset({"department"}))
    assert set(scope.attributes) == {
        *("objectGUID", "mail", "displayName", "cn", "sAMAccountName", "useraccountcontrol", "department"),
        *("objectSid", "primaryGroupID"),
    }
    without = user_scope(settings(groups=False), PRESETS["active-directory"], ("DC=x",), frozenset())
    assert not {"objectSid", "primaryGroupID"} & set(without.attributes)


def test_what_the_config_says_wins() -> None:
    users = {"base": "ou=a", "filter": "(a=b)", "email": "upn", "key": "dn", "name": "cn", "username": "login"}
    users |= {"disabled": {"attribute": "Status", "equals": "Left"}}
    scope = user_scope(settings(users=users, expired_accounts=True), OTHER, ("dc=x",), frozenset())
    assert (scope.bases, scope.filter, scope.keys, scope.names) == (("ou=a",), "(a=b)", ("dn",), ("cn",))
    assert set(scope.attributes) == {
        *("upn", "cn", "login", "status"),
        *("accountExpires", "shadowExpire", "krbPrincipalExpiration"),
    }
    groups = group_scope(Groups(base="ou=g", filter="(c=d)", name="o", member="m", key="k"), OTHER, ("dc=x",))
    assert (groups.bases, groups.filter, set(groups.attributes)) == (("ou=g",), "(c=d)", {"k", "o", "m"})


def test_bases_come_from_the_server_when_the_config_has_none() -> None:
    assert user_scope(settings(), OTHER, ("dc=x", "dc=y"), frozenset()).bases == ("dc=x", "dc=y")
