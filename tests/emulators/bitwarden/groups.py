"""The groups endpoints of the public API (GroupsController)."""

from __future__ import annotations

from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from tests.emulators.bitwarden.answers import bad_request, done, json_response, not_found, not_here
from tests.emulators.bitwarden.core import core_of, state_of
from tests.emulators.bitwarden.entities import EventType, Group
from tests.emulators.bitwarden.members import associations_out, id_list
from tests.emulators.bitwarden.reading import json_body, path_id
from tests.emulators.bitwarden.state import State
from tests.emulators.bitwarden.validation import GroupRequest, group_request, refuse_contradictions


def group_out(group: Group) -> dict[str, object]:
    """A group as the API shows it (GroupResponseModel): without its members."""
    return {
        "object": "group",
        "id": group.id,
        "name": group.name,
        "externalId": group.external_id,
        "collections": associations_out(group.collections),
    }


def _group(request: Request) -> Group:
    group = state_of(request).groups.get(path_id(request))
    if group is None:
        raise not_here()
    return group


async def list_groups(request: Request) -> Response:
    """GET /public/groups: all of them; no paging."""
    data = [group_out(group) for group in state_of(request).groups.values()]
    return json_response({"object": "list", "data": data})


async def get_group(request: Request) -> Response:
    return json_response(group_out(_group(request)))


async def get_member_ids(request: Request) -> Response:
    """GET /public/groups/{id}/member-ids: a bare array of member ids, not user ids."""
    return json_response(sorted(state_of(request).members_of(_group(request).id)))


def _need_groups(state: State) -> None:
    if not state.organization.use_groups:
        raise bad_request("This organization cannot use groups.")


async def create_group(request: Request) -> Response:
    """POST /public/groups: neither name nor externalId need be unique; foreign collections are dropped
    (Group_CreateWithCollections).
    """
    core = core_of(request)
    asked = group_request(await json_body(request))
    _need_groups(core.state)
    refuse_contradictions(asked.collections)
    known = tuple(a for a in asked.collections or () if a.id in core.state.collections)
    group = core.state.put_group(Group(name=asked.name, external_id=asked.external_id, collections=known))
    core.log(EventType.GROUP_CREATED, group=group.id)
    return json_response(group_out(group))


async def update_group(request: Request) -> Response:
    """PUT /public/groups/{id}: an omitted externalId is cleared, omitted collections stay
    (UpdateGroupCommand).
    """
    core = core_of(request)
    path_id(request)
    asked = group_request(await json_body(request))
    group = _group(request)
    _need_groups(core.state)
    _check_collections(core.state, asked)
    collections = group.collections if asked.collections is None else asked.collections
    changed = replace(group, name=asked.name, external_id=asked.external_id, collections=collections)
    core.state.put_group(changed)
    core.log(EventType.GROUP_UPDATED, group=group.id)
    return json_response(group_out(changed))


def _check_collections(state: State, asked: GroupRequest) -> None:
    for association in asked.collections or ():
        collection = state.collections.get(association.id)
        if collection is None:
            raise not_found()
        if collection.default_for is not None:
            raise bad_request("A member's default collection cannot be given to a group.")
    refuse_contradictions(asked.collections)


async def put_member_ids(request: Request) -> Response:
    """PUT /public/groups/{id}/member-ids: exact replacement, foreign ids are ignored. No event is written."""
    core = core_of(request)
    path_id(request)
    ids = (await json_body(request)).uuids("memberIds")
    group = _group(request)
    core.state.set_members(group.id, id_list(core, ids))
    return done()


async def delete_group(request: Request) -> Response:
    """DELETE /public/groups/{id}. No event is written."""
    state_of(request).remove_group(_group(request).id)
    return done()
