"""The company of the tests of failures: sixty people in six departments, before and after some changes."""

from __future__ import annotations

from tests.servers import ldif
from tests.servers.slapd import BASE

PEOPLE, GROUPS, ELSEWHERE = f"ou=People,{BASE}", f"ou=Groups,{BASE}", f"ou=Elsewhere,{BASE}"
NAMES = [f"p{number:02d}" for number in range(60)]
DEPARTMENTS = [f"Dept-{number}" for number in range(6)]
GRANTS = "by anonymous auth by * none"
SLOW = r"^uid=(.*)(.*)(.*)(.*)\\4\\3\\2\\1$"
"""A pattern for an access rule that no entry matches, and that takes slapd some hundredths of a second to try."""


def key(number: int) -> str:
    """The entryUUID of an entry."""
    return f"7b1f2a10-0c4e-4c55-8d8a-{number:012d}"


def dn(name: str) -> str:
    return f"uid={name},{PEOPLE}"


def group_dn(name: str) -> str:
    return f"cn={name},{GROUPS}"


def tree(*, later: bool) -> str:
    """Sixty people in six departments, three of them nested in Vault, and a board.

    ``later``, somebody has come, somebody has left, somebody is no longer on the board.
    """
    departments = {name: NAMES[10 * number : 10 * number + 10] for number, name in enumerate(DEPARTMENTS)}
    board = ["p00", "p01", "p02"]
    if later:
        departments["Dept-0"] = [*departments["Dept-0"], "new"]
        departments["Dept-5"] = [name for name in departments["Dept-5"] if name != "p50"]
        board = board[1:]
    people = [name for name in [*NAMES, "new"] if any(name in members for members in departments.values())]
    parts = [
        *map(ldif.ou, (PEOPLE, GROUPS, ELSEWHERE)),
        *(
            ldif.person(dn(name), name, cn=f"{name} Example", mail=f"{name}@example.org", entryUUID=key(number))
            for number, name in enumerate([*NAMES, "new"])
            if name in people
        ),
        *(
            ldif.group(group_dn(name), name, map(dn, departments[name]), entryUUID=key(100 + number))
            for number, name in enumerate(DEPARTMENTS)
        ),
        ldif.group(group_dn("Vault"), "Vault", [*map(group_dn, DEPARTMENTS[:3]), dn("p59")], entryUUID=key(110)),
        ldif.group(group_dn("Board"), "Board", map(dn, board), entryUUID=key(111)),
    ]
    return "".join(parts)
