"""Who the members of a group are."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from dirconnector.dn import normalise, strip_uid
from dirconnector.readers.file.ldif import Entry
from dirconnector.readers.file.people import first, text
from dirconnector.readers.file.settings import FileSettings

_NAMED = 3


class Found(NamedTuple):
    """The members of one group. ``doubts`` are reasons for which members may be missing."""

    users: frozenset[str]
    groups: frozenset[str]
    doubts: tuple[str, ...]
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """All entries of a file, by what groups call them: normalised DN, user name, and the SID of their primary group."""

    users: Mapping[str, str]
    groups: Mapping[str, str]
    by_username: Mapping[str, Sequence[str]]
    by_primary_group: Mapping[bytes, Sequence[str]]
    attributes: Sequence[str]

    @staticmethod
    def of(
        users: Iterable[Entry],
        user_keys: Mapping[int, str],
        groups: Iterable[Entry],
        group_keys: Mapping[int, str],
        settings: FileSettings,
    ) -> Tree:
        """``user_keys`` and ``group_keys`` are by line of the entry."""
        names: dict[str, list[str]] = {}
        primary: dict[bytes, list[str]] = {}
        with_key = [(user, user_keys[user.line]) for user in users if user.line in user_keys]
        for user, key in with_key:
            names.setdefault(first(user, settings.users.username).casefold(), []).append(key)
            group = primary_group(user)
            if group:
                primary.setdefault(group, []).append(key)
        return Tree(
            users={normalise(user.dn): key for user, key in with_key},
            groups={normalise(g.dn): group_keys[g.line] for g in groups if g.line in group_keys},
            by_username=names,
            by_primary_group=primary,
            attributes=[name.lower() for name in settings.groups.member],
        )

    def members(self, group: Entry) -> Found:
        """The direct members of ``group``, and what is wrong with the rest."""
        users = set(self.by_primary_group.get(group.attributes.get("objectsid", [b""])[0], ()))
        groups: set[str] = set()
        unknown: list[str] = []
        doubts: list[str] = []
        for name, values in _member_values(group, self.attributes, doubts):
            for value in values:
                member = text(value).strip()
                if name == "memberuid":
                    keys = self.by_username.get(member.casefold(), ())
                    users.update(keys if len(keys) == 1 else ())
                    if len(keys) != 1:
                        unknown.append(member)
                    continue
                dn = normalise(strip_uid(member))
                if dn in self.users:
                    users.add(self.users[dn])
                elif dn in self.groups:
                    groups.add(self.groups[dn])
                elif dn and dn != normalise(group.dn):
                    unknown.append(member)
        groups.discard(self.groups.get(normalise(group.dn), ""))
        return Found(frozenset(users), frozenset(groups), tuple(doubts), _unknown(unknown))


def primary_group(user: Entry) -> bytes:
    """The SID of the primary group of an Active Directory account, which lists it in no ``member``; empty when unknown.

    It is the SID of the account with the last sub-authority replaced by ``primaryGroupID`` ([MS-ADTS]
    3.1.1.4.5.10).
    """
    sid = user.attributes.get("objectsid", [b""])[0]
    relative = first(user, ("primaryGroupID",))
    if len(sid) < 12 or not relative.isdecimal() or int(relative) >= 1 << 32:
        return b""
    return sid[:-4] + struct.pack("<I", int(relative))


def _member_values(group: Entry, attributes: Sequence[str], doubts: list[str]) -> Iterable[tuple[str, list[bytes]]]:
    """The values of the member attributes, also when they are a range of them ([MS-ADTS] 3.1.1.3.1.3.3)."""
    for description, values in group.attributes.items():
        name, _, options = description.partition(";")
        if name not in attributes:
            continue
        if options.startswith("range=") and options != "range=0-*":
            doubts.append(
                f"the file has only the members {options.removeprefix('range=')} of {name}; "
                "export with a tool that fetches all ranges (ldifde, or dirsync with kind: ldap)"
            )
        elif options and not options.startswith("range="):
            continue
        yield name, values


def _unknown(members: Sequence[str]) -> tuple[str, ...]:
    if not members:
        return ()
    named = ", ".join(members[:_NAMED])
    more = f" and {len(members) - _NAMED} more" if len(members) > _NAMED else ""
    return (f"has members that are not people or groups of this file: {named}{more}",)
