"""What LDAP attributes mean: pure functions of plain values."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from dirconnector.readers.ldap.ber import Result
from dirconnector.readers.ldap.connect import bind_refusal
from dirconnector.readers.ldap.entries import (
    EmailSource,
    choose_key,
    disabled,
    email_of,
    expired,
    first_text,
    key_of,
    primary_sid,
    selected,
    sid,
)
from dirconnector.readers.ldap.presets import NS_LOCK, PPOLICY_LOCK, UAC_DISABLED, Rule

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
GUID = UUID("5f0e3c1a-9d2b-4c7e-8f10-0123456789ab")


@pytest.mark.parametrize(
    ("attribute", "value", "key"),
    [
        ("objectguid", GUID.bytes_le, str(GUID)),
        ("ms-ds-consistencyguid", GUID.bytes_le, str(GUID)),
        ("entryuuid", str(GUID).upper().encode(), str(GUID)),
        ("nsuniqueid", b"CD11BE0D-E7CD11F1-B15496D1-2D385117", "cd11be0d-e7cd11f1-b15496d1-2d385117"),
        ("ipauniqueid", b"A1B2-C3 ", "a1b2-c3"),
        ("employeenumber", b" E17 ", "E17"),
    ],
)
def test_keys_have_one_spelling(attribute: str, value: bytes, key: str) -> None:
    assert key_of("cn=x", {attribute: [value]}, attribute) == key


def test_key_that_is_missing_and_key_that_is_the_dn() -> None:
    assert key_of("CN=X,DC=y", {}, "entryuuid") == "" == key_of("CN=X,DC=y", {"entryuuid": []}, "entryuuid")
    assert key_of("CN=X,DC=y", {}, "dn") == "CN=X,DC=y"


def test_key_is_chosen_by_what_any_entry_has() -> None:
    assert choose_key(("entryuuid", "uid"), [{"uid": [b"a"]}, {"entryuuid": [b"1"]}]) == "entryuuid"
    assert choose_key(("entryuuid", "uid"), [{"uid": [b"a"]}]) == "uid"
    assert choose_key(("entryuuid", "uid"), []) == "entryuuid"


@pytest.mark.parametrize(
    ("rule", "values", "answer"),
    [
        (UAC_DISABLED, {"useraccountcontrol": [b"512"]}, False),
        (UAC_DISABLED, {"useraccountcontrol": [b"514"]}, True),
        (UAC_DISABLED, {"useraccountcontrol": [b"66050"]}, True),
        (UAC_DISABLED, {"useraccountcontrol": [b"66048"], "lockouttime": [b"133"]}, False),
        (UAC_DISABLED, {}, None),
        (UAC_DISABLED, {"useraccountcontrol": [b"what"]}, None),
        (NS_LOCK, {"nsaccountlock": [b"True"]}, True),
        (NS_LOCK, {"nsaccountlock": [b"false"]}, False),
        (NS_LOCK, {}, False),
        (PPOLICY_LOCK, {"pwdaccountlockedtime": [b"000001010000Z"]}, True),
        (PPOLICY_LOCK, {"pwdaccountlockedtime": [b"20261124051006Z"]}, False),  # wrong passwords, for some time
        (PPOLICY_LOCK, {}, False),
        (Rule(attribute="status", equals=frozenset({"left"})), {"status": [b"x", b" LEFT "]}, True),
    ],
)
def test_disabled(rule: Rule, values: dict[str, list[bytes]], answer: bool | None) -> None:
    assert disabled(values, (rule,)) is answer


def test_one_rule_that_holds_is_enough() -> None:
    assert disabled({"nsaccountlock": [b"TRUE"]}, (UAC_DISABLED, NS_LOCK)) is True


@pytest.mark.parametrize(
    ("attribute", "value", "answer"),
    [
        ("accountexpires", b"0", False),
        ("accountexpires", b"9223372036854775807", False),
        ("accountexpires", b"134083728000000000", True),  # 2025-11-24
        ("accountexpires", b"134400000000000000", False),  # 2026-11-25
        ("accountexpires", b"9223372036854775806", False),
        ("shadowexpire", b"-1", False),
        ("shadowexpire", b"0", False),
        ("shadowexpire", b"20000", True),
        ("shadowexpire", b"99999999999", False),
        ("krbprincipalexpiration", b"20261124115959Z", True),
        ("krbprincipalexpiration", b"20261124120001Z", False),
        ("krbprincipalexpiration", b"soon", False),
    ],
)
def test_expired(attribute: str, value: bytes, answer: bool) -> None:
    assert expired({attribute: [value]}, NOW) is answer


@pytest.mark.parametrize(
    ("sources", "address"),
    [
        (["mail"], "ana@example.org"),
        (["other", "mail"], "ana@example.org"),
        (["blank", "mail"], "ana@example.org"),
        (["{username}@example.org"], "alima@example.org"),
        (["{missing}@example.org", "{givenName}.{sn}@x.org"], "Ana.Lima@x.org"),
        (["proxyAddresses"], "ana@corp.org"),
        (["other"], ""),
    ],
)
def test_email(sources: list[str], address: str) -> None:
    values = {
        "mail": [b" ana@example.org ", b"second@example.org"],
        "blank": [b"  "],
        "uid": [b"alima"],
        "givenname": [b"Ana"],
        "sn": [b"Lima"],
        "proxyaddresses": [b"smtp:old@corp.org", b"SMTP:ana@corp.org", b"x500:/o=x"],
    }
    assert email_of(values, tuple(EmailSource.parse(source, "uid") for source in sources)) == address


def test_bytes_that_are_no_text_stay_visible() -> None:
    assert first_text({"cn": [b"A\xff"]}, ("displayname", "cn")) == "A\\xff"


def test_selected_attributes_are_those_asked_for() -> None:
    values = {"employeetype": [b"x", b"y"], "mail": [b"m"], "objectguid": [GUID.bytes_le]}
    found = selected("cn=x", values, frozenset({"employeetype", "objectguid", "dn", "absent"}))
    assert dict(found) == {"employeetype": ("x", "y"), "objectguid": (str(GUID),), "dn": ("cn=x",)}


def test_sids() -> None:
    raw = bytes.fromhex("010500000000000515000000a065cf7e784b9b5fe77c8770091c0100")
    assert sid(raw) == "S-1-5-21-2127521184-1604012920-1887927527-72713"
    assert sid(b"\x01") == "01"
    assert primary_sid({"objectsid": [raw], "primarygroupid": [b"513"]}) == raw[:-4] + b"\x01\x02\x00\x00"
    assert primary_sid({"objectsid": [raw]}) is None


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (
            Result(code=49, diagnostic="80090308: LdapErr: DSID-0C0903A9, comment: x, data 52e, v1db1"),
            "password is wrong",
        ),
        (Result(code=49, diagnostic="80090308: LdapErr: DSID-0C0903A9, comment: x, data 775, v1db1"), "locked"),
        (Result(code=49, diagnostic="80090308: LdapErr: DSID-0C0903A9, comment: x, data 533, v1db1"), "disabled"),
        (Result(code=49), "bind_dn or password is wrong"),
        (Result(code=8), "use an ldaps:// URL"),
        (Result(code=10, referrals=("ldap://b.example.org",)), "ldap://b.example.org"),
        (Result(code=80, diagnostic="data"), "see the server's log"),
    ],
)
def test_refused_binds_name_the_cure(result: Result, words: str) -> None:
    assert words in bind_refusal(result, "cn=reader")
