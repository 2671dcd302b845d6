"""Messages whose lengths contradict each other are refused, also where a lenient decoder makes something of them."""

from __future__ import annotations

import pytest

from dirconnector.readers.ldap import ber
from dirconnector.readers.ldap.ber import Entry, MalformedMessage, Names, tlv

GOOD = tlv(0x30, tlv(4, b"cn"), tlv(0x31, tlv(4, b"value")))


def decode(operation: bytes, after: bytes = b"", *, taught: bool = False) -> Entry:
    """The entry in one message with ``operation``; with ``taught`` the decoder has seen such entries before."""
    data = tlv(0x30, ber.integer(1), operation) + after
    names = Names()
    if taught:
        good = tlv(0x64, tlv(4, b"cn=x"), tlv(0x30, GOOD, GOOD.replace(b"cn", b"sn")))
        ber.decode_entry(good, 0, len(good), names)
    (_, _, start, end), *_ = ber.split(data)[0]
    return ber.decode_entry(data, start, end, names)


def entry(*attributes: bytes, after: bytes = b"") -> bytes:
    return tlv(0x64, tlv(4, b"cn=x"), tlv(0x30, *attributes), after)


def longer(data: bytes, place: int, by: int = 1) -> bytes:
    """One octet, a length, made larger."""
    return data[:place] + bytes([data[place] + by]) + data[place + 1 :]


@pytest.mark.parametrize("taught", [False, True])
def test_good(taught: bool) -> None:
    assert decode(entry(GOOD), taught=taught) == ("cn=x", {"cn": [b"value"]})


@pytest.mark.parametrize("taught", [False, True])
@pytest.mark.parametrize(
    ("what", "operation"),
    [
        ("a value longer than its attribute", entry(longer(GOOD, 9), GOOD)),
        ("a value shorter than its attribute", entry(longer(GOOD, 9, -1), GOOD)),
        ("a value that swallows the next attribute", entry(longer(GOOD, 9, len(GOOD)), GOOD)),
        ("values longer than their attribute", entry(longer(GOOD, 7), GOOD)),
        ("an attribute longer than its values", entry(longer(GOOD, 1), GOOD)),
        ("a last attribute longer than the list", entry(GOOD, longer(longer(longer(GOOD, 1), 7), 9))),
        ("something after the attributes", entry(GOOD, after=tlv(4, b"more"))),
        ("an operation longer than its message", longer(entry(GOOD), 1, 4)),
        ("a DN longer than everything", longer(entry(GOOD), 3, 100)),
        ("an attribute list longer than the entry", longer(entry(GOOD), 9, 4)),
        ("an attribute that ends after its tag", entry(b"\x30")),
        ("an attribute without values", entry(tlv(0x30, tlv(4, b"cn")))),
        ("an attribute that is something else", entry(tlv(4, b"cn"))),
        ("values that are something else", entry(tlv(0x30, tlv(4, b"cn"), tlv(0x30, tlv(4, b"value"))))),
        ("a value that is something else", entry(tlv(0x30, tlv(4, b"cn"), tlv(0x31, tlv(2, b"value"))))),
        ("a DN that is not UTF-8", tlv(0x64, tlv(4, b"cn=\xff"), tlv(0x30, GOOD))),
        ("a DN that is something else", tlv(0x64, tlv(2, b"cn=x"), tlv(0x30, GOOD))),
        ("another operation", b"\x65" + entry(GOOD)[1:]),
    ],
)
def test_broken(what: str, operation: bytes, taught: bool) -> None:
    for after in (b"", tlv(0x30, ber.integer(1), entry(GOOD))):  # at the end of the bytes, and with more behind it
        with pytest.raises(MalformedMessage):
            decode(operation, after, taught=taught)


def test_an_entry_that_reaches_into_the_next_message() -> None:
    whole = tlv(0x30, ber.integer(1), entry(GOOD))
    with pytest.raises(MalformedMessage):
        ber.decode_entry(whole, 5, len(whole) - 4, Names())


@pytest.mark.parametrize(
    "data",
    [
        b"\x30\x03\x02\x01\x01\x65",
        b"\x31\x04\x02\x01\x01\x65",
        b"\x30\x04\x04\x02\x01\x65",
    ],
)
def test_messages_without_an_id_or_an_operation(data: bytes) -> None:
    for known in (b"", ber.integer(1)):
        try:
            messages, _, needed = ber.split(data, known)
        except MalformedMessage:
            continue
        assert not messages and needed > 0


def test_a_result_with_everything() -> None:
    operation = tlv(
        *(0x65, ber.integer(10, 0x0A), tlv(4, b"dc=x"), tlv(4, "schön".encode() + b"\0")),
        tlv(0xA3, tlv(4, b"ldap://a"), tlv(4, b"ldap://b")),
    )
    controls = tlv(0xA0, tlv(0x30, tlv(4, b"1.2.3")), ber.paged_control(7, b"cookie", critical=True))
    data = operation + controls
    found = ber.decode_result(data, 0, len(data))
    assert (found.code, found.matched_dn, found.diagnostic) == (10, "dc=x", "schön")
    assert found.referrals == ("ldap://a", "ldap://b") and found.controls[0] == ("1.2.3", b"")
    assert found.paged is not None and ber.decode_cookie(found.paged) == b"cookie"
    for cut in range(len(operation)):
        with pytest.raises(MalformedMessage):
            ber.decode_result(data[:cut], 0, cut)


@pytest.mark.parametrize("code", [b"\x0a\x00", b"\x0a\x01\x80", b"\x0a\x05\x00\x00\x00\x00\x00", b"\x02\x01\x00"])
def test_a_result_code_that_is_no_number_is_not_success(code: bytes) -> None:
    operation = tlv(0x65, code, tlv(4), tlv(4))
    with pytest.raises(MalformedMessage):
        ber.decode_result(operation, 0, len(operation))


def test_a_negative_message_id() -> None:
    with pytest.raises(MalformedMessage):
        ber.split(b"\x30\x07\x02\x01\x80\x65\x02\x04\x00")
