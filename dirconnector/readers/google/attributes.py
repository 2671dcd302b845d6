"""Attributes of a Google user by name: ``orgUnitPath``, ``department``, ``customSchemas.Vault.level``. Pure.

A name is a path of words with dots between them, in any case. Where the API has a list, a word is either the ``type``
(or ``customType``) of entries (``emails.work``, ``externalIds.organization``) or one of their fields
(``organizations.title``; the primary entry alone where one is marked as such).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

JsonObject = dict[str, Any]

FIELDS = (
    "addresses agreedToTerms aliases archivalTime archived creationTime customSchemas customerId deletionTime emails "
    "externalIds gender guestAccountInfo id ims includeInGlobalAddressList isAdmin isDelegatedAdmin isEnforcedIn2Sv "
    "isEnrolledIn2Sv isGuestUser isMailboxSetup keywords languages lastLoginTime locations name nonEditableAliases "
    "notes orgUnitPath organizations phones posixAccounts primaryEmail recoveryEmail recoveryPhone relations suspended "
    "suspensionReason suspensionTime websites"
)
"""Fields of a user in the Directory API that say something about a person (admin.directory_v1, schema User)."""

_FIELD = {name.lower(): name for name in FIELDS.split()}

SHORT = MappingProxyType(
    {
        "department": "organizations.department",
        "title": "organizations.title",
        "costcenter": "organizations.costcenter",
        "employeeid": "externalids.organization",
        "manager": "relations.manager",
        "givenname": "name.givenname",
        "familyname": "name.familyname",
        "fullname": "name.fullname",
    }
)
"""Short names of what is asked for most."""

_VALUE = ("value", "address", "formatted", "username", "name")


def _path(name: str) -> list[str]:
    lower = name.lower()
    return SHORT.get(lower, lower).split(".")


def field_of(name: str) -> str:
    """The field of the API that holds an attribute; empty when there is no such attribute."""
    words = _path(name)
    return _FIELD.get(words[0], "") if all(words) else ""


def fields_of(names: Iterable[str]) -> set[str]:
    """The fields of the API that hold these attributes; names that do not exist have none."""
    return {field for name in names if (field := field_of(name))}


def values(user: JsonObject, name: str) -> tuple[str, ...]:
    """The values of an attribute, each once, in the API's order; empty ones are none."""
    words = _path(name)
    found = user.get(_FIELD.get(words[0], ""))
    return tuple(dict.fromkeys(text for text in _texts(found, words[1:]) if text))


def first(user: JsonObject, names: Iterable[str]) -> str:
    """The first value of the first attribute that has one; empty when none has."""
    return next((value for name in names for value in values(user, name)), "")


def selected(user: JsonObject, names: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
    """Those of the attributes that the user has."""
    return {name: found for name in names if (found := values(user, name))}


def _texts(found: Any, words: list[str]) -> Iterator[str]:
    if isinstance(found, list):
        yield from _of_list(found, words)
    elif isinstance(found, dict):
        lower = {str(key).lower(): value for key, value in found.items()}
        if words:
            yield from _texts(lower.get(words[0]), words[1:])
        else:
            yield from _texts(next((lower[key] for key in _VALUE if key in lower), None), [])
    elif words or found is None:
        return
    elif isinstance(found, bool):
        yield "true" if found else "false"
    else:
        yield str(found)


def _of_list(found: list[Any], words: list[str]) -> Iterator[str]:
    entries = [entry for entry in found if isinstance(entry, dict)]
    if not words:
        for item in found:
            yield from _texts(item, [])
        return
    of_type = [entry for entry in entries if words[0] in _types(entry)]
    if of_type:
        for entry in of_type:
            yield from _texts(entry, words[1:])
        return
    primary = [entry for entry in entries if entry.get("primary") is True]
    for entry in primary or entries:
        yield from _texts(entry, words)


def _types(entry: JsonObject) -> set[str]:
    return {str(entry[key]).lower() for key in ("type", "customType") if entry.get(key)}
