"""DNs as servers really write them."""

from __future__ import annotations

import pytest

from dirconnector.dn import normalise, strip_uid

SAME = [
    ("uid=ana,ou=people,dc=example,dc=org", "UID=Ana, OU=People , DC=Example,DC=org"),
    ("cn=g2,ou=groups,dc=example", "CN = G2 ,OU= Groups,DC=Example"),
    (r"cn=Last\, First,dc=x", r"CN=Last\2C First,dc=x"),
    (r"cn=Last\, First,dc=x", 'CN="Last, First",DC=x'),
    (r"cn=Last\, First,dc=x", 'CN="Last, First";DC=x'),
    (r"cn=a\\b,dc=x", r"cn=a\5Cb,dc=x"),
    (r"cn=say \"hi\",dc=x", r"cn=say \22hi\22,dc=x"),
    (r"cn=say \"hi\",dc=x", 'cn="say \\"hi\\"",dc=x'),
    ("cn=the  people,dc=x", "cn=the people,dc=x"),
    (r"cn=\ ana\ ,dc=x", "cn=ana,dc=x"),
    (r"cn=ana\20,dc=x", "cn=ana,dc=x"),
    ("cn=ana+ou=ops,dc=x", "OU=Ops + CN=Ana,dc=x"),
    ("cn=ana,dc=x", "2.5.4.3=ana,0.9.2342.19200300.100.1.25=x"),
    ("cn=ana,dc=x", "commonName=ana,domainComponent=x"),
    ("cn=ana,dc=x", "OID.2.5.4.3=ana,dc=x"),
    ("cn=Žoë Ångström,dc=x", "CN=ŽOË ÅNGSTRÖM,dc=x"),
    ("cn=Zoë,dc=x", "cn=Zoe\u0308,dc=x"),
    ("cn=Ana,dc=x", "cn=\U0001d5a0na,dc=x"),
    ("cn=Zoë,dc=x", r"cn=Zo\C3\AB,dc=x"),
    (r"cn=\#1,dc=x", r"cn=\231,dc=x"),
    ("cn=#04024869,dc=x", "CN=#04024869,DC=X"),
    ("cn=a=b,dc=x", r"cn=a\=b,dc=x"),
    ("cn=a\uff0cb,dc=x", r"cn=a\,b,dc=x"),
    (r"CN=old\0ADEL:6ea91a8d,CN=Deleted Objects", r"cn=OLD\0adel:6ea91a8d,cn=deleted objects"),
]

DIFFERENT = [
    (r"cn=a\,dc=x", "cn=a,dc=x"),
    (r"cn=a\,dc\=x,dc=y", "cn=a,dc=x,dc=y"),
    (r"cn=a\+ou=b,dc=x", "cn=a+ou=b,dc=x"),
    (r"cn=\#04024869,dc=x", "cn=#04024869,dc=x"),
    ("cn=thepeople,dc=x", "cn=the people,dc=x"),
    ("cn=a,cn=b", "cn=b,cn=a"),
    ("cn=a+cn=b", "cn=a,cn=b"),
    (r"cn=\FF,dc=x", r"cn=\FE,dc=x"),
    (r"cn=\FF,dc=x", r"cn=\5Cff,dc=x"),
    ("cn=a", "sn=a"),
]

MALFORMED = [
    "ana",
    "cn=a,b",
    "=a",
    "cn=a,,dc=x",
    'cn="a',
    "cn=a\\",
    r"cn=a\zb",
    "cn=#0g",
    "cn=#",
    'cn=a "b" c',
    "cn=a+",
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_spellings_of_one_entry_are_equal(one: str, other: str) -> None:
    assert normalise(one) == normalise(other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_different_entries_stay_different(one: str, other: str) -> None:
    assert normalise(one) != normalise(other)


@pytest.mark.parametrize("text", MALFORMED)
def test_what_is_not_a_dn_matches_itself_in_any_case(text: str) -> None:
    assert normalise(text) == normalise(f" {text.upper()}") == text.casefold()


def test_the_spelling_itself() -> None:
    assert normalise("UID=Ana, OU=People,DC=Example") == "uid=ana,ou=people,dc=example"
    assert normalise(r"CN=Last\, First+SN=X, DC=Example") == r"cn=last\2c first+sn=x,dc=example"
    assert normalise("cn=,dc=x") == "cn=,dc=x"
    assert normalise("  ") == ""


def test_unique_member_loses_its_optional_uid_only() -> None:
    assert strip_uid("cn=ana,dc=x#'0101'B") == "cn=ana,dc=x"
    assert strip_uid("cn=ana,dc=x#''B ") == "cn=ana,dc=x"
    assert strip_uid("cn=o'hara,dc=x") == "cn=o'hara,dc=x"
    assert strip_uid("cn=#0401,dc=x") == "cn=#0401,dc=x"
    assert strip_uid("cn=ana,dc=x#'0121'B") == "cn=ana,dc=x#'0121'B"
