"""What kind of server this is, and with that, what to ask for."""

from __future__ import annotations

from dataclasses import dataclass

from dirconnector.errors import DirectoryRefused
from dirconnector.readers.ldap import ber
from dirconnector.readers.ldap.ber import Entry
from dirconnector.readers.ldap.entries import text
from dirconnector.readers.ldap.presets import PRESETS, Attributes, Preset, bases, recognise
from dirconnector.readers.ldap.scope import GroupScope, UserScope, group_scope, user_scope
from dirconnector.readers.ldap.search import BASE, Query, Wire, search
from dirconnector.readers.ldap.settings import LdapSettings

ROOT_ATTRIBUTES = (
    "namingContexts",
    "defaultNamingContext",
    "rootDomainNamingContext",
    "supportedCapabilities",
    "supportedControl",
    "supportedExtension",
    "vendorName",
    "vendorVersion",
    "objectClass",
    "structuralObjectClass",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What is known before the first search. ``root`` is the root DSE, empty when it cannot be read; ``paging`` is
    False when the server says that it cannot page. ``groups`` is None when groups are switched off.
    """

    preset: Preset
    root: Attributes
    paging: bool
    users: UserScope
    groups: GroupScope | None


def look_at(directory: str, settings: LdapSettings, wire: Wire, selected: frozenset[str]) -> Server:
    """Reads the root DSE and completes the settings. Raises :class:`DirectoryRefused` when nobody says where the data
    is.
    """
    root = root_dse(wire)
    bind_dn = settings.bind_dn or ""
    preset = recognise(root, bind_dn) if settings.server == "auto" else PRESETS[settings.server]
    user_bases, group_bases = bases(preset, root, bind_dn)
    users = user_scope(settings, preset, user_bases, selected)
    groups = None if isinstance(settings.groups, bool) else group_scope(settings.groups, preset, group_bases)
    for scope, key in ((users, "users.base"), (groups, "groups.base")):
        if scope is not None and not scope.bases:
            raise DirectoryRefused(directory, f"the server does not say where its data is; set {key} in the config")
    controls = root.get("supportedcontrol", ())
    paging = not controls or ber.PAGED_RESULTS in controls
    return Server(preset=preset, root=root, paging=paging, users=users, groups=groups)


def root_dse(wire: Wire) -> Attributes:
    """The root DSE (RFC 4512 section 5.1); empty when the server does not let us read it."""
    found: list[Entry] = []
    search(wire, Query(name="root DSE", base="", scope=BASE, attributes=ROOT_ATTRIBUTES), found.extend, page_size=None)
    return {name: tuple(map(text, values)) for _, entry in found for name, values in entry.items()}


def queries(name: str, scope: UserScope | GroupScope) -> list[Query]:
    """One query for each base, called by ``name`` alone when there is one base."""
    return [
        Query(
            name=name if len(scope.bases) == 1 else f"{name} in {base}",
            base=base,
            filter=scope.filter,
            attributes=scope.attributes,
        )
        for base in scope.bases
    ]
