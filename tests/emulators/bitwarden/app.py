"""The application: the routes of both kinds of server and, in front of them, what every call passes."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.emulators.bitwarden import (
    doors,
    groups,
    identity,
    importing,
    members,
    rest,
    scim,
    scimgroups,
    scimusers,
    vaultwarden,
)
from tests.emulators.bitwarden.answers import RefusalError, not_found, unauthorized
from tests.emulators.bitwarden.core import Core, core_of
from tests.emulators.bitwarden.token import SCOPE, bearer

Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]

MAX_BODY = 30_000_000
"""The application server's own cap, which no public endpoint raises."""

PUBLIC: list[tuple[str, str, Endpoint]] = [
    ("GET", "/public/members", members.list_members),
    ("POST", "/public/members", members.create_member),
    ("GET", "/public/members/{id}", members.get_member),
    ("PUT", "/public/members/{id}", members.update_member),
    ("DELETE", "/public/members/{id}", members.delete_member),
    ("GET", "/public/members/{id}/group-ids", members.get_group_ids),
    ("PUT", "/public/members/{id}/group-ids", members.put_group_ids),
    ("POST", "/public/members/{id}/reinvite", members.reinvite),
    ("POST", "/public/members/{id}/revoke", members.revoke),
    ("POST", "/public/members/{id}/restore", members.restore),
    ("GET", "/public/groups", groups.list_groups),
    ("POST", "/public/groups", groups.create_group),
    ("GET", "/public/groups/{id}", groups.get_group),
    ("PUT", "/public/groups/{id}", groups.update_group),
    ("DELETE", "/public/groups/{id}", groups.delete_group),
    ("GET", "/public/groups/{id}/member-ids", groups.get_member_ids),
    ("PUT", "/public/groups/{id}/member-ids", groups.put_member_ids),
    ("GET", "/public/collections", rest.list_collections),
    ("GET", "/public/collections/{id}", rest.get_collection),
    ("PUT", "/public/collections/{id}", rest.update_collection),
    ("DELETE", "/public/collections/{id}", rest.delete_collection),
    ("GET", "/public/policies", rest.list_policies),
    ("GET", "/public/policies/{type}", rest.get_policy),
    ("PUT", "/public/policies/{type}", rest.update_policy),
    ("GET", "/public/events", rest.list_events),
    ("GET", "/public/organization/subscription", rest.get_subscription),
    ("PUT", "/public/organization/subscription", rest.update_subscription),
    ("POST", "/public/organization/import", importing.import_organization),
]
SCIM: list[tuple[str, str, Endpoint]] = [
    ("GET", "/v2/{organization}/users", scimusers.list_users),
    ("POST", "/v2/{organization}/users", scimusers.create_user),
    ("GET", "/v2/{organization}/users/{id}", scimusers.get_user),
    ("PUT", "/v2/{organization}/users/{id}", scimusers.put_user),
    ("PATCH", "/v2/{organization}/users/{id}", scimusers.patch_user),
    ("DELETE", "/v2/{organization}/users/{id}", scimusers.delete_user),
    ("GET", "/v2/{organization}/groups", scimgroups.list_groups),
    ("POST", "/v2/{organization}/groups", scimgroups.create_group),
    ("GET", "/v2/{organization}/groups/{id}", scimgroups.get_group),
    ("PUT", "/v2/{organization}/groups/{id}", scimgroups.put_group),
    ("PATCH", "/v2/{organization}/groups/{id}", scimgroups.patch_group),
    ("DELETE", "/v2/{organization}/groups/{id}", scimgroups.delete_group),
]
TEMPLATES = sorted({path for _, path, _ in PUBLIC + SCIM})


def guarded(endpoint: Endpoint) -> Endpoint:
    """A public endpoint behind its token: 401 without a valid one, 403 without the organization scope, both
    with empty bodies.
    """

    async def checked(request: Request) -> Response:
        core, sent = core_of(request), bearer(request)
        claims = core.tokens.read(sent)
        if claims is None:
            return unauthorized("The token is invalid or expired" if sent else "")
        if SCOPE not in claims["scope"]:
            return Response(b"", 403)
        if claims["client_sub"] != core.state.organization.id:
            raise not_found()
        if len(await request.body()) > MAX_BODY:
            return Response(b"", 413)
        return await endpoint(request)

    return checked


def _recorded(core: Core, endpoint: Endpoint) -> Endpoint:
    """Remembers errors of the emulator itself, so that they cannot pass for a 500 of the server."""

    async def watched(request: Request) -> Response:
        try:
            return await endpoint(request)
        except (RefusalError, HTTPException):
            raise
        except Exception as error:
            core.crashes.append(error)
            raise

    return watched


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, RefusalError)
    return error.response


async def _empty(_: Request, error: Exception) -> Response:
    """Unknown routes and wrong methods have an empty body."""
    assert isinstance(error, HTTPException)
    return Response(b"", error.status_code, headers=error.headers)


async def _unknown_at_vaultwarden(_: Request, __: Exception) -> Response:
    return vaultwarden.unknown_route()


def make_app(core: Core) -> Starlette:
    """The application of one emulator, without what is in front of it."""
    table: list[tuple[str, str, Endpoint]]
    if core.options.vaultwarden:
        table = [
            ("POST", "/identity/connect/token", vaultwarden.token),
            ("POST", "/api/public/organization/import", vaultwarden.import_organization),
        ]
    else:
        table = [(method, f"/api{path}", guarded(endpoint)) for method, path, endpoint in PUBLIC]
        table += [(method, f"/scim{path}", scim.keyed(endpoint)) for method, path, endpoint in SCIM]
        table += [
            ("POST", "/identity/connect/token", identity.token),
            ("GET", "/identity/.well-known/openid-configuration", identity.discovery),
        ]
    routes = [Route(path, _recorded(core, endpoint), methods=[method]) for method, path, endpoint in table]
    unknown = _unknown_at_vaultwarden if core.options.vaultwarden else _empty
    handlers: Any = {RefusalError: _refused, HTTPException: unknown}
    app = Starlette(routes=routes + doors.ROUTES, exception_handlers=handlers)
    app.router.redirect_slashes = False
    app.state.core = core
    return app
