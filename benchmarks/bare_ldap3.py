"""What a plain ldap3 program takes to read the same entries: connect, page, keep nothing.

Arguments: ``URL DN PASSWORD BASE ATTRIBUTE ...``.
"""

from __future__ import annotations

import sys
import warnings

warnings.simplefilter("ignore")

from ldap3 import DEREF_NEVER, NONE, SUBTREE, Connection, Server  # noqa: E402


def main() -> None:
    """Read users and groups and print how many there are."""
    url, dn, password, base, *attributes = sys.argv[1:]
    connection = Connection(Server(url, get_info=NONE), dn, password, auto_bind=True, check_names=False, read_only=True)
    found = connection.extend.standard.paged_search(
        base,
        "(|(objectClass=inetOrgPerson)(objectClass=groupOfNames))",
        SUBTREE,
        dereference_aliases=DEREF_NEVER,
        attributes=attributes,
        paged_size=1000,
        generator=True,
    )
    print(sum(1 for entry in found if entry["type"] == "searchResEntry"))


if __name__ == "__main__":
    main()
