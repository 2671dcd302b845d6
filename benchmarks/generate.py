"""A seeded generator of directories: the same number of users gives the same LDIF, byte for byte."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

BASE = "dc=example,dc=org"
USERS_PER_GROUP = 20
NESTED_SHARE = 0.05
SEED = 20261124

FIRST = [
    "Ana",
    "Ben",
    "Chloé",
    "David",
    "Eva",
    "Finn",
    "Grüße",
    "Hana",
    "Iñigo",
    "Jürgen",
    "Kaja",
    "Łucja",
    "Mia",
    "Noah",
    "Olga",
]
LAST = [
    "Adler",
    "Bauer",
    "Costa",
    "Dubois",
    "Eriksen",
    "Fischer",
    "García",
    "Hansen",
    "Ivanov",
    "Jones",
    "Kowalski",
    "López",
]


@dataclass(frozen=True)
class Shape:
    """How large a directory is: ``users``, and one group for every twenty of them."""

    users: int

    @property
    def groups(self) -> int:
        """Number of groups."""
        return max(self.users // USERS_PER_GROUP, 1)


def user_dn(number: int) -> str:
    """The DN of a user."""
    return f"uid=user{number:06},ou=People,{BASE}"


def group_dn(number: int) -> str:
    """The DN of a group."""
    return f"cn=group{number:05},ou=Groups,{BASE}"


def user_entry(number: int) -> str:
    """The LDIF of a user, without the blank line after it."""
    rng = random.Random(SEED * 1_000_003 + number)
    first, last = rng.choice(FIRST), rng.choice(LAST)
    return "\n".join(
        [
            f"dn: {user_dn(number)}",
            "objectClass: inetOrgPerson",
            f"uid: user{number:06}",
            _line("cn", f"{first} {last} {number}"),
            _line("sn", last),
            _line("givenName", first),
            f"mail: user{number:06}@example.org",
            f"employeeNumber: {number}",
            f"telephoneNumber: +49 30 {number:07}",
            _line("description", f"{first} works in department {number % 97} on floor {number % 13}"),
            f"entryUUID: {uuid.UUID(int=rng.getrandbits(128), version=4)}",
        ]
    )


def _line(name: str, value: str) -> str:
    if value.isascii():
        return f"{name}: {value}"
    import base64

    return f"{name}:: {base64.b64encode(value.encode()).decode()}"


def members(shape: Shape) -> list[list[str]]:
    """The member DNs of each group: sizes by a power law (about 38 on average), one group in twenty has subgroups."""
    rng = random.Random(SEED + shape.users)
    result: list[list[str]] = []
    for number in range(shape.groups):
        size = min(int(10 * (1 - rng.random()) ** -0.75), shape.users // 2 or 1)
        chosen = {user_dn(rng.randrange(shape.users)) for _ in range(size)}
        if number and rng.random() < NESTED_SHARE:
            chosen |= {group_dn(rng.randrange(number)) for _ in range(3)}
        result.append(sorted(chosen))
    return result


def ldif(shape: Shape) -> Iterator[str]:
    """The whole directory, entry by entry."""
    yield f"dn: {BASE}\nobjectClass: dcObject\nobjectClass: organization\ndc: example\no: Example\n\n"
    for unit in ("People", "Groups"):
        yield f"dn: ou={unit},{BASE}\nobjectClass: organizationalUnit\nou: {unit}\n\n"
    for number in range(shape.users):
        yield user_entry(number) + "\n\n"
    for number, dns in enumerate(members(shape)):
        lines = [f"dn: {group_dn(number)}", "objectClass: groupOfNames", f"cn: group{number:05}"]
        yield "\n".join([*lines, *(f"member: {dn}" for dn in dns)]) + "\n\n"


def changes(shape: Shape) -> Iterator[str]:
    """One percent of the users change: a third is new, a third leaves, a third comes into a group."""
    third = max(shape.users // 300, 1)
    for number in range(shape.users, shape.users + third):
        yield f"{user_entry(number)}\n\n".replace("\nobjectClass", "\nchangetype: add\nobjectClass", 1).replace(
            f"entryUUID: {user_entry(number).rpartition('entryUUID: ')[2]}\n", ""
        )
    for number in range(third):
        yield f"dn: {user_dn(number)}\nchangetype: delete\n\n"
    everybody = members(shape)
    for number in range(third, 2 * third):
        group = number % shape.groups
        if user_dn(number) not in everybody[group]:
            everybody[group].append(user_dn(number))
            yield f"dn: {group_dn(group)}\nchangetype: modify\nadd: member\nmember: {user_dn(number)}\n\n"
