"""The emulator: routes, what every call passes, credentials, and the state's side doors."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

from cryptography.hazmat.primitives.asymmetric import rsa
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from tests.emulators.okta.api import Api
from tests.emulators.okta.auth import ApiToken, Door, OAuthError, ServiceApp, Unauthorized
from tests.emulators.okta.limits import Limits
from tests.emulators.okta.replies import Refused, limit_headers, refusal, stamp_headers
from tests.emulators.okta.seed import seed
from tests.emulators.okta.state import State
from tests.emulators.serving import Service

Endpoint = Callable[[Request], Awaitable[Response]]


@cache
def _key(number: int) -> rsa.RSAPrivateKey:
    """The key of the service app. It takes long to make, and another emulator of the same seed may have it, too."""
    return rsa.generate_private_key(65537, 2048)


class OktaEmulator(Service):
    """An Okta organization. ``users`` and ``groups`` are how many are seeded."""

    name = "okta"
    dates = False
    templates = (
        "/oauth2/v1/token",
        "/api/v1/users",
        "/api/v1/users/{id}",
        "/api/v1/users/{id}/groups",
        "/api/v1/users/{id}/roles",
        "/api/v1/groups",
        "/api/v1/groups/{id}",
        "/api/v1/groups/{id}/users",
        "/api/v1/apps",
        "/api/v1/apps/{id}",
        "/api/v1/apps/{id}/users",
        "/api/v1/apps/{id}/groups",
        "/api/v1/logs",
    )

    def __init__(
        self, *, users: int = 0, groups: int = 0, seed_number: int = 1, limits: Limits | None = None, **options: Any
    ) -> None:
        super().__init__(**options)
        self.seeded, self.seed_number = (users, groups), seed_number
        self.limits = limits or Limits()
        self.largest_page = 1000
        """Pages of members larger than this end with 500."""
        self.state = State(seed=seed_number)
        self.door = Door("")

    def app(self) -> ASGIApp:
        """The application. Credentials know the URL, so they are made here."""
        self.state.base = self.url
        self.door = Door(self.url)
        random = self.state.random
        owner = self.state.add_user("admin@example.org", firstName="Ad", lastName="Min")
        self.token = ApiToken(
            value="00" + "".join(random.choices("abcdefghijklmnopqrstuvwxyz0123456789_-", k=40)), owner=owner
        )
        self.door.tokens[self.token.value] = self.token
        self.service_app = ServiceApp(client_id=self.state.new_id("0oa"), key=_key(self.seed_number))
        self.door.apps[self.service_app.client_id] = self.service_app
        seed(self.state, *self.seeded)
        api = Api(self)
        table: dict[str, Endpoint] = {
            "/api/v1/users": api.users,
            "/api/v1/users/{id}": api.user,
            "/api/v1/users/{id}/groups": api.user_groups,
            "/api/v1/users/{id}/roles": api.user_roles,
            "/api/v1/groups": api.groups,
            "/api/v1/groups/{id}": api.group,
            "/api/v1/groups/{id}/users": api.group_users,
            "/api/v1/apps": api.apps,
            "/api/v1/apps/{id}": api.app,
            "/api/v1/apps/{id}/users": api.app_users,
            "/api/v1/apps/{id}/groups": api.app_groups,
            "/api/v1/logs": api.logs,
        }
        routes = [Route(path, self._passed(endpoint), methods=["GET"]) for path, endpoint in table.items()]
        routes += [
            Route("/oauth2/v1/token", self._passed(self._issue), methods=["POST"]),
            Route("/.well-known/oauth-authorization-server", self._passed(self._metadata)),
        ]
        made = Starlette(routes=routes, exception_handlers={HTTPException: self._unknown})
        made.router.redirect_slashes = False
        return made

    def failure(self, status: int) -> Response:
        """An error, with the headers that Okta sends with it."""
        response = refusal(status)
        now = self.state.now()
        stamp_headers(response, now)
        limit_headers(response, 600, 0 if status == 429 else 599, now + min(1.0, self.limits.minute))
        return response

    # ------------------------------------------------------------------------------------------------ every call

    def _passed(self, endpoint: Endpoint) -> Endpoint:
        async def checked(request: Request) -> Response:
            return await self._limited(endpoint, request)

        return checked

    async def _limited(self, endpoint: Endpoint, request: Request) -> Response:
        now = self.state.now()
        strikes = request.scope.get("emulator.faults", frozenset())
        limits = self.limits
        limits.most = max(limits.most, self.running)
        too_many = limits.at_once is not None and self.running > limits.at_once
        if too_many or "concurrency" in strikes:
            response = refusal(429, "E0000047", "API call exceeded rate limit due to too many concurrent requests.")
            limit_headers(response, 0, 0, now + limits.minute)
            limits.refused += 1
        else:
            passed, limit, remaining, reset = limits.count(self.label(request.method, request.url.path), now)
            response = await self._answered(endpoint, request) if passed else refusal(429)
            if "no-limit-headers" not in strikes:
                limit_headers(response, limit, remaining, reset)
        stamp_headers(response, now)
        return response

    async def _answered(self, endpoint: Endpoint, request: Request) -> Response:
        try:
            return await endpoint(request)
        except Refused as refused:
            return refused.response
        except Unauthorized:
            return refusal(401)

    async def _unknown(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return self.failure(error.status_code)

    async def _issue(self, request: Request) -> Response:
        if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            return refusal(415, "E0000021", "Bad request. Accept and/or Content-Type headers are not valid.")
        form = dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))
        try:
            return JSONResponse(self.door.issue(form, request), headers={"Cache-Control": "no-cache, no-store"})
        except OAuthError as error:
            told = {"error": error.error, "error_description": error.description}
            return JSONResponse(told, error.status, headers=error.headers)

    async def _metadata(self, request: Request) -> Response:
        return JSONResponse(
            {
                "issuer": self.url,
                "token_endpoint": f"{self.url}/oauth2/v1/token",
                "grant_types_supported": ["client_credentials"],
                "token_endpoint_auth_methods_supported": ["private_key_jwt"],
                "dpop_signing_alg_values_supported": ["RS256", "ES256"],
            }
        )

    # ---------------------------------------------------------------------------------------------- alone, doors

    @property
    def directory(self) -> dict[str, Any]:
        return {
            "kind": "okta",
            "url": self.url,
            "token": {"env": "OKTA_TOKEN"},
            "tls": {"ca_file": str(self.ca_file)},
        }

    @property
    def env(self) -> dict[str, str]:
        return {
            "OKTA_TOKEN": self.token.value,
            "OKTA_CLIENT_ID": self.service_app.client_id,
            "OKTA_PRIVATE_KEY": self.service_app.pem,
        }

    def state_out(self) -> Any:
        state = self.state
        return {
            "users": [state.users[key] for key in state.order],
            "groups": [group | {"members": state.members_of(key)} for key, group in state.groups.items()],
            "apps": [
                app | {"users": sorted(state.assigned[key]), "groups": sorted(state.app_groups[key])}
                for key, app in state.apps.items()
            ],
        }

    def state_in(self, posted: Any) -> None:
        """``{"users": [{"id"?, "status"?, "profile": {...}}], "groups": [{"id"?, "name", "members"?: [id]}],
        "delete": [id], "advance": seconds}``: entries without a known id are made.
        """
        state = self.state
        state.advance(float(posted.get("advance", 0)))
        for user in posted.get("users", ()):
            key = user.get("id", "")
            if key in state.users:
                state.change_user(key, **user.get("profile", {}))
                state.set_status(key, user.get("status", state.users[key]["status"]))
            else:
                state.add_user(**user["profile"], id=key, status=user.get("status", "ACTIVE"))
        for group in posted.get("groups", ()):
            self._group_in(group)
        for key in posted.get("delete", ()):
            if key in state.groups:
                state.delete_group(key)
            else:
                state.delete_user(key)

    def _group_in(self, group: dict[str, Any]) -> None:
        state, key = self.state, group.get("id", "")
        if key not in state.groups:
            state.add_group(group["name"], group.get("members", ()), id=key)
            return
        if group.get("name", state.groups[key]["profile"]["name"]) != state.groups[key]["profile"]["name"]:
            state.rename_group(key, group["name"])
        if "members" in group:
            wanted = set(group["members"])
            for user in sorted(state.members[key] - wanted):
                state.remove_member(key, user)
            for user in sorted(wanted - state.members[key]):
                state.add_member(key, user)
