"""The emulator: its routes, and what every call has to pass (token, scope, quota) before it reaches one."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import asdict
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from tests.emulators.onelogin import v1, v2
from tests.emulators.onelogin.answers import RefusalError, refuse, reply, v1_error, v1_status, v2_error, with_headers
from tests.emulators.onelogin.limits import Quota
from tests.emulators.onelogin.state import SCOPES, USER_DEFAULTS, State, seeded
from tests.emulators.onelogin.token import Tokens, token
from tests.emulators.serving import Service

Endpoint = Callable[[Request, Any], Coroutine[Any, Any, Response]]

USERS = frozenset({"read_users", "manage_users", "read_all", "manage_all"})
ALL = frozenset({"read_all", "manage_all"})
MANAGE = frozenset({"manage_all"})

ROUTES: list[tuple[str, Endpoint, frozenset[str]]] = [
    ("/api/2/users", v2.list_users, USERS),
    ("/api/2/users/{id}", v2.get_user, USERS),
    ("/api/2/roles", v2.list_roles, USERS),
    ("/api/2/roles/{id}", v2.get_role, USERS),
    ("/api/2/roles/{id}/users", v2.role_users, USERS),
    ("/api/2/roles/{id}/admins", v2.role_admins, USERS),
    ("/api/2/api_authorizations", v2.api_authorizations, MANAGE),
    ("/api/1/users", v1.list_users, USERS),
    ("/api/1/users/{id}", v1.get_user, USERS),
    ("/api/1/users/{id}/roles", v1.user_roles, USERS),
    ("/api/1/roles", v1.list_roles, USERS),
    ("/api/1/roles/{id}", v1.get_role, USERS),
    ("/api/1/groups", v1.list_groups, ALL),
    ("/api/1/groups/{id}", v1.get_group, ALL),
    ("/api/1/events/types", v1.event_types, ALL),
    ("/api/1/events", v1.list_events, ALL),
]
SECRET_NAME = "ONELOGIN_EMULATOR_CLIENT_SECRET"


class OneLoginEmulator(Service):
    """One OneLogin account. ``state`` may be edited at any time.

    What the service leaves open is an attribute: ``role_ids_in_lists`` (whether ``fields=role_ids`` brings them),
    ``role_users`` (how many user ids the list of roles shows for each, None for none at all), ``cursor_carries_query``
    (whether a cursor remembers ``fields`` and filters), ``cursor_encoded`` (whether its header is percent-encoded),
    the largest pages. ``quota`` is the limit of calls, scaled in time by its ``seconds``.
    """

    name = "onelogin"
    templates = ("/auth/oauth2/v2/token", "/auth/oauth2/token", "/auth/rate_limit", *(path for path, _, _ in ROUTES))

    def __init__(
        self,
        *,
        users: int = 0,
        groups: int = 0,
        seed: int = 1,
        calls_per_hour: int = 5000,
        hour_seconds: float = 3600.0,
        token_seconds: float = 36_000,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.state: State = seeded(users, groups, seed)
        self.quota = Quota(calls_per_hour, hour_seconds)
        self.tokens = Tokens(token_seconds)
        self.role_ids_in_lists = True
        self.role_users: int | None = 10**9
        self.cursor_carries_query = True
        self.cursor_encoded = True
        self.users_page_max = 100
        self.roles_page_max = 650
        self.role_users_page_max = 1000

    # -------------------------------------------------------------------------------------------- for whoever runs it

    @property
    def client_id(self) -> str:
        """The first credential's."""
        return self.state.credentials[0].client_id

    @property
    def client_secret(self) -> str:
        """The first credential's."""
        return self.state.credentials[0].client_secret

    def restrict(self, scope: str) -> None:
        """Give the first credential another scope."""
        if scope not in SCOPES:
            raise ValueError(f"no scope {scope!r}; there are {', '.join(SCOPES)}")
        self.state.credentials[0].scope = scope

    @property
    def directory(self) -> dict[str, Any]:
        return {
            "kind": "onelogin",
            "url": self.url,
            "client_id": self.client_id,
            "client_secret": {"env": SECRET_NAME},
            "tls": {"ca_file": str(self.ca_file)},
        }

    @property
    def env(self) -> dict[str, str]:
        return {SECRET_NAME: self.client_secret}

    def state_out(self) -> Any:
        state = self.state
        return {
            "users": list(state.users.values()),
            "roles": [asdict(role) | {"users": sorted(role.users)} for role in state.roles.values()],
            "groups": list(state.groups.values()),
            "events": state.events,
            "credentials": [asdict(credential) for credential in state.credentials],
        }

    def state_in(self, posted: Any) -> None:
        """``{"users", "roles", "groups"}`` each replaces its section; ``{"scope": S}`` changes the credential."""
        unknown = posted.keys() - {"users", "roles", "groups", "scope"}
        if unknown:
            raise ValueError(f"unknown sections: {', '.join(sorted(unknown))}")
        state = self.state
        if "scope" in posted:
            self.restrict(posted["scope"])
        if "groups" in posted:
            state.groups.clear()
            for group in posted["groups"]:
                state.add_group(**group)
        if "users" in posted:
            for number in list(state.users):
                state.delete_user(number)
            known = (*USER_DEFAULTS, "id", "custom_attributes", "created_at", "updated_at")
            for user in posted["users"]:
                state.add_user(**{name: user[name] for name in user if name in known})
        if "roles" in posted:
            for number in list(state.roles):
                state.delete_role(number)
            for role in posted["roles"]:
                state.add_role(
                    role["name"], tuple(role.get("users", ())), **({"id": role["id"]} if "id" in role else {})
                )

    # ------------------------------------------------------------------------------------------------------- the app

    def app(self) -> ASGIApp:
        routes = [Route(path, self._guarded(path, endpoint, scopes)) for path, endpoint, scopes in ROUTES]
        app = Starlette(
            routes=[
                Route("/auth/oauth2/v2/token", self._token(v1=False), methods=["GET", "POST"]),
                Route("/auth/oauth2/token", self._token(v1=True), methods=["GET", "POST"]),
                Route("/auth/rate_limit", self._rate_limit),
                *routes,
            ],
            exception_handlers={RefusalError: _refused, HTTPException: _no_such_page},
        )
        app.router.redirect_slashes = False
        return app

    def failure(self, status: int) -> Response:
        """A 429 comes with its headers, as if the quota were used up for one more second."""
        if status != 429:
            return v2_error(status)
        headers = {"X-RateLimit-Limit": "5000", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1"}
        return with_headers(v2_error(429, "Rate limit exceeded"), headers)

    def _token(self, *, v1: bool) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        async def answered(request: Request) -> Response:
            return await token(request, self.state, self.tokens, v1=v1)

        return answered

    async def _rate_limit(self, request: Request) -> Response:
        """GET /auth/rate_limit: not counted itself."""
        if not self.tokens.owner(request.headers.get("authorization", "")):
            return v1_error(401, "Unauthorized")
        data = {name: int(value) for name, value in self.quota.headers().items()}
        return reply({"status": v1_status(200, "Success"), "data": data})

    def _guarded(
        self, path: str, endpoint: Endpoint, scopes: frozenset[str]
    ) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        version = int(path.split("/")[2])

        async def checked(request: Request) -> Response:
            faults = request.scope["emulator.faults"]
            if "html" in faults:
                return HTMLResponse("<html><body>Sign in to the network</body></html>")
            client_id = self.tokens.owner(request.headers.get("authorization", ""))
            if not client_id or "expired" in faults:
                raise refuse(version, 401, "Unauthorized")
            if not self.quota.take():
                raise RefusalError(self._limited(version))
            scope = next((c.scope for c in self.state.credentials if c.client_id == client_id), "")
            if scope not in scopes:
                raise refuse(version, 403, "Insufficient Permissions" if version == 1 else "Forbidden")
            try:
                response = await endpoint(request, self)
            except RefusalError as error:
                response = error.response
            return with_headers(response, self.quota.headers())

        return checked

    def _limited(self, version: int) -> Response:
        message = "Rate limit exceeded"
        response = v1_error(429, message) if version == 1 else v2_error(429, message)
        return with_headers(response, self.quota.headers())


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, RefusalError)
    return error.response


async def _no_such_page(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return v2_error(error.status_code)
