"""Users of Graph, one by one. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from dirconnector.model import NOTHING, Problem, User
from dirconnector.readers.entra.settings import CLOUDS, EntraSettings

Item = Mapping[str, Any]

SHOWN = 100
"""So many problems of one sort are listed one by one; a number stands for the rest."""

UNKNOWN_STATE = "Entra ID does not say whether the account is enabled (accountEnabled is empty): it is left as it is"

_SELECTABLE = (
    "accountEnabled ageGroup businessPhones city companyName consentProvidedForMinor country createdDateTime "
    "creationType department displayName employeeHireDate employeeId employeeLeaveDateTime employeeType "
    "externalUserState faxNumber givenName id imAddresses isResourceAccount jobTitle mail mailNickname mobilePhone "
    "officeLocation "
    "onPremisesDistinguishedName onPremisesDomainName onPremisesImmutableId onPremisesSamAccountName "
    "onPremisesSecurityIdentifier onPremisesSyncEnabled onPremisesUserPrincipalName otherMails postalCode "
    "preferredDataLocation preferredLanguage proxyAddresses securityIdentifier showInAddressList state streetAddress "
    "surname usageLocation userPrincipalName userType"
)
_PATHS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {name.lower(): (name,) for name in _SELECTABLE.split()}
    | {f"extensionattribute{n}": ("onPremisesExtensionAttributes", f"extensionAttribute{n}") for n in range(1, 16)}
    | {name.lower(): ("employeeOrgData", name) for name in ("costCenter", "division")}
)
_EXTENSION = re.compile(r"extension_[0-9a-f]{32}_\w+")


def path_of(attribute: str) -> tuple[str, ...]:
    """Where Graph keeps an attribute of the config (lower case): the property to select, and what is inside it. Empty
    when there is no such attribute. Directory extensions (``extension_APPID_NAME``) are taken as they are written.
    """
    return _PATHS.get(attribute) or ((attribute,) if _EXTENSION.fullmatch(attribute) else ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What becomes of a user of Graph. ``own_domains`` are those whose userPrincipalNames are no e-mail addresses;
    ``unknown`` are attributes that were asked for and do not exist.
    """

    directory: str
    emails: tuple[str, ...]
    username: str
    own_domains: tuple[str, ...]
    guests: bool
    attributes: Mapping[str, tuple[str, ...]]
    unknown: tuple[str, ...]

    @property
    def select(self) -> str:
        """The ``$select``. What is not in it comes as nothing, and its changes go unnoticed."""
        fixed = ["id", "displayName", "userPrincipalName", "accountEnabled", "userType"]
        names = [*fixed, *self.emails, self.username, *(path[0] for path in self.attributes.values())]
        return ",".join(dict.fromkeys(names))


def shape_of(directory: str, settings: EntraSettings, attributes: frozenset[str]) -> Shape:
    """The shape that the config asks for."""
    found = {name: path for name in sorted(attributes) if (path := path_of(name))}
    users = settings.users
    return Shape(
        directory=directory,
        emails=users.emails,
        username=users.username,
        own_domains=() if users.onmicrosoft else CLOUDS[settings.cloud].own_domains,
        guests=users.guests == "include",
        attributes=found,
        unknown=tuple(sorted(attributes - found.keys())),
    )


# ------------------------------------------------------------------------------------------------------------- one user


def is_guest(item: Item) -> bool:
    """A person of another organization (Graph: userType; the ``#EXT#`` is in the userPrincipalName of whoever was
    invited).
    """
    return _text(item, "userType").casefold() == "guest" or "#ext#" in _text(item, "userPrincipalName").casefold()


def email_of(item: Item, shape: Shape) -> str:
    """The first of the attributes that gives an address; empty when none does."""
    for name in shape.emails:
        if name == "userPrincipalName":
            address = _principal_address(_text(item, name), shape.own_domains)
        elif name == "proxyAddresses":
            # Exchange writes the primary address in capitals
            address = next((v[5:] for v in _texts(item.get(name)) if v.startswith("SMTP:")), "")
        else:
            address = next(iter(_texts(item.get(name))), "")
        if address:
            return address
    return ""


def _principal_address(name: str, own_domains: tuple[str, ...]) -> str:
    local, _, domain = name.rpartition("@")
    if not local or not domain or "#ext#" in name.casefold():
        return ""
    folded = domain.casefold()
    own = any(folded == own or folded.endswith(f".{own}") for own in own_domains)
    return "" if own else name


def user_of(item: Item, shape: Shape, enabled: bool) -> User:
    """A user as the rules see one."""
    principal = _text(item, "userPrincipalName")
    return User(
        key=item["id"],
        email=email_of(item, shape),
        name=_text(item, "displayName"),
        enabled=enabled,
        directory=shape.directory,
        username=_text(item, shape.username),
        entry=principal or item["id"],
        attributes=_attributes(item, shape) if shape.attributes else NOTHING,
    )


def _attributes(item: Item, shape: Shape) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for name, (first, *inside) in shape.attributes.items():
        value = item.get(first)
        if value is None and first.startswith("extension_"):
            value = next((v for k, v in item.items() if k.lower() == first), None)
        for part in inside:
            value = value.get(part) if isinstance(value, Mapping) else None
        texts = tuple(_texts(value))
        if texts:
            found[name] = texts
    return found


def _texts(value: object) -> list[str]:
    if value is None or value == "":
        return []
    if isinstance(value, bool):
        return ["true" if value else "false"]
    if isinstance(value, list):
        return [text for part in value for text in _texts(part)]
    return [value] if isinstance(value, str) else [str(value)] if isinstance(value, (int, float)) else []


def _text(item: Item, name: str) -> str:
    value = item.get(name)
    return value if isinstance(value, str) else ""


# ------------------------------------------------------------------------------------------------------------ all users


@dataclass(slots=True)
class People:
    """Takes users and keeps what they mean; the last word about a user counts. ``faulty`` has for the keys of those
    who cannot be synced what the directory calls them, and why. ``strange`` counts objects without an id.
    """

    shape: Shape
    users: dict[str, User] = field(default_factory=dict)
    faulty: dict[str, tuple[str, str]] = field(default_factory=dict)
    left_out: set[str] = field(default_factory=set)
    deleted_before: frozenset[str] = frozenset()
    strange: int = 0
    partial: bool = False
    """Nothing can be made of a change: it came without what every user has, or it is of somebody who was in the recycle
    bin, and whose groups nobody promises to tell again.
    """

    def receive(self, items: Iterable[Item]) -> None:
        """Users of a list."""
        for item in items:
            self._take(item)

    def receive_changes(self, items: Iterable[Item]) -> None:
        """Items of a delta query. A user who was deleted, in the recycle bin or not, is no longer a user; what was
        never set is left out, but nobody is without a userPrincipalName and a state.
        """
        for item in items:
            if "@removed" in item:
                self._forget(str(item.get("id")))
            else:
                known = "accountEnabled" in item and "userPrincipalName" in item
                self.partial = self.partial or not known or item.get("id") in self.deleted_before
                self._take(item)

    def _take(self, item: Item) -> None:
        key = item.get("id")
        if not isinstance(key, str) or not key:
            self.strange += 1
            return
        self._forget(key)
        enabled = item.get("accountEnabled")
        if not self.shape.guests and is_guest(item):
            self.left_out.add(key)
        elif isinstance(enabled, bool):
            self.users[key] = user_of(item, self.shape, enabled)
        else:
            self.faulty[key] = (_text(item, "userPrincipalName") or key, UNKNOWN_STATE)

    def _forget(self, key: str) -> None:
        self.users.pop(key, None)
        self.faulty.pop(key, None)
        self.left_out.discard(key)

    @property
    def gaps(self) -> list[str]:
        """Why the list may not be whole."""
        return [f"{self.strange} users came without an id"] if self.strange else []

    @property
    def notes(self) -> list[str]:
        """What is worth knowing."""
        notes = [] if self.users or self.faulty else ["no user was found"]
        if self.left_out:
            notes.append(f"{len(self.left_out)} guests were left out")
        if self.shape.unknown:
            notes.append(f"Entra ID has no attribute {', '.join(self.shape.unknown)}")
        return notes


def problems_of(faulty: Mapping[str, tuple[str, str]], directory: str) -> list[Problem]:
    """The problems, or the first hundred and how many there are besides."""
    found = [Problem(directory=directory, entry=entry, why=why) for _, (entry, why) in sorted(faulty.items())]
    if len(found) <= SHOWN:
        return found
    rest = f"and {len(found) - SHOWN} more entries like the one before"
    return [*found[:SHOWN], Problem(directory=directory, entry="", why=rest)]
