"""The little BER that reading search results needs (RFC 4511 section 5.1, X.690).

LDAP allows only the definite form of lengths, which makes one flat loop enough: no recursion, no objects for what is
not kept. Everything here is pure: bytes in, plain values out. Whatever is not well formed raises
:class:`MalformedMessage`; an index never runs past the end of a message, because every container must end exactly
where its length says.
"""

from __future__ import annotations

from dataclasses import dataclass

SEARCH_ENTRY = 0x64
SEARCH_DONE = 0x65
SEARCH_REFERENCE = 0x73
EXTENDED_RESPONSE = 0x78
INTERMEDIATE_RESPONSE = 0x79

PAGED_RESULTS = "1.2.840.113556.1.4.319"
"""Simple paged results, RFC 2696."""

LARGEST_MESSAGE = 256 * 1024 * 1024
"""Bytes. A length beyond this is a broken stream, not an entry."""


class MalformedMessage(ValueError):
    """The bytes are not an LDAP message."""


RANGE = ";range="
"""What marks an attribute description whose values are only a part ([MS-ADTS] 3.1.1.3.1.3.3):
``member;range=0-1499``.
"""

Message = tuple[int, int, int, int]
"""Where one whole message lies in a chunk: message id, tag of the operation, start of the operation's header, end of
the message.
"""

Entry = tuple[str, dict[str, list[bytes]]]
"""A DN as the server wrote it, and the attributes: lower-case description -> values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """An LDAPResult (RFC 4511 section 4.1.9) with its controls: OID -> value."""

    code: int
    matched_dn: str = ""
    diagnostic: str = ""
    referrals: tuple[str, ...] = ()
    controls: tuple[tuple[str, bytes], ...] = ()

    @property
    def paged(self) -> bytes | None:
        """The value of the paged-results control, None when the server sent none."""
        return next((value for oid, value in self.controls if oid == PAGED_RESULTS), None)


# ---------------------------------------------------------------------------------------------------------- encoding


def tlv(tag: int, *parts: bytes) -> bytes:
    """One element: ``tag``, the length of ``parts`` together, ``parts``."""
    content = b"".join(parts)
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def integer(value: int, tag: int = 0x02) -> bytes:
    """A non-negative INTEGER (or ENUMERATED)."""
    return tlv(tag, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def control(oid: str, *, critical: bool, value: bytes | None = None) -> bytes:
    """A Control (RFC 4511 section 4.1.11)."""
    parts = [tlv(0x04, oid.encode("ascii"))]
    if critical:
        parts.append(b"\x01\x01\xff")
    if value is not None:
        parts.append(tlv(0x04, value))
    return tlv(0x30, *parts)


def paged_control(size: int, cookie: bytes, *, critical: bool) -> bytes:
    """The request control of RFC 2696: at most ``size`` entries, from where ``cookie`` points."""
    return control(PAGED_RESULTS, critical=critical, value=tlv(0x30, integer(size), tlv(0x04, cookie)))


def message(message_id: int, operation: bytes, controls: list[bytes]) -> bytes:
    """An LDAPMessage around an operation that is already encoded."""
    tail = [tlv(0xA0, *controls)] if controls else []
    return tlv(0x30, integer(message_id), operation, *tail)


# ---------------------------------------------------------------------------------------------------------- decoding


def _long_length(data: bytes, first: int, position: int) -> tuple[int, int]:
    """The length whose first octet ``first`` (0x80 or more) ends before ``position``, and where the content starts."""
    count = first & 0x7F
    if not 1 <= count <= 4 or position + count > len(data):
        raise MalformedMessage("a length is not in the definite form of up to four octets")
    return int.from_bytes(data[position : position + count], "big"), position + count


def element(data: bytes, position: int, limit: int) -> tuple[int, int, int]:
    """Tag, start and end of the content of the element at ``position``, which must end within ``limit``."""
    if position + 2 > limit:
        raise MalformedMessage("an element is cut short")
    tag, size = data[position], data[position + 1]
    start = position + 2
    if size >= 0x80:
        size, start = _long_length(data, size, start)
    if start + size > limit:
        raise MalformedMessage("an element is longer than what holds it")
    return tag, start, start + size


def _expect(data: bytes, position: int, limit: int, tag: int, what: str) -> tuple[int, int]:
    found, start, end = element(data, position, limit)
    if found != tag:
        raise MalformedMessage(f"{what}: tag 0x{found:02x} instead of 0x{tag:02x}")
    return start, end


def split(data: bytes, expected_id: bytes = b"") -> tuple[list[Message], int, int]:
    """The whole messages at the start of ``data``, the bytes they take, and the bytes that the next message needs.

    ``expected_id`` is the encoded message id that most messages will have, which makes them cheaper to recognise.
    """
    messages: list[Message] = []
    position, size = 0, len(data)
    expected = int.from_bytes(expected_id[2:], "big") if expected_id else -1
    skip = len(expected_id)
    while True:
        if position + 6 > size:
            return messages, position, 6
        length, start = data[position + 1], position + 2
        if data[position] != 0x30:
            raise MalformedMessage(f"a message starts with 0x{data[position]:02x} instead of 0x30")
        if length == 0x81:
            length, start = data[start], start + 1
        elif length >= 0x80:
            length, start = _long_length(data, length, start)
        end = start + length
        if end > size:
            if length > LARGEST_MESSAGE:
                raise MalformedMessage(f"a message of {length} bytes")
            return messages, position, end - position
        if skip and start + skip < end and data.startswith(expected_id, start):
            operation = start + skip
            messages.append((expected, data[operation], operation, end))
        else:
            messages.append(_other_message(data, start, end))
        position = end


def _other_message(data: bytes, start: int, end: int) -> Message:
    number, operation = _natural(data, start, end, 0x02, "a message id")
    if operation >= end:
        raise MalformedMessage("a message without an operation")
    return number, data[operation], operation, end


def _natural(data: bytes, position: int, limit: int, tag: int, what: str) -> tuple[int, int]:
    """An INTEGER or ENUMERATED from 0 to maxInt (RFC 4511), and where it ends. An empty one is none: it is not 0."""
    start, end = _expect(data, position, limit, tag, what)
    if not 1 <= end - start <= 4 or data[start] >= 0x80:
        raise MalformedMessage(f"{what} is not a number from 0 to 2147483647")
    return int.from_bytes(data[start:end], "big"), end


class Names:
    """Attribute descriptions seen in a search, and how an attribute with one short value must begin.

    Such an attribute has one encoding with lengths of one octet, so that its first bytes, for a given length of the
    value, are known beforehand: comparing them checks everything at once. ``after`` predicts an attribute by the one
    before it, as servers keep their order from entry to entry. A wrong prediction costs time and nothing else.
    ``ranged`` is True once some attribute came with a part of its values only.
    """

    def __init__(self) -> None:
        self.seen: dict[bytes, Heads] = {}
        self.after: dict[str, Heads] = {}
        self.ranged = False

    def learn(self, previous: str, raw: bytes) -> str:
        """The lower-case name of a description, remembered as what follows ``previous``."""
        known = self.seen.get(raw)
        if known is None:
            known = self.seen[raw] = heads(raw, raw.decode("ascii").lower())
            self.ranged = self.ranged or RANGE in known[0]
        self.after[previous] = known
        return known[0]


Heads = tuple[str, int, list[bytes]]
"""A name, the offset of the length of its only value, and by that length the bytes up to the value."""


def heads(raw: bytes, name: str) -> Heads:
    """How ``raw: one value`` begins, for each length of the value that keeps all lengths below 128."""
    size = len(raw)
    found = []
    for length in range(max(0, 0x80 - size - 6)):
        value = bytes((0x31, length + 2, 0x04, length))
        found.append(bytes((0x30, size + 6 + length, 0x04, size)) + raw + value)
    return name, size + 8, found


def decode_entry(data: bytes, start: int, end: int, names: Names) -> Entry:
    """A SearchResultEntry (RFC 4511 section 4.5.2) whose operation header is at ``start``, in a message that ends at
    ``end``.
    """
    try:
        if data[start] != SEARCH_ENTRY:
            raise MalformedMessage("an operation that is no entry")
        size, position = data[start + 1], start + 2
        if size == 0x81:
            size, position = data[position], position + 1
        elif size >= 0x80:
            size, position = _long_length(data, size, position)
        operation_end = position + size
        if data[position] != 0x04 or operation_end > end:
            raise MalformedMessage("an entry has no DN, or is longer than its message")
        size, dn_start = data[position + 1], position + 2
        if size >= 0x80:
            size, dn_start = _long_length(data, size, dn_start)
        position = dn_start + size
        dn = data[dn_start:position].decode()
        if data[position] != 0x30:
            raise MalformedMessage("an entry has no attribute list")
        size, position = data[position + 1], position + 2
        if size == 0x81:
            size, position = data[position], position + 1
        elif size >= 0x80:
            size, position = _long_length(data, size, position)
        if position + size != operation_end:
            raise MalformedMessage("an entry does not end with its attributes")
        attributes: dict[str, list[bytes]] = {}
        after = names.after
        name = ""
        while position < operation_end:
            predicted = after.get(name)
            if predicted is not None:
                expected, offset, by_length = predicted
                value = position + offset
                if value <= operation_end and expected not in attributes:
                    length = data[value - 1]
                    if length < len(by_length) and data.startswith(by_length[length], position):
                        position = value + length
                        attributes[expected] = [data[value:position]]
                        name = expected
                        continue
            name, position = _attribute(data, position, names, name, attributes)
        if position != operation_end:
            raise MalformedMessage("an attribute is longer than its entry")
    except IndexError:
        raise MalformedMessage("an entry is cut short") from None
    except UnicodeDecodeError:
        raise MalformedMessage("a DN or an attribute description is not UTF-8") from None
    return dn, attributes


def _attribute(
    data: bytes, position: int, names: Names, previous: str, attributes: dict[str, list[bytes]]
) -> tuple[str, int]:
    """Adds the PartialAttribute at ``position`` to ``attributes``; its name and where it ends. IndexError when it is
    cut short.
    """
    if data[position] != 0x30:
        raise MalformedMessage("an attribute is not a sequence")
    size, position = data[position + 1], position + 2
    if size >= 0x80:
        size, position = _long_length(data, size, position)
    attribute_end = position + size
    if data[position] != 0x04:
        raise MalformedMessage("an attribute has no description")
    size, position = data[position + 1], position + 2
    if size >= 0x80:
        size, position = _long_length(data, size, position)
    raw = data[position : position + size]
    position += size
    if data[position] != 0x31:
        raise MalformedMessage("an attribute has no set of values")
    size, position = data[position + 1], position + 2
    if size >= 0x80:
        size, position = _long_length(data, size, position)
    if position + size != attribute_end:
        raise MalformedMessage("an attribute does not end with its values")
    name = names.learn(previous, raw)
    values = attributes.setdefault(name, [])
    while position < attribute_end:
        if data[position] != 0x04:
            raise MalformedMessage("a value is not an octet string")
        size, position = data[position + 1], position + 2
        if size >= 0x80:
            size, position = _long_length(data, size, position)
        values.append(data[position : position + size])
        position += size
    if position != attribute_end:
        raise MalformedMessage("a value is longer than its attribute")
    return name, position


def decode_result(data: bytes, start: int, end: int) -> Result:
    """The LDAPResult of a SearchResultDone or an ExtendedResponse at ``start``, and the controls after it."""
    _, position, operation_end = element(data, start, end)
    code, position = _natural(data, position, operation_end, 0x0A, "a result code")
    matched, position = _expect(data, position, operation_end, 0x04, "a matched DN")
    matched_dn = data[matched:position].decode("utf-8", "replace")
    text, position = _expect(data, position, operation_end, 0x04, "a diagnostic message")
    diagnostic = data[text:position].decode("utf-8", "replace").rstrip("\0")
    referrals: tuple[str, ...] = ()
    if position < operation_end:
        tag, inner, inner_end = element(data, position, operation_end)
        if tag == 0xA3:
            referrals = tuple(v.decode("utf-8", "replace") for v in _octet_strings(data, inner, inner_end))
    controls = _decode_controls(data, operation_end, end)
    return Result(code=code, matched_dn=matched_dn, diagnostic=diagnostic, referrals=referrals, controls=controls)


def _octet_strings(data: bytes, position: int, end: int) -> list[bytes]:
    found = []
    while position < end:
        start, position = _expect(data, position, end, 0x04, "a string")
        found.append(data[start:position])
    return found


def _decode_controls(data: bytes, position: int, end: int) -> tuple[tuple[str, bytes], ...]:
    if position >= end:
        return ()
    position, controls_end = _expect(data, position, end, 0xA0, "controls")
    found = []
    while position < controls_end:
        inner, position = _expect(data, position, controls_end, 0x30, "a control")
        oid_start, oid_end = _expect(data, inner, position, 0x04, "the OID of a control")
        value = b""
        inner = oid_end
        while inner < position:
            tag, start, inner = element(data, inner, position)
            if tag == 0x04:
                value = data[start:inner]
        found.append((data[oid_start:oid_end].decode("ascii", "replace"), value))
    return tuple(found)


def decode_cookie(value: bytes) -> bytes:
    """The cookie in the value of a paged-results response control; empty at the end of the data (RFC 2696)."""
    start, end = _expect(value, 0, len(value), 0x30, "the paged-results control")
    _, after_size = _expect(value, start, end, 0x02, "the size in the paged-results control")
    cookie, cookie_end = _expect(value, after_size, end, 0x04, "the cookie")
    return value[cookie:cookie_end]
