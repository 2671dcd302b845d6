"""Active Directory's list of deleted objects: it says why somebody is gone, and nothing depends on it."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from dirconnector.readers.ldap import ber
from dirconnector.readers.ldap.ber import Entry
from dirconnector.readers.ldap.entries import key_of
from dirconnector.readers.ldap.search import Ending, Query, describe

KEY = "objectguid"
"""The only key that a deleted object keeps."""

SHOW_DELETED = "1.2.840.113556.1.4.417"
"""LDAP_SERVER_SHOW_DELETED_OID, [MS-ADTS] 3.1.1.3.4.1.14."""

MARK = "\\0ADEL:"
"""What follows the name of an entry in the DN that it gets when it is deleted ([MS-ADTS] 3.1.1.5.5.1.1)."""


def query(context: str) -> Query:
    """All deleted users and groups of the domain ``context``."""
    return Query(
        name="deleted objects",
        base=f"CN=Deleted Objects,{context}",
        filter="(&(isDeleted=TRUE)(|(objectClass=user)(objectClass=group)))",
        attributes=("objectGUID",),
        controls=(ber.control(SHOW_DELETED, critical=True),),
    )


def deleted_keys(entries: Iterable[Entry], known: Collection[str]) -> dict[str, str]:
    """Key -> what the directory says. What was also read as existing (``known``) was restored meanwhile: left out."""
    found = {key_of(dn, values, KEY): f"deleted in the directory: {dn.partition(MARK)[0]}" for dn, values in entries}
    return {key: words for key, words in found.items() if key and key not in known}


def why(ending: Ending, *, any_found: bool) -> str:
    """How the query ended. An account without the right to see them gets an empty answer and success."""
    if not ending.complete:
        return f"cannot be read ({describe(ending.result)}); nothing depends on it"
    if not any_found:
        return "nothing is listed: nothing was deleted, or this account may not read it; nothing depends on it"
    return "the server marked the end; nothing depends on it"
