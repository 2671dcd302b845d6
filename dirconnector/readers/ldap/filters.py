"""LDAP filters (RFC 4515): checked when the config is read, encoded when a search begins. ldap3 does both."""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import Any

with warnings.catch_warnings():  # ldap3 2.9.1, the last release, imports names that pyasn1 0.6 deprecates
    warnings.simplefilter("ignore", DeprecationWarning)
    from ldap3.core.exceptions import LDAPExceptionError

    # Any: the published stubs of ldap3 leave these functions out
    _search: Any = import_module("ldap3.operation.search")
    _asn1: Any = import_module("ldap3.utils.asn1")


def _parse(text: str) -> Any:
    try:
        return _search.parse_filter(text, None, True, True, None, False).elements[0]
    except (LDAPExceptionError, IndexError):
        raise ValueError(f"{text!r} is not an LDAP filter (RFC 4515), like (objectClass=person)") from None


def checked(text: str) -> str:
    """The filter as it is. Raises ValueError, in words for the administrator, when it is none."""
    encode(text)
    return text


def encode(text: str) -> bytes:
    """The BER of a filter (RFC 4511 section 4.5.1.7). Raises ValueError when it is none."""
    try:
        encoded: bytes = _asn1.encode(_search.compile_filter(_parse(text)))
    except LDAPExceptionError:
        raise ValueError(f"{text!r} is not an LDAP filter (RFC 4515), like (objectClass=person)") from None
    return encoded
