"""``POST /public/organization/import`` of a local organization (bitwarden/server,
``ImportOrganizationUsersAndGroupsCommand``).

The order of the real one: validate everything, index the members, adopt by address, invite, then groups.
Unlike there, one transaction spans the call: a refused import changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import uuid4

from dirconnector.organizations.endpoints import ApiRefused
from dirconnector.organizations.local_api import INVALID, NO_OWNER, NO_SEAT, SERVER_ERROR, LocalApi

LIMIT = 2000
TOO_MUCH = "You cannot import this much data at once."


def import_document(
    api: LocalApi, members: Sequence[Mapping[str, Any]], groups: Sequence[Mapping[str, Any]], *, large: bool
) -> None:
    """Import members and groups; see :meth:`dirconnector.organizations.endpoints.Endpoints.import_`.

    Entries with ``deleted`` true are refused: this program removes people one by one, by id.
    """
    _validate(members, groups)
    if not large and (len(members) > LIMIT or len(groups) > LIMIT):
        raise ApiRefused(400, TOO_MUCH)
    people = [(str(m["email"]).lower(), str(m["externalId"])) for m in members]
    with api.writing():
        _refuse_twins(api, "members", ())
        _refuse_repeated(email for email, _ in people)
        _import_members(api, people)
        if groups:
            _refuse_twins(api, "groups", [str(g["externalId"]) for g in groups])
            _import_groups(api, groups)


def _validate(members: Sequence[Mapping[str, Any]], groups: Sequence[Mapping[str, Any]]) -> None:
    """The whole document first: one bad entry rejects everything (``OrganizationImportRequestModel.cs``)."""
    good = all(
        _text(m.get("externalId"), 300) and _text(m.get("email"), 256) and _address(m["email"]) and not m.get("deleted")
        for m in members
    ) and all(_text(g.get("externalId"), 300) and _text(g.get("name"), 100) for g in groups)
    if not good:
        raise ApiRefused(400, INVALID)
    if any(g.get("memberExternalIds") is None for g in groups):
        raise ApiRefused(500, SERVER_ERROR)


def _text(value: object, longest: int) -> bool:
    return isinstance(value, str) and bool(value.strip()) and len(value) <= longest


def _address(email: str) -> bool:
    return email.count("@") == 1 and not email.startswith("@") and not email.endswith("@")


def _refuse_twins(api: LocalApi, table: str, incoming: Sequence[str]) -> None:
    _refuse_repeated(incoming)
    twins = (
        f"SELECT 1 FROM {table} WHERE external_id IS NOT NULL"  # noqa: S608 (our own table names)
        " GROUP BY external_id HAVING count(*) > 1 LIMIT 1"
    )
    if api.connection.execute(twins).fetchone() is not None:
        raise ApiRefused(500, SERVER_ERROR)


def _refuse_repeated(values: Iterable[str]) -> None:
    if any(number > 1 for number in Counter(values).values()):
        raise ApiRefused(500, SERVER_ERROR)


def _import_members(api: LocalApi, people: Sequence[tuple[str, str]]) -> None:
    find = api.connection.execute
    invited: list[tuple[str, str, str]] = []
    for email, external_id in people:
        known = find("SELECT 1 FROM members WHERE external_id = ?", (external_id,)).fetchone()
        adoptable = find(
            "SELECT id FROM members WHERE email = ? AND email = ? COLLATE BINARY AND external_id IS NULL",
            (email, email),
        ).fetchone()
        if adoptable is not None:
            if known is not None:
                raise ApiRefused(500, SERVER_ERROR)
            find("UPDATE members SET external_id = ? WHERE id = ?", (external_id, adoptable[0]))
        elif known is None and find("SELECT 1 FROM members WHERE email = ?", (email,)).fetchone() is None:
            invited.append((str(uuid4()), email, external_id))
    _invite(api, invited)


def _invite(api: LocalApi, invited: Sequence[tuple[str, str, str]]) -> None:
    free = api.seats_free()
    # also with nobody to add: an organization that is over its seats takes no import
    if free is not None and free < len(invited):
        raise ApiRefused(400, NO_SEAT)
    if not invited:
        return
    if not api.another_owner():
        raise ApiRefused(400, NO_OWNER)
    api.connection.executemany(
        "INSERT INTO members (id, email, external_id, status, type) VALUES (?, ?, ?, 0, 2)", invited
    )
    api.mail(email for _, email, _ in invited)


def _import_groups(api: LocalApi, groups: Sequence[Mapping[str, Any]]) -> None:
    connection = api.connection
    ids = dict(connection.execute("SELECT external_id, id FROM members WHERE external_id IS NOT NULL"))
    existing = {
        key: (group_id, name)
        for group_id, name, key in connection.execute(
            "SELECT id, name, external_id FROM groups WHERE external_id IS NOT NULL"
        )
    }
    for group in groups:
        key, name = str(group["externalId"]), str(group["name"])
        group_id, old_name = existing.get(key, ("", ""))
        if not group_id:
            group_id = str(uuid4())
            connection.execute("INSERT INTO groups VALUES (?, ?, ?)", (group_id, name, key))
        elif name != old_name:
            connection.execute("UPDATE groups SET name = ? WHERE id = ?", (name, group_id))
        _set_members(api, group_id, {ids[i] for i in group["memberExternalIds"] if i in ids})


def _set_members(api: LocalApi, group_id: str, wanted: set[str]) -> None:
    query = "SELECT member_id FROM group_members WHERE group_id = ?"
    now = {row[0] for row in api.connection.execute(query, (group_id,))}
    api.connection.executemany(
        "DELETE FROM group_members WHERE group_id = ? AND member_id = ?", ((group_id, i) for i in now - wanted)
    )
    api.connection.executemany("INSERT INTO group_members VALUES (?, ?)", ((group_id, i) for i in wanted - now))
