"""The Vaultwarden mode: that server has only the token endpoint and the import, and differs in almost
everything that they do.

Sources named in the comments are files of dani-garcia/vaultwarden 1.37.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from tests.emulators.bitwarden.answers import RefusalError, done, json_response
from tests.emulators.bitwarden.core import Core, base_url, core_of, skipped
from tests.emulators.bitwarden.entities import Account, Group, Member, Status, Type
from tests.emulators.bitwarden.identity import form_of
from tests.emulators.bitwarden.members import forbidding_policy
from tests.emulators.bitwarden.reading import as_uuid, parse
from tests.emulators.bitwarden.state import State
from tests.emulators.bitwarden.token import SCOPE, bearer

MAX_BODY = 20_000_000
DEVICE_FIELDS = {
    "device_identifier": "deviceIdentifier",
    "device_name": "deviceName",
    "device_type": "deviceType",
}


def error_response(message: str, status: int = 400) -> Response:
    """The error body (src/error.rs): ``error`` is an empty string, never ``invalid_client``."""
    nulls = dict.fromkeys(("exceptionMessage", "exceptionStackTrace", "innerExceptionMessage"))
    body = {
        "message": message,
        "validationErrors": {"": [message]},
        "errorModel": {"message": message, "object": "error"},
        "error": "",
        "error_description": "",
        "object": "error",
    }
    return json_response(body | nulls, status)


def refusal(message: str) -> RefusalError:
    return RefusalError(error_response(message), message)


def unknown_route() -> Response:
    """An unknown API route (src/api/core/mod.rs)."""
    description = "The requested resource could not be found."
    return json_response({"error": {"code": 404, "reason": "Not Found", "description": description}}, 404)


def default_body(status: int, accept: str) -> Response:
    """The web framework's own body for a status: HTML, or JSON for a client that prefers it."""
    reason = HTTPStatus(status).phrase
    if "json" in accept:
        return json_response({"error": {"code": status, "reason": reason, "description": reason}}, status)
    return HTMLResponse(f"<!DOCTYPE html><html><head><title>{status} {reason}</title></head></html>", status)


async def token(request: Request) -> Response:
    """POST /identity/connect/token (src/api/identity.rs)."""
    core = core_of(request)
    address = request.client.host if request.client else ""
    if core.options.limited and not core.login_limiter.allows(address):
        return error_response("Too many login requests", 429)
    form = await form_of(request)
    if form is None:
        return default_body(422, request.headers.get("accept", ""))
    if form.get("grant_type") != "client_credentials":
        raise refusal("Invalid type")
    _check_fields(form)
    if form["scope"] != SCOPE:
        raise refusal("Scope not supported")
    organization = core.state.organization
    prefix, _, id_ = form["client_id"].partition(".")
    if prefix != "organization" or as_uuid(id_) != organization.id:
        raise refusal("Invalid client_id")
    if not hmac.compare_digest(form["client_secret"].encode(), organization.client_secret.encode()):
        raise refusal("Incorrect client_secret")
    seconds = core.options.token_seconds
    issued = core.tokens.issue(organization.id, base_url(request), seconds)
    return json_response({"access_token": issued, "expires_in": seconds, "token_type": "Bearer", "scope": SCOPE})


def _check_fields(form: Mapping[str, str]) -> None:
    for name in ("client_id", "client_secret", "scope"):
        if name not in form:
            raise refusal(f"{name} cannot be blank")
    for name, camel in DEVICE_FIELDS.items():
        if name not in form and camel not in form:
            raise refusal(f"{name} cannot be blank")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    email: str
    external_id: str
    deleted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    name: str
    external_id: str
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Import:
    groups: tuple[_Group, ...]
    members: tuple[_Entry, ...]
    overwrite: bool


class _SchemaError(Exception):
    pass


def _typed(data: Any, name: str, type_: type) -> Any:
    """A property that must be there and of this very type; names are exact (src/api/core/public.rs)."""
    if not isinstance(data, dict) or type(data.get(name)) is not type_:
        raise _SchemaError(name)
    return data[name]


def _schema(data: Any) -> _Import:
    groups = [
        _Group(
            name=_typed(group, "name", str),
            external_id=_typed(group, "externalId", str),
            members=tuple(_strings(_typed(group, "memberExternalIds", list))),
        )
        for group in _typed(data, "groups", list)
    ]
    members = [
        _Entry(
            email=_typed(member, "email", str).lower(),
            external_id=_typed(member, "externalId", str),
            deleted=_typed(member, "deleted", bool),
        )
        for member in _typed(data, "members", list)
    ]
    overwrite = _typed(data, "overwriteExisting", bool)
    return _Import(groups=tuple(groups), members=tuple(members), overwrite=overwrite)


def _strings(values: Sequence[Any]) -> Iterator[str]:
    for value in values:
        if not isinstance(value, str):
            raise _SchemaError("memberExternalIds")
        yield value


async def import_organization(request: Request) -> Response:
    """POST /api/public/organization/import: no limits of length or count, no events, no transaction."""
    core = core_of(request)
    accept = request.headers.get("accept", "")
    claims = core.tokens.read(bearer(request))
    if claims is None or claims["client_sub"] != core.state.organization.id:
        return default_body(401, accept)
    raw = await request.body()
    if len(raw) > MAX_BODY:
        return default_body(413, accept)
    try:
        asked = _without(_schema(parse(raw)), skipped(request))
    except (ValueError, RecursionError):
        return default_body(400, accept)
    except _SchemaError:
        return default_body(422, accept)
    for entry in asked.members:
        _import_member(core, entry)
    if core.state.organization.org_groups_enabled:
        for group in asked.groups:
            _import_group(core.state, group)
    if asked.overwrite:
        _delete_absent(core.state, {entry.external_id for entry in asked.members})
    return done()


def _without(asked: _Import, skip: frozenset[str]) -> _Import:
    return replace(
        asked,
        groups=tuple(g for g in asked.groups if g.external_id not in skip),
        members=tuple(m for m in asked.members if m.external_id not in skip),
    )


def _last_owner(state: State, member: Member) -> bool:
    confirmed = member.type is Type.OWNER and member.status is Status.CONFIRMED
    return confirmed and not state.another_confirmed_owner(member.id)


def _import_member(core: Core, entry: _Entry) -> None:
    """Members are matched by e-mail only, and the externalId is overwritten each time."""
    state = core.state
    member = state.member_by_known_email(entry.email)
    if member is None:
        if not entry.deleted:
            _invite(core, entry)
        return
    changes: dict[str, Any] = {"external_id": entry.external_id or None}
    if entry.deleted:
        if member.status is not Status.REVOKED and not _last_owner(state, member):
            changes |= {"status": Status.REVOKED, "status_before": member.status}
    elif member.status is Status.REVOKED and not forbidding_policy(state, member):
        before = Status.INVITED if member.status_before is None else member.status_before
        changes |= {"status": before, "status_before": None}
    state.change_member(member.id, **changes)


def _invite(core: Core, entry: _Entry) -> None:
    state = core.state
    known = state.account_by_email(entry.email)
    account = known or state.put_account(Account(email=entry.email, master_password=False))
    mail = state.organization.mail_enabled
    status = Status.ACCEPTED if not mail and account.master_password else Status.INVITED
    member = state.put_member(
        Member(email=entry.email, user_id=account.id, external_id=entry.external_id or None, status=status)
    )
    if mail and not core.send("invite", member):
        if known is None:
            state.remove_account(account.id)
        else:
            state.remove_member(member.id)
        raise refusal(f"Error sending invite: the mail to {entry.email} could not be sent")


def _import_group(state: State, entry: _Group) -> None:
    """An existing group is not renamed; its membership is cleared and built anew."""
    id_ = state.group_by_external_id.first(entry.external_id)
    if id_ is None:
        id_ = state.put_group(Group(name=entry.name, external_id=entry.external_id)).id
    found = (state.member_by_external_id.first(external_id) for external_id in entry.members)
    state.set_members(id_, [member_id for member_id in found if member_id])


def _delete_absent(state: State, present: set[str]) -> None:
    """``overwriteExisting``, at the end: entries that are ``deleted`` count as present, and there is no
    master-password guard.
    """
    absent = [external_id for external_id in state.member_by_external_id if external_id not in present]
    for external_id in absent:
        for id_ in state.member_by_external_id.all(external_id):
            if not _last_owner(state, state.members[id_]):
                state.remove_member(id_)
