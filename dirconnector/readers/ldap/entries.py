"""What one entry means: key, name, e-mail, enabled or not. Pure functions of plain values."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from dirconnector.model import NOTHING
from dirconnector.readers.ldap.presets import Rule
from dirconnector.readers.ldap.settings import placeholders

Values = Mapping[str, list[bytes]]
"""The attributes of an entry: lower-case description -> values."""

NEVER_FILETIME = 0x7FFFFFFFFFFFFFFF
FILETIME_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EXPIRY_ATTRIBUTES = ("accountExpires", "shadowExpire", "krbPrincipalExpiration")

LITTLE_ENDIAN_GUIDS = frozenset({"objectguid", "ms-ds-consistencyguid"})
TEXT_UUIDS = frozenset({"entryuuid", "nsuniqueid", "ipauniqueid"})


def text(value: bytes) -> str:
    """A value as text; bytes that are not UTF-8 stay visible as ``\\xNN``."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("utf-8", "backslashreplace")


def guid(value: bytes) -> str:
    """The usual spelling of a 16-byte GUID, whose first three fields are little-endian ([MS-DTYP] 2.3.4.2).

    >>> guid(bytes(range(16)))
    '03020100-0504-0706-0809-0a0b0c0d0e0f'
    """
    a, b, c, d, e = struct.unpack("<IHH2s6s", value)
    return f"{a:08x}-{b:04x}-{c:04x}-{d.hex()}-{e.hex()}"


def sid(value: bytes) -> str:
    """The usual spelling ``S-1-5-21-...`` of a binary SID ([MS-DTYP] 2.4.2)."""
    count = value[1] if len(value) >= 8 else 0
    if len(value) != 8 + 4 * count or len(value) < 8:
        return value.hex()
    parts = struct.unpack(f"<{count}I", value[8:])
    return "-".join(("S", str(value[0]), str(int.from_bytes(value[2:8], "big")), *map(str, parts)))


def value_text(attribute: str, value: bytes) -> str:
    """One value of ``attribute`` (lower case) as people write it: GUIDs and SIDs in their usual spelling, everything
    else as text.
    """
    if attribute in LITTLE_ENDIAN_GUIDS and len(value) == 16:
        return guid(value)
    if attribute == "objectsid":
        return sid(value)
    return text(value)


def key_of(dn: str, values: Values, attribute: str) -> str:
    """The key of an entry in its canonical spelling, empty when the entry has none. ``attribute`` is lower case, or
    ``dn``.
    """
    if attribute == "dn":
        return dn
    found = values.get(attribute)
    if not found:
        return ""
    if attribute in TEXT_UUIDS:
        return text(found[0]).strip().lower()
    return value_text(attribute, found[0]).strip()


def choose_key(candidates: tuple[str, ...], entries: list[Values]) -> str:
    """The first candidate (lower case) that any of the first entries has; the first of all when none has any."""
    for candidate in candidates:
        if candidate == "dn" or any(values.get(candidate) for values in entries):
            return candidate
    return candidates[0]


def first_text(values: Values, attributes: tuple[str, ...]) -> str:
    """The first value of the first of these attributes that has one that is not blank; empty when there is none."""
    for attribute in attributes:
        for value in values.get(attribute, ()):
            found = text(value).strip()
            if found:
                return found
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailSource:
    """An attribute, or a template with its placeholders and the attribute that each stands for.

    ``needs`` are the attributes (lower case) that it looks at.
    """

    needs: tuple[str, ...]
    template: str = ""
    placeholders: tuple[str, ...] = ()

    @staticmethod
    def parse(source: str, username: str) -> EmailSource:
        """From the config's spelling. ``{username}`` stands for the attribute that ``users.username`` names."""
        names = placeholders(source)
        if not names:
            return EmailSource(needs=(source.lower(),))
        needs = tuple((username if name == "username" else name).lower() for name in names)
        return EmailSource(needs=needs, template=source, placeholders=tuple(names))

    def value(self, values: Values) -> str:
        """The address, empty when the entry lacks what it is made of."""
        if self.template:
            return self._filled(values)
        if self.needs == ("proxyaddresses",):
            return _primary_smtp(values.get("proxyaddresses", []))
        return first_text(values, self.needs)

    def _filled(self, values: Values) -> str:
        address = self.template
        for name, attribute in zip(self.placeholders, self.needs, strict=True):
            part = first_text(values, (attribute,))
            if not part:
                return ""
            address = address.replace("{" + name + "}", part)
        return address


def _primary_smtp(values: list[bytes]) -> str:
    """Exchange marks the primary address of proxyAddresses by an upper-case ``SMTP:``."""
    return next((text(v[5:]).strip() for v in values if v.startswith(b"SMTP:")), "")


def email_of(values: Values, sources: tuple[EmailSource, ...]) -> str:
    """The address from the first source that gives one, as written in the directory; empty when none does."""
    for source in sources:
        address = source.value(values)
        if address:
            return address
    return ""


def disabled(values: Values, rules: tuple[Rule, ...]) -> bool | None:
    """Whether any rule holds; None when a rule cannot be judged, because what it looks at cannot be read."""
    unknown = False
    for rule in rules:
        found = values.get(rule.attribute)
        if not found:
            unknown = unknown or rule.required
        elif rule.bit:
            try:
                if int(found[0]) & rule.bit:
                    return True
            except ValueError:
                unknown = True
        elif not rule.equals or any(text(v).strip().lower() in rule.equals for v in found):
            return True
    return None if unknown else False


def expired(values: Values, now: datetime) -> bool:
    """Whether the account is past the date in accountExpires, shadowExpire or krbPrincipalExpiration. Unreadable
    dates are no dates.
    """
    moments = (
        _filetime(first_text(values, ("accountexpires",))),
        _shadow_day(first_text(values, ("shadowexpire",))),
        generalized_time(first_text(values, ("krbprincipalexpiration",))),
    )
    return any(moment is not None and moment <= now for moment in moments)


def _filetime(value: str) -> datetime | None:
    """100-nanosecond steps since 1601; 0 and the largest number mean never ([MS-ADA1] accountExpires)."""
    if not value.isdecimal() or int(value) in (0, NEVER_FILETIME):
        return None
    try:
        return FILETIME_EPOCH + timedelta(microseconds=int(value) // 10)
    except OverflowError:
        return None


def _shadow_day(value: str) -> datetime | None:
    """Days since 1970; -1 and 0 mean never (shadow(5))."""
    if not value.isdecimal() or int(value) == 0:
        return None
    try:
        return EPOCH + timedelta(days=int(value))
    except OverflowError:
        return None


def generalized_time(value: str) -> datetime | None:
    """A Generalized Time in UTC (RFC 4517 section 3.3.13), None for anything else."""
    try:
        return datetime.strptime(value.partition(".")[0].removesuffix("Z")[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def selected(dn: str, values: Values, wanted: frozenset[str]) -> Mapping[str, tuple[str, ...]]:
    """The attributes that selection rules look at, those the entry has. ``dn`` is the entry's own name."""
    if not wanted:
        return NOTHING
    found = {
        name: (dn,) if name == "dn" else tuple(value_text(name, v) for v in values[name])
        for name in wanted
        if name == "dn" or values.get(name)
    }
    return MappingProxyType(found)


def primary_sid(values: Values) -> bytes | None:
    """The SID of a user's primary group: the domain of objectSid and primaryGroupID ([MS-ADA3] primaryGroupID), None
    when unknown.
    """
    own, number = values.get("objectsid"), values.get("primarygroupid")
    if not own or not number or not number[0].isdigit():
        return None
    return own[0][:-4] + struct.pack("<I", int(number[0]) & 0xFFFFFFFF)
