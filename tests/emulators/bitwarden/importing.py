"""POST /public/organization/import: the request, its preconditions, and the work in the server's order.

There is no transaction: what a step has done stays when a later one fails.
ImportOrganizationUsersAndGroupsCommand is the engine that is imitated.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from tests.emulators.bitwarden.answers import NO_OWNER, aggregate, bad_request, done, unhandled
from tests.emulators.bitwarden.core import Core, core_of, pause_of, skipped
from tests.emulators.bitwarden.entities import PUBLIC_API, STAGED_FLAG, EventType, Group, Member, Status, Type
from tests.emulators.bitwarden.importrequest import ImportGroup, ImportMember, ImportRequest, import_request
from tests.emulators.bitwarden.inviting import SERVICE_SELF_HOST, InviteFailedError, invite, reserve_seats
from tests.emulators.bitwarden.reading import json_body
from tests.emulators.bitwarden.state import State

MAX_AT_ONCE = 2000
SYNC_FAILED = "Sync failed. To proceed, disable the 'Remove and re-add users during next sync' setting and try again."


async def import_organization(request: Request) -> Response:
    """Import members and groups. 200 has an empty body: nothing tells what was skipped."""
    core = core_of(request)
    asked = import_request(await json_body(request), skipped(request))
    _check_size(core, asked)
    if not core.state.organization.use_directory:
        raise bad_request("Organization cannot use directory syncing.")
    if core.state.member_by_external_id.repeated:
        raise unhandled("two existing members have the same externalId")

    live = [member for member in asked.members if not member.deleted]
    removed = _remove_deleted(core.state, asked.members, {m.external_id for m in live})
    if asked.overwrite_existing:
        removed += _overwrite(core.state, {m.external_id for m in live})
    _adopt(core.state, live)
    added = await _add(core, live, asked, pause_of(request))
    _import_groups(core, asked.groups, added)
    for member in removed:
        core.log(EventType.REMOVED, member=member.id, system_user=PUBLIC_API)
    return done()


def _check_size(core: Core, asked: ImportRequest) -> None:
    live = sum(not member.deleted for member in asked.members)
    large = len(asked.groups) > MAX_AT_ONCE or live > MAX_AT_ONCE
    if core.options.cloud and large and not asked.large_import:
        raise bad_request("You cannot import this much data at once.")


def _remove_deleted(state: State, members: Sequence[ImportMember], live: set[str]) -> list[Member]:
    """Step 1: by externalId only; never an owner, never one who is live in the same request."""
    removed = []
    for entry in members:
        id_ = state.member_by_external_id.first(entry.external_id)
        if not entry.deleted or id_ is None or entry.external_id in live:
            continue
        member = state.members[id_]
        if member.type is not Type.OWNER:
            state.remove_member(id_)
            removed.append(member)
    return removed


def _overwrite(state: State, live: set[str]) -> list[Member]:
    """Step 2: everybody who has an externalId, is no owner and is absent. Refused when one of them has no
    master password.
    """
    absent = [
        member
        for external_id in state.member_by_external_id
        if external_id not in live
        for id_ in state.member_by_external_id.all(external_id)
        if (member := state.members[id_]).type is not Type.OWNER
    ]
    for member in absent:
        account = state.account_of(member)
        if account is None or not account.master_password:
            raise bad_request(SYNC_FAILED)
    for member in absent:
        state.remove_member(member.id)
    return absent


def _adopt(state: State, live: Sequence[ImportMember]) -> None:
    """Step 3: members without externalId get that of the entry with their very email; nothing else about
    them changes.
    """
    external_id_of: dict[str, str] = {}
    for entry in live:
        if entry.email in external_id_of:
            raise unhandled("two live members of the import have the same email")
        external_id_of[entry.email] = entry.external_id
    adopted: dict[str, str] = {}
    taken: set[str] = set()
    for email, external_id in external_id_of.items():
        for member in state.members_with_email(email):
            if member.external_id and member.external_id.strip():
                continue
            if external_id in state.member_by_external_id or external_id in taken:
                raise unhandled("an adopted externalId belongs to another member")
            taken.add(external_id)
            adopted[member.id] = external_id
    for id_, external_id in adopted.items():
        state.change_member(id_, external_id=external_id)


async def _add(core: Core, live: Sequence[ImportMember], asked: ImportRequest, pause: float) -> dict[str, str]:
    """Step 4: invite the live members whose externalId is not known. Returns externalId -> id of those who
    were added.

    An email that is present in any status is skipped in silence. Nothing locks the organization between the
    selection and the insertion, so a second import that runs meanwhile may select the same people.
    """
    state = core.state
    new = [entry for entry in live if entry.external_id not in state.member_by_external_id]
    wanted = [entry for entry in new if not state.known_email(entry.email)]
    await asyncio.sleep(pause)
    staged = not asked.invite_after_provisioning and STAGED_FLAG in state.organization.flags
    status = Status.STAGED if staged else Status.INVITED
    drafts = [Member(email=entry.email, external_id=entry.external_id, status=status) for entry in wanted]
    if staged:
        for draft in drafts:
            state.put_member(draft)
            core.log(EventType.STAGED, member=draft.id, system_user=PUBLIC_API)
    else:
        _invite(core, drafts)
    added: dict[str, str] = {}
    for draft in drafts:
        if added.setdefault(draft.external_id or "", draft.id) != draft.id:
            raise unhandled("two live members of the import have the same externalId")
    return added


def _invite(core: Core, drafts: Sequence[Member]) -> None:
    seats_before = core.state.organization.seats
    reserve_seats(core, len(drafts), SERVICE_SELF_HOST)
    if drafts and not core.state.another_confirmed_owner():
        core.state.organization.seats = seats_before
        raise bad_request(NO_OWNER)
    try:
        invite(core, drafts, seats_before)
    except InviteFailedError as error:
        raise aggregate(str(error)) from error


def _import_groups(core: Core, groups: Sequence[ImportGroup], added: dict[str, str]) -> None:
    """Step 5: create, rename, and replace memberships. Groups that are not in the request are left as they
    are.
    """
    if not groups:
        return
    state = core.state
    if not state.organization.use_groups:
        raise bad_request("Organization cannot use groups.")
    if any(group.members is None for group in groups):
        raise unhandled("memberExternalIds is null")
    if len({group.external_id for group in groups}) != len(groups):
        raise unhandled("a group externalId is repeated in the import")
    if state.group_by_external_id.repeated:
        raise unhandled("two existing groups have the same externalId")
    known = [group for group in groups if group.external_id in state.group_by_external_id]
    new = [group for group in groups if group.external_id not in state.group_by_external_id]
    for entry in new:
        group = state.put_group(Group(name=entry.name, external_id=entry.external_id))
        core.log(EventType.GROUP_CREATED, group=group.id, system_user=PUBLIC_API)
        state.set_members(group.id, _resolve(state, entry, added))
    for entry in known:
        group = state.groups[state.group_by_external_id.first(entry.external_id) or ""]
        state.put_group(replace(group, name=entry.name))
        state.set_members(group.id, _resolve(state, entry, added))
        core.log(EventType.GROUP_UPDATED, group=group.id, system_user=PUBLIC_API)


def _resolve(state: State, group: ImportGroup, added: dict[str, str]) -> list[str]:
    """The member ids of a group; unknown externalIds are dropped."""
    ids = (added.get(e) or state.member_by_external_id.first(e) for e in group.members or ())
    return [id_ for id_ in ids if id_]
