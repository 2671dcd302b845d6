"""The running emulator: what every request passes, and what a test needs to know."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from tests.emulators.entra.delta import WEEK, Delta
from tests.emulators.entra.generator import seeded
from tests.emulators.entra.graph import Graph
from tests.emulators.entra.login import Login
from tests.emulators.entra.query import Query, query_of
from tests.emulators.entra.routes import TEMPLATES, Routes
from tests.emulators.entra.schema import Refused, bad, graph_error, json_response
from tests.emulators.entra.throttle import WINDOW, Limiter, cost, throttled
from tests.emulators.serving import Service

SECRET_NAME = "ENTRA_EMULATOR_CLIENT_SECRET"
PROXY_PAGE = "<html><head><title>Sign in to the network</title></head><body>Please accept the terms.</body></html>"


class EntraEmulator(Service):
    """Login service and Graph on one address. ``window_seconds`` scales the limit on resource units in time."""

    name = "entra"
    templates: Sequence[str] = TEMPLATES

    def __init__(
        self,
        *,
        users: int = 0,
        groups: int = 0,
        seed: int = 1,
        window_seconds: float = WINDOW,
        unit_limit: int | None = None,
        token_seconds: int = 3599,
        delta_seconds: float = WEEK,
        **serving: Any,
    ) -> None:
        super().__init__(**serving)
        self.tenant = seeded(users, groups, seed)
        self.login = Login(self.tenant, token_seconds=token_seconds)
        self.delta = Delta(self.tenant, seconds=delta_seconds)
        self.limiter = Limiter(window_seconds=window_seconds, limit=unit_limit)
        self.units_spent = 0
        self.requests: list[tuple[str, str]] = []
        """Method and URL of every request to Graph, with its query."""
        self._routes = Routes(Graph(self.tenant, self.delta))

    def app(self) -> Starlette:
        login, methods = self.login, ["GET", "POST", "PUT", "PATCH", "DELETE"]
        return Starlette(
            routes=[
                Route("/{tenant}/v2.0/.well-known/openid-configuration", login.discovery, methods=["GET"]),
                Route("/common/discovery/instance", login.instances, methods=["GET"]),
                Route("/{tenant}/oauth2/v2.0/token", login.token, methods=["POST"]),
                Route("/{tenant}/oauth2/token", login.token, methods=["POST"]),
                Route("/v1.0/{rest:path}", self._graph, methods=methods),
            ],
            exception_handlers={HTTPException: _nothing},
        )

    def label(self, method: str, path: str) -> str:
        """Delta functions have a long name too."""
        return super().label(method, re.sub(r"/(?:microsoft\.graph\.)?delta(?:\(\))?$", "/delta", path))

    def failure(self, status: int) -> Response:
        if status == 429:
            return throttled(1).response
        codes = {
            400: "BadRequest",
            401: "InvalidAuthenticationToken",
            403: "Authorization_RequestDenied",
            404: "Request_ResourceNotFound",
            410: "syncStateNotFound",
            500: "InternalServerError",
            502: "UnknownError",
            503: "ServiceUnavailable",
            504: "GatewayTimeout",
        }
        headers = {"Retry-After": "1"} if status == 503 else {}
        return graph_error(status, codes.get(status, "UnknownError"), "injected", headers)

    # ----------------------------------------------------------------------------------------------------------- graph

    async def _graph(self, request: Request) -> Response:
        try:
            headers = {"client-request-id": request.headers.get("client-request-id", str(uuid4()))}
            roles = self.login.roles(request)
            query = query_of(request)
            self.requests.append((request.method, str(request.url)))
            if "html" in query.faults:
                return HTMLResponse(PROXY_PAGE)
            if "list" in query.faults:
                return json_response([])
            posted = await _posted(request)
            if query.path.rstrip("/") == "/v1.0/$batch":
                if request.method != "POST":
                    raise Refused(405, "Request_BadRequest", "The method is not supported here.")
                return json_response(self._routes.batch(query, roles, posted, self._charge), 200, headers)
            headers |= self._charge(request.method, query)
            body = self._routes.answer(request.method, query, roles, posted)
            if "novalue" in query.faults and isinstance(body, dict):
                del body["value"]
        except Refused as error:
            return error.response
        return PlainTextResponse(str(body)) if isinstance(body, int) else json_response(body, 200, headers)

    def _charge(self, method: str, query: Query) -> dict[str, str]:
        label = self.label(method, query.path)
        units = cost(method, label, dict(query.options))
        self.units_spent += units
        return self.limiter.spend(units, sum(1 for kind in self.tenant.kinds.values() if kind == "user"))

    # ------------------------------------------------------------------------------------------------------ for tests

    @property
    def directory(self) -> dict[str, Any]:
        return {
            "kind": "entra",
            "tenant": self.tenant.id,
            "client_id": self.tenant.app.client_id,
            "client_secret": {"env": SECRET_NAME},
            "login_url": self.url,
            "graph_url": self.url,
            "tls": {"ca_file": str(self.ca_file)},
        }

    @property
    def env(self) -> dict[str, str]:
        return {SECRET_NAME: self.tenant.app.secret}

    def state_out(self) -> Any:
        return self.tenant.shown()

    def state_in(self, posted: Any) -> None:
        self.tenant.take(posted)


async def _posted(request: Request) -> Any:
    raw = await request.body()
    if request.method != "POST":
        return None
    if "application/json" not in request.headers.get("content-type", ""):
        raise bad("A content type of application/json is required.")
    try:
        return json.loads(raw)
    except ValueError:
        raise bad("Unable to read JSON request payload.") from None


async def _nothing(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return graph_error(status, "UnknownError", "")
