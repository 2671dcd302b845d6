"""``/api/1``: groups and events, which are nowhere else, and users and roles for older clients."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from tests.emulators.onelogin.answers import refuse, reply, v1_status
from tests.emulators.onelogin.paging import Record, query_of, v1_page
from tests.emulators.onelogin.state import EVENT_NAMES, USER_DEFAULTS
from tests.emulators.onelogin.v2 import matching, moment

USER_FILTERS = ("email", "username", "firstname", "lastname", "samaccountname", "directory_id", "external_id")


def _here(request: Request) -> str:
    return f"{request.url.scheme}://{request.headers.get('host', 'localhost')}{request.url.path}"


def _fields(query: dict[str, str]) -> set[str] | None:
    if "fields" not in query:
        return None
    return {name.strip() for name in query["fields"].split(",")} | {"id"}


def _shown(record: Record, fields: set[str] | None) -> Record:
    return record if fields is None else {name: value for name, value in record.items() if name in fields}


def _one(row: Record) -> Response:
    return reply({"status": v1_status(200, "Success"), "data": [row]})


async def list_groups(request: Request, service: Any) -> Response:
    """GET /api/1/groups."""
    query = query_of(request, ("fields", "name", "id", "sort"), 1)
    fields = _fields(query)
    rows = [row for row in service.state.groups.values() if row["name"] == query.get("name", row["name"])]
    return v1_page(rows, query, _here(request), shape=lambda row: _shown(row, fields))


async def get_group(request: Request, service: Any) -> Response:
    """GET /api/1/groups/{id}."""
    return _one(service.state.groups[_id(request, service.state.groups)])


def _user(record: Record) -> Record:
    """v1 says ``role_id`` for the list of roles."""
    shown = {name: record[name] for name in ("id", *USER_DEFAULTS, "created_at", "updated_at", "custom_attributes")}
    return shown | {"role_id": record["role_ids"], "openid_name": record["username"], "locale_code": None}


async def list_users(request: Request, service: Any) -> Response:
    """GET /api/1/users."""
    query = query_of(request, ("fields", "since", "until", "id", "sort", *USER_FILTERS), 1)
    fields = _fields(query)
    since, until = (moment(query[name]) if name in query else "" for name in ("since", "until"))
    filters = {name: query[name] for name in USER_FILTERS if name in query}
    rows = [
        record
        for record in matching(service.state.users.values(), filters)
        if since <= record["created_at"] and (not until or record["created_at"] <= until)
    ]
    return v1_page(rows, query, _here(request), shape=lambda record: _shown(_user(record), fields))


async def get_user(request: Request, service: Any) -> Response:
    """GET /api/1/users/{id}."""
    return _one(_user(service.state.users[_id(request, service.state.users)]))


async def user_roles(request: Request, service: Any) -> Response:
    """GET /api/1/users/{id}/roles."""
    user = service.state.users[_id(request, service.state.users)]
    return reply({"status": v1_status(200, "Success"), "data": [user["role_ids"]]})


async def list_roles(request: Request, service: Any) -> Response:
    """GET /api/1/roles: names alone."""
    query = query_of(request, ("fields", "name", "id", "sort"), 1)
    rows = [
        {"id": role.id, "name": role.name}
        for role in service.state.roles.values()
        if role.name == query.get("name", role.name)
    ]
    return v1_page(rows, query, _here(request), shape=lambda row: _shown(row, _fields(query)))


async def get_role(request: Request, service: Any) -> Response:
    """GET /api/1/roles/{id}."""
    role = service.state.roles[_id(request, service.state.roles)]
    return _one({"id": role.id, "name": role.name})


async def list_events(request: Request, service: Any) -> Response:
    """GET /api/1/events."""
    known = ("fields", "client_id", "created_at", "directory_id", "event_type_id", "id", "resolution", "since")
    query = query_of(request, (*known, "until", "user_id", "sort"), 1)
    since, until = (moment(query[name]) if name in query else "" for name in ("since", "until"))
    kinds = {part.strip() for part in query["event_type_id"].split(",")} if "event_type_id" in query else None
    rows = [
        event
        for event in service.state.events
        if (kinds is None or str(event["event_type_id"]) in kinds)
        and str(event["user_id"]) == query.get("user_id", str(event["user_id"]))
        and since <= event["created_at"]
        and (not until or event["created_at"] <= until)
    ]
    return v1_page(rows, query, _here(request), shape=lambda row: _shown(row, _fields(query)))


async def event_types(request: Request, service: Any) -> Response:
    """GET /api/1/events/types."""
    rows = [{"id": number, "name": name, "description": name.lower()} for number, name in EVENT_NAMES.items()]
    return reply({"status": v1_status(200, "Success"), "data": rows})


def _id(request: Request, among: dict[int, Any]) -> int:
    text = request.path_params["id"]
    if not text.isdecimal() or int(text) not in among:
        raise refuse(1, 404, "Not Found")
    return int(text)
