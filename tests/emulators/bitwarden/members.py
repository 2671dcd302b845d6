"""The members endpoints of the public API (MembersController)."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from tests.emulators.bitwarden.answers import (
    NO_OWNER,
    bad_request,
    done,
    json_response,
    not_found,
    not_here,
    unhandled,
)
from tests.emulators.bitwarden.core import Core, core_of, state_of
from tests.emulators.bitwarden.entities import (
    PERMISSIONS,
    PUBLIC_API,
    SINGLE_ORGANIZATION_POLICY,
    TWO_STEP_POLICY,
    Association,
    EventType,
    Member,
    Status,
    Type,
)
from tests.emulators.bitwarden.inviting import (
    INVITE_SELF_HOST,
    SERVICE_SELF_HOST,
    InviteFailedError,
    invite,
    reserve_seats,
)
from tests.emulators.bitwarden.reading import json_body, path_id
from tests.emulators.bitwarden.state import State
from tests.emulators.bitwarden.validation import MemberRequest, member_request, refuse_contradictions

KEEP: Any = object()


def association_out(association: Association) -> dict[str, object]:
    return {
        "id": association.id,
        "readOnly": association.read_only,
        "hidePasswords": association.hide_passwords,
        "manage": association.manage,
    }


def associations_out(associations: tuple[Association, ...] | None) -> list[dict[str, object]] | None:
    return None if associations is None else [association_out(a) for a in associations]


def member_out(state: State, member: Member, collections: Any = KEEP) -> dict[str, object]:
    """A member as the API shows it (MemberResponseModel); writes echo the ``collections`` of the request.

    No groups, no Secrets Manager flag, and not the status held before a revoke.
    """
    account = state.account_of(member)
    custom = member.type is Type.CUSTOM
    return {
        "object": "member",
        "id": member.id,
        "userId": member.user_id,
        "name": account.name if account else None,
        "email": state.email_of(member),
        "twoFactorEnabled": bool(account and account.two_factor),
        "status": int(member.status),
        "type": int(member.type),
        "externalId": member.external_id,
        "permissions": {name: name in member.permissions for name in PERMISSIONS} if custom else None,
        "collections": associations_out(member.collections if collections is KEEP else collections),
        "resetPasswordEnrolled": member.reset_password_enrolled,
        "ssoExternalId": member.sso_external_id,
    }


def _member(request: Request) -> Member:
    member = state_of(request).members.get(path_id(request))
    if member is None:
        raise not_here()
    return member


async def list_members(request: Request) -> Response:
    """GET /public/members: all of them, whatever their status and type; no paging."""
    state = state_of(request)
    return json_response({"object": "list", "data": [member_out(state, m) for m in state.members.values()]})


async def get_member(request: Request) -> Response:
    return json_response(member_out(state_of(request), _member(request)))


async def get_group_ids(request: Request) -> Response:
    """GET /public/members/{id}/group-ids: a bare array."""
    return json_response(sorted(state_of(request).groups_of(_member(request).id)))


async def create_member(request: Request) -> Response:
    """POST /public/members: an invitation, whatever the type."""
    core = core_of(request)
    state = core.state
    asked = member_request(await json_body(request), create=True)
    email = (asked.email or "").lower()
    refuse_contradictions(asked.collections)
    if state.known_email(email):
        raise bad_request("This user has already been invited.")
    seats_before = state.organization.seats
    reserve_seats(core, 1, INVITE_SELF_HOST)
    unknown = set(asked.groups or ()) - set(state.groups)
    unknown |= {a.id for a in asked.collections or ()} - set(state.collections)
    draft = Member(
        email=email,
        type=asked.type,
        external_id=asked.external_id if asked.external_id and asked.external_id.strip() else None,
        permissions=asked.permissions or (),
        collections=asked.collections or (),
        access_secrets_manager=state.organization.standalone_secrets_manager,
    )
    try:
        if unknown:
            state.organization.seats = seats_before
            raise InviteFailedError
        invite(core, [draft], seats_before)
    except InviteFailedError as error:
        raise bad_request("Failed to invite users") from error
    state.set_groups(draft.id, asked.groups or ())
    return json_response(member_out(state, draft, asked.collections))


async def update_member(request: Request) -> Response:
    """PUT /public/members/{id}: type and externalId are replaced, and what is omitted is cleared
    (UpdateOrganizationUserCommand).
    """
    core = core_of(request)
    member_id = path_id(request)
    asked = member_request(await json_body(request), create=False)
    member = _member(request)
    _check_update(core.state, member, asked)
    permissions = member.permissions if asked.permissions is None else asked.permissions
    changed = core.state.change_member(
        member_id,
        type=asked.type,
        external_id=asked.external_id,
        permissions=permissions if asked.type is Type.CUSTOM else (),
        collections=asked.collections or (),
    )
    if asked.groups is not None:
        core.state.set_groups(member_id, asked.groups)
    core.log(EventType.UPDATED, member=member_id)
    return json_response(member_out(core.state, changed, asked.collections))


def _check_update(state: State, member: Member, asked: MemberRequest) -> None:
    if any(a.id not in state.collections for a in asked.collections or ()):
        raise not_found()
    if any(id_ not in state.groups for id_ in asked.groups or ()):
        raise not_found()
    refuse_contradictions(asked.collections)
    if asked.type is Type.CUSTOM and not state.organization.use_custom_permissions:
        raise bad_request("The plan of the organization does not have custom permissions.")
    if asked.type is not Type.OWNER and not state.another_confirmed_owner(member.id):
        raise bad_request(NO_OWNER)


def id_list(core: Core, ids: list[str] | None) -> list[str]:
    """A list of ids for the database: on SQL Server missing is empty, repeated ids break a primary key
    (DapperHelpers).
    """
    if ids is None and core.state.organization.database != "mssql":
        raise unhandled("a missing id list on a database other than SQL Server")
    if len(set(ids or ())) != len(ids or ()):
        raise unhandled("an id is repeated")
    return ids or []


async def put_group_ids(request: Request) -> Response:
    """PUT /public/members/{id}/group-ids: the whole set; foreign ids are ignored without error."""
    core = core_of(request)
    path_id(request)
    ids = (await json_body(request)).uuids("groupIds")
    member = _member(request)
    core.state.set_groups(member.id, id_list(core, ids))
    core.log(EventType.GROUPS_UPDATED, member=member.id)
    return done()


async def delete_member(request: Request) -> Response:
    """DELETE /public/members/{id}: the membership, not the account (RemoveOrganizationUserCommand)."""
    delete_membership(core_of(request), _member(request), None)
    return done()


def delete_membership(core: Core, member: Member, system_user: int | None) -> None:
    """Remove a member, unless it is the last confirmed owner."""
    confirmed_owner = member.type is Type.OWNER and member.status is Status.CONFIRMED
    if confirmed_owner and not core.state.another_confirmed_owner(member.id):
        raise bad_request(NO_OWNER)
    core.state.remove_member(member.id)
    core.log(EventType.REMOVED, member=member.id, system_user=system_user)


async def reinvite(request: Request) -> Response:
    """POST /public/members/{id}/reinvite: only for status 0 (ResendOrganizationInviteCommand). Nothing is
    logged.
    """
    member = _member(request)
    if member.status is not Status.INVITED:
        raise bad_request("User invalid.")
    if not core_of(request).send("reinvite", member):
        raise unhandled("the mail could not be sent")
    return done()


async def revoke(request: Request) -> Response:
    """POST /public/members/{id}/revoke: from any status (RevokeOrganizationUsersValidator)."""
    core = core_of(request)
    member = _member(request)
    if member.status is Status.REVOKED:
        raise bad_request("Already revoked.")
    if member.type is Type.OWNER and not core.state.another_confirmed_owner(member.id):
        raise bad_request(NO_OWNER)
    revoke_member(core, member, PUBLIC_API)
    return done()


def revoke_member(core: Core, member: Member, system_user: int) -> None:
    """Revoke: group and collection links survive."""
    core.state.change_member(member.id, status=Status.REVOKED, status_before=member.status)
    core.log(EventType.REVOKED, member=member.id, system_user=system_user)


async def restore(request: Request) -> Response:
    """POST /public/members/{id}/restore: to the status held before; no mail."""
    member = _member(request)
    if member.status is not Status.REVOKED:
        raise bad_request("Already active.")
    restore_member(core_of(request), member, PUBLIC_API)
    return done()


def restore_member(core: Core, member: Member, system_user: int) -> None:
    """Restore when a seat is free and no policy forbids it (RestoreOrganizationUserCommand)."""
    reserve_seats(core, 1, SERVICE_SELF_HOST)
    before = Status.INVITED if member.status_before is None else member.status_before
    if before in (Status.ACCEPTED, Status.CONFIRMED) and (policy := forbidding_policy(core.state, member)):
        raise bad_request(f"{core.state.email_of(member)} is not compliant with the {policy} policy")
    core.state.change_member(member.id, status=before, status_before=None)
    core.log(EventType.RESTORED, member=member.id, system_user=system_user)


def forbidding_policy(state: State, member: Member) -> str | None:
    """The policy that keeps a revoked member from being restored, if one does."""
    account = state.account_of(member)
    if account is None:
        return None
    if state.policy_enabled(TWO_STEP_POLICY) and not account.two_factor:
        return "two-step login"
    if state.policy_enabled(SINGLE_ORGANIZATION_POLICY) and account.other_organizations:
        return "single organization"
    if account.breaks_auto_confirm:
        return "automatic user confirmation"
    return None
