"""SCIM groups. Their members are never returned."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from tests.emulators.bitwarden.core import Core, core_of, state_of
from tests.emulators.bitwarden.entities import SCIM, EventType, Group
from tests.emulators.bitwarden.reading import as_uuid
from tests.emulators.bitwarden.scim import (
    Operation,
    filter_of,
    folded,
    listed,
    operations,
    path_uuid,
    random_external_id,
    scim_body,
    scim_error,
    scim_response,
)
from tests.emulators.bitwarden.state import State
from tests.emulators.bitwarden.validation import MAX_EXTERNAL_ID

# the server knows exactly this spacing and double quotes
ONE_MEMBER = re.compile(r'members\[value eq "([^"]*)"\]', re.IGNORECASE)
EPOCH = "2026-01-01T00:00:00Z"


def group_out(group: Group) -> dict[str, object]:
    """A group (ScimGroupResponseModel)."""
    return {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
        "id": group.id,
        "displayName": group.name,
        "externalId": group.external_id,
        "meta": {"resourceType": "Group", "created": EPOCH, "lastModified": EPOCH},
    }


def _group(request: Request) -> Group:
    group = state_of(request).groups.get(path_uuid(request))
    if group is None:
        raise scim_error(404, "Group not found.")
    return group


async def list_groups(request: Request) -> Response:
    """GET /groups: ordered by name; the prefix of a filter is case-sensitive here, its value exact."""
    groups = sorted(state_of(request).groups.values(), key=lambda group: group.name)
    if text := filter_of(request):
        by, _, value = text.partition(" eq ")
        value = value.strip().strip('"')
        wanted = {"displayName": lambda g: g.name == value, "externalId": lambda g: g.external_id == value}
        groups = [group for group in groups if by in wanted and wanted[by](group)]
    return listed(request, [group_out(group) for group in groups])


async def get_group(request: Request) -> Response:
    return scim_response(group_out(_group(request)))


def _ids(values: Any) -> list[str]:
    """The uuids of an array of ``{value}``; what cannot be parsed is dropped."""
    if not isinstance(values, list):
        raise scim_error(500, "The requested operation requires an element of type 'Array'.")
    found = (as_uuid(str(folded(value).get("value"))) for value in values)
    return [id_ for id_ in found if id_]


async def create_group(request: Request) -> Response:
    """POST /groups: equal names are allowed, an externalId that exists is a 409 (PostGroupCommand)."""
    core = core_of(request)
    body = await scim_body(request)
    name, external_id = body.get("displayname") or "", body.get("externalid") or ""
    if not name.strip():
        raise scim_error(400, "The request was invalid.")
    if not core.state.organization.use_groups:
        raise scim_error(400, "This organization cannot use groups.")
    if external_id in core.state.group_by_external_id:
        raise scim_error(409, "Conflict.")
    group = Group(name=name, external_id=external_id if external_id.strip() else random_external_id())
    core.state.put_group(group)
    core.log(EventType.GROUP_CREATED, group=group.id, system_user=SCIM)
    core.state.set_members(group.id, _ids(body.get("members") or []))
    location = f"/v2/{core.state.organization.id}/groups/{group.id}"
    return scim_response(group_out(group), 201, {"Location": location})


async def put_group(request: Request) -> Response:
    """PUT /groups/{id}: name, and members when they are there; the externalId is ignored (PutGroupCommand)."""
    core = core_of(request)
    body = await scim_body(request)
    group = core.state.put_group(replace(_group(request), name=body.get("displayname") or ""))
    if body.get("members") is not None:
        core.state.set_members(group.id, _ids(body["members"]))
    core.log(EventType.GROUP_UPDATED, group=group.id, system_user=SCIM)
    return scim_response(group_out(group))


async def patch_group(request: Request) -> Response:
    """PATCH /groups/{id}: in order, not atomic; other combinations are accepted and ignored (PatchGroupCommand)."""
    core = core_of(request)
    group_id = _group(request).id
    for operation in await operations(request):
        one = ONE_MEMBER.fullmatch(operation.raw_path)
        if one and operation.op in ("add", "remove"):
            _change_one(core, group_id, operation.op, as_uuid(one[1]) or "")
        elif operation.path == "members":
            _change_members(core.state, group_id, operation)
        else:
            _change_attribute(core, group_id, operation)
    return Response(b"", 204)


def _change_members(state: State, group_id: str, operation: Operation) -> None:
    present = state.members_of(group_id)
    if operation.op == "replace":
        state.set_members(group_id, _ids(operation.value))
    elif operation.op == "add":
        state.set_members(group_id, present | set(_ids(operation.value)))
    elif operation.op == "remove":
        state.set_members(group_id, present - set(_ids(operation.value)))


def _change_one(core: Core, group_id: str, op: str, member_id: str) -> None:
    """Add or remove a single member; only the removal is logged, and only there an unknown one is a 404."""
    present = core.state.members_of(group_id)
    if op == "add":
        core.state.set_members(group_id, present | {member_id})
        return
    if member_id not in core.state.members:
        raise scim_error(404, "Resource not found.")
    core.state.set_members(group_id, present - {member_id})
    core.log(EventType.GROUPS_UPDATED, member=member_id, system_user=SCIM)


def _change_attribute(core: Core, group_id: str, operation: Operation) -> None:
    """displayName or externalId, by path or in an object; an object with both only renames."""
    value, path = operation.value, operation.path
    fields = folded(value) if isinstance(value, dict) and not path else {path: value}
    if operation.op == "replace" and "displayname" in fields:
        core.state.put_group(replace(core.state.groups[group_id], name=str(fields["displayname"])))
        core.log(EventType.GROUP_UPDATED, group=group_id, system_user=SCIM)
    elif operation.op in ("replace", "add") and "externalid" in fields:
        _set_external_id(core.state, group_id, fields["externalid"])


def _set_external_id(state: State, group_id: str, value: Any) -> None:
    wanted = str(value) if value is not None and str(value).strip() else None
    if wanted and len(wanted) > MAX_EXTERNAL_ID:
        raise scim_error(400, f"ExternalId cannot exceed {MAX_EXTERNAL_ID} characters.")
    others = (g for g in state.groups.values() if g.id != group_id and g.external_id)
    if wanted and any((g.external_id or "").lower() == wanted.lower() for g in others):
        raise scim_error(409, "ExternalId already exists for another group.")
    state.put_group(replace(state.groups[group_id], external_id=wanted))


async def delete_group(request: Request) -> Response:
    core = core_of(request)
    group = _group(request)
    core.state.remove_group(group.id)
    core.log(EventType.GROUP_DELETED, group=group.id, system_user=SCIM)
    return Response(b"", 204)
