"""Our decoder against ldap3's, on messages as servers send them and on broken ones."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from ldap3.operation.search import search_operation
from ldap3.protocol.rfc4511 import LDAPMessage, MessageID, ProtocolOp
from ldap3.utils.asn1 import decode_message_fast, encode

from dirconnector.readers.ldap import ber
from dirconnector.readers.ldap.ber import Entry, MalformedMessage, Names
from dirconnector.readers.ldap.search import Query

NAMES = st.sampled_from(["cn", "mail", "member", "entryUUID", "CN", "member;range=0-1", "x" * 70])
VALUES = (
    st.binary(max_size=20) | st.binary(min_size=100, max_size=300) | st.sampled_from([b"", b"v" * 127, b"v" * 70_000])
)
ATTRIBUTES = st.lists(st.tuples(NAMES, st.lists(VALUES, max_size=4)), max_size=5)
DNS = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
ENTRIES = st.lists(st.tuples(DNS, ATTRIBUTES), min_size=1, max_size=4)
IDS = st.integers(1, 2**31 - 1)


def long_length(tag: int, *parts: bytes) -> bytes:
    """As Active Directory writes it: every length in four octets."""
    content = b"".join(parts)
    return bytes([tag, 0x84]) + len(content).to_bytes(4, "big") + content


def entry(write: Any, message_id: int, dn: str, attributes: list[tuple[str, list[bytes]]]) -> bytes:
    listed = [
        write(0x30, write(4, name.encode()), write(0x31, *(write(4, value) for value in values)))
        for name, values in attributes
    ]
    operation = write(0x64, write(4, dn.encode()), write(0x30, *listed))
    return bytes(write(0x30, ber.integer(message_id), operation))


def ours(data: bytes, names: Names, expected: int = 0) -> list[tuple[int, Entry]]:
    messages, used, _ = ber.split(data, ber.integer(expected) if expected else b"")
    if used != len(data):
        raise MalformedMessage("not a whole number of messages")
    return [(number, ber.decode_entry(data, start, end, names)) for number, _, start, end in messages]


def theirs(data: bytes) -> tuple[int, Entry]:
    """What ldap3 makes of one message, in our shape."""
    decoded = decode_message_fast(data)
    assert decoded["protocolOp"] == 4
    dn, attributes = decoded["payload"][0][3], decoded["payload"][1][3]
    found: dict[str, list[bytes]] = {}
    for attribute in attributes:
        name, values = attribute[3][0][3], attribute[3][1][3]
        found.setdefault(bytes(name).decode("ascii").lower(), []).extend(bytes(value[3]) for value in values)
    return decoded["messageID"], (bytes(dn).decode("utf-8"), found)


@given(ENTRIES, IDS, st.sampled_from([ber.tlv, long_length]), st.booleans())
def test_entries_as_ldap3_reads_them(
    entries: list[tuple[str, list[tuple[str, list[bytes]]]]], message_id: int, write: Any, known: bool
) -> None:
    messages = [entry(write, message_id, dn, attributes) for dn, attributes in entries]
    names = Names()
    found = ours(b"".join(messages), names, message_id if known else 0)
    assert found == [theirs(message) for message in messages]
    assert ours(b"".join(messages), names) == found  # and again, with everything predicted


@given(ENTRIES, st.data())
@example([("cn=a", [("cn", [b"v"])]), ("cn=b", [("cn", [b"v"])])], None)
def test_broken_messages(entries: list[tuple[str, list[tuple[str, list[bytes]]]]], data: Any) -> None:
    names = Names()
    good = [entry(ber.tlv, 1, dn, attributes) for dn, attributes in entries]
    ours(b"".join(good), names)  # so that predictions are there to go wrong
    broken = bytearray(good[-1])
    if data is not None:
        for _ in range(data.draw(st.integers(1, 3))):
            place = data.draw(st.integers(0, min(len(broken), 400) - 1))
            change = data.draw(st.sampled_from(["set", "drop", "insert"]))
            if change == "set":
                broken[place] = data.draw(st.integers(0, 255))
            elif change == "drop" and len(broken) > 1:
                del broken[place]
            else:
                broken.insert(place, data.draw(st.integers(0, 255)))
    message = bytes(broken)
    try:
        found = ours(message, names, 1)
    except MalformedMessage:
        return
    if len(found) == 1:
        assert found == [theirs(message)]


@given(st.binary(max_size=200), st.booleans())
def test_noise_never_fails_in_another_way(noise: bytes, known: bool) -> None:
    try:
        messages, used, needed = ber.split(noise, ber.integer(1) if known else b"")
    except MalformedMessage:
        return
    assert used <= len(noise) and needed > len(noise) - used
    for _, _, start, end in messages:
        with suppress(MalformedMessage):
            ber.decode_entry(noise, start, end, Names())
        with suppress(MalformedMessage):
            ber.decode_result(noise, start, end)


@given(ENTRIES, st.data())
def test_any_cut_says_how_much_is_missing(entries: list[tuple[str, list[tuple[str, list[bytes]]]]], data: Any) -> None:
    stream = b"".join(entry(ber.tlv, 1, dn, attributes) for dn, attributes in entries)
    cut = data.draw(st.integers(0, len(stream) - 1))
    messages, used, needed = ber.split(stream[:cut])
    assert len(messages) < len(entries) and used <= cut < used + needed <= len(stream)


@given(
    st.sampled_from(["(objectClass=*)", "(&(a=b)(!(c=d*e)))", "(|(x>=1)(y~=z))", r"(cn=\2a\c3\a9)", "(m:1.2.3:=<dn>)"]),
    st.lists(st.sampled_from(["cn", "mail", "member;range=0-*"]), min_size=1, max_size=3, unique=True),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=200),
    IDS,
)
def test_requests_as_ldap3_writes_them(text: str, attributes: list[str], base: str, message_id: int) -> None:
    message = LDAPMessage()
    message["messageID"] = MessageID(message_id)
    request = search_operation(base, text, 2, 0, attributes, 0, 0, False, True, True)
    message["protocolOp"] = ProtocolOp().setComponentByName("searchRequest", request)
    query = Query(name="q", base=base, filter=text, attributes=tuple(attributes))
    assert ber.message(message_id, query.operation, []) == encode(message)


@given(st.integers(0, 2**31 - 1), st.binary(max_size=300))
def test_cookies_come_back(size: int, cookie: bytes) -> None:
    value = ber.tlv(0x30, ber.integer(size), ber.tlv(4, cookie))
    assert ber.decode_cookie(value) == cookie
