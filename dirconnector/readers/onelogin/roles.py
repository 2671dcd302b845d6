"""From users' role ids and lists of roles to groups with members. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dirconnector.model import Group

Row = dict[str, Any]
MOST_UNLISTED = 20
"""So many roles that users have and that no list shows are looked at one by one."""


@dataclass(slots=True, kw_only=True)
class Roles:
    """``names`` by role id. ``shown`` are the user keys that the list of roles itself gives for a role, of known users
    alone; a role is not in it when the list gives none.
    """

    names: dict[int, str] = field(default_factory=dict)
    shown: dict[int, frozenset[str]] = field(default_factory=dict)
    members: dict[int, frozenset[str]] = field(default_factory=dict)


def listed(rows: Mapping[int, Row], known: set[str]) -> Roles:
    """The roles of a list, without members yet."""
    roles = Roles()
    for number, row in rows.items():
        roles.names[number] = name_of(row)
        users = row.get("users")
        if isinstance(users, list) and all(type(user) is int for user in users):
            roles.shown[number] = frozenset(map(str, users)) & known
    return roles


def name_of(row: Row) -> str:
    """The name of a role or group."""
    name = row.get("name")
    return name if isinstance(name, str) else ""


def inverted(of_users: Mapping[str, frozenset[int] | None]) -> dict[int, set[str]]:
    """Users by role, from roles by user."""
    members: dict[int, set[str]] = {}
    for key, role_ids in of_users.items():
        for role in role_ids or ():
            members.setdefault(role, set()).add(key)
    return members


def doubtful(roles: Roles, by_user: Mapping[int, set[str]], of_users: Mapping[str, frozenset[int] | None]) -> set[int]:
    """Roles whose members the users alone do not tell: all of them when there is a user that does not say, or when
    nobody has a role and the list shows no members; else those where the list shows a user who does not have it.
    """
    if any(role_ids is None for role_ids in of_users.values()):
        return set(roles.names)
    if not by_user and not roles.shown:
        return set(roles.names)
    return {number for number, shown in roles.shown.items() if not shown <= by_user.get(number, set())}


def same(roles: Roles) -> bool:
    """Whether the list of roles shows for each role exactly the members that it has: then it may be believed next
    time.
    """
    return all(roles.shown.get(number) == roles.members.get(number, frozenset()) for number in roles.names)


def role_key(number: int, users: set[str]) -> str:
    """The key of a role is its id (what the Directory Connector uses as well), unless a user has the same."""
    return f"role:{number}" if str(number) in users else str(number)


def group_key(number: int) -> str:
    """The key of a OneLogin group, which may have the id of a role."""
    return f"group:{number}"


def groups_of_roles(directory: str, roles: Roles, users: set[str]) -> dict[str, Group]:
    """Roles as groups, in the order of their ids."""
    made = (
        Group(
            key=role_key(number, users),
            name=roles.names[number],
            directory=directory,
            entry=roles.names[number] or f"role {number}",
            members=roles.members.get(number, frozenset()),
        )
        for number in sorted(roles.names)
    )
    return {group.key: group for group in made}


def groups_of_groups(directory: str, names: Mapping[int, str], group_of: Mapping[str, int]) -> dict[str, Group]:
    """OneLogin groups as groups; everybody is in one at most."""
    members: dict[int, set[str]] = {}
    for key, number in group_of.items():
        members.setdefault(number, set()).add(key)
    made = (
        Group(
            key=group_key(number),
            name=names[number],
            directory=directory,
            entry=names[number] or f"group {number}",
            members=frozenset(members.get(number, ())),
        )
        for number in sorted(names)
    )
    return {group.key: group for group in made}
