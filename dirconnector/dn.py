"""Distinguished names, compared as directories compare them.

The same entry is written in many ways: ``CN=Last\\, First,OU=People`` by Active Directory,
``cn=Last\\2C First,ou=people`` by OpenLDAP, and group members are echoed exactly as somebody once typed them.
:func:`normalise` gives all of these one spelling, which is for comparing only: messages show the DN as the
directory wrote it.
"""

from __future__ import annotations

import re
import string
import unicodedata
from functools import lru_cache

_NAMES_OF_TYPES = {
    # RFC 4514 section 3 and RFC 4519: every other way to write a type -> its short name
    "2.5.4.3": "cn",
    "commonname": "cn",
    "2.5.4.4": "sn",
    "surname": "sn",
    "2.5.4.5": "serialnumber",
    "2.5.4.6": "c",
    "countryname": "c",
    "2.5.4.7": "l",
    "localityname": "l",
    "2.5.4.8": "st",
    "stateorprovincename": "st",
    "2.5.4.9": "street",
    "streetaddress": "street",
    "2.5.4.10": "o",
    "organizationname": "o",
    "2.5.4.11": "ou",
    "organizationalunitname": "ou",
    "2.5.4.12": "title",
    "2.5.4.42": "givenname",
    "gn": "givenname",
    "0.9.2342.19200300.100.1.1": "uid",
    "userid": "uid",
    "0.9.2342.19200300.100.1.3": "mail",
    "rfc822mailbox": "mail",
    "0.9.2342.19200300.100.1.25": "dc",
    "domaincomponent": "dc",
    "1.2.840.113549.1.9.1": "emailaddress",
    "e": "emailaddress",
    "email": "emailaddress",
}

_NOT_PLAIN = re.compile(r'[\\"+;<>#\x00]')
_TYPE = re.compile(r"[a-z][a-z0-9_-]*|[0-9]+(?:\.[0-9]+)*")
# one type=value pair, up to an unescaped separator; quoted values are those of RFC 2253 section 4
_PAIR = re.compile(r'(?:[^\\",;+]+|\\.|"(?:[^"\\]|\\.)*")*', re.DOTALL)
_ESCAPE = re.compile(r"((?:\\[0-9a-fA-F]{2})+)|\\(.?)", re.DOTALL)
_ESCAPABLE = ' "#+,;<=>\\'
_HEX_VALUE = re.compile(r"#(?:[0-9a-fA-F]{2})+")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
# the surrogates are bytes that are not UTF-8, see _unescape
_TO_ESCAPE = re.compile(r'[\\,+";<>\x00\udc80-\udcff]|^#')
_OPTIONAL_UID = re.compile(r"\s*#'[01]*'[Bb]\s*\Z")
_ASCII_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


class _NotADnError(ValueError):
    """The text is not a DN."""


def normalise(dn: str) -> str:
    """The one spelling of all spellings of ``dn``: RFC 4514 strings, compared by RFC 4517 section 4.2.15.

    Types and values ignore case, spaces around separators and doubled spaces; types given as OIDs or long
    names become short names; escapes and quotes are resolved; the parts of a multi-valued RDN are sorted;
    ``#hex`` values are kept as they are. Text that is not a DN matches only itself, in any case of its ASCII letters.
    Never raises.

    >>> normalise(r"CN=Last\\, First + 2.5.4.5=7, OU=The  People,dc=Example")
    'cn=last\\\\2c first+serialnumber=7,ou=the people,dc=example'
    """
    if dn.isascii() and not _NOT_PLAIN.search(dn):
        plain = _normalise_plain(dn)
        if plain is not None:
            return plain
    try:
        return _normalise_any(dn)
    except _NotADnError:
        # ASCII only: folding more can turn what is not a DN into one, and into somebody else's
        return dn.strip().translate(_ASCII_LOWER)


def strip_uid(value: str) -> str:
    """The DN of a ``uniqueMember`` value, without its optional UID ``#'0101'B`` (RFC 4517 section 3.3.21).

    >>> strip_uid("cn=ana,dc=example#'0101'B")
    'cn=ana,dc=example'
    """
    return _OPTIONAL_UID.sub("", value) if "'" in value else value


def _normalise_plain(dn: str) -> str | None:
    """The fast path: ASCII without escapes, quotes and multi-valued RDNs. None when it is not for it."""
    pair, comma, parent = dn.partition(",")
    first = _normalise_plain_pair(pair)
    if not comma or first is None:
        return first
    rest = _normalise_parent(parent)
    return None if rest is None else f"{first},{rest}"


def _normalise_plain_pair(pair: str) -> str | None:
    kind, equals, value = pair.lower().partition("=")
    kind = kind.strip()
    if not equals or not kind.isalpha():
        return None
    return f"{_NAMES_OF_TYPES.get(kind, kind)}={' '.join(value.split())}"


@lru_cache(maxsize=1024)  # the parents of an entry come again with every entry
def _normalise_parent(dn: str) -> str | None:
    pairs = []
    for pair in dn.split(","):
        normal = _normalise_plain_pair(pair)
        if normal is None:
            return None
        pairs.append(normal)
    return ",".join(pairs)


def _normalise_any(dn: str) -> str:
    if not dn.strip():
        return ""
    rdns: list[list[str]] = [[]]
    position = 0
    while True:
        match = _PAIR.match(dn, position)
        assert match is not None, "the pattern matches the empty text"
        rdns[-1].append(_normalise_pair(match.group()))
        position = match.end()
        if position == len(dn):
            return ",".join("+".join(sorted(rdn)) for rdn in rdns)
        if dn[position] not in ",;+":
            raise _NotADnError
        if dn[position] != "+":
            rdns.append([])
        position += 1


@lru_cache(maxsize=1024)
def _normalise_pair(pair: str) -> str:
    kind, equals, value = pair.partition("=")
    kind = kind.strip().lower().removeprefix("oid.")
    if not equals or not _TYPE.fullmatch(kind):
        raise _NotADnError
    return f"{_NAMES_OF_TYPES.get(kind, kind)}={_normalise_value(value)}"


def _normalise_value(value: str) -> str:
    bare = value.strip()
    if bare.startswith("#"):
        if not _HEX_VALUE.fullmatch(bare):
            raise _NotADnError
        return bare.lower()
    quoted = _QUOTED.fullmatch(bare)
    if quoted:
        text = _unescape(quoted.group(1))
    elif '"' in value.replace('\\"', ""):
        raise _NotADnError
    else:
        # not the bare value: its last space may be an escaped one
        text = _unescape(value)
    return _TO_ESCAPE.sub(lambda found: f"\\{ord(found.group()) & 0xFF:02x}", _fold(text))


def _unescape(value: str) -> str:
    """Resolves ``\\,`` and ``\\2C``. Bytes that are not UTF-8 become surrogates: no text is equal to them."""

    def resolve(found: re.Match[str]) -> str:
        pairs, character = found.groups()
        if pairs:
            return bytes.fromhex(pairs.replace("\\", "")).decode("utf-8", "surrogateescape")
        if not character or character not in _ESCAPABLE:
            raise _NotADnError
        return str(character)

    return _ESCAPE.sub(resolve, value) if "\\" in value else value


def _fold(value: str) -> str:
    """Prepares a value for caseIgnoreMatch (RFC 4518 section 2): case, compatibility forms, spaces.

    The order of steps is the compatibility caseless match of the Unicode Standard (section 3.13, D146).
    """
    if value.isascii():
        return " ".join(value.lower().split())
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFD", value).casefold())
    folded = unicodedata.normalize("NFKD", folded.casefold())
    return " ".join(unicodedata.normalize("NFKC", folded).split())
