"""SCIM users: members of the organization."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from tests.emulators.bitwarden.answers import NO_OWNER, bad_request
from tests.emulators.bitwarden.core import Core, core_of, state_of
from tests.emulators.bitwarden.entities import (
    FAIL_FAST_FLAG,
    SCIM,
    STAGED_FLAG,
    EventType,
    Member,
    Status,
    Type,
)
from tests.emulators.bitwarden.inviting import (
    INVITE_SELF_HOST,
    InviteFailedError,
    invite,
    reserve_seats,
)
from tests.emulators.bitwarden.members import delete_membership, restore_member, revoke_member
from tests.emulators.bitwarden.scim import (
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

FILTER = re.compile(r"(username|externalid) eq (.*)", re.IGNORECASE)


def user_out(state: State, member: Member) -> dict[str, object]:
    """A user (ScimUserResponseModel): ``groups`` is always empty, ``active`` is not revoked."""
    account = state.account_of(member)
    name, email = (account.name if account else None), state.email_of(member)
    names = {"formatted": name, "givenName": None, "middleName": None, "familyName": None}
    return {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "id": member.id,
        "externalId": member.external_id,
        "userName": email,
        "displayName": name,
        "name": names,
        "emails": [{"primary": True, "type": "work", "value": email}],
        "primaryEmail": email,
        "workEmail": email,
        "active": member.status is not Status.REVOKED,
        "groups": [],
        "meta": {"resourceType": "User", "created": None, "lastModified": None},
    }


def _user(request: Request) -> Member:
    member = state_of(request).members.get(path_uuid(request))
    if member is None:
        raise scim_error(404, "User not found.")
    return member


def _filtered(state: State, text: str) -> list[Member]:
    """The first match of ``userName eq`` or ``externalId eq``; any other filter finds nobody (GetUsersListQuery)."""
    parts = FILTER.fullmatch(text)
    if parts is None:
        return []
    by, value = parts[1].lower(), parts[2].strip().strip('"')
    if by == "username":
        folded_value = value.lower() if "@" in value else None
        found = (m for m in state.members.values() if state.email_of(m).lower() == folded_value)
    else:
        found = (m for m in state.members.values() if m.external_id == value)
    return [member for member in [next(found, None)] if member]


async def list_users(request: Request) -> Response:
    """GET /users: every status, ordered by e-mail."""
    state = state_of(request)
    if text := filter_of(request):
        members = _filtered(state, text)
    else:
        members = sorted(state.members.values(), key=state.email_of)
    return listed(request, [user_out(state, member) for member in members])


async def get_user(request: Request) -> Response:
    return scim_response(user_out(state_of(request), _user(request)))


def _email(body: Mapping[str, Any], entra: bool) -> str:
    """The primary address; else for Entra the userName; else the work address; else the first that is not blank."""
    entries = [folded(entry) for entry in body.get("emails") or ()]
    primary = next((e.get("value") for e in entries if e.get("primary") is True), None)
    work = next((e.get("value") for e in entries if e.get("type") == "work"), None)
    first = next((e.get("value") for e in entries if (e.get("value") or "").strip()), None)
    chosen = primary or (body.get("username") if entra else None) or work or first or ""
    return str(chosen).lower()


def _refuse_duplicate(state: State, email: str, external_id: str) -> None:
    """An e-mail or externalId that is present, whatever the status, is a 409: nobody is restored."""
    fast = FAIL_FAST_FLAG in state.organization.flags
    taken = external_id in state.member_by_external_id
    if fast:
        taken = any((m.external_id or "").lower() == external_id.lower() for m in state.members.values())
    if taken or state.known_email(email):
        raise scim_error(409, "User already exists." if fast else "Conflict.")


async def create_user(request: Request) -> Response:
    """POST /users: an invitation; names are not stored (PostUserCommand)."""
    core = core_of(request)
    body = await scim_body(request)
    email = _email(body, "adscimversion" in request.headers)
    if not email.strip() or body.get("active") is not True:
        raise scim_error(400, "The request was invalid.")
    external_id = body.get("externalid") or body.get("username") or random_external_id()
    _refuse_duplicate(core.state, email, external_id)
    organization = core.state.organization
    staged = not organization.scim_invites and STAGED_FLAG in organization.flags
    draft = Member(email=email, external_id=external_id, status=Status.STAGED if staged else Status.INVITED)
    if staged:
        core.state.put_member(draft)
        core.log(EventType.STAGED, member=draft.id, system_user=SCIM)
    else:
        seats_before = organization.seats
        reserve_seats(core, 1, INVITE_SELF_HOST)
        try:
            invite(core, [draft], seats_before, SCIM)
        except InviteFailedError as error:
            raise scim_error(500, str(error)) from error
    location = f"/v2/{organization.id}/users/{draft.id}"
    return scim_response(user_out(core.state, draft), 201, {"Location": location})


async def put_user(request: Request) -> Response:
    """PUT /users/{id}: only ``active`` has an effect, and omitted it is false."""
    core = core_of(request)
    body = await scim_body(request)
    member = _user(request)
    active = body.get("active") is True
    if active and member.status is Status.REVOKED:
        restore_member(core, member, SCIM)
    elif not active and member.status is not Status.REVOKED:
        if member.type is Type.OWNER and not core.state.another_confirmed_owner(member.id):
            raise scim_error(400, f"{NO_OWNER} ({member.id})")
        revoke_member(core, member, SCIM)
    return scim_response(user_out(core.state, core.state.members[member.id]))


async def patch_user(request: Request) -> Response:
    """PATCH /users/{id}: ``replace`` of active and externalId; all else is accepted and ignored (PatchUserCommand)."""
    core = core_of(request)
    member_id = _user(request).id
    for operation in await operations(request):
        value = operation.value
        if operation.op != "replace":
            continue
        if operation.path == "active":
            _set_active(core, member_id, value is True or value in ("true", "True"))
        elif operation.path == "externalid":
            _set_external_id(core.state, member_id, value)
        elif not operation.path and isinstance(value, dict):
            if "active" in value:
                if not isinstance(value["active"], bool):
                    raise scim_error(500, "The requested operation requires an element of type 'Boolean'.")
                _set_active(core, member_id, value["active"])
            if "externalId" in value:
                _set_external_id(core.state, member_id, value["externalId"])
    return Response(b"", 204)


def _set_active(core: Core, member_id: str, active: bool) -> None:
    """Revoking by PATCH needs another confirmed owner than the target, whatever the target's type."""
    member = core.state.members[member_id]
    if active and member.status is Status.REVOKED:
        restore_member(core, member, SCIM)
    elif not active and member.status is not Status.REVOKED:
        if not core.state.another_confirmed_owner(member.id):
            raise bad_request(NO_OWNER)
        revoke_member(core, member, SCIM)


def _set_external_id(state: State, member_id: str, value: Any) -> None:
    if value is not None and len(str(value)) > MAX_EXTERNAL_ID:
        raise scim_error(400, f"ExternalId cannot exceed {MAX_EXTERNAL_ID} characters.")
    wanted = None if value is None else str(value)
    others = (m for m in state.members.values() if m.id != member_id and m.external_id)
    if wanted and any((m.external_id or "").lower() == wanted.lower() for m in others):
        raise scim_error(409, "ExternalId already exists for another user.")
    state.change_member(member_id, external_id=wanted)


async def delete_user(request: Request) -> Response:
    """DELETE /users/{id}: the membership, not the account."""
    delete_membership(core_of(request), _user(request), SCIM)
    return Response(b"", 204)
