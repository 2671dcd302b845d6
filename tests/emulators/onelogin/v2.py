"""``/api/2``: users and roles."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from tests.emulators.onelogin.answers import refuse, reply
from tests.emulators.onelogin.paging import Record, v2_page, v2_query
from tests.emulators.onelogin.state import USER_DEFAULTS, Role, stamp

USER_FIELDS = ("id", *USER_DEFAULTS, "created_at", "updated_at", "role_ids", "custom_attributes")
NOT_IN_LISTS = ("role_ids", "custom_attributes")
ROLE_FIELDS = ("id", "name", "admins", "users", "apps")
SINCE = {"created": "created_at", "updated": "updated_at", "last_login": "last_login"}
EXACT = ("email", "username", "firstname", "lastname", "samaccountname", "directory_id", "external_id", "app_id")
USER_QUERY = ("fields", "user_ids", *EXACT, *(f"{name}_{end}" for name in SINCE for end in ("since", "until")))
USER_SORTS = ("id", "email", "username", "firstname", "lastname", "created_at", "updated_at", "last_login")


def moment(text: str) -> str:
    """A time in a query, in the form in which records hold theirs. Refused when it is none."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise refuse(2, 400, f"Not an ISO 8601 time: {text}") from None
    return stamp(when.replace(tzinfo=when.tzinfo or UTC).timestamp())


def wanted_fields(query: Mapping[str, str], known: tuple[str, ...]) -> set[str] | None:
    """The fields that were asked for (``id`` always), None for the usual ones."""
    if "fields" not in query:
        return None
    names = {name.strip() for name in query["fields"].split(",")}
    unknown = names - set(known)
    if unknown:
        raise refuse(2, 400, f"Unknown field: {', '.join(sorted(unknown))}")
    return names | {"id"}


Test = Callable[[Record], bool]


def matching(records: Iterable[Record], query: Mapping[str, str]) -> list[Record]:
    """The users that fit the filters. A ``*`` is any text; times are inclusive."""
    tests = [test for name, value in query.items() if (test := _test(name, value)) is not None]
    return [record for record in records if all(test(record) for test in tests)] if tests else list(records)


def _test(name: str, value: str) -> Test | None:
    stem, _, end = name.rpartition("_")
    if end in ("since", "until") and stem in SINCE:
        field, at = SINCE[stem], moment(value)
        if end == "since":
            return lambda record: bool(record[field]) and record[field] >= at
        return lambda record: bool(record[field]) and record[field] <= at
    if name == "user_ids":
        wanted = {part.strip() for part in value.split(",")}
        return lambda record: str(record["id"]) in wanted
    if name.startswith("custom_attributes."):
        return lambda record: bool(record["custom_attributes"].get(name.partition(".")[2]) == value)
    if name in EXACT:
        pattern = value.lower()
        return lambda record: fnmatchcase(str(record.get(name) or "").lower(), pattern)
    return None


async def list_users(request: Request, service: Any) -> Response:
    """GET /api/2/users."""
    query = v2_query(request, USER_QUERY)
    fields = wanted_fields(query, USER_FIELDS)
    rows = matching(service.state.users.values(), query)

    shown = set(USER_FIELDS) - set(NOT_IN_LISTS) if fields is None else fields
    if not service.role_ids_in_lists:
        shown = shown - {"role_ids"}
    names = [name for name in USER_FIELDS if name in shown]

    def shape(record: Record) -> Record:
        return {name: record[name] for name in names}

    return v2_page(
        rows,
        query,
        shape=shape,
        default=50,
        most=service.users_page_max,
        sorted_by=USER_SORTS,
        carries=service.cursor_carries_query,
        encoded=service.cursor_encoded,
        faults=request.scope["emulator.faults"],
    )


async def get_user(request: Request, service: Any) -> Response:
    """GET /api/2/users/{id}: everything."""
    return reply(service.state.users[_id(request, service.state.users)])


async def list_roles(request: Request, service: Any) -> Response:
    """GET /api/2/roles. ``users`` may be absent or cut short, as ``role_users`` of the emulator says."""
    query = v2_query(request, ("fields", "name", "app_id", "app_name"))
    fields = wanted_fields(query, ROLE_FIELDS)
    rows = [
        role_row(role, service.role_users)
        for role in service.state.roles.values()
        if fnmatchcase(role.name.lower(), query.get("name", "*").lower())
        and ("app_id" not in query or int(query["app_id"]) in role.apps)
    ]
    shown = set(ROLE_FIELDS) if fields is None else fields
    return v2_page(
        rows,
        query,
        shape=lambda row: {name: row[name] for name in ROLE_FIELDS if name in shown and name in row},
        default=100,
        most=service.roles_page_max,
        sorted_by=("id", "name"),
        carries=service.cursor_carries_query,
        encoded=service.cursor_encoded,
        faults=request.scope["emulator.faults"],
    )


def role_row(role: Role, users: int | None) -> Record:
    """A role as lists show it; at most so many users, None for no ``users`` at all."""
    row: Record = {"id": role.id, "name": role.name, "admins": role.admins, "apps": role.apps}
    if users is not None:
        row["users"] = sorted(role.users)[:users]
    return row


async def get_role(request: Request, service: Any) -> Response:
    """GET /api/2/roles/{id}."""
    return reply(role_row(service.state.roles[_id(request, service.state.roles)], 10**9))


async def role_users(request: Request, service: Any) -> Response:
    """GET /api/2/roles/{id}/users; with ``include_unassigned`` everybody else as well."""
    role = service.state.roles[_id(request, service.state.roles)]
    query = v2_query(request, ("name", "include_unassigned"))
    everybody = query.get("include_unassigned", "false") == "true"
    rows = [
        {
            "id": number,
            "name": " ".join(part for part in (record["firstname"], record["lastname"]) if part),
            "username": record["username"],
            "added_by": {"id": 1, "name": "Root Admin"} if number in role.users else None,
            "added_at": role.users.get(number),
            "assigned": number in role.users,
        }
        for number, record in service.state.users.items()
        if everybody or number in role.users
    ]
    return v2_page(
        rows,
        query,
        shape=lambda row: row,
        default=50,
        most=service.role_users_page_max,
        carries=service.cursor_carries_query,
        encoded=service.cursor_encoded,
        faults=request.scope["emulator.faults"],
    )


async def role_admins(request: Request, service: Any) -> Response:
    """GET /api/2/roles/{id}/admins."""
    role = service.state.roles[_id(request, service.state.roles)]
    rows = [{"id": number} for number in role.admins]
    return v2_page(rows, v2_query(request, ("name",)), shape=lambda row: row, default=50, most=1000)


async def api_authorizations(request: Request, service: Any) -> Response:
    """GET /api/2/api_authorizations: for Manage All alone."""
    return reply([])


def _id(request: Request, among: Mapping[int, Any]) -> int:
    text = request.path_params["id"]
    if not text.isdecimal() or int(text) not in among:
        raise refuse(2, 404, "The resource with the given id could not be found")
    return int(text)
